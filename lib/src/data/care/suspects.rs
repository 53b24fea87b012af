//! Labels that are in doubt, and how they show themselves.

use sconce_display::Bundle;

use crate::data::Dataset;
use crate::plot::{ImageGrid, Table, count, number, percent};
use crate::rich::Rich;
use crate::{Error, Result};

/// So many suspects are listed when they show themselves.
const LISTED: usize = 20;

/// Labels that are likely to be wrong, as [`super::label_errors`] finds them.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelErrors {
    /// The images in doubt, the most doubtful first.
    pub suspects: Vec<LabelSuspect>,
    /// How many images were looked at.
    pub images: usize,
    /// For each class the mean probability of it over the images with its label; `None` without any.
    pub thresholds: Vec<Option<f64>>,
    /// How many images with the label of the row are confidently of the class of the column.
    pub confident_joint: Vec<Vec<usize>>,
    /// The estimated share of all images that have the label of the row and are of the class of the column;
    /// all of it sums to 1.
    pub joint: Vec<Vec<f64>>,
}

/// One image whose label is in doubt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelSuspect {
    /// Its row in the probabilities, its index in the data set.
    pub index: usize,
    /// The class that it has.
    pub given: u32,
    /// The class that is most probable, which is another.
    pub suggested: u32,
    /// The probability of the given class, 0 to 1.
    pub given_probability: f64,
    /// The probability of the suggested class, 0 to 1.
    pub suggested_probability: f64,
    /// What the suspects are sorted by, the least first: see [`super::Ranking`].
    pub score: f64,
}

impl LabelErrors {
    /// The estimated share of labels that are wrong, 0 to 1.
    #[must_use]
    pub fn noise_rate(&self) -> f64 {
        let rows = self.joint.iter().enumerate();
        rows.flat_map(|(label, row)| {
            row.iter().enumerate().filter(move |(class, _)| *class != label).map(|(_, share)| share)
        })
        .sum()
    }

    /// The indices of all suspects in the order of the images, for [`Dataset::without`].
    #[must_use]
    pub fn to_drop(&self) -> Vec<usize> {
        let mut indices: Vec<usize> = self.suspects.iter().map(|suspect| suspect.index).collect();
        indices.sort_unstable();
        indices
    }

    /// The first `n` suspects as pictures, given and suggested class below them: `cat, or dog? (0.97)`.
    ///
    /// # Errors
    /// When the data set is another than the probabilities were of, which its number of images or classes
    /// tells, or an image cannot be read.
    pub fn show(&self, data: &Dataset, n: usize) -> Result<ImageGrid> {
        if data.len() != self.images || data.num_classes() != self.thresholds.len() {
            return Err(Error::Argument {
                op: "LabelErrors::show".into(),
                expected: format!(
                    "the data set of {} images and {} classes",
                    self.images,
                    self.thresholds.len()
                ),
                got: format!("{} images and {} classes", data.len(), data.num_classes()),
                hint: "Show the suspects of the data set whose labels were given.".into(),
            });
        }
        let name = |class: u32| data.class_names().get(class as usize).map_or("?", String::as_str);
        let mut grid = ImageGrid::new();
        for suspect in self.suspects.iter().take(n) {
            let caption = format!(
                "{}, or {}? ({:.2})",
                name(suspect.given),
                name(suspect.suggested),
                suspect.suggested_probability
            );
            grid.push(data.show(suspect.index)?.picture()?.reduced(128), &caption);
        }
        Ok(grid.title("labels in doubt"))
    }

    /// All suspects, the most doubtful first.
    #[must_use]
    pub fn table(&self) -> Table {
        self.listed(self.suspects.len())
    }

    fn listed(&self, most: usize) -> Table {
        let mut table = Table::new(&["image", "given", "its probability", "suggested", "its probability"]);
        for suspect in self.suspects.iter().take(most) {
            table.push(&[
                suspect.index.to_string(),
                suspect.given.to_string(),
                number(suspect.given_probability),
                suspect.suggested.to_string(),
                number(suspect.suggested_probability),
            ]);
        }
        table
    }
}

impl Rich for LabelErrors {
    fn rich(&self) -> Bundle {
        let headline = format!(
            "{} of {} labels in doubt; about {} are wrong",
            count(self.suspects.len()),
            count(self.images),
            percent(self.noise_rate())
        );
        if self.suspects.is_empty() {
            return Bundle::text(format!("{headline}\n"));
        }
        let table = self.listed(LISTED);
        let more = match self.suspects.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!("and {} more\n", count(more)),
        };
        Bundle::text(format!("{headline}\n{}{more}", table.text()))
            .html(format!("{headline}{}<small>{more}</small>", table.html()))
    }
}
