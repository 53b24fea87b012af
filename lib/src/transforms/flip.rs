//! Left and right, top and bottom.

use super::motion::{Motion, moved};
use super::objects::EVERYTHING;
use super::refused::unfit;
use super::span::check_probability;
use crate::data::{Image, PixelsMut, Sample, Transform};
use crate::{Result, Rng};

/// Turns left to right, half of the time unless told.
///
/// Points that come in pairs of left and right change their places in the list too: the left eye of a person
/// becomes the right eye of the mirrored person. `keypoint_pairs` says which belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct RandomHorizontalFlip {
    p: f64,
    keypoint_pairs: Vec<[usize; 2]>,
}

impl Default for RandomHorizontalFlip {
    fn default() -> RandomHorizontalFlip {
        RandomHorizontalFlip::new(0.5)
    }
}

impl RandomHorizontalFlip {
    /// Turns with probability `p`; 1 always turns.
    #[must_use]
    pub fn new(p: f64) -> RandomHorizontalFlip {
        RandomHorizontalFlip { p, keypoint_pairs: Vec::new() }
    }

    /// Sets which keypoints are left and right of each other, by their places in the list of an object.
    ///
    /// For COCO's persons: `[[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12], [13, 14], [15, 16]]`.
    #[must_use]
    pub fn keypoint_pairs(mut self, pairs: &[[usize; 2]]) -> RandomHorizontalFlip {
        self.keypoint_pairs = pairs.to_vec();
        self
    }
}

impl Transform for RandomHorizontalFlip {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "RandomHorizontalFlip";
        check_probability(OP, self.p)?;
        if rng.uniform() >= self.p {
            return Ok(sample);
        }
        let mut sample = mirrored(sample, OP, Side::LeftRight)?;
        for object in sample.target.objects.iter_mut().filter(|object| !object.keypoints.is_empty()) {
            let points = object.keypoints.len();
            for &[left, right] in &self.keypoint_pairs {
                if left.max(right) >= points {
                    return Err(unfit(
                        OP,
                        &format!("keypoints {left} and {right} in each object that has keypoints"),
                        format!("{points} keypoints in sample {:?}", sample.id),
                        "keypoint_pairs counts from 0.",
                    ));
                }
                object.keypoints.swap(left, right);
            }
        }
        Ok(sample)
    }
}

/// Turns top to bottom, half of the time unless told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomVerticalFlip {
    p: f64,
}

impl Default for RandomVerticalFlip {
    fn default() -> RandomVerticalFlip {
        RandomVerticalFlip::new(0.5)
    }
}

impl RandomVerticalFlip {
    /// Turns with probability `p`; 1 always turns.
    #[must_use]
    pub fn new(p: f64) -> RandomVerticalFlip {
        RandomVerticalFlip { p }
    }
}

impl Transform for RandomVerticalFlip {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "RandomVerticalFlip";
        check_probability(OP, self.p)?;
        if rng.uniform() >= self.p { Ok(sample) } else { mirrored(sample, OP, Side::TopBottom) }
    }
}

/// What changes its place with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    LeftRight,
    TopBottom,
}

/// The mirrored sample, with all its objects.
pub(super) fn mirrored(sample: Sample, op: &'static str, side: Side) -> Result<Sample> {
    let size = [sample.image.height(), sample.image.width()];
    moved(sample, &Mirror { op, side, size }, &EVERYTHING)
}

struct Mirror {
    op: &'static str,
    side: Side,
    size: [usize; 2],
}

impl Mirror {
    fn turn<T: Copy>(&self, values: &mut [T], channels: usize) {
        let row = self.size[1] * channels;
        match self.side {
            Side::LeftRight => match channels {
                // A known number of channels makes the moves of a pixel single instructions.
                1 => values.chunks_exact_mut(row).for_each(<[T]>::reverse),
                3 => values.chunks_exact_mut(row).for_each(|row| row.as_chunks_mut::<3>().0.reverse()),
                4 => values.chunks_exact_mut(row).for_each(|row| row.as_chunks_mut::<4>().0.reverse()),
                _ => values.chunks_exact_mut(row).for_each(|row| {
                    row.reverse();
                    row.chunks_exact_mut(channels).for_each(<[T]>::reverse);
                }),
            },
            Side::TopBottom => {
                let height = self.size[0];
                for y in 0..height / 2 {
                    let (top, bottom) = values.split_at_mut((height - 1 - y) * row);
                    top[y * row..][..row].swap_with_slice(&mut bottom[..row]);
                }
            }
        }
    }
}

impl Motion for Mirror {
    fn op(&self) -> &'static str {
        self.op
    }

    fn size(&self) -> [usize; 2] {
        self.size
    }

    fn image(&self, mut image: Image) -> Result<Image> {
        let channels = image.channels();
        match image.pixels_mut() {
            PixelsMut::U8(values) => self.turn(values, channels),
            PixelsMut::F32(values) => self.turn(values, channels),
        }
        Ok(image)
    }

    fn mask(&self, pixels: &[u8]) -> Vec<u8> {
        let mut turned = pixels.to_vec();
        self.turn(&mut turned, 1);
        turned
    }

    fn classes(&self, classes: &[u16]) -> Vec<u16> {
        let mut turned = classes.to_vec();
        self.turn(&mut turned, 1);
        turned
    }

    fn point(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let [height, width] = self.size.map(|side| side as f64);
        Some(match self.side {
            Side::LeftRight => [width - x, y],
            Side::TopBottom => [x, height - y],
        })
    }
}
