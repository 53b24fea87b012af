//! What may be done to a sample on its way into a batch.

use std::fmt::Debug;

use super::sample::Sample;
use crate::{Result, Rng};

/// Changes samples: image, boxes, masks and keypoints together. The transforms themselves are in
/// [`crate::transforms`].
///
/// Whatever is random comes from `rng`, which the loader starts anew for each sample and epoch, so that a
/// run repeats whatever the number of workers.
pub trait Transform: Debug + Send + Sync {
    /// The changed sample.
    ///
    /// # Errors
    /// When the sample does not allow it: a crop larger than the image, a grey image where RGB is needed.
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample>;
}
