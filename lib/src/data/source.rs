//! Where the samples of a data set come from.

use std::fmt::Debug;
use std::path::PathBuf;

use super::sample::{Sample, Target};
use crate::Result;

/// Where samples come from: files of some layout, tensors, drawings. A data set reads through this;
/// it is asked by several threads at once, and the same index always gives the same sample.
pub trait Source: Debug + Send + Sync {
    /// How many samples there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What sample `index` is called: a path below the root, a name, a number.
    fn id(&self, index: usize) -> String;

    /// The image's file, where it has one of its own.
    fn path(&self, _index: usize) -> Option<PathBuf> {
        None
    }

    /// The classes of the whole image, without reading its pixels.
    fn labels(&self, index: usize) -> Vec<u32>;

    /// Everything but the pixels; files of masks may be read.
    ///
    /// # Errors
    /// When a file is missing or damaged: the message names it.
    fn target(&self, index: usize) -> Result<Target>;

    /// The whole sample, decoded.
    ///
    /// # Errors
    /// When a file is missing or damaged: the message names it.
    fn sample(&self, index: usize) -> Result<Sample>;

    /// The names of the classes, in the order of the labels.
    fn class_names(&self) -> &[String];

    /// `[channels, height, width]` of every image, where all are known to have the same without reading one.
    fn image_shape(&self) -> Option<[usize; 3]> {
        None
    }
}
