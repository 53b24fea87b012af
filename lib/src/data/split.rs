//! Training, validation and test part of a data set.

use sconce_display::Bundle;

use super::dataset::Dataset;
use crate::plot::{Table, escape};
use crate::rich::Rich;
use crate::{Error, Result, Seed};

const PARTS: [&str; 3] = ["train", "valid", "test"];

/// The three parts of a data set. No image is in two of them.
#[derive(Debug, Clone)]
pub struct DataSplit {
    /// What a model learns from.
    pub train: Dataset,
    /// What is looked at while it learns, to choose and to stop.
    pub valid: Dataset,
    /// What it is judged by in the end.
    pub test: Dataset,
}

impl Dataset {
    /// Parts for training, validation and test, of these fractions. Every image is in exactly one part;
    /// each class is in each part in proportion, to within one or two images; each part is shuffled. The
    /// same seed gives the same parts.
    ///
    /// # Errors
    /// When a fraction is negative, not finite or 0, they do not sum to 1 (within 1e-6), or the images do
    /// not suffice for one in each part.
    pub fn split(&self, fractions: [f64; 3], seed: Seed) -> Result<DataSplit> {
        let refused = |expected: &str, got: String, hint: &str| Error::Argument {
            op: "Dataset::split".into(),
            expected: expected.into(),
            got,
            hint: hint.into(),
        };
        if !fractions.iter().all(|fraction| fraction.is_finite() && *fraction > 0.0) {
            return Err(refused(
                "three fractions greater than 0, for train, valid and test",
                format!("{fractions:?}"),
                "For parts of your own choice take `subset`.",
            ));
        }
        let sum: f64 = fractions.iter().sum();
        if (sum - 1.0).abs() > 1e-6 {
            return Err(refused(
                "fractions that sum to 1",
                format!("{fractions:?}, which sum to {sum}"),
                "For example [0.7, 0.15, 0.15].",
            ));
        }
        let mut parts = self.deal(fractions, seed)?;
        if let Some(part) = parts.iter().position(Vec::is_empty) {
            return Err(refused(
                "images enough for one in each part",
                format!("{} images, of which part `{}` gets none", self.len(), PARTS[part]),
                "Take more images or a greater fraction.",
            ));
        }
        for (part, name) in parts.iter_mut().zip(PARTS) {
            seed.derive(name).rng().shuffle(part);
        }
        let [train, valid, test] = parts;
        Ok(DataSplit { train: self.subset(&train)?, valid: self.subset(&valid)?, test: self.subset(&test)? })
    }

    /// Deals the images of each class out to the parts.
    fn deal(&self, fractions: [f64; 3], seed: Seed) -> Result<[Vec<usize>; 3]> {
        // Images without a class of their own are dealt out as one more class.
        let mut classes: Vec<Vec<usize>> = vec![Vec::new(); self.num_classes() + 1];
        for index in 0..self.len() {
            let class = match *self.labels_of(index)? {
                [label] => label as usize,
                _ => self.num_classes(),
            };
            classes[class].push(index);
        }
        let mut parts: [Vec<usize>; 3] = Default::default();
        // What each part should have got so far and has not. Carried from class to class, so that the
        // sizes of the parts come out right too and not only those of each class.
        let mut owed = [0.0; 3];
        for (class, mut indices) in classes.into_iter().enumerate() {
            seed.derive(&format!("class {class}")).rng().shuffle(&mut indices);
            let mut sizes = [0_usize; 3];
            for (owed, fraction) in owed.iter_mut().zip(fractions) {
                *owed += fraction * indices.len() as f64;
            }
            for _ in 0..indices.len() {
                // To whom most is owed, the earlier part if two are equal: largest remainder.
                let part =
                    (1..3).fold(0, |best, part| if owed[part] > owed[best] + 1e-9 { part } else { best });
                owed[part] -= 1.0;
                sizes[part] += 1;
            }
            let mut rest = indices.as_slice();
            for (part, size) in parts.iter_mut().zip(sizes) {
                let (taken, left) = rest.split_at(size);
                part.extend(taken);
                rest = left;
            }
        }
        Ok(parts)
    }
}

impl DataSplit {
    /// Images by class and part: at most 20 classes, the others summed up.
    fn table(&self) -> Result<Table> {
        let parts = [&self.train, &self.valid, &self.test];
        let counts = parts.iter().map(|part| part.class_counts()).collect::<Result<Vec<_>>>()?;
        let classes = self.train.num_classes();
        let shown = if classes > 20 { 19 } else { classes };
        let mut table = Table::new(&["class", PARTS[0], PARTS[1], PARTS[2], "all"]);
        let mut row = |name: &str, images: [usize; 3]| {
            let all = images.iter().sum::<usize>();
            let cells = images.into_iter().chain([all]).map(|images| images.to_string());
            table.push(&[name.to_owned()].into_iter().chain(cells).collect::<Vec<_>>());
        };
        for (class, name) in self.train.class_names().iter().enumerate().take(shown) {
            row(name, [0, 1, 2].map(|part| counts[part].get(class).copied().unwrap_or(0)));
        }
        if classes > shown {
            let rest = |part: usize| counts[part].iter().skip(shown).sum();
            row(&format!("{} others", classes - shown), [0, 1, 2].map(rest));
        }
        row("all", parts.map(Dataset::len));
        Ok(table)
    }

    fn headline(&self) -> String {
        let name = if self.train.name().is_empty() { "DataSplit" } else { self.train.name() };
        let sizes = [&self.train, &self.valid, &self.test].map(Dataset::len);
        let sizes = format!("{} train, {} valid, {} test", sizes[0], sizes[1], sizes[2]);
        format!("{name}: {sizes} images{}", self.train.shape_text())
    }
}

impl Rich for DataSplit {
    fn rich(&self) -> Bundle {
        let (table, table_html) = match self.table() {
            Ok(table) => (table.text(), table.html()),
            Err(error) => (format!("{error}\n"), escape(&error.to_string())),
        };
        Bundle::text(format!("{}\n{table}", self.headline())).html(format!(
            "<div style=\"font-size:13px\"><b>{}</b>{table_html}<small>{}</small></div>",
            escape(&self.headline()),
            escape(self.train.description()),
        ))
    }
}
