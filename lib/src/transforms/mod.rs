//! Changes to samples: sizes, crops, flips, colours.

mod flip;

pub use flip::HorizontalFlip;
