//! One batch.

use candle_core::{Device, Tensor};
use sconce_display::Bundle;

use super::collate::Collated;
use super::dataset::Dataset;
use super::look::{Drawn, images_grid};
use super::sample::Target;
use super::tensors::Tensors;
use crate::Result;
use crate::rich::Rich;

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
    /// u8 `(B, H, W)`, 1 where there is an image and 0 where there is padding, if
    /// [`crate::data::Sizes::Pad`] was asked for.
    pub pixel_mask: Option<Tensor>,
    /// Where each image stands in the data set.
    pub indices: Vec<usize>,
}

impl Batch {
    /// Images that are picked out of a tensor at once.
    pub(super) fn picked(dataset: &Dataset, tensors: &Tensors, indices: Vec<usize>) -> Result<Batch> {
        let places =
            indices.iter().map(|&index| dataset.place("batches", index)).collect::<Result<Vec<_>>>()?;
        let labels: Vec<u32> = places.iter().map(|&place| tensors.label(place)).collect();
        let targets =
            labels.iter().map(|&label| Target { labels: vec![label], ..Target::default() }).collect();
        let labels = Tensor::from_vec(labels, places.len(), tensors.device())?;
        Ok(Batch { images: tensors.pick(Some(&places))?, labels, targets, pixel_mask: None, indices })
    }

    /// Samples that were made one by one.
    pub(super) fn collated(dataset: &Dataset, collated: Collated, indices: Vec<usize>) -> Result<Batch> {
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

    /// The batch with its tensors on a device.
    ///
    /// # Errors
    /// When candle refuses.
    pub fn to_device(self, device: &Device) -> Result<Batch> {
        let pixel_mask = self.pixel_mask.map(|mask| mask.to_device(device)).transpose()?;
        let (images, labels) = (self.images.to_device(device)?, self.labels.to_device(device)?);
        Ok(Batch { images, labels, pixel_mask, ..self })
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
            images_grid(
                &Drawn::batch(&self.images)?,
                &self.targets.iter().map(caption).collect::<Vec<_>>(),
                |_, picture| Ok(picture),
            )
        };
        match grid() {
            Ok(grid) => grid.title(&format!("batch of {}", self.len())).rich(),
            Err(error) => {
                Bundle::text(format!("batch of {} images that could not be drawn: {error}\n", self.len()))
            }
        }
    }
}
