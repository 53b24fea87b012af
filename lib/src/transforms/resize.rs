//! Images in another size.

use super::filter::Filter;
use super::motion::{Motion, moved};
use super::objects::ObjectRule;
use super::refused::refused;
use super::resample::Resampling;
use super::size::checked_size;
use super::value::on_pixels;
use crate::data::{Image, Sample, Transform};
use crate::{Result, Rng};

/// The size that [`Resize`] makes: a number is the shorter side, the other in proportion, as in torchvision;
/// `[height, width]` is both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeTo {
    /// The shorter side, in pixels; the other side in proportion, cut to whole pixels.
    Short(usize),
    /// The longer side, in pixels; the other side in proportion, cut to whole pixels, at least 1.
    Long(usize),
    /// `[height, width]`, whatever the proportions were.
    Exactly([usize; 2]),
}

impl From<usize> for ResizeTo {
    fn from(short: usize) -> ResizeTo {
        ResizeTo::Short(short)
    }
}

impl From<[usize; 2]> for ResizeTo {
    fn from(size: [usize; 2]) -> ResizeTo {
        ResizeTo::Exactly(size)
    }
}

impl ResizeTo {
    /// `[height, width]` for an image of this size.
    pub(super) fn size(self, op: &str, from: [usize; 2]) -> Result<[usize; 2]> {
        let [short, long] = [from[0].min(from[1]), from[0].max(from[1])];
        let (side, of) = match self {
            ResizeTo::Exactly(size) => return checked_size(op, size),
            ResizeTo::Short(side) => (side, short),
            ResizeTo::Long(side) => (side, long),
        };
        if side == 0 {
            return Err(refused(op, "a side of at least 1 pixel", "0".into(), "224 is common."));
        }
        let scaled = |length: usize| {
            // The side itself comes out exactly.
            let scaled = if length == of { side } else { (length as f64 * side as f64 / of as f64) as usize };
            scaled.max(1)
        };
        checked_size(op, from.map(scaled))
    }
}

/// Makes images another size, as PIL does: where they shrink, every pixel counts (antialiasing).
///
/// `Resize::new(256)` makes the shorter side 256 pixels, `Resize::new([224, 224])` both sides,
/// `Resize::new(ResizeTo::Long(640))` the longer one. Masks are resized by nearest pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resize {
    to: ResizeTo,
    filter: Filter,
    objects: ObjectRule,
}

impl Resize {
    /// To this size, bilinear.
    #[must_use]
    pub fn new(to: impl Into<ResizeTo>) -> Resize {
        Resize { to: to.into(), filter: Filter::Bilinear, objects: ObjectRule::default() }
    }

    /// Sets how pixels are made.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Resize {
        self.filter = filter;
        self
    }

    /// Sets which objects stay: a small one may shrink to nothing.
    #[must_use]
    pub fn objects(mut self, rule: ObjectRule) -> Resize {
        self.objects = rule;
        self
    }
}

impl Transform for Resize {
    fn apply(&self, sample: Sample, _: &mut Rng) -> Result<Sample> {
        let from = [sample.image.height(), sample.image.width()];
        let to = self.to.size("Resize", from)?;
        moved(sample, &Scaled::whole("Resize", from, to, self.filter), &self.objects)
    }

    fn is_random(&self) -> bool {
        false
    }
}

/// A part of an image in another size.
pub(super) struct Scaled {
    pub(super) op: &'static str,
    pub(super) resampling: Resampling,
    pub(super) filter: Filter,
}

impl Scaled {
    pub(super) fn whole(op: &'static str, from: [usize; 2], to: [usize; 2], filter: Filter) -> Scaled {
        Scaled { op, resampling: Resampling { from, corner: [0, 0], part: from, to }, filter }
    }
}

impl Motion for Scaled {
    fn op(&self) -> &'static str {
        self.op
    }

    fn size(&self) -> [usize; 2] {
        self.resampling.to
    }

    fn image(&self, image: Image) -> Result<Image> {
        let Resampling { from, to, part, .. } = self.resampling;
        if to == from && part == from {
            return Ok(image);
        }
        let channels = image.channels();
        on_pixels!(image, [to[0], to[1], channels], |values| self.resampling.filtered(
            values,
            channels,
            self.filter
        ))
    }

    fn mask(&self, pixels: &[u8]) -> Vec<u8> {
        self.resampling.nearest(pixels, 1)
    }

    fn classes(&self, classes: &[u16]) -> Vec<u16> {
        self.resampling.nearest(classes, 1)
    }

    fn point(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let Resampling { corner, part, to, .. } = self.resampling;
        let scaled =
            |place: f64, axis: usize| (place - corner[axis] as f64) * (to[axis] as f64 / part[axis] as f64);
        Some([scaled(x, 1), scaled(y, 0)])
    }
}
