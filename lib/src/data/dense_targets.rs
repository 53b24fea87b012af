//! Targets of a batch as tensors: tags of images, classes of pixels.

use candle_core::Tensor;

use super::batch::Batch;
use super::sample::ClassMap;
use crate::{Error, Result};

impl Batch {
    /// Which of `num_classes` classes are in each image: f32 (B, K) of 0 and 1, as
    /// [`bce_with_logits`](crate::losses::bce_with_logits) and the metrics of tags take them.
    ///
    /// ```
    /// use sconce::prelude::*;
    ///
    /// let data = datasets::digits()?;
    /// let batch = data.batches(4).next().ok_or("no batch").unwrap()?;
    /// let tags = batch.tags(data.num_classes())?;
    /// assert_eq!((tags.dims(), tags.sum_all()?.to_scalar::<f32>()?), (&[4, 10][..], 4.0));
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a label is no class, or images were mixed with each other.
    pub fn tags(&self, num_classes: usize) -> Result<Tensor> {
        self.refuse_mixed(
            "Batch::tags",
            "Take batch.classes(), the share of each class, or leave MixUp and CutMix out.",
        )?;
        let mut tags = vec![0f32; self.targets.len() * num_classes];
        for (at, target) in self.targets.iter().enumerate() {
            for &label in &target.labels {
                if label as usize >= num_classes {
                    return Err(Error::Argument {
                        op: "Batch::tags".into(),
                        expected: format!("labels below {num_classes}, the number of classes"),
                        got: format!("{label} in {}", self.called(at)),
                        hint: "Give it the num_classes() of the data set.".into(),
                    });
                }
                tags[at * num_classes + label as usize] = 1.0;
            }
        }
        Ok(Tensor::from_vec(tags, (self.targets.len(), num_classes), self.images.device())?)
    }

    /// The class of each pixel: u32 (B, H, W), as [`cross_entropy`](crate::losses::cross_entropy) with
    /// `ignore_index(255)` and [`mean_iou`](crate::metrics::mean_iou) take it. 255 is a pixel that does not count, as those
    /// that an image was padded with.
    ///
    /// # Errors
    /// If an image has no class map, or one of another size than the image; if images were mixed with each other.
    pub fn class_maps(&self) -> Result<Tensor> {
        let op = "Batch::class_maps";
        self.refuse_mixed(op, "Leave MixUp and CutMix out; Mosaic moves the maps with the pixels.")?;
        let (_, _, height, width) = self.images.dims4()?;
        let mut classes = vec![u32::from(ClassMap::IGNORE); self.targets.len() * height * width];
        let sizes = self.image_sizes()?;
        for (at, (target, size)) in self.targets.iter().zip(sizes).enumerate() {
            let Some(map) = &target.segmentation else {
                return Err(Error::Argument {
                    op: op.into(),
                    expected: "a class map for each image".into(),
                    got: format!("none for {}", self.called(at)),
                    hint: "Data sets of segmentation have them, e.g. VOC's.".into(),
                });
            };
            let (rows, columns) = (map.height, map.width);
            if [rows, columns] != size
                || rows > height
                || columns > width
                || map.classes.len() != rows * columns
            {
                return Err(Error::Shape {
                    op: op.into(),
                    expected: format!("a class map of {} x {} for {}", size[0], size[1], self.called(at)),
                    got: format!("{rows} x {columns} with {} classes", map.classes.len()),
                    hint: "Transforms must change image and map alike.".into(),
                });
            }
            for (row, of_map) in map.classes.chunks_exact(columns.max(1)).enumerate() {
                let start = (at * height + row) * width;
                for (place, &class) in classes[start..start + columns].iter_mut().zip(of_map) {
                    *place = u32::from(class);
                }
            }
        }
        Ok(Tensor::from_vec(classes, (self.targets.len(), height, width), self.images.device())?)
    }

    fn called(&self, at: usize) -> String {
        format!("image {} of the data set", self.indices.get(at).copied().unwrap_or(at))
    }

    fn refuse_mixed(&self, op: &str, hint: &str) -> Result<()> {
        if self.shares.is_none() {
            return Ok(());
        }
        Err(Error::Argument {
            op: op.into(),
            expected: "images as they are".into(),
            got: "images that were mixed with each other".into(),
            hint: hint.into(),
        })
    }
}
