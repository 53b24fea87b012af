//! How a pixel is made of those around it.

/// How a pixel of a resized or turned image is made of those of the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Filter {
    /// The pixel it falls into. Values stay as they are, edges become stairs.
    Nearest,
    /// By the distance to the nearest: straight lines from pixel to pixel.
    #[default]
    Bilinear,
    /// A cubic through the nearest four of a line (Keys 1981; a = -0.5, and -1 for turned images, as in PIL):
    /// sharper, and may overshoot.
    Bicubic,
    /// A windowed sinc over the nearest six of a line: the sharpest, and may overshoot.
    Lanczos,
}

impl Filter {
    /// How far from its centre a pixel counts.
    pub(super) fn support(self) -> f64 {
        match self {
            Filter::Nearest => 0.5,
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Lanczos => 3.0,
        }
    }

    /// How much a pixel at this distance counts.
    pub(super) fn weight(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            Filter::Nearest => f64::from(u8::from(x <= 0.5)),
            Filter::Bilinear => (1.0 - x).max(0.0),
            Filter::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Filter::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Filter::Lanczos if x < 3.0 => sinc(x) * sinc(x / 3.0),
            Filter::Bicubic | Filter::Lanczos => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    x.sin() / x
}
