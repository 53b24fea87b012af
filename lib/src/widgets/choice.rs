use serde_json::{Value, json};

use super::model::Model;
use super::{described, usable, widget};
use crate::{Error, Result};

/// A box to tick. Clones are the same box.
#[derive(Clone)]
pub struct Checkbox {
    model: Model,
}

widget!(Checkbox);
described!(Checkbox);
usable!(Checkbox);

impl Checkbox {
    /// A box that is ticked or not, with this text beside it.
    pub fn new(description: impl Into<String>) -> Checkbox {
        let state = json!({
            "value": false, "indent": false, "description": description.into(), "disabled": false,
        });
        Checkbox {
            model: Model::control("CheckboxModel", "CheckboxView", "CheckboxStyleModel", "value", state),
        }
    }

    /// Whether it is ticked.
    #[must_use]
    pub fn value(&self) -> bool {
        self.model.get("value") == json!(true)
    }

    /// Ticks it or not.
    pub fn set_value(&self, ticked: bool) {
        self.model.set("value", ticked);
    }

    /// Calls `handler` whenever a person ticks it or not.
    pub fn on_change(&self, mut handler: impl FnMut(bool) + Send + 'static) {
        self.model.on_change(move |value| handler(*value == json!(true)));
    }
}

/// A list of which one is chosen. Clones are the same list.
#[derive(Clone)]
pub struct Dropdown {
    model: Model,
}

widget!(Dropdown);
described!(Dropdown);
usable!(Dropdown);

impl Dropdown {
    /// A list of these, of which the first is chosen.
    ///
    /// # Errors
    /// For no options.
    pub fn new<T: Into<String>>(options: impl IntoIterator<Item = T>) -> Result<Dropdown> {
        let options: Vec<String> = options.into_iter().map(Into::into).collect();
        if options.is_empty() {
            return Err(Error::Argument {
                op: "Dropdown::new".into(),
                expected: "at least one option".into(),
                got: "none".into(),
                hint: "Give what can be chosen.".into(),
            });
        }
        let state = json!({"_options_labels": options, "index": 0, "description": "", "disabled": false});
        Ok(Dropdown {
            model: Model::control("DropdownModel", "DropdownView", "DescriptionStyleModel", "index", state),
        })
    }

    /// The option that is chosen.
    #[must_use]
    pub fn value(&self) -> String {
        let mut options = self.options();
        let index = place(&self.model.get("index"), options.len());
        options.swap_remove(index)
    }

    /// Which option is chosen, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        place(&self.model.get("index"), self.options().len())
    }

    /// Chooses the option with this text.
    ///
    /// # Errors
    /// For a text that is none of its options.
    pub fn set_value(&self, option: &str) -> Result<()> {
        let options = self.options();
        let Some(index) = options.iter().position(|known| known == option) else {
            return Err(Error::Argument {
                op: "Dropdown::set_value".into(),
                expected: format!("one of {options:?}"),
                got: format!("{option:?}"),
                hint: "The widget is as it was.".into(),
            });
        };
        self.model.set("index", index);
        Ok(())
    }

    /// Calls `handler` with the chosen option whenever a person chooses.
    pub fn on_change(&self, mut handler: impl FnMut(String) + Send + 'static) {
        let options = self.options();
        self.model.on_change(move |index| handler(options[place(index, options.len())].clone()));
    }

    fn options(&self) -> Vec<String> {
        serde_json::from_value(self.model.get("_options_labels")).unwrap_or_default()
    }
}

/// An index of the page's, within bounds whatever it says.
fn place(index: &Value, count: usize) -> usize {
    let index = index.as_u64().map_or(0, |index| index as usize);
    index.min(count.saturating_sub(1))
}
