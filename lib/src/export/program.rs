//! A small program of its own around a model.

use std::path::{Path, PathBuf};

use super::metadata::Metadata;
use super::onnx::{OnnxConfig, onnx_with};
use super::report::ExportReport;
use super::safetensors::safetensors;
use super::source::{Exportable, Source};
use crate::{Error, Result, atomic_file};

const MANIFEST: &str = include_str!("program/manifest.txt");
const MAIN: &str = include_str!("program/main.txt");
const CANDLE_MANIFEST: &str = include_str!("program/candle_manifest.txt");
const CANDLE_MAIN: &str = include_str!("program/candle.txt");

/// Options of [`rust_program_with`].
#[derive(Debug, Clone, Default)]
pub struct ProgramConfig {
    /// What computes.
    pub on: RunsOn,
    /// What is told about the model: its classes, and how images are prepared.
    pub metadata: Metadata,
}

/// What an exported program computes with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RunsOn {
    /// onnxruntime, through the crate `ort`.
    #[default]
    Onnxruntime,
    /// candle, through this library.
    Candle {
        /// The folder of the crate `sconce`, which is on no registry: `lib` in its repository.
        sconce: PathBuf,
    },
}

/// Writes a program around a model that runs it in onnxruntime, as [`rust_program_with`] does with this `metadata`.
///
/// # Errors
/// As [`rust_program_with`].
pub fn rust_program(
    model: &dyn Exportable,
    folder: impl AsRef<Path>,
    metadata: &Metadata,
) -> Result<ExportReport> {
    let config = ProgramConfig { metadata: metadata.clone(), ..ProgramConfig::default() };
    rust_program_with(model, folder, &config)
}

/// Writes a Cargo project into a folder, which is made if it is not there: the model, and a program that runs it on an
/// image file and tells the likeliest classes, whose source is there to be changed. `cargo run --release -- IMAGE`
/// starts it. Images are resized to the size that the model was built for, divided by 255 and normalized as the metadata
/// says. A model of several inputs wants an argument for each: an image file, or numbers with commas between them for
/// tokens and features. Files of these names that are there are written anew. The report is that of the model.
///
/// For onnxruntime the model is `model.onnx`, and the runtime's library is where `ORT_DYLIB_PATH` says. For candle it is
/// what [`export::safetensors`](safetensors()) writes; of a quantized model that program tells the main output alone.
///
/// # Errors
/// If images have other than one or three channels, or not all the same number, the metadata does not fit, the model
/// cannot be exported ([`onnx_with`], [`export::safetensors`](safetensors())), there is no crate where it is said to be,
/// or a file cannot be written.
pub fn rust_program_with(
    model: &dyn Exportable,
    folder: impl AsRef<Path>,
    config: &ProgramConfig,
) -> Result<ExportReport> {
    let (folder, metadata) = (folder.as_ref(), &config.metadata);
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
    let (manifest, main) = match &config.on {
        RunsOn::Onnxruntime => (MANIFEST.to_owned(), on_onnxruntime(&source, metadata)),
        RunsOn::Candle { sconce } => (on_candle(sconce)?, CANDLE_MAIN.to_owned()),
    };
    let code = folder.join("src");
    std::fs::create_dir_all(&code).map_err(|source| Error::Io {
        op: "create",
        path: code.clone(),
        source,
    })?;
    let report = match config.on {
        RunsOn::Onnxruntime => {
            let config = OnnxConfig { metadata: metadata.clone(), ..OnnxConfig::default() };
            onnx_with(model, folder.join("model.onnx"), &config)?
        }
        RunsOn::Candle { .. } => safetensors(model, folder, metadata)?,
    };
    atomic_file::write(&folder.join("Cargo.toml"), manifest.as_bytes())?;
    atomic_file::write(&code.join("main.rs"), main.as_bytes())?;
    Ok(report)
}

/// The manifest of a program around the crate in this folder.
fn on_candle(sconce: &Path) -> Result<String> {
    let wrong = |expected: &str, hint: &str| Error::Argument {
        op: "export::rust_program".into(),
        expected: expected.into(),
        got: sconce.display().to_string(),
        hint: hint.into(),
    };
    let place = std::path::absolute(sconce).unwrap_or_else(|_| sconce.to_owned());
    let manifest = std::fs::read_to_string(place.join("Cargo.toml")).unwrap_or_default();
    if package(&manifest) != Some("sconce") {
        let hint = "It is `lib` in a copy of Sconce's repository.";
        return Err(wrong("the folder of the crate sconce, with its Cargo.toml", hint));
    }
    let text = place.to_str().ok_or_else(|| {
        wrong("a path that is UTF-8, as a Cargo.toml is", "Copy or link the crate to another folder.")
    })?;
    // A string of JSON is one of TOML.
    Ok(CANDLE_MANIFEST.replace("{sconce}", &serde_json::Value::from(text).to_string()))
}

/// The name of the package that a manifest describes.
fn package(manifest: &str) -> Option<&str> {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[package]").skip(1);
    let name = lines.by_ref().take_while(|line| !line.starts_with('[')).find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "name").then_some(value)
    })?;
    Some(name.trim().trim_matches('"'))
}

/// The program around `model.onnx`.
fn on_onnxruntime(source: &Source, metadata: &Metadata) -> String {
    let inputs = source.graph.inputs();
    let channels = source.image().first().copied().unwrap_or_default();
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
    filled(&[
        ("{inputs}", format!("[{}]", told.join(", "))),
        ("{example}", format!("{example:?}")),
        ("{mean}", numbers(&metadata.mean, 0.0)),
        ("{std}", numbers(&metadata.std, 1.0)),
        ("{pixels}", if channels == 1 { "to_luma8".into() } else { "to_rgb8".into() }),
        ("{classes}", format!("{:?}", metadata.classes)),
    ])
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
