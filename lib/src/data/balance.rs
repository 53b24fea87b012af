//! How often each class comes, and weights where some are rare.

use sconce_display::Bundle;

use super::dataset::Dataset;
use crate::plot::{Bars, Table, count, escape, percent, svg_in_html};
use crate::rich::Rich;
use crate::{Error, Result};

/// Up to so many classes are shown in their order; of more so many in all, the most and the least frequent.
const SHOWN: usize = 20;

/// How many images each class has: a value that shows itself as bars and a table. Of more than 20 classes the 10
/// most frequent and the 10 least frequent are shown. [`Dataset::class_balance`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassBalance {
    name: String,
    class_names: Vec<String>,
    counts: Vec<usize>,
    images: usize,
}

/// What stands in a line.
enum Line {
    Class(usize),
    /// So many classes that are left out, with so many images.
    Others(usize, usize),
}

impl ClassBalance {
    /// How many images have each class, in the order of the labels. One with several counts in each of them.
    #[must_use]
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    fn lines(&self) -> Vec<Line> {
        let classes = self.counts.len();
        if classes <= SHOWN {
            return (0..classes).map(Line::Class).collect();
        }
        let mut order: Vec<usize> = (0..classes).collect();
        order.sort_by_key(|&class| (std::cmp::Reverse(self.counts[class]), class));
        let others = &order[SHOWN / 2..classes - SHOWN / 2];
        let images = others.iter().map(|&class| self.counts[class]).sum();
        let class = |part: &[usize]| part.iter().copied().map(Line::Class).collect::<Vec<_>>();
        let mut lines = class(&order[..SHOWN / 2]);
        lines.push(Line::Others(others.len(), images));
        lines.extend(class(&order[classes - SHOWN / 2..]));
        lines
    }

    /// The share of all images that so many are.
    fn share(&self, images: usize) -> f64 {
        if self.images == 0 { 0.0 } else { images as f64 / self.images as f64 }
    }

    /// A bar for each class, and a line at the mean over all classes.
    ///
    /// # Errors
    /// Never for a balance that could be made; the bars' own checks are passed on.
    pub fn bars(&self) -> Result<Bars> {
        let mut bars = Bars::new(&format!("{}: images of each class", self.name));
        for line in self.lines() {
            bars = match line {
                Line::Class(class) => {
                    let images = self.counts[class];
                    let note = format!("{} ({})", count(images), percent(self.share(images)));
                    bars.bar(&self.class_names[class], images as f64, &note)?
                }
                Line::Others(classes, images) => {
                    bars.gap(&format!("{} other classes, {} images", count(classes), count(images)))
                }
            };
        }
        let classes = self.counts.len();
        if classes < 2 {
            return Ok(bars);
        }
        bars.mark(self.counts.iter().sum::<usize>() as f64 / classes as f64, "mean")
    }

    /// A row for each class: images, their share of all, a bar.
    #[must_use]
    pub fn table(&self) -> Table {
        let most = self.counts.iter().copied().max().unwrap_or(0).max(1);
        let mut table = Table::new(&["class", "images", "share", ""]);
        for line in self.lines() {
            let (name, images, bar) = match line {
                Line::Class(class) => {
                    let images = self.counts[class];
                    let bar = "█".repeat((images as f64 / most as f64 * 20.0).round() as usize);
                    (self.class_names[class].clone(), images, bar)
                }
                Line::Others(classes, images) => (format!("{classes} others"), images, String::new()),
            };
            table.push(&[name, images.to_string(), percent(self.share(images)), bar]);
        }
        table
    }

    /// The table in plain text.
    #[must_use]
    pub fn text(&self) -> String {
        self.table().text()
    }

    /// The bars, and the table where a browser unfolds it.
    pub(super) fn html(&self) -> String {
        let picture = match self.bars().and_then(|bars| bars.svg()) {
            Ok(svg) => svg_in_html(&svg, "how many images each class has"),
            Err(error) => escape(&error.to_string()),
        };
        format!("{picture}<details><summary>as a table</summary>{}</details>", self.table().html())
    }
}

impl Rich for ClassBalance {
    fn rich(&self) -> Bundle {
        Bundle::text(self.text()).html(format!("<div style=\"font-size:13px\">{}</div>", self.html()))
    }
}

impl Dataset {
    /// How many images each class has, as a picture and a table.
    ///
    /// ```
    /// # use sconce::data::datasets;
    /// let balance = datasets::digits()?.class_balance()?;
    /// assert_eq!(balance.counts().iter().sum::<usize>(), 1797);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a class has no name.
    pub fn class_balance(&self) -> Result<ClassBalance> {
        Ok(ClassBalance {
            name: if self.name().is_empty() { "Dataset".into() } else { self.name().to_owned() },
            class_names: self.class_names().to_vec(),
            counts: self.class_counts()?,
            images: self.len(),
        })
    }

    /// A weight for each class, by the inverse of its share: `N / (classes * images of the class)`, 1 where
    /// all are equally frequent. For a weighted loss.
    ///
    /// # Errors
    /// When a class has no image.
    pub fn inverse_frequency_weights(&self) -> Result<Vec<f64>> {
        let counts = self.counts_of_all("Dataset::inverse_frequency_weights")?;
        let all: f64 = counts.iter().sum();
        Ok(counts.iter().map(|count| all / (counts.len() as f64 * count)).collect())
    }

    /// A weight for each class, by the inverse of its effective number of images, `(1 - beta^n) / (1 -
    /// beta)`; they sum to the number of classes. `beta` 0 weighs all the same, towards 1 it comes to the
    /// inverse frequency; 0.99 to 0.9999 are common. Source: Cui, Jia, Lin, Song and Belongie, *Class-Balanced
    /// Loss Based on Effective Number of Samples*, 2019.
    ///
    /// # Errors
    /// When `beta` is not in `0..1`, or a class has no image.
    pub fn effective_number_weights(&self, beta: f64) -> Result<Vec<f64>> {
        let op = "Dataset::effective_number_weights";
        if !(0.0..1.0).contains(&beta) {
            return Err(Error::Argument {
                op: op.into(),
                expected: "a beta from 0 to below 1".into(),
                got: beta.to_string(),
                hint: "0.999 is common; for weights by inverse frequency take inverse_frequency_weights()."
                    .into(),
            });
        }
        // 1 - beta^n, without losing digits where it is small.
        let effective = |count: &f64| -(count * beta.ln()).exp_m1() / (1.0 - beta);
        let inverse: Vec<f64> = self.counts_of_all(op)?.iter().map(|count| 1.0 / effective(count)).collect();
        let sum: f64 = inverse.iter().sum();
        Ok(inverse.iter().map(|weight| weight * inverse.len() as f64 / sum).collect())
    }

    /// The images of each class, none of them without one.
    fn counts_of_all(&self, op: &str) -> Result<Vec<f64>> {
        let counts = self.class_counts()?;
        match counts.iter().position(|count| *count == 0) {
            None => Ok(counts.into_iter().map(|count| count as f64).collect()),
            Some(class) => Err(Error::Argument {
                op: op.into(),
                expected: "at least one image of each class".into(),
                got: format!("none of class {class} ({:?})", self.class_names()[class]),
                hint: "A class that never comes has no weight: leave it out of the class names.".into(),
            }),
        }
    }
}
