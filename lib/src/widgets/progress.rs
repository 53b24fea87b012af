use serde_json::json;

use super::model::Model;
use super::slider::{check, number};
use super::{described, widget};
use crate::Result;

/// A bar that shows how far something is. Clones are the same bar.
#[derive(Clone)]
pub struct Progress {
    model: Model,
}

widget!(Progress);
described!(Progress);

impl Progress {
    /// An empty bar that is full at `total`.
    ///
    /// # Errors
    /// For a total that is not larger than 0.
    pub fn new(total: f64) -> Result<Progress> {
        check("Progress::new", total.is_finite() && total > 0.0, "a total larger than 0", &total)?;
        let state = json!({
            "min": 0.0, "max": total, "value": 0.0, "bar_style": "", "orientation": "horizontal",
            "description": "",
        });
        Ok(Progress {
            model: Model::control("FloatProgressModel", "ProgressView", "ProgressStyleModel", "value", state),
        })
    }

    /// How far it is.
    #[must_use]
    pub fn value(&self) -> f64 {
        number(&self.model.get("value"))
    }

    /// Shows that it is so far.
    ///
    /// # Errors
    /// For a value that is not between 0 and the total.
    pub fn set_value(&self, value: f64) -> Result<()> {
        let total = number(&self.model.get("max"));
        check(
            "Progress::set_value",
            (0.0..=total).contains(&value),
            &format!("a value in 0..={total}"),
            &value,
        )?;
        self.model.set("value", value);
        Ok(())
    }
}
