//! Widgets of ipywidgets: what a person moves, types and clicks in the page talks to the code of cells.
//!
//! A widget shows itself where a cell ends with it, and in a box with others. Its value can be read and set at any
//! time, also while a cell trains; what happens in the page calls its handlers, beside a running cell or between
//! two. Jupyter needs the package `ipywidgets` 8 to show them; elsewhere their text form stands there.
//!
//! ```no_run
//! use sconce::widgets::{FloatSlider, Progress, VBox};
//!
//! let rate = FloatSlider::new(0.0..=1.0)?.with_value(0.1)?.with_description("rate");
//! let progress = Progress::new(10.0)?;
//! sconce::rich::display(&VBox::new(&[&rate, &progress]));
//! for step in 0..10 {
//!     // … a step with `rate.value()` …
//!     progress.set_value(f64::from(step) + 1.0)?;
//! }
//! # Ok::<(), sconce::Error>(())
//! ```

mod boxes;
mod button;
mod choice;
mod control;
mod handlers;
mod model;
mod progress;
mod slider;
mod text;

use model::Model;

pub use boxes::{HBox, VBox};
pub use button::Button;
pub use choice::{Checkbox, Dropdown};
pub use progress::Progress;
pub use slider::{FloatSlider, IntSlider};
pub use text::{Label, Text};

/// Anything that a box can hold.
pub trait Widget {
    #[doc(hidden)]
    fn model(&self) -> Model;
}

/// What all widgets have: clones that are the same widget, a text form, a picture, an end.
macro_rules! widget {
    ($name:ident) => {
        impl crate::widgets::Widget for $name {
            fn model(&self) -> crate::widgets::model::Model {
                self.model.clone()
            }
        }

        impl crate::rich::Rich for $name {
            fn rich(&self) -> sconce_display::Bundle {
                self.model.bundle()
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.model.text())
            }
        }

        impl $name {
            /// Takes it out of the page. It stays there otherwise, whether or not a variable holds it.
            pub fn close(&self) {
                self.model.close();
            }
        }
    };
}

/// A text that stands beside a widget.
macro_rules! described {
    ($name:ident) => {
        impl $name {
            /// Puts this text beside it.
            #[must_use]
            pub fn with_description(self, description: impl Into<String>) -> $name {
                self.set_description(description);
                self
            }

            /// Puts another text beside it.
            pub fn set_description(&self, description: impl Into<String>) {
                self.model.set("description", description.into());
            }
        }
    };
}

/// Whether a widget can be used.
macro_rules! usable {
    ($name:ident) => {
        impl $name {
            /// Whether a person can use it.
            pub fn set_enabled(&self, enabled: bool) {
                self.model.set("disabled", !enabled);
            }
        }
    };
}

use {described, usable, widget};
