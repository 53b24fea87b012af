//! How a learning curve shows itself.

use sconce_display::Bundle;

use super::learning_curve::{LOSS, LearningCurve};
use crate::plot::{Curves, Panels, Table, count, escape, number, percent};
use crate::rich::Rich;

/// More images are said to help if the last doubling took away at least this share of the loss.
const WORTH: f64 = 0.05;

impl LearningCurve {
    /// Loss and metrics over the number of images.
    #[must_use]
    pub fn curves(&self) -> Panels {
        let part = self.config.measured_on.to_string();
        let plots = self.names().into_iter().map(|name| {
            let points = |of| -> Vec<(f64, f64)> {
                self.spread(name, of).into_iter().map(|(images, mean, _)| (images as f64, mean)).collect()
            };
            let train = points(|measured| &measured.train);
            let measured = points(|measured| &measured.measured);
            Curves::new(name).x_label("training images").series("train", &train).series(&part, &measured)
        });
        Panels::new(plots.collect())
    }

    /// A row for each number of images; with several repeats means, and the standard deviation of what was measured.
    #[must_use]
    pub fn table(&self) -> Table {
        let names = self.names();
        let part = self.config.measured_on;
        let mut columns = vec!["images".to_owned(), "share".into()];
        for name in &names {
            columns.extend([format!("train {name}"), format!("{part} {name}")]);
            if self.config.repeats > 1 {
                columns.push(format!("± {name}"));
            }
        }
        let mut table = Table::new(&columns.iter().map(String::as_str).collect::<Vec<_>>());
        let sizes = self.spread(LOSS, |measured| &measured.measured);
        for (row, &(images, ..)) in sizes.iter().enumerate() {
            let mut cells = vec![count(images), percent(images as f64 / self.data.train.len() as f64)];
            for name in &names {
                let train = self.spread(name, |measured| &measured.train);
                let measured = self.spread(name, |measured| &measured.measured);
                let cell = |value: Option<f64>| value.map_or("–".to_owned(), number);
                cells.push(cell(train.get(row).map(|(_, mean, _)| *mean)));
                cells.push(cell(measured.get(row).map(|(_, mean, _)| *mean)));
                if self.config.repeats > 1 {
                    cells.push(cell(measured.get(row).map(|(.., deviation)| *deviation)));
                }
            }
            table.push(&cells);
        }
        table
    }

    /// What the last doubling of the images brought, in a sentence. More images are said to help if it took away at least
    /// 5 % of the loss, and the loss of the trained images is lower by at least 5 %: where it is as high, the model has not
    /// learnt even the images that it has. `None` before there are two sizes of which one is at least twice the other.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        let losses = self.spread(LOSS, |measured| &measured.measured);
        let &(most, loss, _) = losses.last()?;
        let &(half, before, _) = losses.iter().rev().find(|(images, ..)| 2 * images <= most)?;
        let &(_, train, _) = self.spread(LOSS, |measured| &measured.train).last()?;
        Some(format!(
            "from {} to {} images the {} loss went from {} to {}, where that of training is {}: {}",
            count(half),
            count(most),
            self.config.measured_on,
            number(before),
            number(loss),
            number(train),
            advised(before, loss, train),
        ))
    }

    pub(super) fn picture(&self) -> String {
        self.curves().html().unwrap_or_else(|error| escape(&error.to_string()))
    }
}

/// What is best done when twice the images brought the loss from `before` to `loss`, and that of training is `train`.
fn advised(before: f64, loss: f64, train: f64) -> &'static str {
    if loss - train < WORTH * loss.abs() {
        "longer training or a larger model would help more than images"
    } else if before - loss >= WORTH * before.abs() {
        "more images of this kind are likely to help further"
    } else {
        "more images of this kind would bring little"
    }
}

impl Rich for LearningCurve {
    fn rich(&self) -> Bundle {
        if self.done.is_empty() {
            return Bundle::text("no training yet; curve.run(|data, seed| …)? makes them\n");
        }
        let advice = self.advice().map_or_else(String::new, |advice| format!("{advice}\n"));
        let left = match self.plan.len() - self.done.len() {
            0 => String::new(),
            left => format!("{left} of {} trainings are still to be made\n", self.plan.len()),
        };
        Bundle::text(format!("{}{advice}{left}", self.table().text())).html(format!(
            "{}{}<div>{}{}</div>",
            self.picture(),
            self.table().html(),
            escape(&advice),
            escape(&left)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_follows_from_both_losses() {
        // Half, whole, training: images help where training is ahead and the last doubling helped.
        let cases = [
            (1.0, 0.9, 0.3, "more images of this kind are likely to help further"),
            (1.0, 0.96, 0.3, "more images of this kind would bring little"),
            (1.0, 1.1, 0.3, "more images of this kind would bring little"),
            (1.0, 0.9, 0.87, "longer training or a larger model would help more than images"),
            (1.0, 0.9, 1.2, "longer training or a larger model would help more than images"),
            (-1.0, -2.0, -3.0, "more images of this kind are likely to help further"),
        ];
        for (before, loss, train, advice) in cases {
            assert_eq!(advised(before, loss, train), advice, "{before} {loss} {train}");
        }
    }
}
