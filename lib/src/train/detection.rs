//! Boxes of data as metrics take them, and boxes that were found as pictures.

use candle_core::{DType, Device, Tensor};

use crate::data::{Batch, Object};
use crate::metrics::{FoundBox, TrueBox};
use crate::plot::{Annotated, ImageGrid, Mark, Picture, ValueRange};
use crate::{Error, Result};

impl From<&Object> for TrueBox {
    fn from(object: &Object) -> TrueBox {
        let corners = [object.bbox.x0, object.bbox.y0, object.bbox.x1, object.bbox.y1].map(f64::from);
        TrueBox { label: object.label, corners, area: object.area, ignore: object.ignore }
    }
}

impl Batch {
    /// What is in each image, as [`crate::metrics::BoxEvaluation`] takes it.
    #[must_use]
    pub fn true_boxes(&self) -> Vec<Vec<TrueBox>> {
        self.targets.iter().map(|target| target.objects.iter().map(TrueBox::from).collect()).collect()
    }

    /// The images with what was found in each, drawn in the colours of the classes, and said below: only what has a score
    /// of at least `least_score`.
    ///
    /// # Errors
    /// If `found` is not of as many images, or a mark cannot be drawn.
    pub fn show_found(
        &self,
        found: &[Vec<FoundBox>],
        class_names: &[String],
        least_score: f64,
    ) -> Result<ImageGrid> {
        if found.len() != self.len() {
            return Err(Error::Shape {
                op: "Batch::show_found".into(),
                expected: format!("boxes for {} images", self.len()),
                got: format!("boxes for {}", found.len()),
                hint: "found_boxes gives them for a whole batch.".into(),
            });
        }
        let mut grid = ImageGrid::new();
        for (at, found) in found.iter().enumerate() {
            let seen: Vec<FoundBox> =
                found.iter().filter(|found| found.score >= least_score).cloned().collect();
            let shown = found_on(&self.images.get(at)?, &seen, class_names)?;
            let caption = seen.iter().map(|found| words(found, class_names));
            grid.push(shown.picture()?, &caption.collect::<Vec<_>>().join(", "));
        }
        Ok(grid.note(&format!("boxes with a score of at least {least_score}")))
    }
}

/// An image (C, H, W) of 1 or 3 channels with what was found in it, each box with its class and score.
///
/// Values from 0 to 1 are shown as they are, others from the least to the greatest.
///
/// # Errors
/// If the image is none.
pub fn found_on(image: &Tensor, found: &[FoundBox], class_names: &[String]) -> Result<Annotated> {
    let &[channels, height, width] = image.dims() else {
        return Err(Error::Shape {
            op: "found_on".into(),
            expected: "an image (C, H, W)".into(),
            got: format!("{:?}", image.dims()),
            hint: "Take one image of a batch with get(index).".into(),
        });
    };
    let values = image.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    let unit = values.iter().all(|value| (0.0..=1.0).contains(value));
    let range = if unit { ValueRange::Unit } else { ValueRange::Data };
    let mut shown = Annotated::new(Picture::from_values([channels, height, width], &values, range)?);
    // The surest is drawn last, over the others.
    for found in found.iter().rev() {
        shown = shown.mark(Mark {
            label: words(found, class_names),
            color: found.label as usize,
            corners: Some(found.corners.map(|side| side as f32)),
            ..Mark::default()
        })?;
    }
    Ok(shown)
}

/// `circle 98 %`.
fn words(found: &FoundBox, class_names: &[String]) -> String {
    let name = class_names.get(found.label as usize).cloned();
    let name = name.unwrap_or_else(|| found.label.to_string());
    format!("{name} {:.0} %", 100.0 * found.score)
}
