//! Precision, recall and F1 of each class.

use sconce_display::Bundle;

use super::average::Average;
use super::refused::shape;
use super::tally::ClassTally;
use crate::Result;
use crate::plot::{Table, count, number};
use crate::rich::Rich;

/// Of more classes the table shows those that are recognised worst.
const ROWS: usize = 50;
/// The longest bar, in characters.
const BAR: f64 = 20.0;

/// How well each class is recognised: precision, recall, F1 and how often it occurs, with a bar for F1, and the means over
/// classes, as scikit-learn's `classification_report` has them.
///
/// ```
/// use sconce::metrics::ConfusionCounts;
///
/// let mut counts = ConfusionCounts::new(2);
/// counts.record(&[0, 0, 0, 1], &[0, 0, 1, 1])?;
/// let report = counts.report(&["cat", "dog"])?;
/// assert_eq!(report.by_class()[1].1.precision(), Some(0.5));
/// assert!(report.text().contains("macro mean"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassReport {
    names: Vec<String>,
    tallies: Vec<ClassTally>,
}

impl ClassReport {
    /// A report of these classes.
    ///
    /// # Errors
    /// If there are not as many names as tallies.
    pub fn new<S: AsRef<str>>(class_names: &[S], tallies: &[ClassTally]) -> Result<ClassReport> {
        if class_names.len() != tallies.len() {
            return Err(shape(
                "ClassReport::new",
                format!("{} class names", tallies.len()),
                class_names.len().to_string(),
                "Give one for each class, in the order of the logits.",
            ));
        }
        let names = class_names.iter().map(|name| name.as_ref().to_owned()).collect();
        Ok(ClassReport { names, tallies: tallies.to_vec() })
    }

    /// Each class with what was counted of it.
    #[must_use]
    pub fn by_class(&self) -> Vec<(&str, ClassTally)> {
        self.names.iter().map(String::as_str).zip(self.tallies.iter().copied()).collect()
    }

    /// Precision, recall and F1, as means over classes or of all decisions; with [`Average::Class`] those of a class.
    ///
    /// # Errors
    /// Where there is no value: nothing was counted, the class does not occur.
    pub fn mean(&self, average: Average) -> Result<[f64; 3]> {
        let op = "ClassReport::mean";
        let scores = [ClassTally::precision, ClassTally::recall, ClassTally::f1];
        let support: Vec<u64> = self.tallies.iter().map(ClassTally::support).collect();
        let mean = |score: fn(&ClassTally) -> Option<f64>| match average {
            Average::Micro => {
                let all = self.tallies.iter().copied().fold(ClassTally::default(), ClassTally::plus);
                Average::Macro.of(op, &[score(&all)], &[])
            }
            _ => average.of(op, &self.tallies.iter().map(score).collect::<Vec<_>>(), &support),
        };
        Ok([mean(scores[0])?, mean(scores[1])?, mean(scores[2])?])
    }

    /// The report as a table.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["class", "precision", "recall", "F1", "support", ""]);
        let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), number);
        let mut order: Vec<usize> = (0..self.tallies.len()).collect();
        if order.len() > ROWS {
            let f1 = |class: &usize| self.tallies[*class].f1().unwrap_or(2.0);
            order.sort_by(|a, b| f1(a).total_cmp(&f1(b)));
            order.truncate(ROWS);
        }
        for class in order {
            let tally = &self.tallies[class];
            let bar = "█".repeat((tally.f1().unwrap_or(0.0) * BAR).round() as usize);
            let support = count(usize::try_from(tally.support()).unwrap_or(usize::MAX));
            let numbers = [tally.precision(), tally.recall(), tally.f1()].map(shown);
            let [precision, recall, f1] = numbers;
            table.push(&[self.names[class].clone(), precision, recall, f1, support, bar]);
        }
        if let Some(more) = self.tallies.len().checked_sub(ROWS).filter(|&more| more > 0) {
            table.push(&[format!("and {more} with a better F1")]);
        }
        let all: u64 = self.tallies.iter().map(ClassTally::support).sum();
        let all = count(usize::try_from(all).unwrap_or(usize::MAX));
        let means = [("micro", Average::Micro), ("macro", Average::Macro), ("weighted", Average::Weighted)];
        for (name, average) in means {
            let numbers = self.mean(average).map_or([None; 3], |numbers| numbers.map(Some));
            let [precision, recall, f1] = numbers.map(shown);
            table.push(&[format!("{name} mean"), precision, recall, f1, all.clone()]);
        }
        table
    }

    /// The report in plain text.
    #[must_use]
    pub fn text(&self) -> String {
        self.table().text()
    }
}

impl Rich for ClassReport {
    fn rich(&self) -> Bundle {
        self.table().rich()
    }
}
