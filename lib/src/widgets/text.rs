use serde_json::{Value, json};

use super::model::Model;
use super::{described, usable, widget};

/// A field for a line of text. Clones are the same field.
#[derive(Clone)]
pub struct Text {
    model: Model,
}

widget!(Text);
described!(Text);
usable!(Text);

impl Text {
    /// A field with this text in it.
    pub fn new(value: impl Into<String>) -> Text {
        let state = json!({
            "value": value.into(), "placeholder": "", "continuous_update": true, "description": "",
            "disabled": false,
        });
        Text { model: Model::control("TextModel", "TextView", "TextStyleModel", "value", state) }
    }

    /// What stands in it.
    #[must_use]
    pub fn value(&self) -> String {
        text(&self.model.get("value"))
    }

    /// Replaces what stands in it.
    pub fn set_value(&self, value: impl Into<String>) {
        self.model.set("value", value.into());
    }

    /// Calls `handler` with the new text whenever a person changes it.
    pub fn on_change(&self, mut handler: impl FnMut(String) + Send + 'static) {
        self.model.on_change(move |value| handler(text(value)));
    }
}

/// A line of text to read. Clones are the same line.
#[derive(Clone)]
pub struct Label {
    model: Model,
}

widget!(Label);

impl Label {
    /// A line with this text.
    pub fn new(value: impl Into<String>) -> Label {
        let state = json!({"value": value.into(), "placeholder": "\u{200b}", "description": ""});
        Label { model: Model::control("LabelModel", "LabelView", "LabelStyleModel", "value", state) }
    }

    /// The text.
    #[must_use]
    pub fn value(&self) -> String {
        text(&self.model.get("value"))
    }

    /// Replaces the text.
    pub fn set_value(&self, value: impl Into<String>) {
        self.model.set("value", value.into());
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
