//! Objects that cannot be learnt from.

use super::fill::Fill;
use super::motion::moved;
use super::objects::ObjectRule;
use super::window::{PadMode, Window};
use crate::data::{Sample, Transform};
use crate::{Result, Rng};

/// Cuts boxes at the image's edges and leaves out objects by a rule, without changing the image: for data sets
/// whose boxes reach out of their images, or have no area. Every transform that moves pixels does it too.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SanitizeBoundingBoxes {
    /// Which objects stay.
    pub objects: ObjectRule,
}

impl Transform for SanitizeBoundingBoxes {
    fn apply(&self, sample: Sample, _: &mut Rng) -> Result<Sample> {
        let size = [sample.image.height(), sample.image.width()];
        let (mode, fill) = (PadMode::Constant, &Fill::default());
        let still = Window { op: "SanitizeBoundingBoxes", from: size, corner: [0, 0], size, mode, fill };
        moved(sample, &still, &self.objects)
    }
}
