//! Preprocessing as a transform.

use candle_core::{Device, Tensor};

use crate::data::{Image, Pixels, Sample, Target, Transform};
use crate::models::{Preprocessing, Resizing};
use crate::transforms::{CenterCrop, Normalize, Resize, ResizeTo, Rgb};
use crate::{Error, Result, Rng, Seed};

impl Transform for Preprocessing {
    /// Makes the image RGB, resizes, cuts and normalizes it, as it was done when the weights were made. Boxes, masks
    /// and keypoints go along.
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let to = resized(self.resize, [sample.image.height(), sample.image.width()]);
        let sample = Rgb.apply(sample, rng)?;
        let mut sample = Resize::new(to).filter(self.filter).apply(sample, rng)?;
        if let Some(side) = self.crop {
            sample = CenterCrop::new(side).apply(sample, rng)?;
        }
        Normalize::new(&self.mean, &self.std).apply(sample, rng)
    }

    fn is_random(&self) -> bool {
        false
    }
}

/// The size that an image of this one is brought to.
fn resized(resize: Resizing, size: [usize; 2]) -> ResizeTo {
    let (shorter, longest) = match resize {
        Resizing::Shorter(side) => return ResizeTo::Short(side),
        Resizing::Within { shorter, longest } => (shorter, longest),
    };
    // As the code of DETR's paper: the shorter side is chosen first, as a whole number, then the other follows.
    let [short, long] = [size[0].min(size[1]), size[0].max(size[1])].map(|side| side.max(1) as f64);
    let side = if long / short * shorter as f64 > longest as f64 {
        ((longest as f64 * short / long).round() as usize).max(1)
    } else {
        shorter
    };
    ResizeTo::Short(side)
}

/// An image as a batch of one, (1, 3, H, W), prepared.
pub(super) fn batch(preprocessing: &Preprocessing, image: &Image, device: &Device) -> Result<Tensor> {
    let sample = Sample { id: String::new(), image: image.clone(), target: Target::default() };
    // Nothing in it is random.
    let image = preprocessing.apply(sample, &mut Seed(0).rng())?.image;
    let [height, width, channels] = image.shape();
    let Pixels::F32(values) = image.into_pixels() else {
        return Err(Error::Argument {
            op: "Preprocessing::apply".into(),
            expected: "an image of numbers".into(),
            got: "one of bytes".into(),
            hint: "Please report this.".into(),
        });
    };
    let image = Tensor::from_vec(values, (height, width, channels), &Device::Cpu)?;
    Ok(image.permute((2, 0, 1))?.unsqueeze(0)?.contiguous()?.to_device(device)?) // (1, C, H, W)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stay_within_their_bounds() {
        let detr = Resizing::Within { shorter: 800, longest: 1333 };
        for (size, short) in [([480, 640], 800), ([1000, 2000], 667), ([2000, 1000], 667), ([1, 10_000], 1)] {
            assert_eq!(resized(detr, size), ResizeTo::Short(short), "{size:?}");
        }
        assert_eq!(resized(Resizing::Shorter(256), [1, 2]), ResizeTo::Short(256));
    }
}
