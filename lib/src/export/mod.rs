//! What was built in a cell, where people run models: files that other runtimes read.

mod metadata;
mod report;
mod source;

pub use metadata::{Batch, Metadata};
pub use report::{Check, Deviation, ExportReport};
pub use source::Exportable;
