//! Images with holes.

use super::fill::Fill;
use super::refused::refused;
use super::size::Size;
use super::span::{POSITIVE, Span, check_probability};
use super::value::Value;
use crate::data::{PixelsMut, Sample, Transform};
use crate::{Result, Rng};

/// What stands in a hole.
#[derive(Debug, Clone, PartialEq)]
pub enum Erased {
    /// One colour.
    Fill(Fill),
    /// Normal noise of mean 0 and deviation 1 for f32 images, meant for normalized ones; for bytes any byte.
    Noise,
}

impl<F: Into<Fill>> From<F> for Erased {
    fn from(fill: F) -> Erased {
        Erased::Fill(fill.into())
    }
}

/// Erases one rectangle of random size, proportions and place, half of the time unless told (Zhong et al. 2017,
/// "Random erasing data augmentation"; numbers as torchvision's). Boxes, masks and keypoints stay.
#[derive(Debug, Clone, PartialEq)]
pub struct RandomErasing {
    p: f64,
    scale: Span,
    ratio: Span,
    value: Erased,
}

impl Default for RandomErasing {
    fn default() -> RandomErasing {
        RandomErasing::new(0.5)
    }
}

impl RandomErasing {
    /// With probability `p`; 2 % to 33 % of the image, of proportions 0.3 to 3.3, black.
    #[must_use]
    pub fn new(p: f64) -> RandomErasing {
        RandomErasing {
            p,
            scale: (0.02..=0.33).into(),
            ratio: (0.3..=3.3).into(),
            value: Erased::Fill(Fill::default()),
        }
    }

    /// Sets the share of the image's area, 0 to 1.
    #[must_use]
    pub fn scale(mut self, share: impl Into<Span>) -> RandomErasing {
        self.scale = share.into();
        self
    }

    /// Sets the proportions, height over width; 2 is as likely as 1/2.
    #[must_use]
    pub fn ratio(mut self, ratio: impl Into<Span>) -> RandomErasing {
        self.ratio = ratio.into();
        self
    }

    /// Sets what stands in the hole: a colour, or [`Erased::Noise`].
    #[must_use]
    pub fn value(mut self, value: impl Into<Erased>) -> RandomErasing {
        self.value = value.into();
        self
    }
}

impl Transform for RandomErasing {
    fn apply(&self, mut sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "RandomErasing";
        check_probability(OP, self.p)?;
        self.scale.check(OP, "scale", Span { low: 0.0, high: 1.0 })?;
        self.ratio.check(OP, "ratio", POSITIVE)?;
        if rng.uniform() >= self.p {
            return Ok(sample);
        }
        let [height, width, _] = sample.image.shape();
        let area = height as f64 * width as f64;
        for _ in 0..10 {
            let wanted = area * self.scale.draw(rng);
            let ratio = self.ratio.draw_factor(rng);
            let rows = (wanted * ratio).sqrt().round_ties_even() as usize;
            let columns = (wanted / ratio).sqrt().round_ties_even() as usize;
            if rows < height && columns < width {
                let corner = [rng.below(height - rows + 1), rng.below(width - columns + 1)];
                erase(OP, &mut sample, corner, [rows, columns], &self.value, rng)?;
                break;
            }
        }
        Ok(sample)
    }
}

/// Erases squares around random points of the image, which may reach over its edges (DeVries and Taylor 2017,
/// "Improved regularization of convolutional neural networks with cutout"). Boxes, masks and keypoints stay.
#[derive(Debug, Clone, PartialEq)]
pub struct Cutout {
    size: Size,
    holes: usize,
    value: Erased,
}

impl Cutout {
    /// One hole of so many pixels a side, or of `[height, width]`, black. 16 is usual for CIFAR-10.
    #[must_use]
    pub fn new(size: impl Into<Size>) -> Cutout {
        Cutout { size: size.into(), holes: 1, value: Erased::Fill(Fill::default()) }
    }

    /// Sets the number of holes.
    #[must_use]
    pub fn holes(mut self, count: usize) -> Cutout {
        self.holes = count;
        self
    }

    /// Sets what stands in the holes: a colour, or [`Erased::Noise`].
    #[must_use]
    pub fn value(mut self, value: impl Into<Erased>) -> Cutout {
        self.value = value.into();
        self
    }
}

impl Transform for Cutout {
    fn apply(&self, mut sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "Cutout";
        let size = self.size.checked(OP)?;
        if self.holes > 10_000 {
            return Err(refused(OP, "at most 10000 holes", self.holes.to_string(), "One is usual."));
        }
        let from = [sample.image.height(), sample.image.width()];
        for _ in 0..self.holes {
            let center = from.map(|side| rng.below(side));
            let corner = [0, 1].map(|axis| center[axis].saturating_sub(size[axis] / 2));
            let end = [0, 1].map(|axis| (center[axis] + size[axis].div_ceil(2)).min(from[axis]));
            let hole = [0, 1].map(|axis| end[axis] - corner[axis]);
            erase(OP, &mut sample, corner, hole, &self.value, rng)?;
        }
        Ok(sample)
    }
}

/// Erases a rectangle that lies within the image.
fn erase(
    op: &str,
    sample: &mut Sample,
    corner: [usize; 2],
    size: [usize; 2],
    value: &Erased,
    rng: &mut Rng,
) -> Result<()> {
    let shape = sample.image.shape();
    let hole = [corner, size];
    match sample.image.pixels_mut() {
        PixelsMut::U8(values) => punch(op, values, shape, hole, value, || (rng.next_u64() >> 56) as u8),
        PixelsMut::F32(values) => punch(op, values, shape, hole, value, || rng.normal() as f32),
    }
}

fn punch<T: Value>(
    op: &str,
    values: &mut [T],
    [_, width, channels]: [usize; 3],
    [corner, size]: [[usize; 2]; 2],
    value: &Erased,
    mut noise: impl FnMut() -> T,
) -> Result<()> {
    let colour = match value {
        Erased::Fill(fill) => Some(fill.pixel::<T>(op, channels)?),
        Erased::Noise => None,
    };
    for line in values.chunks_exact_mut(width * channels).skip(corner[0]).take(size[0]) {
        let hole = &mut line[corner[1] * channels..(corner[1] + size[1]) * channels];
        match &colour {
            Some(colour) => hole.chunks_exact_mut(channels).for_each(|pixel| pixel.copy_from_slice(colour)),
            None => hole.iter_mut().for_each(|value| *value = noise()),
        }
    }
    Ok(())
}
