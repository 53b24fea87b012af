//! What was built in a cell, where people run models: files that other runtimes read.

mod metadata;
mod onnx;
mod report;
#[cfg(feature = "onnxruntime")]
mod runtime;
mod source;

pub use metadata::{Batch, Metadata};
pub use onnx::{ImageSize, OnnxConfig, onnx, onnx_with};
pub use report::{Check, Deviation, ExportReport};
#[cfg(feature = "onnxruntime")]
pub use runtime::{Length, Port, Runtime};
pub use source::Exportable;
