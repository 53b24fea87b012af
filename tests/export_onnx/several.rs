//! Files of models with several inputs, run and read back.

use std::path::Path;

use sconce::export::{self, Check, Metadata, OnnxConfig, Runtime};
use sconce::nn::Mode;
use sconce::prelude::*;
use serde_json::{Value as Json, json};

use crate::{filled, inputs_of, refused, zoo};

pub fn several_inputs_run_in_a_cell(folder: &Path) -> Result<()> {
    let path = folder.join("mixed.onnx");
    let model = filled(zoo::image_and_numbers()?)?;
    let inputs = inputs_of(&[&[3, 1, 6, 5], &[3, 4], &[3, 3, 2]])?;
    // One of an input, and one of numbers that are not an image's.
    let metadata = Metadata::default().normalized(&[0.5], &[0.25]);
    let config = OnnxConfig { metadata, inputs: inputs.clone(), ..OnnxConfig::default() };
    let report = export::onnx_with(&model, &path, &config)?;
    assert_eq!(
        report.inputs,
        ["image f32 (batch, 1, 6, 5)", "numbers f32 (batch, 4)", "words f32 (batch, 3, 2)"]
    );
    let Check::Ran { deviations, .. } = &report.check else { panic!("{report}") };
    assert_eq!(deviations.len(), 2);
    for deviation in deviations {
        assert!(deviation.largest <= 1e-4 * deviation.scale && deviation.scale > 0.01, "{deviation}");
        assert!(deviation.images.contains("inputs (") && deviation.images.contains("), ("), "{deviation}");
    }
    let runtime = Runtime::onnx(&path)?;
    let ours = model.forward_inputs(&inputs.iter().collect::<Vec<_>>(), Mode::Eval)?;
    let far = (&ours - &runtime.run(&inputs)?[0])?.abs()?.max_all()?.to_scalar::<f32>()?;
    assert!(far < 1e-4 * ours.abs()?.max_all()?.to_scalar::<f32>()?, "{far}");
    let error = runtime.run(&inputs[..2]).unwrap_err().to_string();
    assert!(error.contains("image f32") && error.contains("words f32"), "{error}");
    Ok(())
}

/// Models of several inputs come back, and inputs that are not theirs are refused.
#[test]
fn several_inputs_come_back_or_are_refused() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let model = filled(zoo::image_and_numbers()?)?;
    let report = export::safetensors(&model, folder.path().join("mixed"), &Metadata::default())?;
    assert_eq!(report.inputs, ["image f32 (B, 1, 6, 5)", "numbers f32 (B, 4)", "words f32 (B, 3, 2)"]);
    let Check::Ran { deviations, .. } = &report.check else { panic!("{report}") };
    assert!(deviations[0].largest < 1e-5 * deviations[0].scale, "{report}");
    let config = std::fs::read(folder.path().join("mixed/config.json")).unwrap();
    let config: Json = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["inputs"][1], json!({ "name": "numbers", "shape": [4] }));
    assert_eq!(config["image"], json!([1, 6, 5]));
    let few =
        OnnxConfig { inputs: inputs_of(&[&[3, 1, 6, 5], &[2, 4], &[3, 3, 2]])?, ..OnnxConfig::default() };
    refused(&model, &few, &["numbers (B, 4)", "f32 (2, 4)"]);
    Ok(())
}
