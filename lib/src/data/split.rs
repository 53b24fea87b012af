//! Training, validation and test part of a data set.

use std::collections::BTreeMap;
use std::fmt;

use sconce_display::Bundle;

use super::dataset::Dataset;
use super::dealing::deal;
use crate::plot::{Table, escape};
use crate::rich::Rich;
use crate::{Error, Result, Seed};

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

/// A part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// What the model learns from.
    Train,
    /// What is looked at while it learns.
    Valid,
    /// What it has never seen.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Valid => "valid",
            Split::Test => "test",
        })
    }
}

impl Split {
    /// All of them, in the order in which they are looked at.
    pub(super) const ALL: [Split; 3] = [Split::Train, Split::Valid, Split::Test];
}

impl DataSplit {
    /// One of the parts.
    #[must_use]
    pub fn part(&self, split: Split) -> &Dataset {
        match split {
            Split::Train => &self.train,
            Split::Valid => &self.valid,
            Split::Test => &self.test,
        }
    }
}

/// One way to cut a data set in two for cross-validation.
#[derive(Debug, Clone)]
pub struct Fold {
    /// What a model learns from.
    pub train: Dataset,
    /// What it is measured on. Over all folds each image is in it once.
    pub valid: Dataset,
}

/// Which images must stay in proportion, or together.
enum Kin<'a> {
    /// Each class in proportion.
    Classes,
    /// Nothing: by chance.
    Nothing,
    /// Images with the same key, told from their id, are in one part.
    Groups(&'a dyn Fn(&str) -> String),
}

impl Dataset {
    /// Parts for training, validation and test, of these fractions. Every image is in exactly one part; the
    /// size of each part, and the number of images of each class in it, differ from their share by less than
    /// 1; each part is shuffled. The same seed gives the same parts. Images without a class of their own are
    /// dealt out as one more class.
    ///
    /// # Errors
    /// When a fraction is negative, not finite or 0, they do not sum to 1 (within 1e-6), or the images do
    /// not suffice for one in each part.
    pub fn split(&self, fractions: [f64; 3], seed: Seed) -> Result<DataSplit> {
        self.split_by("Dataset::split", fractions, Kin::Classes, seed)
    }

    /// The same by chance alone, whatever the classes.
    ///
    /// # Errors
    /// As [`Dataset::split`].
    pub fn split_random(&self, fractions: [f64; 3], seed: Seed) -> Result<DataSplit> {
        self.split_by("Dataset::split_random", fractions, Kin::Nothing, seed)
    }

    /// The same with images together that belong together, such as those of one person or one film: those
    /// for whose ids `key` gives the same. As groups cannot be cut, parts are as near to their fractions as
    /// dealing out the largest groups first brings them.
    ///
    /// ```
    /// # use sconce::{Seed, data::datasets};
    /// let data = datasets::digits()?;
    /// // The digits are called by their number; ten in a row are one group.
    /// let parts = data.split_grouped([0.6, 0.2, 0.2], |id| id[..id.len() - 1].to_owned(), Seed(1))?;
    /// assert_eq!(parts.train.len() + parts.valid.len() + parts.test.len(), data.len());
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Dataset::split`], also when there are fewer groups than parts.
    pub fn split_grouped(
        &self,
        fractions: [f64; 3],
        key: impl Fn(&str) -> String,
        seed: Seed,
    ) -> Result<DataSplit> {
        self.split_by("Dataset::split_grouped", fractions, Kin::Groups(&key), seed)
    }

    /// `count` folds for cross-validation: the images in so many parts of equal size, each of which is what
    /// is measured on once. Each class is in each part in proportion, as in [`Dataset::split`].
    ///
    /// # Errors
    /// When there are fewer than 2 folds, or fewer images than folds.
    pub fn folds(&self, count: usize, seed: Seed) -> Result<Vec<Fold>> {
        self.folds_by("Dataset::folds", count, Kin::Classes, seed)
    }

    /// The same with images together that belong together, as in [`Dataset::split_grouped`].
    ///
    /// # Errors
    /// When there are fewer than 2 folds, or fewer groups than folds.
    pub fn folds_grouped(&self, count: usize, key: impl Fn(&str) -> String, seed: Seed) -> Result<Vec<Fold>> {
        self.folds_by("Dataset::folds_grouped", count, Kin::Groups(&key), seed)
    }

    fn split_by(&self, op: &str, fractions: [f64; 3], kin: Kin<'_>, seed: Seed) -> Result<DataSplit> {
        let refused = |expected: &str, got: String, hint: &str| Error::Argument {
            op: op.into(),
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
        let mut parts = self.parts(&fractions.map(|fraction| fraction / sum), kin, seed)?;
        if let Some(part) = parts.iter().position(Vec::is_empty) {
            return Err(refused(
                "images enough for one in each part",
                format!("{} images, of which part `{}` gets none", self.len(), Split::ALL[part]),
                "Take more images, more groups or a greater fraction.",
            ));
        }
        for (part, name) in parts.iter_mut().zip(Split::ALL) {
            seed.derive(&name.to_string()).rng().shuffle(part);
        }
        Ok(DataSplit {
            train: self.subset(&parts[0])?,
            valid: self.subset(&parts[1])?,
            test: self.subset(&parts[2])?,
        })
    }

    fn folds_by(&self, op: &str, count: usize, kin: Kin<'_>, seed: Seed) -> Result<Vec<Fold>> {
        let refused = |expected: &str, got: String| Error::Argument {
            op: op.into(),
            expected: expected.into(),
            got,
            hint: "5 and 10 folds are common.".into(),
        };
        if count < 2 {
            return Err(refused("at least 2 folds", count.to_string()));
        }
        if count > self.len() {
            return Err(refused("at most as many folds as images", format!("{count} of {}", self.len())));
        }
        let mut parts = self.parts(&vec![1.0 / count as f64; count], kin, seed)?;
        if let Some(empty) = parts.iter().position(Vec::is_empty) {
            return Err(refused(
                "images or groups enough for one in each fold",
                format!("none for fold {empty}"),
            ));
        }
        for (at, part) in parts.iter_mut().enumerate() {
            seed.derive(&format!("fold {at}")).rng().shuffle(part);
        }
        (0..count)
            .map(|at| {
                let mut others: Vec<usize> = Vec::with_capacity(self.len() - parts[at].len());
                for (_, part) in parts.iter().enumerate().filter(|(part, _)| *part != at) {
                    others.extend(part);
                }
                seed.derive(&format!("all but fold {at}")).rng().shuffle(&mut others);
                Ok(Fold { train: self.subset(&others)?, valid: self.subset(&parts[at])? })
            })
            .collect()
    }

    /// Which images go into each part.
    fn parts(&self, fractions: &[f64], kin: Kin<'_>, seed: Seed) -> Result<Vec<Vec<usize>>> {
        let mut parts = vec![Vec::new(); fractions.len()];
        let mut classes: Vec<Vec<usize>> = match kin {
            Kin::Classes => self.by_class()?,
            Kin::Nothing => vec![(0..self.len()).collect()],
            Kin::Groups(key) => {
                self.deal_groups(&mut parts, fractions, key, seed)?;
                return Ok(parts);
            }
        };
        let sizes: Vec<usize> = classes.iter().map(Vec::len).collect();
        for (class, (indices, sizes)) in classes.iter_mut().zip(deal(&sizes, fractions)).enumerate() {
            seed.derive(&format!("class {class}")).rng().shuffle(indices);
            let mut rest = indices.as_slice();
            for (part, size) in parts.iter_mut().zip(sizes) {
                let (taken, left) = rest.split_at(size);
                part.extend(taken);
                rest = left;
            }
        }
        Ok(parts)
    }

    /// The images of each class, then those that have none or several.
    fn by_class(&self) -> Result<Vec<Vec<usize>>> {
        let mut classes = vec![Vec::new(); self.num_classes() + 1];
        for index in 0..self.len() {
            let class = match *self.labels_of(index)? {
                [label] => label as usize,
                _ => self.num_classes(),
            };
            classes[class].push(index);
        }
        Ok(classes)
    }

    /// Gives each group, the largest first, to the part that lacks most.
    fn deal_groups(
        &self,
        parts: &mut [Vec<usize>],
        fractions: &[f64],
        key: &dyn Fn(&str) -> String,
        seed: Seed,
    ) -> Result<()> {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for index in 0..self.len() {
            groups.entry(key(&self.id(index)?)).or_default().push(index);
        }
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        seed.derive("groups").rng().shuffle(&mut groups);
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        for group in groups {
            let lacks = |part: usize| fractions[part] * self.len() as f64 - parts[part].len() as f64;
            let most = (1..parts.len())
                .fold(0, |best, part| if lacks(part) > lacks(best) + 1e-9 { part } else { best });
            parts[most].extend(group);
        }
        Ok(())
    }
}

impl DataSplit {
    /// Images by class and part: at most 20 classes, the others summed up.
    fn table(&self) -> Result<Table> {
        let parts = Split::ALL.map(|part| self.part(part));
        let counts = parts.iter().map(|part| part.class_counts()).collect::<Result<Vec<_>>>()?;
        let classes = self.train.num_classes();
        let shown = if classes > 20 { 19 } else { classes };
        let [train, valid, test] = Split::ALL.map(|part| part.to_string());
        let mut table = Table::new(&["class", &train, &valid, &test, "all"]);
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
        let sizes = Split::ALL.map(|part| format!("{} {part}", self.part(part).len()));
        format!("{name}: {} images{}", sizes.join(", "), self.train.shape_text())
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
