//! A data set in batches.

use candle_core::Tensor;
use sconce_display::Bundle;

use super::collate::{Collated, Sizes, collate};
use super::dataset::Dataset;
use super::sample::Target;
use super::show::{Drawn, images_grid};
use super::tensors::Tensors;
use crate::rich::Rich;
use crate::{Error, Result, Seed};

/// What happens to images at the end that do not fill a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LastBatch {
    /// They come as a smaller batch.
    #[default]
    Keep,
    /// They are left out; with shuffling others in every epoch.
    Drop,
}

/// How a data set is cut into batches. A plain number of images per batch is a config too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchConfig {
    /// Images in a batch, at least 1.
    pub batch_size: usize,
    /// The seed of the order, another order every epoch; `None` keeps the order of the data set.
    pub shuffle: Option<Seed>,
    /// What happens to images at the end that do not fill a batch.
    pub drop_last: LastBatch,
    /// What happens to images of several sizes in one batch.
    pub sizes: Sizes,
}

impl Default for BatchConfig {
    /// 32 images, in order, all of them.
    fn default() -> BatchConfig {
        BatchConfig { batch_size: 32, shuffle: None, drop_last: LastBatch::Keep, sizes: Sizes::Same }
    }
}

impl From<usize> for BatchConfig {
    fn from(batch_size: usize) -> BatchConfig {
        BatchConfig { batch_size, ..BatchConfig::default() }
    }
}

/// Some images with what is to be learnt from them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// f32 `(B, C, H, W)`, bytes as fractions of 255.
    pub images: Tensor,
    /// u32 `(B,)`, each below the number of classes, where every image has exactly one class; else u32
    /// `(0,)`, and what is to be learnt is in `targets`.
    pub labels: Tensor,
    /// What is to be learnt from each image.
    pub targets: Vec<Target>,
    /// u8 `(B, H, W)`, 1 where there is an image and 0 where there is padding, if [`Sizes::Pad`] was asked
    /// for.
    pub pixel_mask: Option<Tensor>,
    /// Where each image stands in the data set.
    pub indices: Vec<usize>,
}

/// The batches of one epoch, one after the other. Setters may be called until the first batch was taken;
/// after that they start over.
#[derive(Debug, Clone)]
pub struct Batches {
    dataset: Dataset,
    config: BatchConfig,
    epoch: usize,
    /// The order of the images; made when the first batch is asked for.
    order: Option<Vec<usize>>,
    /// How many images are through.
    position: usize,
}

impl Batches {
    pub(super) fn new(dataset: Dataset, config: BatchConfig) -> Batches {
        Batches { dataset, config, epoch: 0, order: None, position: 0 }
    }

    /// Shuffles the images, in an order that the seed and the epoch tell.
    #[must_use]
    pub fn shuffle(mut self, seed: Seed) -> Batches {
        self.config.shuffle = Some(seed);
        self.restarted()
    }

    /// Sets the epoch, 0 unless told: with shuffling, every epoch has its own order.
    #[must_use]
    pub fn epoch(mut self, epoch: usize) -> Batches {
        self.epoch = epoch;
        self.restarted()
    }

    /// Sets what happens to images at the end that do not fill a batch.
    #[must_use]
    pub fn drop_last(mut self, last: LastBatch) -> Batches {
        self.config.drop_last = last;
        self.restarted()
    }

    /// Sets what happens to images of several sizes in one batch.
    #[must_use]
    pub fn sizes(mut self, sizes: Sizes) -> Batches {
        self.config.sizes = sizes;
        self.restarted()
    }

    fn restarted(mut self) -> Batches {
        self.order = None;
        self.position = 0;
        self
    }

    /// How many images are still to come.
    fn rest(&self) -> usize {
        let rest = self.dataset.len() - self.position;
        match self.config.drop_last {
            LastBatch::Keep => rest,
            LastBatch::Drop => rest - rest % self.config.batch_size.max(1),
        }
    }

    fn take(&mut self) -> Result<Batch> {
        let size = self.config.batch_size;
        if size == 0 {
            // Said once; nothing comes after it.
            self.position = self.dataset.len();
            return Err(Error::Argument {
                op: "batches".into(),
                expected: "a batch size of at least 1".into(),
                got: "0".into(),
                hint: "32 or 64 are common.".into(),
            });
        }
        let end = self.position + size.min(self.rest());
        let order = self.order.get_or_insert_with(|| {
            let mut order: Vec<usize> = (0..self.dataset.len()).collect();
            if let Some(seed) = self.config.shuffle {
                seed.derive(&format!("epoch {}", self.epoch)).rng().shuffle(&mut order);
            }
            order
        });
        let indices = order[self.position..end].to_vec();
        self.position = end;
        match self.dataset.whole_tensors() {
            Some(tensors) => Batch::picked(&self.dataset, tensors, indices),
            None => {
                let draw = |&index: &usize| {
                    self.dataset.transformed(index, self.epoch, self.config.shuffle.unwrap_or(Seed(0)))
                };
                let samples = indices.iter().map(draw).collect::<Result<_>>()?;
                Batch::collated(&self.dataset, collate(samples, self.config.sizes)?, indices)
            }
        }
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        (self.rest() > 0).then(|| self.take())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // A batch size of 0 gives one item, the error.
        let batches = match self.config.batch_size {
            0 => usize::from(self.rest() > 0),
            size => self.rest().div_ceil(size),
        };
        (batches, Some(batches))
    }
}

impl ExactSizeIterator for Batches {}

impl std::iter::FusedIterator for Batches {}

impl Batch {
    /// Images that are picked out of a tensor at once.
    fn picked(dataset: &Dataset, tensors: &Tensors, indices: Vec<usize>) -> Result<Batch> {
        let places =
            indices.iter().map(|&index| dataset.place("batches", index)).collect::<Result<Vec<_>>>()?;
        let labels: Vec<u32> = places.iter().map(|&place| tensors.label(place)).collect();
        let targets =
            labels.iter().map(|&label| Target { labels: vec![label], ..Target::default() }).collect();
        let labels = Tensor::from_vec(labels, places.len(), tensors.device())?;
        Ok(Batch { images: tensors.pick(Some(&places))?, labels, targets, pixel_mask: None, indices })
    }

    /// Samples that were made one by one.
    fn collated(dataset: &Dataset, collated: Collated, indices: Vec<usize>) -> Result<Batch> {
        let Collated { images, pixel_mask, targets } = collated;
        let mut labels = Vec::with_capacity(targets.len());
        for (target, &index) in targets.iter().zip(&indices) {
            dataset.check_labels("batches", &target.labels, index)?;
            if let &[label] = target.labels.as_slice() {
                labels.push(label);
            }
        }
        if labels.len() != targets.len() {
            labels.clear();
        }
        let labels = Tensor::from_slice(&labels, labels.len(), images.device())?;
        Ok(Batch { images, labels, targets, pixel_mask, indices })
    }

    /// The number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

impl Rich for Batch {
    fn rich(&self) -> Bundle {
        let grid = || -> Result<_> {
            let caption =
                |target: &Target| target.labels.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            images_grid(&Drawn::batch(&self.images)?, &self.targets.iter().map(caption).collect::<Vec<_>>())
        };
        match grid() {
            Ok(grid) => grid.title(&format!("batch of {}", self.len())).rich(),
            Err(error) => {
                Bundle::text(format!("batch of {} images that could not be drawn: {error}\n", self.len()))
            }
        }
    }
}
