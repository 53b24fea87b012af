//! How far apart values are drawn along an axis.

/// How far apart values are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Scale {
    #[default]
    Linear,
    /// Equal ratios are equal distances; what is not above 0 has no place.
    Logarithmic,
}

impl Scale {
    /// Where a value lies along the axis; not finite where it has no place.
    pub(super) fn place(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Logarithmic => value.log10(),
        }
    }

    /// The value that lies there.
    pub(super) fn value(self, place: f64) -> f64 {
        match self {
            Scale::Linear => place,
            Scale::Logarithmic => 10_f64.powf(place),
        }
    }
}

/// Where a point lies along both axes.
pub(super) fn placed([x_scale, y_scale]: [Scale; 2], (x, y): (f64, f64)) -> (f64, f64) {
    (x_scale.place(x), y_scale.place(y))
}
