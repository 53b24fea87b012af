//! How values show themselves: as text always, as a picture or HTML where they have one.
//!
//! A type of the library implements [`Rich`] in its own module; here are the trait and candle's types.

mod cells;
mod error;
mod numbers;
mod statistics;
mod tensor;
mod values;

use sconce_display::Bundle;

pub use statistics::Statistics;

/// A value with a form worth looking at. A cell that ends with one shows it.
pub trait Rich {
    /// The value's forms. There is always a `text/plain` one.
    fn rich(&self) -> Bundle;
}

/// Shows a value now, in the middle of a cell. In a plain program its text form goes to stdout.
pub fn display(value: &dyn Rich) {
    sconce_display::display(value.rich());
}

impl Rich for Bundle {
    fn rich(&self) -> Bundle {
        self.clone()
    }
}
