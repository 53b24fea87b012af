//! A data set in batches.

use candle_core::Tensor;
use sconce_display::Bundle;

use super::dataset::Dataset;
use super::show::images_grid;
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
}

impl Default for BatchConfig {
    /// 32 images, in order, all of them.
    fn default() -> BatchConfig {
        BatchConfig { batch_size: 32, shuffle: None, drop_last: LastBatch::Keep }
    }
}

impl From<usize> for BatchConfig {
    fn from(batch_size: usize) -> BatchConfig {
        BatchConfig { batch_size, ..BatchConfig::default() }
    }
}

/// Some images with their labels.
#[derive(Debug, Clone)]
pub struct Batch {
    /// f32 `(B, C, H, W)`.
    pub images: Tensor,
    /// u32 `(B,)`, each below the number of classes.
    pub labels: Tensor,
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
        let (images, labels, _) = self.dataset.select("batches", &indices)?;
        Ok(Batch { images, labels, indices })
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
            let captions: Vec<String> = self.labels.to_vec1::<u32>()?.iter().map(u32::to_string).collect();
            images_grid(&self.images, &captions.iter().map(String::as_str).collect::<Vec<_>>())
        };
        match grid() {
            Ok(grid) => grid.title(&format!("batch of {}", self.len())).rich(),
            Err(error) => {
                Bundle::text(format!("batch of {} images that could not be drawn: {error}\n", self.len()))
            }
        }
    }
}
