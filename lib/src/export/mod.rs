//! What was built in a cell, where people run models: files that other runtimes read.

mod metadata;
mod nhwc;
mod onnx;
mod program;
mod report;
#[cfg(feature = "onnxruntime")]
mod runtime;
mod safetensors;
mod saved_model;
mod source;
mod tflite;

pub use metadata::{Batch, Metadata};
pub use onnx::{ImageSize, OnnxConfig, onnx, onnx_with};
pub use program::{ProgramConfig, RunsOn, rust_program, rust_program_with};
pub use report::{Check, Deviation, ExportReport};
#[cfg(feature = "onnxruntime")]
pub use runtime::{Length, Port, Runtime};
pub use safetensors::safetensors;
pub use saved_model::{SavedModelConfig, saved_model, saved_model_with};
pub use source::Exportable;
pub use tflite::{TfliteConfig, TfliteInterface, TfliteWeights, tflite, tflite_with};
