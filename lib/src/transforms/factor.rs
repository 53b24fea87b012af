//! Brightness, contrast, saturation, hue and sharpness, each by a factor.

use super::adjust;
use super::span::Span;
use crate::data::{Sample, Transform};
use crate::{Result, Rng};

/// The largest factor that is still a picture's.
pub(super) const FACTORS: Span = Span { low: 0.0, high: 1e4 };
/// Half the circle to either side.
pub(super) const TURNS: Span = Span { low: -0.5, high: 0.5 };

/// A transform with one number, drawn from a span: its documentation, its name, what the number is called, its
/// limits, and what it does.
macro_rules! by_a_factor {
    ($(#[$about:meta])* $name:ident, $number:literal, $within:expr, $change:expr) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $name {
            by: Span,
        }

        impl $name {
            /// By this number, or by one that is drawn from a range for each image.
            #[must_use]
            pub fn new(by: impl Into<Span>) -> $name {
                $name { by: by.into() }
            }
        }

        impl Transform for $name {
            fn apply(&self, mut sample: Sample, rng: &mut Rng) -> Result<Sample> {
                self.by.check(stringify!($name), $number, $within)?;
                let by = self.by.draw(rng) as f32;
                $change(&mut sample.image, by)?;
                Ok(sample)
            }
        }
    };
}

by_a_factor!(
    /// Makes images brighter: 0 is black, 1 as it is, 2 twice as bright.
    Brightness, "a factor", FACTORS, |image, by| -> Result<()> {
        adjust::brightness(image, by);
        Ok(())
    }
);
by_a_factor!(
    /// Makes differences of brightness larger: 0 is one grey, the image's mean; 1 as it is.
    Contrast, "a factor", FACTORS, |image, by| adjust::contrast("Contrast", image, by)
);
by_a_factor!(
    /// Makes colours stronger: 0 is grey, 1 as it is. Grey images stay as they are.
    Saturation, "a factor", FACTORS, |image, by| adjust::saturation("Saturation", image, by)
);
by_a_factor!(
    /// Turns colours on their circle, by -0.5 to 0.5 of it: a third makes red green. Grey images stay as they
    /// are.
    Hue, "a share of the circle", TURNS, |image, by| adjust::hue("Hue", image, by)
);
by_a_factor!(
    /// Makes edges sharper: 0 is smoothed over 3 x 3 pixels, 1 as it is, 2 sharper by what smoothing takes
    /// away. Pixels at the edge stay as they are.
    Sharpness, "a factor", FACTORS, |image, by| -> Result<()> {
        adjust::sharpness(image, by);
        Ok(())
    }
);
