//! Random changes of colour.

use super::adjust;
use super::factor::{FACTORS, TURNS};
use super::span::Span;
use crate::data::{Image, Sample, Transform};
use crate::{Result, Rng};

/// Changes brightness, contrast, saturation and hue by random amounts, in random order.
///
/// ```
/// use sconce::transforms::ColorJitter;
///
/// let jitter = ColorJitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ColorJitter {
    /// The factor of brightness is from 1 less this, but not below 0, to 1 and this.
    pub brightness: f64,
    /// The same of contrast.
    pub contrast: f64,
    /// The same of saturation.
    pub saturation: f64,
    /// Hue turns by up to this share of the circle to either side, 0 to 0.5.
    pub hue: f64,
}

/// What jitters.
#[derive(Clone, Copy)]
enum Knob {
    Brightness,
    Contrast,
    Saturation,
    Hue,
}

impl Knob {
    fn turn(self, image: &mut Image, by: f32) -> Result<()> {
        match self {
            Knob::Brightness => adjust::brightness(image, by),
            Knob::Contrast => adjust::contrast(OP, image, by)?,
            Knob::Saturation => adjust::saturation(OP, image, by)?,
            Knob::Hue => adjust::hue(OP, image, by)?,
        }
        Ok(())
    }
}

const OP: &str = "ColorJitter";

impl Transform for ColorJitter {
    fn apply(&self, mut sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let mut knobs = Vec::with_capacity(4);
        for (knob, name, amount) in [
            (Knob::Brightness, "brightness", self.brightness),
            (Knob::Contrast, "contrast", self.contrast),
            (Knob::Saturation, "saturation", self.saturation),
        ] {
            Span::from(amount).check(OP, name, FACTORS)?;
            if amount > 0.0 {
                knobs.push((knob, Span { low: (1.0 - amount).max(0.0), high: 1.0 + amount }));
            }
        }
        Span::from(self.hue).check(OP, "hue", Span { low: 0.0, ..TURNS })?;
        if self.hue > 0.0 {
            knobs.push((Knob::Hue, Span::around_zero(self.hue)));
        }
        rng.shuffle(&mut knobs);
        for (knob, span) in knobs {
            let by = span.draw(rng) as f32;
            knob.turn(&mut sample.image, by)?;
        }
        Ok(sample)
    }
}
