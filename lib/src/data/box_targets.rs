//! Boxes of a batch as a detector learns them.

use candle_core::{DType, Tensor};

use super::batch::Batch;
use super::sample::Target;
use crate::{Error, Result};

/// The objects of a batch of images, as [`Batch::box_targets`] gives them and [`crate::losses::set_loss`] takes them: both
/// lists have an entry for each image.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxTargets {
    /// The class of each object.
    pub labels: Vec<Vec<u32>>,
    /// Centre and size of each object, `[cx, cy, width, height]` in fractions of its image, in `[0, 1]`.
    pub boxes: Vec<Vec<[f32; 4]>>,
}

impl Batch {
    /// The classes and boxes of the objects in each image, in fractions of the image without what it was padded with.
    ///
    /// What lies outside the image is cut off. Objects that are to be ignored, and those without an area inside, are left
    /// out, as DETR leaves them out.
    ///
    /// # Errors
    /// If a box has a side that is not a number, images were mixed with each other, or they are not (B, C, H, W).
    pub fn box_targets(&self) -> Result<BoxTargets> {
        if self.shares.is_some() {
            return Err(Error::Argument {
                op: "Batch::box_targets".into(),
                expected: "images as they are".into(),
                got: "images that were mixed with each other".into(),
                hint: "Leave MixUp and CutMix out; Mosaic moves the boxes with the pixels.".into(),
            });
        }
        let sizes = self.image_sizes()?;
        let mut targets = BoxTargets { labels: Vec::new(), boxes: Vec::new() };
        for (at, (target, size)) in self.targets.iter().zip(sizes).enumerate() {
            let index = self.indices.get(at).copied().unwrap_or(at);
            let (labels, boxes) = of_image(target, size, index)?;
            targets.labels.push(labels);
            targets.boxes.push(boxes);
        }
        Ok(targets)
    }

    /// `[height, width]` of each image in pixels, without what it was padded with.
    ///
    /// # Errors
    /// If the images are not (B, C, H, W), or candle refuses.
    pub fn image_sizes(&self) -> Result<Vec<[usize; 2]>> {
        let (count, _, height, width) = self.images.dims4()?;
        match &self.pixel_mask {
            Some(mask) => sizes(mask),
            None => Ok(vec![[height, width]; count]),
        }
    }
}

/// The rows and columns of a mask (B, H, W) that have an image: it lies in the left upper corner.
fn sizes(mask: &Tensor) -> Result<Vec<[usize; 2]>> {
    let (count, height, width) = mask.dims3()?;
    let mask = mask.to_dtype(DType::U8)?.flatten_all()?.to_vec1::<u8>()?;
    let size = |mask: &[u8]| {
        let columns = mask[..width].iter().filter(|inside| **inside != 0).count();
        let rows = mask.chunks_exact(width).filter(|row| row[0] != 0).count();
        [rows, columns]
    };
    if height * width == 0 {
        return Ok(vec![[height, width]; count]);
    }
    Ok(mask.chunks_exact(height * width).map(size).collect())
}

fn of_image(target: &Target, [height, width]: [usize; 2], index: usize) -> Result<(Vec<u32>, Vec<[f32; 4]>)> {
    let (mut labels, mut boxes) = (Vec::new(), Vec::new());
    let (height, width) = (height as f32, width as f32);
    for object in target.objects.iter().filter(|object| !object.ignore) {
        let sides = [object.bbox.x0, object.bbox.y0, object.bbox.x1, object.bbox.y1];
        if sides.iter().any(|side| side.is_nan()) {
            return Err(Error::Argument {
                op: "Batch::box_targets".into(),
                expected: "boxes whose sides are numbers".into(),
                got: format!("{sides:?} in image {index} of the data set"),
                hint: "Dataset::scan finds such boxes.".into(),
            });
        }
        let [x0, x1] = [sides[0], sides[2]].map(|side| side.clamp(0.0, width) / width);
        let [y0, y1] = [sides[1], sides[3]].map(|side| side.clamp(0.0, height) / height);
        // An image without pixels makes NaN, which is in no order.
        if x1 > x0 && y1 > y0 {
            labels.push(object.label);
            boxes.push([(x0 + x1) / 2.0, (y0 + y1) / 2.0, x1 - x0, y1 - y0]);
        }
    }
    Ok((labels, boxes))
}
