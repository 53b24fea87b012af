//! The classes of whole images.

use candle_core::Tensor;

use super::dataset::Dataset;
use super::source::Source;
use crate::{Error, Result};

/// The classes of each sample, one after the other.
#[derive(Debug)]
pub(super) struct Labels {
    classes: Vec<u32>,
    /// Where the classes of each sample end.
    ends: Vec<usize>,
}

impl Labels {
    pub(super) fn read(source: &dyn Source, places: impl Iterator<Item = usize>) -> Labels {
        let mut labels = Labels { classes: Vec::new(), ends: Vec::with_capacity(places.size_hint().0) };
        for place in places {
            labels.classes.extend(source.labels(place));
            labels.ends.push(labels.classes.len());
        }
        labels
    }

    /// Those of these samples, which exist.
    pub(super) fn pick(&self, indices: &[usize]) -> Labels {
        let mut labels = Labels { classes: Vec::new(), ends: Vec::with_capacity(indices.len()) };
        for &index in indices {
            labels.classes.extend_from_slice(self.of(index));
            labels.ends.push(labels.classes.len());
        }
        labels
    }

    /// The classes of sample `index`, which exists.
    pub(super) fn of(&self, index: usize) -> &[u32] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.classes[start..self.ends[index]]
    }

    /// A sample that has not exactly one class.
    fn not_single(&self) -> Option<usize> {
        (0..self.ends.len()).find(|&index| self.of(index).len() != 1)
    }
}

impl Dataset {
    /// The classes of image `index`: one for classification, several for tags, none for detection.
    ///
    /// # Errors
    /// When there is no such image, or a class has no name.
    pub fn labels_of(&self, index: usize) -> Result<&[u32]> {
        self.place("Dataset::labels_of", index)?;
        let labels = self.label_table().of(index);
        self.check_labels("Dataset::labels_of", labels, index)?;
        Ok(labels)
    }

    /// The class of each image, as plain numbers.
    ///
    /// # Errors
    /// When an image has no class or several, or a class has no name.
    pub fn label_values(&self) -> Result<&[u32]> {
        let table = self.label_table();
        if let Some(index) = table.not_single() {
            return Err(Error::Argument {
                op: "Dataset::label_values".into(),
                expected: "one class for each image".into(),
                got: format!("{} classes of image {index} ({})", table.of(index).len(), self.id(index)?),
                hint: "Ask for the classes of each image with labels_of(index), and for boxes, masks and captions \
                       with sample(index)?.target."
                    .into(),
            });
        }
        for (index, label) in table.classes.iter().enumerate() {
            self.check_labels("Dataset::label_values", std::slice::from_ref(label), index)?;
        }
        Ok(&table.classes)
    }

    /// The class of each image, u32 `(N,)`, on the images' device.
    ///
    /// # Errors
    /// As [`Dataset::label_values`].
    pub fn labels(&self) -> Result<Tensor> {
        Ok(Tensor::from_slice(self.label_values()?, self.len(), self.device())?)
    }

    /// How many images each class has. One with several classes counts in each of them.
    ///
    /// # Errors
    /// When a class has no name.
    pub fn class_counts(&self) -> Result<Vec<usize>> {
        let mut counts = vec![0; self.num_classes()];
        for index in 0..self.len() {
            for &label in self.labels_of(index)? {
                counts[label as usize] += 1;
            }
        }
        Ok(counts)
    }

    /// An error for a label that no class name belongs to.
    pub(super) fn check_labels(&self, op: &str, labels: &[u32], index: usize) -> Result<()> {
        match labels.iter().find(|&&label| label as usize >= self.num_classes()) {
            None => Ok(()),
            Some(label) => Err(Error::Argument {
                op: op.into(),
                expected: format!("labels below {}, the number of class names", self.num_classes()),
                got: format!("label {label} of image {index} ({})", self.id(index)?),
                hint: "A label is the place of its class in `class_names`, from 0.".into(),
            }),
        }
    }
}
