//! A data set in batches.

use std::sync::Arc;

use candle_core::Device;
use sconce_display::interrupt;

use super::ahead::{Ahead, Pace};
use super::batch::Batch;
use super::collate::Sizes;
use super::dataset::Dataset;
use super::loading::{Loading, Order};
use super::sampler::Sampler;
use super::skipped::{OnError, SkipReport};
use super::transform::BatchTransform;
use crate::progress::Walk;
use crate::{Error, Result, Seed, threads};

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
    /// Threads that read, decode and transform, apart from those that compute. 0 does it in the thread that
    /// asks for a batch. `None` takes as many as there are cores. The batches are the same bit for bit
    /// whatever their number; images that lie in a tensor and have no transforms need none.
    pub workers: Option<usize>,
    /// How many batches the threads may be ahead of the one that was taken last. They, and the one that is
    /// waited for, are all that is in memory.
    pub prefetch: usize,
    /// What happens when a sample cannot be read or changed.
    pub on_error: OnError,
    /// The seed of what is random in the transforms; `None` takes that of `shuffle`, or `Seed(0)`.
    pub seed: Option<Seed>,
}

impl Default for BatchConfig {
    /// 32 images, in order, all of them, of one size; as many threads as cores, two batches ahead.
    fn default() -> BatchConfig {
        BatchConfig {
            batch_size: 32,
            shuffle: None,
            drop_last: LastBatch::Keep,
            sizes: Sizes::Same,
            workers: None,
            prefetch: 2,
            on_error: OnError::Fail,
            seed: None,
        }
    }
}

impl From<usize> for BatchConfig {
    fn from(batch_size: usize) -> BatchConfig {
        BatchConfig { batch_size, ..BatchConfig::default() }
    }
}

/// The batches of one epoch, one after the other, made by threads of their own while the last one is used.
/// Setters may be called until the first batch was taken; after that they start over.
///
/// An error belongs to one batch, the others come; an interrupt ends it. Dropping it half-way ends the
/// threads.
///
/// ```
/// # use sconce::{Seed, data::datasets, transforms::RandomHorizontalFlip};
/// let data = datasets::digits()?.transform(RandomHorizontalFlip::new(0.5));
/// for batch in data.batches(32).shuffle(Seed(1)).workers(2).prefetch(4) {
///     let batch = batch?;
///     assert_eq!(batch.images.dims()[1..], [1, 8, 8]);
/// }
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug)]
pub struct Batches {
    dataset: Dataset,
    config: BatchConfig,
    sampler: Option<Sampler>,
    transforms: Vec<Arc<dyn BatchTransform>>,
    device: Option<Device>,
    epoch: usize,
    /// The batch to begin with.
    start: usize,
    shown: bool,
    /// How many batches are through.
    position: usize,
    running: Option<Running>,
    skipped: SkipReport,
}

/// What is there once the first batch was asked for.
struct Running {
    loader: Ahead<Loading>,
    walk: Option<Walk>,
}

impl Clone for Batches {
    /// The same batches from the same place, made by threads of its own.
    fn clone(&self) -> Batches {
        Batches {
            dataset: self.dataset.clone(),
            sampler: self.sampler.clone(),
            transforms: self.transforms.clone(),
            device: self.device.clone(),
            running: None,
            skipped: self.skipped.clone(),
            ..*self
        }
    }
}

impl Batches {
    pub(super) fn new(dataset: Dataset, config: BatchConfig) -> Batches {
        Batches {
            dataset,
            config,
            sampler: None,
            transforms: Vec::new(),
            device: None,
            epoch: 0,
            start: 0,
            shown: false,
            position: 0,
            running: None,
            skipped: SkipReport::default(),
        }
    }

    /// Shuffles the images, in an order that the seed and the epoch tell.
    #[must_use]
    pub fn shuffle(self, seed: Seed) -> Batches {
        self.with(|config| config.shuffle = Some(seed))
    }

    /// Draws the images as a sampler says, anew in every epoch, instead of each once.
    #[must_use]
    pub fn sampler(mut self, sampler: &Sampler, seed: Seed) -> Batches {
        self.sampler = Some(sampler.clone());
        self.shuffle(seed)
    }

    /// Changes each batch as a whole, after those that do so already: [`MixUp`](crate::transforms::MixUp),
    /// [`CutMix`](crate::transforms::CutMix). What is to be learnt is then in [`Batch::shares`].
    ///
    /// ```
    /// # use sconce::{Seed, data::datasets, transforms::MixUp};
    /// let data = datasets::digits()?;
    /// let mut batches = data.batches(32).shuffle(Seed(1)).transform(MixUp::new(10).alpha(0.2));
    /// assert_eq!(batches.next().unwrap()?.classes().dims(), [32, 10]);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    #[must_use]
    pub fn transform(self, transform: impl BatchTransform + 'static) -> Batches {
        self.transform_by(Arc::new(transform))
    }

    /// As [`Batches::transform`].
    pub(crate) fn transform_by(mut self, transform: Arc<dyn BatchTransform>) -> Batches {
        self.transforms.push(transform);
        self.restarted()
    }

    /// Sets the epoch, 0 unless told: every epoch has its own order and its own draws in the transforms.
    #[must_use]
    pub fn epoch(mut self, epoch: usize) -> Batches {
        self.epoch = epoch;
        self.restarted()
    }

    /// Begins with this batch of the epoch, from 0, instead of the first: to go on where an earlier walk
    /// stopped, without loading what was there before.
    #[must_use]
    pub fn start_at(mut self, batch: usize) -> Batches {
        self.start = batch;
        self.restarted()
    }

    /// Sets what happens to images at the end that do not fill a batch.
    #[must_use]
    pub fn drop_last(self, last: LastBatch) -> Batches {
        self.with(|config| config.drop_last = last)
    }

    /// Sets what happens to images of several sizes in one batch.
    #[must_use]
    pub fn sizes(self, sizes: Sizes) -> Batches {
        self.with(|config| config.sizes = sizes)
    }

    /// Sets how many threads load; 0 loads in the thread that asks.
    #[must_use]
    pub fn workers(self, threads: usize) -> Batches {
        self.with(|config| config.workers = Some(threads))
    }

    /// Sets how many batches the threads may be ahead.
    #[must_use]
    pub fn prefetch(self, batches: usize) -> Batches {
        self.with(|config| config.prefetch = batches)
    }

    /// Sets what happens when a sample cannot be read or changed.
    #[must_use]
    pub fn on_error(self, policy: OnError) -> Batches {
        self.with(|config| config.on_error = policy)
    }

    /// Sets the seed of what is random in the transforms, where it is to be another than that of the order.
    #[must_use]
    pub fn seed(self, seed: Seed) -> Batches {
        self.with(|config| config.seed = Some(seed))
    }

    /// Brings the batches to a device. The threads that load do it, beside whoever uses the batches, and hand a
    /// batch on when it is there.
    #[must_use]
    pub fn device(mut self, device: &Device) -> Batches {
        self.device = Some(device.clone());
        self.restarted()
    }

    /// Shows how far it is, how fast it goes and how long it will take, if it takes longer than a second.
    #[must_use]
    pub fn progress(mut self) -> Batches {
        self.shown = true;
        self.restarted()
    }

    /// The samples that were left out so far, with [`OnError::Skip`].
    #[must_use]
    pub fn skipped(&self) -> &SkipReport {
        &self.skipped
    }

    /// How many batches are still to come; fewer where nothing of a batch is left after skipping.
    #[must_use]
    pub fn len(&self) -> usize {
        self.total().saturating_sub(self.position)
    }

    /// Whether none is to come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn with(mut self, set: impl FnOnce(&mut BatchConfig)) -> Batches {
        set(&mut self.config);
        self.restarted()
    }

    fn restarted(mut self) -> Batches {
        self.position = self.start;
        self.running = None;
        self.skipped = SkipReport::default();
        self
    }

    /// How many batches the epoch has.
    fn total(&self) -> usize {
        let samples = self.sampler.as_ref().map_or(self.dataset.len(), Sampler::count);
        match (self.config.batch_size, self.config.drop_last) {
            // One item, the error.
            (0, _) => 1,
            (size, LastBatch::Keep) => samples.div_ceil(size),
            (size, LastBatch::Drop) => samples / size,
        }
    }

    fn order(&self) -> Result<Order> {
        let seed = self.config.shuffle.unwrap_or(Seed(0)).derive(&format!("epoch {}", self.epoch));
        if let Some(sampler) = &self.sampler {
            return sampler.order(self.dataset.len(), seed);
        }
        let mut order: Vec<usize> = (0..self.dataset.len()).collect();
        if self.config.shuffle.is_some() {
            seed.rng().shuffle(&mut order);
        }
        Ok(Order::once(order))
    }

    fn begin(&self) -> Result<Running> {
        let BatchConfig { batch_size, sizes, prefetch, on_error, .. } = self.config;
        if batch_size == 0 {
            return Err(Error::Argument {
                op: "batches".into(),
                expected: "a batch size of at least 1".into(),
                got: "0".into(),
                hint: "32 or 64 are common.".into(),
            });
        }
        let workers = match (self.dataset.whole_tensors(), self.config.workers) {
            (Some(_), _) => 0,
            (None, Some(workers)) => workers,
            (None, None) => threads::count()?,
        };
        let loading = Loading {
            dataset: self.dataset.clone(),
            order: Arc::new(self.order()?),
            batch_size,
            batches: self.total(),
            epoch: self.epoch,
            seed: self.config.seed.or(self.config.shuffle).unwrap_or(Seed(0)),
            sizes,
            on_error,
            transforms: self.transforms.clone(),
            device: self.device.clone(),
        };
        let images = self.len().saturating_mul(batch_size).min(loading.order.len());
        let walk = self.shown.then(|| Walk::start(&format!("epoch {}", self.epoch), images));
        Ok(Running { loader: Ahead::start(loading, Pace { workers, prefetch }, self.position)?, walk })
    }

    /// The next batch, none where nothing of it is left.
    fn take(&mut self) -> Result<Option<Batch>> {
        let (position, total, epoch) = (self.position, self.total(), self.epoch);
        let place = || format!("in epoch {epoch}, after batch {position} of {total}");
        let running = match &mut self.running {
            Some(running) => running,
            None => match self.begin() {
                Ok(running) => self.running.insert(running),
                Err(error) => {
                    // Said once; nothing comes after it.
                    self.position = total;
                    return Err(error);
                }
            },
        };
        self.position += 1;
        if let Some(picked) = running.loader.work().picked(position) {
            if interrupt::requested() {
                self.position = total;
                return Err(Error::Interrupted { at: place() });
            }
            return picked.map(Some);
        }
        let Some(parcel) = running.loader.take(place) else { return Ok(None) };
        let parcel = parcel.inspect_err(|error| {
            if matches!(error, Error::Interrupted { .. }) {
                self.position = total;
            }
        })?;
        self.skipped.samples.extend(parcel.skipped);
        Ok(parcel.batch)
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        while self.position < self.total() {
            let taken = self.take().transpose();
            let walk = self.running.as_mut().and_then(|running| running.walk.as_mut());
            if let (Some(walk), Some(Ok(batch))) = (walk, &taken) {
                walk.advance(batch.len());
            }
            if self.position >= self.total()
                && let Some(walk) = self.running.take().and_then(|running| running.walk)
            {
                walk.finish(taken.as_ref().and_then(|taken| taken.as_ref().err()));
            }
            if taken.is_some() {
                return taken;
            }
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self.config.on_error {
            OnError::Fail => (self.len(), Some(self.len())),
            OnError::Skip => (0, Some(self.len())),
        }
    }
}

impl std::iter::FusedIterator for Batches {}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("running")
    }
}
