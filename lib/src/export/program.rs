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
/// whose source is there to be changed. A model of several inputs wants an argument for each: an image file, or numbers
/// with commas between them for tokens and features. Files of these names that are there are written anew. The report
/// is that of the model.
///
/// # Errors
/// If images have other than one or three channels, or not all the same number, the metadata does not fit, the model
/// cannot be exported ([`onnx_with`]), or a file cannot be written.
pub fn rust_program(
    model: &dyn Exportable,
    folder: impl AsRef<Path>,
    metadata: &Metadata,
) -> Result<ExportReport> {
    let folder = folder.as_ref();
    let source = model.source()?;
    let op = "export::rust_program";
    let inputs = source.graph.inputs();
    let images = || inputs.iter().filter(|input| input.shape.len() == 3);
    let channels = source.image().first().copied().unwrap_or_default();
    if images().any(|image| image.shape[0] != channels || !matches!(channels, 1 | 3)) {
        return Err(Error::Argument {
            op: op.into(),
            expected: "a model of images with one or three channels, all the same number".into(),
            got: source.graph.inputs_text(),
            hint: "Write one around export::onnx yourself.".into(),
        });
    }
    metadata.check(op, channels)?;
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
    let told: Vec<String> =
        inputs.iter().map(|input| format!("({:?}, &{:?})", input.name, input.shape)).collect();
    let example = inputs.iter().map(|input| match input.shape.as_slice() {
        [_, _, _] => format!("{}.jpg", input.name),
        _ => "0,0,…".to_owned(),
    });
    let example = format!("cargo run --release -- {}", example.collect::<Vec<_>>().join(" "));
    let main = filled(&[
        ("{inputs}", format!("[{}]", told.join(", "))),
        ("{example}", format!("{example:?}")),
        ("{mean}", numbers(&metadata.mean, 0.0)),
        ("{std}", numbers(&metadata.std, 1.0)),
        ("{pixels}", if channels == 1 { "to_luma8".into() } else { "to_rgb8".into() }),
        ("{classes}", format!("{:?}", metadata.classes)),
    ]);
    atomic_file::write(&folder.join("Cargo.toml"), MANIFEST.as_bytes())?;
    atomic_file::write(&code.join("main.rs"), main.as_bytes())?;
    Ok(report)
}

/// The program with its gaps filled, and nothing filled into what fills them.
fn filled(parts: &[(&str, String)]) -> String {
    let (mut text, mut rest) = (String::new(), MAIN);
    let next = |rest: &str| {
        let places = parts.iter().filter_map(|part| Some((rest.find(part.0)?, part)));
        places.min_by_key(|(at, _)| *at)
    };
    while let Some((at, (gap, part))) = next(rest) {
        text.push_str(&rest[..at]);
        text.push_str(part);
        rest = &rest[at + gap.len()..];
    }
    text + rest
}
