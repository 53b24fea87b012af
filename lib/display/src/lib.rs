//! The thin layer between code that shows something and whoever shows it.
//!
//! A notebook's worker installs a [`Sink`]; [`display`], [`Handle::update`] and [`clear`] then send
//! frames to it. In a plain program there is no sink and the same calls print the text form or nothing.

mod bundle;
mod channel;
pub mod comm;
pub mod interrupt;
mod question;
mod updates;
pub mod wire;

pub use bundle::{Bundle, Content};
pub use channel::{Handle, Sink, Wait, ask, clear, display, display_with_id, in_notebook, install, send};
pub use question::{Answer, Question};
pub use updates::{before_flush, flush};
