use serde_json::json;

use super::model::Model;
use super::{described, usable, widget};

/// A button. Clones are the same button.
#[derive(Clone)]
pub struct Button {
    model: Model,
}

widget!(Button);
described!(Button);
usable!(Button);

impl Button {
    /// A button with this text on it.
    pub fn new(description: impl Into<String>) -> Button {
        let state =
            json!({"description": description.into(), "button_style": "", "icon": "", "disabled": false});
        Button { model: Model::control("ButtonModel", "ButtonView", "ButtonStyleModel", "", state) }
    }

    /// Calls `handler` with each click.
    pub fn on_click(&self, handler: impl FnMut() + Send + 'static) {
        self.model.on_click(handler);
    }
}
