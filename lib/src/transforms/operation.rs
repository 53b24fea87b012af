//! The operations that learnt and random policies choose from, with their strengths.

use super::fill::Fill;
use super::filter::Filter;
use super::matrix::{Matrix, Placement};
use super::motion::moved;
use super::objects::ObjectRule;
use super::warp::Warp;
use super::{adjust, levels};
use crate::data::Sample;
use crate::{Result, Rng};

/// One operation, under the name that AutoAugment's paper gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
    Invert,
}

/// How strong operations are at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Strengths {
    /// Pixels per pixel.
    pub(super) shear: f64,
    pub(super) translate: Translate,
    /// Degrees.
    pub(super) rotate: f64,
    /// By how much the factor of brightness, colour, contrast and sharpness differs from 1.
    pub(super) factor: f64,
    /// Bits that are kept at strength 0 and at full strength.
    pub(super) bits: [f64; 2],
}

/// How far an image is moved at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Translate {
    /// A share of its side.
    Share(f64),
    /// Pixels.
    Pixels(f64),
}

impl Operation {
    /// The strength at `share` of the most, 0 to 1, before its sign is drawn: pixels, degrees, bits, a
    /// threshold, or what is added to a factor of 1.
    pub(super) fn strength(self, most: &Strengths, share: f64, [height, width]: [usize; 2]) -> f64 {
        let way = |side: usize| match most.translate {
            Translate::Share(most) => most * side as f64,
            Translate::Pixels(most) => most,
        };
        match self {
            Operation::ShearX | Operation::ShearY => share * most.shear,
            Operation::TranslateX => share * way(width),
            Operation::TranslateY => share * way(height),
            Operation::Rotate => share * most.rotate,
            Operation::Brightness | Operation::Color | Operation::Contrast | Operation::Sharpness => {
                share * most.factor
            }
            Operation::Posterize => {
                let [none, full] = most.bits;
                (none - share * (none - full)).round_ties_even()
            }
            Operation::Solarize => 1.0 - share,
            Operation::Identity | Operation::AutoContrast | Operation::Equalize | Operation::Invert => 0.0,
        }
    }

    /// Whether the strength may as well be negative.
    pub(super) fn is_signed(self) -> bool {
        matches!(
            self,
            Operation::ShearX
                | Operation::ShearY
                | Operation::TranslateX
                | Operation::TranslateY
                | Operation::Rotate
                | Operation::Brightness
                | Operation::Color
                | Operation::Contrast
                | Operation::Sharpness
        )
    }

    /// The strength with its sign.
    pub(super) fn drawn(self, most: &Strengths, share: f64, size: [usize; 2], rng: &mut Rng) -> f64 {
        let strength = self.strength(most, share, size);
        if self.is_signed() && rng.uniform() < 0.5 { -strength } else { strength }
    }
}

/// How policies turn and shear.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    pub(super) filter: Filter,
    pub(super) fill: Fill,
    pub(super) objects: ObjectRule,
}

impl Default for Look {
    /// By nearest pixels on black, as in torchvision.
    fn default() -> Look {
        Look { filter: Filter::Nearest, fill: Fill::default(), objects: ObjectRule::default() }
    }
}

/// The sample after an operation of this strength.
pub(super) fn perform(
    op: &'static str,
    mut sample: Sample,
    operation: Operation,
    strength: f64,
    look: &Look,
) -> Result<Sample> {
    let from = [sample.image.height(), sample.image.width()];
    let shear = strength.atan().to_degrees();
    let still = Placement {
        degrees: 0.0,
        translate: [0.0; 2],
        scale: 1.0,
        shear: [0.0; 2],
        // The papers shear at the left upper corner; where an image is only moved, the centre does not matter.
        center: [0.0; 2],
    };
    let map = match operation {
        Operation::ShearX => Matrix::placed(&Placement { shear: [shear, 0.0], ..still }),
        Operation::ShearY => Matrix::placed(&Placement { shear: [0.0, shear], ..still }),
        Operation::TranslateX => Matrix::placed(&Placement { translate: [strength.trunc(), 0.0], ..still }),
        Operation::TranslateY => Matrix::placed(&Placement { translate: [0.0, strength.trunc()], ..still }),
        Operation::Rotate => Matrix::rotation(strength, from),
        _ => {
            let image = &mut sample.image;
            let factor = 1.0 + strength as f32;
            match operation {
                Operation::Brightness => adjust::brightness(image, factor),
                Operation::Color => adjust::saturation(op, image, factor)?,
                Operation::Contrast => adjust::contrast(op, image, factor)?,
                Operation::Sharpness => adjust::sharpness(image, factor),
                Operation::Posterize => levels::posterize(image, strength as u32),
                Operation::Solarize => levels::solarize(image, strength as f32),
                Operation::AutoContrast => levels::autocontrast(image),
                Operation::Equalize => levels::equalize(image),
                Operation::Invert => levels::invert(image),
                _ => {}
            }
            return Ok(sample);
        }
    };
    let warp = Warp { op, from, to: from, map, filter: look.filter, fill: &look.fill };
    moved(sample, &warp, &look.objects)
}
