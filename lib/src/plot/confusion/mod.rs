//! Which class was taken for which.

mod draw;
mod order;
mod told;

use std::path::Path;

use sconce_display::Bundle;

use super::save::save;
use super::svg;
use crate::rich::Rich;
use crate::{Error, Result};

/// Up to so many classes, the cells hold their counts and the text form holds the whole matrix.
const READABLE: usize = 20;

/// The counts of a confusion matrix as a picture: a row a true class, a column a predicted one. Colours
/// show each row's fractions, so that rare classes can be compared with frequent ones.
///
/// ```
/// use sconce::plot::ConfusionMatrix;
///
/// let matrix = ConfusionMatrix::new(&["cat", "dog"], &[9, 1, 2, 8])?;
/// assert_eq!(matrix.accuracy(), 0.85);
/// # Ok::<(), sconce::Error>(())
/// ```
///
/// It can be drawn otherwise: `evaluation.confusion_matrix()?.normalised(Normalisation::Truth).sorted(ClassOrder::Clusters)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    names: Vec<String>,
    counts: Vec<u64>,
    normalisation: Option<Normalisation>,
}

/// Of what the cells of a confusion matrix are parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalisation {
    /// Of the images of the true class: each row sums to 1, and the diagonal holds the recalls.
    Truth,
    /// Of the images that were predicted so: each column sums to 1, and the diagonal holds the precisions.
    Prediction,
    /// Of all images: the whole matrix sums to 1. The darkest colour is that of the largest part.
    All,
}

/// In which order the classes of a confusion matrix stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassOrder {
    /// The class with the most mistakes first: images of it that were taken for another, and others taken for it.
    MostConfused,
    /// The class with the most images first.
    Frequency,
    /// Classes that are taken for each other stand side by side, so that blocks show along the diagonal: clusters by average
    /// linkage over the rates at which two classes are confused. Classes without mistakes come last.
    Clusters,
}

impl ConfusionMatrix {
    /// The counts, row by row: `counts[t * classes + p]` images of true class `t` were predicted as `p`.
    ///
    /// # Errors
    /// When there is no class, or the number of counts is not the square of the number of classes.
    pub fn new<S: AsRef<str>>(class_names: &[S], counts: &[u64]) -> Result<ConfusionMatrix> {
        let classes = class_names.len();
        if classes == 0 || counts.len() != classes.saturating_mul(classes) {
            return Err(Error::Argument {
                op: "ConfusionMatrix::new".into(),
                expected: format!("{classes} x {classes} counts for {classes} classes, at least one"),
                got: format!("{} counts", counts.len()),
                hint: "The counts lie row by row, a row for each true class.".into(),
            });
        }
        let names: Vec<String> = class_names.iter().map(|name| name.as_ref().to_owned()).collect();
        Ok(ConfusionMatrix::of(names, counts.to_vec()))
    }

    /// Of counts that are known to be as many as there are pairs of names.
    pub(crate) fn of(names: Vec<String>, counts: Vec<u64>) -> ConfusionMatrix {
        ConfusionMatrix { names, counts, normalisation: None }
    }

    /// Shows parts instead of counts, in the picture and in the text. [`ConfusionMatrix::counts`] stays as it is.
    #[must_use]
    pub fn normalised(mut self, by: Normalisation) -> ConfusionMatrix {
        self.normalisation = Some(by);
        self
    }

    /// The matrix with its classes in another order, names and counts alike. Classes that come out equal keep their order.
    #[must_use]
    pub fn sorted(self, order: ClassOrder) -> ConfusionMatrix {
        let classes = self.names.len();
        let places = order::places(&self, order);
        let names = places.iter().map(|&class| self.names[class].clone()).collect();
        let rows =
            places.iter().flat_map(|&truth| places.iter().map(move |&predicted| truth * classes + predicted));
        let counts = rows.map(|at| self.counts[at]).collect();
        ConfusionMatrix { names, counts, normalisation: self.normalisation }
    }

    /// The class names.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.names
    }

    /// The counts, row by row: a row a true class, a column a predicted one.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The fraction of images that were predicted right; NaN without images.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        let right: u128 = (0..self.names.len()).map(|class| u128::from(self.row(class)[class])).sum();
        right as f64 / self.total() as f64
    }

    fn total(&self) -> u128 {
        self.counts.iter().map(|&count| u128::from(count)).sum()
    }

    fn row(&self, truth: usize) -> &[u64] {
        &self.counts[truth * self.names.len()..(truth + 1) * self.names.len()]
    }

    /// How many images of class `truth` there are.
    fn row_total(&self, truth: usize) -> u128 {
        self.row(truth).iter().map(|&count| u128::from(count)).sum()
    }

    /// How many images were predicted as `predicted`.
    fn column_total(&self, predicted: usize) -> u128 {
        (0..self.names.len()).map(|truth| u128::from(self.row(truth)[predicted])).sum()
    }

    /// Of how many images the cells of each row and each column are parts.
    fn wholes(&self) -> Wholes {
        let classes = 0..self.names.len();
        match self.normalisation {
            None | Some(Normalisation::Truth) => {
                Wholes::Rows(classes.map(|class| self.row_total(class)).collect())
            }
            Some(Normalisation::Prediction) => {
                Wholes::Columns(classes.map(|class| self.column_total(class)).collect())
            }
            Some(Normalisation::All) => Wholes::All(self.total()),
        }
    }

    /// The pairs of true and predicted class that were confused, most frequent first.
    #[must_use]
    pub fn confused(&self) -> Vec<(&str, &str, u64)> {
        let name = |class: usize| self.names[class].as_str();
        let pairs = self.confused_classes().into_iter();
        pairs.map(|(truth, predicted, count)| (name(truth), name(predicted), count)).collect()
    }

    fn confused_classes(&self) -> Vec<(usize, usize, u64)> {
        let classes = self.names.len();
        let mut pairs: Vec<(usize, u64)> = (0..classes * classes)
            .filter(|at| at / classes != at % classes && self.counts[*at] > 0)
            .map(|at| (at, self.counts[at]))
            .collect();
        pairs.sort_by_key(|&(at, count)| (std::cmp::Reverse(count), at));
        pairs.into_iter().map(|(at, count)| (at / classes, at % classes, count)).collect()
    }

    /// Writes the matrix to a file that ends with `.svg` (with names and counts) or `.png` (without).
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "a confusion matrix", || self.svg(), Some(&|| self.picture()?.visible().png()))
    }
}

/// Of how many images the cells are parts.
enum Wholes {
    Rows(Vec<u128>),
    Columns(Vec<u128>),
    All(u128),
}

impl Wholes {
    /// The part that so many images of a cell are; `None` of no images.
    fn part(&self, [truth, predicted]: [usize; 2], count: u64) -> Option<f64> {
        let whole = match self {
            Wholes::Rows(totals) => totals[truth],
            Wholes::Columns(totals) => totals[predicted],
            Wholes::All(total) => *total,
        };
        (whole > 0).then(|| count as f64 / whole as f64)
    }
}

impl Rich for ConfusionMatrix {
    fn rich(&self) -> Bundle {
        svg::bundle(self.text(), self.svg())
    }
}
