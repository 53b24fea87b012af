use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::model::Model;
use super::{described, usable, widget};
use crate::{Error, Result};

/// A value within the range, which `$read` takes from what the page writes.
macro_rules! movable {
    ($name:ident, $number:ty, $read:ident) => {
        impl $name {
            /// Where it stands.
            #[must_use]
            pub fn value(&self) -> $number {
                $read(&self.model.get("value"))
            }

            /// Moves it.
            ///
            /// # Errors
            /// For a value outside of its range.
            pub fn set_value(&self, value: $number) -> Result<()> {
                let (min, max) = ($read(&self.model.get("min")), $read(&self.model.get("max")));
                check(
                    concat!(stringify!($name), "::set_value"),
                    (min..=max).contains(&value),
                    &format!("a value in {min}..={max}"),
                    &value,
                )?;
                self.model.set("value", value);
                Ok(())
            }

            /// Moves it before it is shown.
            ///
            /// # Errors
            /// For a value outside of its range.
            pub fn with_value(self, value: $number) -> Result<$name> {
                self.set_value(value)?;
                Ok(self)
            }

            /// Calls `handler` with the new value whenever a person moves it.
            pub fn on_change(&self, mut handler: impl FnMut($number) + Send + 'static) {
                self.model.on_change(move |value| handler($read(value)));
            }
        }
    };
}

/// A slider over whole numbers. Clones are the same slider.
#[derive(Clone)]
pub struct IntSlider {
    model: Model,
}

widget!(IntSlider);
described!(IntSlider);
usable!(IntSlider);
movable!(IntSlider, i64, whole);

impl IntSlider {
    /// A slider over `range` that stands at its start, or at 0 if that lies within.
    ///
    /// # Errors
    /// For a range with nothing in it.
    pub fn new(range: RangeInclusive<i64>) -> Result<IntSlider> {
        let (min, max) = (*range.start(), *range.end());
        check(
            "IntSlider::new",
            min <= max,
            "a range from a smaller to a larger number",
            &format!("{min}..={max}"),
        )?;
        let state = json!({
            "min": min, "max": max, "value": 0_i64.clamp(min, max), "step": 1, "readout": true,
            "readout_format": "d", "orientation": "horizontal", "continuous_update": true,
            "description": "", "disabled": false,
        });
        Ok(IntSlider {
            model: Model::control("IntSliderModel", "IntSliderView", "SliderStyleModel", "value", state),
        })
    }
}

/// A slider over numbers. Clones are the same slider.
#[derive(Clone)]
pub struct FloatSlider {
    model: Model,
}

widget!(FloatSlider);
described!(FloatSlider);
usable!(FloatSlider);
movable!(FloatSlider, f64, number);

impl FloatSlider {
    /// A slider over `range`, in a hundred steps, that stands at its start, or at 0 if that lies within.
    ///
    /// # Errors
    /// For a range with nothing in it, or whose ends are not finite.
    pub fn new(range: RangeInclusive<f64>) -> Result<FloatSlider> {
        let (min, max) = (*range.start(), *range.end());
        let good = min.is_finite() && max.is_finite() && min < max;
        check(
            "FloatSlider::new",
            good,
            "a range from a smaller to a larger finite number",
            &format!("{min}..={max}"),
        )?;
        let state = json!({
            "min": min, "max": max, "value": 0_f64.clamp(min, max), "step": (max - min) / 100.0,
            "readout": true, "readout_format": ".4~g", "orientation": "horizontal",
            "continuous_update": true, "description": "", "disabled": false,
        });
        Ok(FloatSlider {
            model: Model::control("FloatSliderModel", "FloatSliderView", "SliderStyleModel", "value", state),
        })
    }

    /// Moves in steps of this size.
    ///
    /// # Errors
    /// For a step that is not larger than 0.
    pub fn with_step(self, step: f64) -> Result<FloatSlider> {
        check("FloatSlider::with_step", step.is_finite() && step > 0.0, "a step larger than 0", &step)?;
        self.model.set("step", step);
        Ok(self)
    }
}

/// The page writes whole numbers with or without a point.
fn whole(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| number(value).round() as i64)
}

pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

pub(super) fn check(op: &str, good: bool, expected: &str, got: &dyn Display) -> Result<()> {
    if good {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: expected.into(),
        got: got.to_string(),
        hint: "The widget is as it was.".into(),
    })
}
