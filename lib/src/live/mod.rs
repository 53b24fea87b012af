//! Plots that grow while a loop of one's own runs.
//!
//! They stand over `plot`, which draws, and over `progress`, which knows who looks on and how often; neither knows them.

mod number;
mod plot;
mod series;

pub use number::Number;
pub use plot::LivePlot;
