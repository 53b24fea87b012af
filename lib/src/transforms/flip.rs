//! Left and right.

use crate::data::{BBox, PixelsMut, Sample, Transform};
use crate::{Result, Rng};

/// Turns left to right with probability `p`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HorizontalFlip {
    /// How often, 0 to 1.
    pub p: f64,
}

impl Transform for HorizontalFlip {
    fn apply(&self, mut sample: Sample, rng: &mut Rng) -> Result<Sample> {
        if rng.uniform() >= self.p {
            return Ok(sample);
        }
        let [_, width, channels] = sample.image.shape();
        match sample.image.pixels_mut() {
            PixelsMut::U8(values) => mirror_rows(values, width, channels),
            PixelsMut::F32(values) => mirror_rows(values, width, channels),
        }
        let right = width as f32;
        for object in &mut sample.target.objects {
            let BBox { x0, x1, .. } = object.bbox;
            (object.bbox.x0, object.bbox.x1) = (right - x1, right - x0);
            if let Some(mask) = &mut object.mask {
                mirror_rows(&mut mask.pixels, width, 1);
            }
            for point in &mut object.keypoints {
                point.x = right - point.x;
            }
        }
        if let Some(map) = &mut sample.target.segmentation {
            mirror_rows(&mut map.classes, width, 1);
        }
        Ok(sample)
    }
}

fn mirror_rows<T: Copy>(values: &mut [T], width: usize, channels: usize) {
    for row in values.chunks_exact_mut(width * channels) {
        for x in 0..width / 2 {
            let (left, right) = row.split_at_mut((width - 1 - x) * channels);
            left[x * channels..][..channels].swap_with_slice(&mut right[..channels]);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Seed;
    use crate::data::{Image, Pixels, Target};

    #[test]
    fn pixels_keep_their_channels() {
        let image = Image::new([1, 3, 2], Pixels::U8(vec![1, 2, 3, 4, 5, 6])).unwrap();
        let sample = Sample { id: "a".into(), image, target: Target::default() };
        let turned = HorizontalFlip { p: 1.0 }.apply(sample, &mut Seed(1).rng()).unwrap();
        assert_eq!(*turned.image.pixels(), Pixels::U8(vec![5, 6, 3, 4, 1, 2]));
    }
}
