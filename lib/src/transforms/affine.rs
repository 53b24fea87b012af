//! Rotation, translation, scaling and shear.

use super::fill::Fill;
use super::filter::Filter;
use super::matrix::{Matrix, Placement};
use super::motion::moved;
use super::objects::ObjectRule;
use super::span::{POSITIVE, Span};
use super::warp::Warp;
use crate::data::{Sample, Transform};
use crate::{Result, Rng};

const ANY_ANGLE: Span = Span { low: -1e6, high: 1e6 };
/// At 90 degrees a sheared image has no height any more.
const SHEARS: Span = Span { low: -89.0, high: 89.0 };
const SHARES: Span = Span { low: -10.0, high: 10.0 };

/// Turns images around their middle, counter-clockwise. Boxes become the upright boxes around the turned ones.
///
/// `Rotate::new(30.0)` turns each by 30 degrees, `Rotate::new(-30.0..=30.0)` by an angle that is drawn for
/// each (torchvision's `RandomRotation(30)`).
#[derive(Debug, Clone, PartialEq)]
pub struct Rotate {
    degrees: Span,
    expand: bool,
    filter: Filter,
    fill: Fill,
    objects: ObjectRule,
}

impl Rotate {
    /// By so many degrees counter-clockwise; by nearest pixels, as in torchvision.
    #[must_use]
    pub fn new(degrees: impl Into<Span>) -> Rotate {
        Rotate {
            degrees: degrees.into(),
            expand: false,
            filter: Filter::Nearest,
            fill: Fill::default(),
            objects: ObjectRule::default(),
        }
    }

    /// The image grows so that nothing of it is cut off.
    #[must_use]
    pub fn expand(mut self) -> Rotate {
        self.expand = true;
        self
    }

    /// Sets how pixels are made; not by Lanczos.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Rotate {
        self.filter = filter;
        self
    }

    /// Sets the colour of the corners.
    #[must_use]
    pub fn fill(mut self, fill: impl Into<Fill>) -> Rotate {
        self.fill = fill.into();
        self
    }

    /// Sets which objects stay.
    #[must_use]
    pub fn objects(mut self, rule: ObjectRule) -> Rotate {
        self.objects = rule;
        self
    }
}

impl Transform for Rotate {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "Rotate";
        self.degrees.check(OP, "degrees", ANY_ANGLE)?;
        let from = [sample.image.height(), sample.image.width()];
        let turn = Matrix::rotation(self.degrees.draw(rng), from);
        let (map, to) = if self.expand { turn.expanded(from) } else { (turn, from) };
        let to = super::size::checked_size(OP, to)?;
        let warp = Warp { op: OP, from, to, map, filter: self.filter, fill: &self.fill };
        moved(sample, &warp, &self.objects)
    }
}

/// Turns, moves, scales and shears images around their middle, each by a fixed amount or one that is drawn
/// from a range for each image (torchvision's `RandomAffine`).
///
/// ```
/// use sconce::transforms::Affine;
///
/// let shaken = Affine::new()
///     .degrees(-10.0..=10.0)
///     .translate_x(-0.1..=0.1)
///     .translate_y(-0.1..=0.1)
///     .scale(0.9..=1.1);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    degrees: Span,
    translate: [Span; 2],
    scale: Span,
    shear: [Span; 2],
    filter: Filter,
    fill: Fill,
    objects: ObjectRule,
}

impl Default for Affine {
    fn default() -> Affine {
        Affine::new()
    }
}

impl Affine {
    /// Leaves images as they are until something is set; by nearest pixels, as in torchvision.
    #[must_use]
    pub fn new() -> Affine {
        Affine {
            degrees: 0.0.into(),
            translate: [0.0.into(); 2],
            scale: 1.0.into(),
            shear: [0.0.into(); 2],
            filter: Filter::Nearest,
            fill: Fill::default(),
            objects: ObjectRule::default(),
        }
    }

    /// Sets the angle in degrees, clockwise.
    #[must_use]
    pub fn degrees(mut self, degrees: impl Into<Span>) -> Affine {
        self.degrees = degrees.into();
        self
    }

    /// Sets the way to the right, as a share of the width; it is rounded to whole pixels.
    #[must_use]
    pub fn translate_x(mut self, share: impl Into<Span>) -> Affine {
        self.translate[0] = share.into();
        self
    }

    /// Sets the way down, as a share of the height; it is rounded to whole pixels.
    #[must_use]
    pub fn translate_y(mut self, share: impl Into<Span>) -> Affine {
        self.translate[1] = share.into();
        self
    }

    /// Sets by how much everything becomes larger; 1 leaves it.
    #[must_use]
    pub fn scale(mut self, factor: impl Into<Span>) -> Affine {
        self.scale = factor.into();
        self
    }

    /// Sets the shear along the rows, in degrees, -89 to 89.
    #[must_use]
    pub fn shear_x(mut self, degrees: impl Into<Span>) -> Affine {
        self.shear[0] = degrees.into();
        self
    }

    /// Sets the shear along the columns, in degrees, -89 to 89.
    #[must_use]
    pub fn shear_y(mut self, degrees: impl Into<Span>) -> Affine {
        self.shear[1] = degrees.into();
        self
    }

    /// Sets how pixels are made; not by Lanczos.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Affine {
        self.filter = filter;
        self
    }

    /// Sets the colour of what comes from outside.
    #[must_use]
    pub fn fill(mut self, fill: impl Into<Fill>) -> Affine {
        self.fill = fill.into();
        self
    }

    /// Sets which objects stay.
    #[must_use]
    pub fn objects(mut self, rule: ObjectRule) -> Affine {
        self.objects = rule;
        self
    }
}

impl Transform for Affine {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "Affine";
        self.degrees.check(OP, "degrees", ANY_ANGLE)?;
        for (span, name) in self.translate.iter().zip(["translate_x", "translate_y"]) {
            span.check(OP, name, SHARES)?;
        }
        self.scale.check(OP, "scale", Span { low: 1e-6, ..POSITIVE })?;
        for (span, name) in self.shear.iter().zip(["shear_x", "shear_y"]) {
            span.check(OP, name, SHEARS)?;
        }
        let from = [sample.image.height(), sample.image.width()];
        let degrees = self.degrees.draw(rng);
        let [x, y] = &self.translate;
        let translate =
            [x.draw(rng) * from[1] as f64, y.draw(rng) * from[0] as f64].map(|way| way.round_ties_even());
        let scale = self.scale.draw(rng);
        let [x, y] = &self.shear;
        let shear = [x.draw(rng), y.draw(rng)];
        let center = [from[1] as f64 / 2.0, from[0] as f64 / 2.0];
        let map = Matrix::placed(&Placement { degrees, translate, scale, shear, center });
        let warp = Warp { op: OP, from, to: from, map, filter: self.filter, fill: &self.fill };
        moved(sample, &warp, &self.objects)
    }
}
