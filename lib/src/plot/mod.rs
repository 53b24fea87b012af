//! Pictures from plain data: slices and structs, never tensors.
//!
//! Every picture is a value: it shows itself in a notebook ([`crate::rich::Rich`]), gives its SVG and
//! text, and saves itself to a file. The same data give the same bytes.

mod annotated;
mod axis;
mod bars;
mod color;
mod confusion;
mod curves;
mod diagram;
mod document;
mod drawing;
mod frame;
mod grid;
mod heat_map;
mod histogram;
mod number;
mod over_time;
mod overlay;
mod panels;
mod picture;
mod points;
mod reliability;
mod save;
mod scale;
mod scatter;
mod sparkline;
mod svg;
mod table;
mod ticks;

pub use annotated::{Annotated, Mark, MarkPoint, PointLook};
pub use bars::Bars;
pub use confusion::{ClassOrder, ConfusionMatrix, Normalisation};
pub(crate) use curves::Average;
pub use curves::Curves;
pub use diagram::{Diagram, DiagramBox, StandsFor};
pub use drawing::{Drawing, drawing};
pub use grid::ImageGrid;
pub use heat_map::HeatMap;
pub use histogram::Histogram;
pub use number::{count, number, percent};
pub use over_time::HistogramsOverTime;
pub use overlay::{Overlay, OverlayScale};
pub use panels::Panels;
pub use picture::{Picture, ValueRange};
pub use reliability::{ReliabilityBin, ReliabilityDiagram};
pub use scatter::Scatter;
pub use sparkline::sparkline;
pub use svg::escape;
pub(crate) use svg::svg_in_html;
pub use table::Table;
