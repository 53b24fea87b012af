//! Exported models in LiteRT and in TensorFlow give what they give here.

#![allow(clippy::unwrap_used)]

#[path = "export_tensorflow/models.rs"]
mod models;
#[path = "../lib/tests/compress/graphs.rs"]
mod random;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use sconce::compress::{QuantizeConfig, QuantizedModel, quantize};
use sconce::export::{self, Batch, ExportReport, TfliteConfig, TfliteWeights};
use sconce::nn::{Mode, Model};
use sconce::{Result, Seed};
use sconce_tests::{python, tensorflow};
use serde_json::{Value, json};

use models::{filled, images};

/// Numbers as a file that Python reads.
fn write(folder: &Path, file: &str, tensor: &Tensor) -> Result<Value> {
    let values = tensor.flatten_all()?.to_vec1::<f32>()?;
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(folder.join(file), bytes).unwrap();
    Ok(json!({"file": file, "dims": tensor.dims()}))
}

/// The ways in which a model is run: a file for one image at a time, with weights in 16 bits, for any number; SavedModel.
const WAYS: [&str; 4] = ["lite", "lite half", "lite batch", "saved"];
/// Besides, what TensorFlow's own converter makes of the SavedModel. It takes longer than all others.
const AND_CONVERTED: [&str; 5] = ["lite", "lite half", "lite batch", "saved", "converted"];

/// What Python is to run, and the reports of what was written for it.
struct Cases {
    ways: &'static [&'static str],
    folder: tempfile::TempDir,
    cases: Vec<Value>,
    reports: BTreeMap<String, ExportReport>,
}

impl Cases {
    fn new(ways: &'static [&'static str]) -> Cases {
        Cases { ways, folder: tempfile::tempdir().unwrap(), cases: Vec::new(), reports: BTreeMap::new() }
    }

    /// Exports a model in all ways.
    fn add(&mut self, name: &str, model: &Model, images: &Tensor) -> Result<()> {
        let folder = self.folder.path();
        let lite = format!("{name}.tflite");
        let report = export::tflite(model, folder.join(&lite))?;
        self.reports.insert(name.to_owned(), report);
        let half = format!("{name}.half.tflite");
        let config = TfliteConfig { weights: TfliteWeights::Float16, ..TfliteConfig::default() };
        export::tflite_with(model, folder.join(&half), &config)?;
        let batch = format!("{name}.batch.tflite");
        let config = TfliteConfig { batch: Batch::Dynamic, ..TfliteConfig::default() };
        export::tflite_with(model, folder.join(&batch), &config)?;
        let saved = export::saved_model(model, folder.join(name))?.path;
        let saved = saved.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        let outputs = model.forward_outputs(images, Mode::Eval)?;
        let outputs: Vec<Value> = outputs
            .iter()
            .map(|(output, tensor)| {
                let mut written = write(folder, &format!("{name}.{output}.f32"), tensor)?;
                written["name"] = output.into();
                Ok(written)
            })
            .collect::<Result<_>>()?;
        let input = write(folder, &format!("{name}.images.f32"), images)?;
        let files = [lite, half, batch, saved.clone(), saved];
        let files: BTreeMap<&str, String> =
            AND_CONVERTED.into_iter().zip(files).filter(|(way, _)| self.ways.contains(way)).collect();
        self.cases.push(json!({"name": name, "input": input, "outputs": outputs, "files": files}));
        Ok(())
    }

    /// Exports a model on integers.
    fn add_int8(&mut self, name: &str, model: &QuantizedModel, images: &Tensor) -> Result<()> {
        let folder = self.folder.path();
        let lite = format!("{name}.tflite");
        self.reports.insert(name.to_owned(), export::tflite(model, folder.join(&lite))?);
        let mut output = write(folder, &format!("{name}.output.f32"), &model.forward(images)?)?;
        output["name"] = model.graph().outputs()[0].name.as_str().into();
        let input = write(folder, &format!("{name}.images.f32"), images)?;
        let files = json!({"lite int8": lite, "lite other classes": lite});
        self.cases.push(json!({"name": name, "input": input, "outputs": [output], "files": files}));
        Ok(())
    }

    /// Runs all of them in one process, and holds them to how far they may be.
    fn check(&self) {
        let folder = self.folder.path();
        fs::write(folder.join("cases.json"), serde_json::to_string(&self.cases).unwrap()).unwrap();
        let mut command = tensorflow::python().unwrap();
        python::run(command.arg("tests/export_tensorflow/run.py").arg(folder)).unwrap();
        let results = fs::read_to_string(folder.join("results.json")).unwrap();
        let results: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_str(&results).unwrap();
        assert_eq!(results.len(), self.cases.len());
        let mut wrong = Vec::new();
        let mut largest: BTreeMap<&str, f64> = BTreeMap::new();
        for (name, found) in &results {
            for (what, deviation) in found {
                let allowed = match what.as_str() {
                    "lite half" => 2e-2,
                    // Steps of 8 bits.
                    "lite int8" => 2.0 / 255.0,
                    "lite other classes" => 0.01,
                    _ => 1e-4,
                };
                match deviation.as_f64() {
                    Some(deviation) if deviation <= allowed => {
                        let most = largest.entry(what.as_str()).or_default();
                        *most = most.max(deviation);
                    }
                    _ => wrong.push(format!("{name}, {what}: {deviation}")),
                }
            }
            let case = self.cases.iter().find(|case| case["name"] == name.as_str()).unwrap();
            if found.len() < case["files"].as_object().unwrap().len() && !found.contains_key("error") {
                wrong.push(format!("{name}: ran in {} ways only", found.len()));
            }
        }
        eprintln!("{} models, largest deviations: {largest:?}", results.len());
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), results.len(), wrong.join("\n"));
    }
}

#[test]
fn every_operator_gives_what_it_gives_here() -> Result<()> {
    let mut cases = Cases::new(&WAYS);
    for (index, (name, architecture)) in models::operators().into_iter().enumerate() {
        let model = filled(architecture?.init(Seed(index as u64), &Device::Cpu)?, Seed(index as u64))?;
        let images = images(&model, 2, index as u64)?;
        cases.add(&format!("{index:02}_{name}"), &model, &images)?;
    }
    cases.check();
    Ok(())
}

#[test]
fn random_graphs_give_what_they_give_here() -> Result<()> {
    let mut cases = Cases::new(&AND_CONVERTED);
    for seed in 0..12 {
        let model = filled(random::random(Seed(seed))?, Seed(seed))?;
        let images = images(&model, 2, seed)?;
        cases.add(&format!("random_{seed}"), &model, &images)?;
    }
    cases.check();
    Ok(())
}

#[test]
fn the_models_of_the_zoo_give_what_they_give_here_without_transposes() -> Result<()> {
    let mut cases = Cases::new(&AND_CONVERTED);
    for (name, model) in models::zoo()? {
        let images = images(&model, 2, 1)?;
        cases.add(name, &model, &images)?;
    }
    cases.check();
    for (name, report) in &cases.reports {
        let transposes = report.operators.iter().find(|(operator, _)| operator == "TRANSPOSE");
        // Attention in heads is the only thing that takes some.
        let attends = ["vit", "coatnet", "detr"].iter().any(|kind| name.contains(kind));
        assert!(attends || transposes.is_none(), "{name}: {report}");
    }
    Ok(())
}

/// Trained on the digits, so that its classes mean something, and quantized.
#[test]
fn integers_give_what_they_give_here() -> Result<()> {
    let mut cases = Cases::new(&[]);
    for (name, model) in models::for_integers()? {
        let calibration = [images(&model, 16, 1)?, images(&model, 16, 2)?];
        let quantized = quantize(&model, &calibration, &QuantizeConfig::default())?;
        cases.add_int8(name, &quantized.model, &images(&model, 8, 3)?)?;
    }
    let (net, calibration, unseen) = models::digits()?;
    let quantized = quantize(&net, &calibration, &QuantizeConfig::default())?;
    cases.add_int8("digits", &quantized.model, &unseen)?;
    cases.check();
    let report = &cases.reports["digits"];
    let all = report.operators.iter().map(|(operator, _)| operator.as_str()).collect::<Vec<_>>();
    assert!(all.contains(&"QUANTIZE") && all.contains(&"CONV_2D"), "{report}");
    Ok(())
}
