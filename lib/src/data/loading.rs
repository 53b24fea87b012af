//! Samples on their way into batches.

use std::sync::Arc;

use candle_core::Device;

use super::ahead::Work;
use super::batch::Batch;
use super::collate::{Sizes, collate};
use super::dataset::Dataset;
use super::sample::Sample;
use super::skipped::{OnError, Skipped};
use super::transform::BatchTransform;
use crate::{Error, Result, Seed};

/// How the batches of one epoch are made.
#[derive(Debug)]
pub(super) struct Loading {
    pub(super) dataset: Dataset,
    /// Which sample comes when.
    pub(super) order: Arc<Order>,
    pub(super) batch_size: usize,
    pub(super) batches: usize,
    pub(super) epoch: usize,
    /// Of what is random in the transforms.
    pub(super) seed: Seed,
    pub(super) sizes: Sizes,
    pub(super) on_error: OnError,
    pub(super) transforms: Vec<Arc<dyn BatchTransform>>,
    pub(super) device: Option<Device>,
}

/// Which sample comes when.
#[derive(Debug)]
pub(super) struct Order {
    indices: Vec<usize>,
    /// How often each has come before; empty where none comes twice.
    times: Vec<usize>,
}

impl Order {
    /// Each of `indices` comes once.
    pub(super) fn once(indices: Vec<usize>) -> Order {
        Order { indices, times: Vec::new() }
    }

    /// Of `samples` samples some may come several times.
    pub(super) fn repeated(indices: Vec<usize>, samples: usize) -> Order {
        let mut seen = vec![0; samples];
        let times = indices
            .iter()
            .map(|&index| {
                seen[index] += 1;
                seen[index] - 1
            })
            .collect();
        Order { indices, times }
    }

    pub(super) fn len(&self) -> usize {
        self.indices.len()
    }
}

/// A batch, or none where nothing of it is left, with what was left out.
pub(super) struct Parcel {
    pub(super) batch: Option<Batch>,
    pub(super) skipped: Vec<Skipped>,
}

impl Work for Loading {
    type Item = Result<Sample, Skipped>;
    type Group = Parcel;

    fn groups(&self) -> usize {
        self.batches
    }

    fn items(&self, group: usize) -> usize {
        self.batch_size.min(self.order.len() - group * self.batch_size)
    }

    fn item(&self, group: usize, at: usize) -> Result<Result<Sample, Skipped>> {
        let position = group * self.batch_size + at;
        let index = self.order.indices[position];
        let times = self.order.times.get(position).copied().unwrap_or(0);
        let made = super::ahead::guarded(|| self.dataset.drawn(index, self.epoch, self.seed, times));
        match made {
            Ok(sample) => Ok(Ok(sample)),
            Err(error @ Error::Interrupted { .. }) => Err(error),
            Err(error) if self.on_error == OnError::Skip => Ok(Err(Skipped {
                index,
                id: self.dataset.id(index)?,
                path: self.dataset.path(index)?,
                error: error.to_string(),
            })),
            Err(error) => Err(Error::Sample { index, id: self.dataset.id(index)?, source: Box::new(error) }),
        }
    }

    fn finish(&self, group: usize, items: Vec<Result<Sample, Skipped>>) -> Result<Parcel> {
        let mut indices = Vec::with_capacity(items.len());
        let (mut samples, mut skipped) = (Vec::with_capacity(items.len()), Vec::new());
        for (at, item) in items.into_iter().enumerate() {
            match item {
                Ok(sample) => {
                    indices.push(self.order.indices[group * self.batch_size + at]);
                    samples.push(sample);
                }
                Err(left_out) => skipped.push(left_out),
            }
        }
        if samples.is_empty() {
            return Ok(Parcel { batch: None, skipped });
        }
        let batch = Batch::collated(&self.dataset, collate(samples, self.sizes)?, indices)?;
        let batch = self.finished(group, batch)?;
        if let Some(device) = &self.device {
            // On a GPU each thread queues its work for itself, so that a copy runs beside a training step. What
            // another thread queues does not wait for it: it must be over before the batch is handed on.
            device.synchronize()?;
        }
        Ok(Parcel { batch: Some(batch), skipped })
    }
}

impl Loading {
    /// A batch of a tensor, picked at once: nothing that could be done in parallel or fail for one sample.
    pub(super) fn picked(&self, group: usize) -> Option<Result<Batch>> {
        let tensors = self.dataset.whole_tensors()?;
        let start = group * self.batch_size;
        let indices = self.order.indices[start..start + self.items(group)].to_vec();
        let batch = Batch::picked(&self.dataset, tensors, indices);
        Some(batch.and_then(|batch| self.finished(group, batch)))
    }

    /// The batch as its transforms change it, where it is wanted. Done by whoever made it.
    fn finished(&self, group: usize, batch: Batch) -> Result<Batch> {
        let mut rng = self.seed.derive(&format!("epoch {}, batch {group}", self.epoch)).rng();
        let changed = |batch, transform: &Arc<dyn BatchTransform>| transform.apply(batch, &mut rng);
        let batch = self.transforms.iter().try_fold(batch, changed)?;
        match &self.device {
            Some(device) => batch.to_device(device),
            None => Ok(batch),
        }
    }
}
