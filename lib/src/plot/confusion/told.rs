//! A confusion matrix in words.

use super::{ConfusionMatrix, Normalisation, READABLE, Wholes};
use crate::plot::number::percent;
use crate::plot::svg::fitted;
use crate::plot::table::Table;

fn part(wholes: &Wholes, cell: [usize; 2], count: u64) -> String {
    wholes.part(cell, count).map_or_else(|| "–".to_owned(), percent)
}

impl ConfusionMatrix {
    pub(super) fn headline(&self) -> String {
        let total = match self.total() {
            0 => return "confusion matrix: no images".to_owned(),
            total => format!("confusion matrix: {} of {total} right", percent(self.accuracy())),
        };
        match self.normalisation {
            None => total,
            Some(Normalisation::Truth) => format!("{total}; parts of each true class"),
            Some(Normalisation::Prediction) => format!("{total}; parts of each predicted class"),
            Some(Normalisation::All) => format!("{total}; parts of all images"),
        }
    }

    /// The matrix as a table, or the most frequent confusions where there are more than 20 classes.
    #[must_use]
    pub fn text(&self) -> String {
        let short = |name: &str| fitted(name, 1.0, 12.0);
        let wholes = self.wholes();
        let mut text = format!("{}\n", self.headline());
        if self.names.len() <= READABLE {
            let names: Vec<String> = self.names.iter().map(|name| short(name)).collect();
            let columns: Vec<&str> =
                ["true \\ predicted"].into_iter().chain(names.iter().map(String::as_str)).collect();
            let mut table = Table::new(&columns);
            for (truth, name) in names.iter().enumerate() {
                let cells = self.row(truth).iter().enumerate();
                let cells = cells.map(|(predicted, &count)| match self.normalisation {
                    None => count.to_string(),
                    Some(_) => part(&wholes, [truth, predicted], count),
                });
                table.push(&[name.clone()].into_iter().chain(cells).collect::<Vec<_>>());
            }
            text += &table.text();
        } else {
            let mut table = match self.normalisation {
                None => Table::new(&["true", "predicted", "images"]),
                Some(_) => Table::new(&["true", "predicted", "images", "part"]),
            };
            for (truth, predicted, count) in self.confused_classes().into_iter().take(READABLE) {
                let mut row =
                    vec![self.names[truth].clone(), self.names[predicted].clone(), count.to_string()];
                row.extend(self.normalisation.map(|_| part(&wholes, [truth, predicted], count)));
                table.push(&row);
            }
            text += &format!("{} classes; the most frequent confusions:\n{}", self.names.len(), table.text());
        }
        text
    }
}
