//! Small images of one size that lie in memory as their file had them.

use std::fmt;
use std::sync::Arc;

use super::no_such;
use crate::Result;
use crate::data::image::{Image, Pixels};
use crate::data::sample::{Sample, Target};
use crate::data::source::Source;

/// Images of bytes, a class each. Channels lie plane by plane, as in MNIST and CIFAR.
pub(super) struct Stack {
    /// `labels.len()` times `channels * height * width`.
    pub(super) pixels: Vec<u8>,
    /// `[channels, height, width]`, none of them 0.
    pub(super) shape: [usize; 3],
    pub(super) labels: Vec<u32>,
    pub(super) class_names: Arc<[String]>,
    /// What each is called where the set says so; else their number.
    pub(super) ids: Vec<String>,
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stack of {} images {:?}", self.labels.len(), self.shape)
    }
}

impl Source for Stack {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn id(&self, index: usize) -> String {
        self.ids.get(index).cloned().unwrap_or_else(|| index.to_string())
    }

    fn labels(&self, index: usize) -> Vec<u32> {
        self.labels.get(index).map_or_else(Vec::new, |&label| vec![label])
    }

    fn target(&self, index: usize) -> Result<Target> {
        let label = self.labels.get(index).ok_or_else(|| no_such(index, self.len()))?;
        Ok(Target { labels: vec![*label], ..Target::default() })
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let target = self.target(index)?;
        let [channels, height, width] = self.shape;
        let area = height * width;
        let size = area * channels;
        let planes =
            self.pixels.get(index * size..(index + 1) * size).ok_or_else(|| no_such(index, self.len()))?;
        let pixels = if channels == 1 {
            planes.to_vec()
        } else {
            (0..size).map(|at| planes[at % channels * area + at / channels]).collect() // (H, W, C)
        };
        let image = Image::new([height, width, channels], Pixels::U8(pixels))?;
        Ok(Sample { id: self.id(index), image, target })
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn image_shape(&self) -> Option<[usize; 3]> {
        Some(self.shape)
    }
}
