//! What may be done to a sample on its way into a batch.

use std::fmt::Debug;

use super::batch::Batch;
use super::sample::Sample;
use crate::plot::ImageGrid;
use crate::{Result, Rng, Seed};

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

    /// Whether the same sample may come out as another one the next time. What is worked out of samples that never change is kept;
    /// true unless a transform says no.
    fn is_random(&self) -> bool {
        true
    }

    /// The sample as it is, and `n` times changed, as a picture; with boxes, masks and keypoints over it.
    ///
    /// # Errors
    /// As [`Transform::apply`].
    fn preview(&self, sample: &Sample, n: usize, seed: Seed) -> Result<ImageGrid> {
        let mut grid = ImageGrid::new().title(&sample.id);
        grid.push(sample.show()?.picture()?, "before");
        for at in 0..n {
            let mut rng = seed.derive(&format!("preview {at}")).rng();
            grid.push(
                self.apply(sample.clone(), &mut rng)?.show()?.picture()?,
                &format!("after, {}", at + 1),
            );
        }
        Ok(grid)
    }
}

/// Makes one sample of several of a data set, such as a mosaic of four: see
/// [`Dataset::join`](super::Dataset::join).
pub trait Join: Debug + Send + Sync {
    /// How many other samples are wanted this time; with 0 the sample stays as it is.
    ///
    /// # Errors
    /// When an argument can't be meant.
    fn others(&self, rng: &mut Rng) -> Result<usize>;

    /// One sample of `samples`: the one whose turn it is, then the others.
    ///
    /// # Errors
    /// When the samples do not go together.
    fn joined(&self, samples: Vec<Sample>, rng: &mut Rng) -> Result<Sample>;
}

/// Changes whole batches, such as by mixing their images: see
/// [`Batches::transform`](super::Batches::transform).
pub trait BatchTransform: Debug + Send + Sync {
    /// The changed batch. Whatever is random comes from `rng`, which the loader starts anew for each batch and
    /// epoch.
    ///
    /// # Errors
    /// When the batch does not allow it.
    fn apply(&self, batch: Batch, rng: &mut Rng) -> Result<Batch>;
}
