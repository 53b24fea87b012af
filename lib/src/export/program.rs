//! A small program of its own around a model.

use std::path::Path;

use super::metadata::Metadata;
use super::onnx::{OnnxConfig, onnx_with};
use super::report::ExportReport;
use super::source::Exportable;
use crate::{Error, Result, atomic_file};

const MANIFEST: &str = include_str!("program/manifest.txt");
const MAIN: &str = include_str!("program/main.txt");

/// Writes a Cargo project into a folder, which is made if it is not there: the model as `model.onnx`, and a program
/// that runs it on an image file in onnxruntime, through the crate `ort`, and tells the likeliest classes. `cargo run
/// --release -- IMAGE` starts it; onnxruntime's library is where `ORT_DYLIB_PATH` says. Images are resized to the size
/// that the model was built for, divided by 255 and normalized as `metadata` says; its classes are in the program,
/// whose source is there to be changed. Files of these names that are there are written anew. The report is that of the
/// model.
///
/// # Errors
/// If images have other than one or three channels, the metadata does not fit, the model cannot be exported
/// ([`onnx_with`]), or a file cannot be written.
pub fn rust_program(
    model: &dyn Exportable,
    folder: impl AsRef<Path>,
    metadata: &Metadata,
) -> Result<ExportReport> {
    let folder = folder.as_ref();
    let source = model.source()?;
    let &[channels @ (1 | 3), height, width] = source.image() else {
        return Err(Error::Argument {
            op: "export::rust_program".into(),
            expected: "a model of images with one or three channels".into(),
            got: crate::ops::shape_text(source.image()),
            hint: "Write one around export::onnx yourself.".into(),
        });
    };
    metadata.check("export::rust_program", channels)?;
    let code = folder.join("src");
    std::fs::create_dir_all(&code).map_err(|source| Error::Io {
        op: "create",
        path: code.clone(),
        source,
    })?;
    let config = OnnxConfig { metadata: metadata.clone(), ..OnnxConfig::default() };
    let report = onnx_with(model, folder.join("model.onnx"), &config)?;
    // Without numbers of its own, each channel stays what it is.
    let numbers = |values: &[f32], same: f32| match values {
        [] => format!("{:?}", vec![same; channels]),
        values => format!("{values:?}"),
    };
    let main = MAIN
        .replace("{channels}", &channels.to_string())
        .replace("{height}", &height.to_string())
        .replace("{width}", &width.to_string())
        .replace("{mean}", &numbers(&metadata.mean, 0.0))
        .replace("{std}", &numbers(&metadata.std, 1.0))
        .replace("{pixels}", if channels == 1 { "to_luma8" } else { "to_rgb8" })
        .replace("{classes}", &format!("{:?}", metadata.classes));
    atomic_file::write(&folder.join("Cargo.toml"), MANIFEST.as_bytes())?;
    atomic_file::write(&code.join("main.rs"), main.as_bytes())?;
    Ok(report)
}
