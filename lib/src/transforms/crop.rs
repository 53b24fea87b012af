//! Parts of images, and images with a margin.

use super::fill::Fill;
use super::motion::moved;
use super::objects::ObjectRule;
use super::refused::{refused, unfit};
use super::size::Size;
use super::window::{PadMode, Window};
use crate::data::{Sample, Transform};
use crate::{Result, Rng};

/// The part of every image that begins in row `top`, column `left`. What reaches over an edge is filled.
#[derive(Debug, Clone, PartialEq)]
pub struct Crop {
    /// The first row; negative above the image.
    pub top: isize,
    /// The first column; negative left of the image.
    pub left: isize,
    /// How large the part is.
    pub size: Size,
    /// What stands outside the image.
    pub fill: Fill,
    /// Which objects stay.
    pub objects: ObjectRule,
}

impl Default for Crop {
    /// The left upper 224 x 224 pixels.
    fn default() -> Crop {
        Crop { top: 0, left: 0, size: 224.into(), fill: Fill::default(), objects: ObjectRule::default() }
    }
}

impl Transform for Crop {
    fn apply(&self, sample: Sample, _: &mut Rng) -> Result<Sample> {
        let size = self.size.checked("Crop")?;
        cut(sample, "Crop", [self.top, self.left], size, &self.fill, &self.objects)
    }

    fn is_random(&self) -> bool {
        false
    }
}

/// The sample within a window; constant fill outside.
pub(super) fn cut(
    sample: Sample,
    op: &'static str,
    corner: [isize; 2],
    size: [usize; 2],
    fill: &Fill,
    objects: &ObjectRule,
) -> Result<Sample> {
    let from = [sample.image.height(), sample.image.width()];
    // Further out there is only fill, and the sums of places stay small.
    let corner = [0, 1].map(|axis| corner[axis].clamp(-(size[axis] as isize), from[axis] as isize));
    moved(sample, &Window { op, from, corner, size, mode: PadMode::Constant, fill }, objects)
}

/// The middle of every image. A smaller image gets a margin.
#[derive(Debug, Clone, PartialEq)]
pub struct CenterCrop {
    size: Size,
    fill: Fill,
    objects: ObjectRule,
}

impl CenterCrop {
    /// `size` pixels a side, or `[height, width]`.
    #[must_use]
    pub fn new(size: impl Into<Size>) -> CenterCrop {
        CenterCrop { size: size.into(), fill: Fill::default(), objects: ObjectRule::default() }
    }

    /// Sets the colour of the margin of smaller images.
    #[must_use]
    pub fn fill(mut self, fill: impl Into<Fill>) -> CenterCrop {
        self.fill = fill.into();
        self
    }

    /// Sets which objects stay.
    #[must_use]
    pub fn objects(mut self, rule: ObjectRule) -> CenterCrop {
        self.objects = rule;
        self
    }
}

impl Transform for CenterCrop {
    fn apply(&self, sample: Sample, _: &mut Rng) -> Result<Sample> {
        let size = self.size.checked("CenterCrop")?;
        let corner = center(size, [sample.image.height(), sample.image.width()]);
        cut(sample, "CenterCrop", corner, size, &self.fill, &self.objects)
    }

    fn is_random(&self) -> bool {
        false
    }
}

/// Row and column where a part of `size` in the middle of `from` begins, rounded as torchvision rounds.
pub(super) fn center(size: [usize; 2], from: [usize; 2]) -> [isize; 2] {
    [0, 1].map(|axis| {
        let (size, from) = (size[axis], from[axis]);
        if size <= from {
            (((from - size) as f64 / 2.0).round_ties_even()) as isize
        } else {
            -(((size - from) / 2) as isize)
        }
    })
}

/// A part anywhere in the image, every place as likely; with a padding first, as is usual for CIFAR:
/// `RandomCrop::new(32).padding(4)`.
#[derive(Debug, Clone, PartialEq)]
pub struct RandomCrop {
    size: Size,
    padding: usize,
    pad_if_needed: bool,
    mode: PadMode,
    fill: Fill,
    objects: ObjectRule,
}

impl RandomCrop {
    /// `size` pixels a side, or `[height, width]`.
    #[must_use]
    pub fn new(size: impl Into<Size>) -> RandomCrop {
        RandomCrop {
            size: size.into(),
            padding: 0,
            pad_if_needed: false,
            mode: PadMode::Constant,
            fill: Fill::default(),
            objects: ObjectRule::default(),
        }
    }

    /// Sets the margin that is put around the image first, in pixels.
    #[must_use]
    pub fn padding(mut self, pixels: usize) -> RandomCrop {
        self.padding = pixels;
        self
    }

    /// Images that are too small get a margin, instead of being an error.
    #[must_use]
    pub fn pad_if_needed(mut self) -> RandomCrop {
        self.pad_if_needed = true;
        self
    }

    /// Sets what stands in the margin.
    #[must_use]
    pub fn mode(mut self, mode: PadMode) -> RandomCrop {
        self.mode = mode;
        self
    }

    /// Sets the colour of a constant margin.
    #[must_use]
    pub fn fill(mut self, fill: impl Into<Fill>) -> RandomCrop {
        self.fill = fill.into();
        self
    }

    /// Sets which objects stay.
    #[must_use]
    pub fn objects(mut self, rule: ObjectRule) -> RandomCrop {
        self.objects = rule;
        self
    }
}

impl Transform for RandomCrop {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "RandomCrop";
        let size = self.size.checked(OP)?;
        let padding = checked_margin(OP, self.padding)?;
        let from = [sample.image.height(), sample.image.width()];
        let mut corner = [0; 2];
        for axis in 0..2 {
            let mut margin = padding;
            let room = from[axis] + 2 * padding;
            if size[axis] > room {
                if !self.pad_if_needed {
                    return Err(unfit(
                        OP,
                        &format!("an image of at least {} x {} with its padding", size[0], size[1]),
                        format!("{} x {}, padding {padding}, sample {:?}", from[0], from[1], sample.id),
                        "Resize first, or add `.pad_if_needed()`.",
                    ));
                }
                // As torchvision: the whole difference on both sides.
                margin += size[axis] - room;
            }
            let places = from[axis] + 2 * margin - size[axis] + 1;
            corner[axis] = rng.below(places) as isize - margin as isize;
        }
        let window = Window { op: OP, from, corner, size, mode: self.mode, fill: &self.fill };
        moved(sample, &window, &self.objects)
    }
}

/// A margin around every image.
#[derive(Debug, Clone, PartialEq)]
pub struct Pad {
    margins: [usize; 4],
    mode: PadMode,
    fill: Fill,
}

impl Pad {
    /// So many pixels on each side.
    #[must_use]
    pub fn new(pixels: usize) -> Pad {
        Pad::sides([pixels; 4])
    }

    /// `[left, top, right, bottom]` pixels.
    #[must_use]
    pub fn sides(margins: [usize; 4]) -> Pad {
        Pad { margins, mode: PadMode::Constant, fill: Fill::default() }
    }

    /// Sets what stands in the margin.
    #[must_use]
    pub fn mode(mut self, mode: PadMode) -> Pad {
        self.mode = mode;
        self
    }

    /// Sets the colour of a constant margin.
    #[must_use]
    pub fn fill(mut self, fill: impl Into<Fill>) -> Pad {
        self.fill = fill.into();
        self
    }
}

impl Transform for Pad {
    fn apply(&self, sample: Sample, _: &mut Rng) -> Result<Sample> {
        const OP: &str = "Pad";
        let mut margins = [0; 4];
        for (margin, &asked) in margins.iter_mut().zip(&self.margins) {
            *margin = checked_margin(OP, asked)?;
        }
        let [left, top, right, bottom] = margins;
        let from = [sample.image.height(), sample.image.width()];
        let size = Size::from([from[0] + top + bottom, from[1] + left + right]).checked(OP)?;
        let corner = [-(top as isize), -(left as isize)];
        let window = Window { op: OP, from, corner, size, mode: self.mode, fill: &self.fill };
        moved(sample, &window, &super::objects::EVERYTHING)
    }

    fn is_random(&self) -> bool {
        false
    }
}

fn checked_margin(op: &str, pixels: usize) -> Result<usize> {
    if pixels <= 1 << 20 {
        return Ok(pixels);
    }
    Err(refused(op, "a margin of 2^20 pixels at most", pixels.to_string(), "It is in pixels of each side."))
}
