//! Exported models in ONNX's own checker and in onnxruntime, through Python and through `Runtime`.

#![allow(clippy::unwrap_used)]

#[path = "../lib/tests/formula/mod.rs"]
mod formula;
#[path = "../lib/tests/compress/graphs.rs"]
mod graphs;
#[path = "export_onnx/operators.rs"]
mod operators;
#[path = "export_onnx/programs.rs"]
mod programs;
#[path = "../lib/tests/rerun/mod.rs"]
#[allow(dead_code)] // Other tests run again for other reasons.
mod rerun;
#[path = "export_onnx/several.rs"]
mod several;
#[path = "export_onnx/zoo.rs"]
mod zoo;

use std::collections::HashMap;
use std::path::Path;

use sconce::compress::{QuantizeConfig, quantize, quantize_dynamic};
use sconce::export::{
    self, Batch, Check, ExportReport, Exportable, ImageSize, Length, Metadata, OnnxConfig, Runtime,
};
use sconce::nn::{Mode, Operator, SinePositionConfig};
use sconce::prelude::*;
use sconce_tests::onnxruntime;
use serde_json::{Value as Json, json};

/// Where the library of onnxruntime is, to programs that load it.
const LIBRARY: &str = "ORT_DYLIB_PATH";

/// A batch of each input, and the outputs by their names.
type Known = (Vec<Tensor>, Vec<(String, Tensor)>);

/// What is checked in one process of Python.
struct Cases {
    folder: tempfile::TempDir,
    cases: Vec<Json>,
}

impl Cases {
    fn new() -> Cases {
        Cases { folder: tempfile::tempdir().unwrap(), cases: Vec::new() }
    }

    /// A model with its outputs for some batches, in the order of the graph's.
    fn add(
        &mut self,
        name: &str,
        (kind, model): (&str, &dyn Exportable),
        config: &OnnxConfig,
        batches: &[Known],
    ) -> Result<ExportReport> {
        let (file, data) = (format!("{name}.onnx"), format!("{name}.safetensors"));
        let report = export::onnx_with(model, self.folder.path().join(&file), config)?;
        let mut tensors = HashMap::new();
        for (at, (inputs, outputs)) in batches.iter().enumerate() {
            for (place, input) in inputs.iter().enumerate() {
                tensors.insert(format!("{at}.input.{place}"), input.clone());
            }
            for (output, tensor) in outputs {
                tensors.insert(format!("{at}.output.{output}"), tensor.contiguous()?);
            }
        }
        candle_core::safetensors::save(&tensors, self.folder.path().join(&data))?;
        self.cases.push(json!({
            "name": name, "file": file, "data": data, "kind": kind, "opset": config.opset,
            "inputs": batches.len(), "open": config.size == ImageSize::Dynamic,
        }));
        Ok(report)
    }

    /// A model in f32, with batches of these sizes (B, H, W).
    fn float(&mut self, name: &str, model: &Model, config: &OnnxConfig, sizes: &[[usize; 3]]) -> Result<()> {
        let channels = model.graph().nodes()[0].shape[0];
        let batch = |&[images, height, width]: &[usize; 3]| {
            let x = formula::images(&[images, channels, height, width], &Device::Cpu)?;
            let outputs = model.forward_outputs(&x, Mode::Eval)?;
            Ok((vec![x], named(&outputs)))
        };
        let batches = sizes.iter().map(batch).collect::<Result<Vec<_>>>()?;
        self.add(name, ("float", model), config, &batches)?;
        Ok(())
    }

    /// A model in f32 of several inputs, with batches of these shapes for each.
    fn several(
        &mut self,
        name: &str,
        model: &Model,
        config: &OnnxConfig,
        shapes: &[&[&[usize]]],
    ) -> Result<()> {
        let batch = |shapes: &&[&[usize]]| {
            let inputs = inputs_of(shapes)?;
            let outputs = model.forward_inputs_outputs(&inputs.iter().collect::<Vec<_>>(), Mode::Eval)?;
            Ok((inputs, named(&outputs)))
        };
        let batches = shapes.iter().map(batch).collect::<Result<Vec<_>>>()?;
        self.add(name, ("float", model), config, &batches)?;
        Ok(())
    }

    /// With batches of one and of three images.
    fn built(&mut self, name: &str, model: &Model, opset: u32) -> Result<()> {
        let shape = &model.graph().nodes()[0].shape;
        let size = |images: usize| [images, shape[1], shape[2]];
        let config = OnnxConfig { opset, ..OnnxConfig::default() };
        self.float(name, model, &config, &[size(1), size(3)])
    }

    fn check(self) {
        let cases = serde_json::to_string(&self.cases).unwrap();
        std::fs::write(self.folder.path().join("cases.json"), cases).unwrap();
        let script = sconce_tests::root().join("tests/export_onnx/check.py");
        let mut python = onnxruntime::python().unwrap();
        let output = python.arg(script).arg(self.folder.path()).output().unwrap();
        let (said, wrong) = (sconce_tests::stdout(&output), sconce_tests::stderr(&output));
        assert!(output.status.success(), "{wrong}");
        assert_eq!(said.lines().count(), self.cases.len(), "{said}");
        // What was measured, for whoever asks with --nocapture.
        eprintln!("{said}");
    }
}

fn named(outputs: &ModelOutputs) -> Vec<(String, Tensor)> {
    outputs.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect()
}

/// Batches of these shapes, no two of the same values.
fn inputs_of(shapes: &[&[usize]]) -> Result<Vec<Tensor>> {
    let batch =
        |(at, shape): (usize, &&[usize])| Ok((formula::images(shape, &Device::Cpu)? * (0.5 + at as f64))?);
    shapes.iter().enumerate().map(batch).collect()
}

/// Weights that follow from their names; ranges of bytes stay.
fn filled(model: Model) -> Result<Model> {
    let rounds = |node: &sconce::nn::Node| matches!(node.operator, Operator::FakeQuantize { .. });
    if !model.graph().nodes().iter().any(rounds) {
        formula::fill(&model)?;
    }
    Ok(model)
}

#[test]
fn models_give_the_same_in_onnxruntime() -> Result<()> {
    let mut cases = Cases::new();
    for case in operators::operators() {
        let (name, model) = case?;
        let model = filled(model)?;
        for opset in 17..=21 {
            cases.built(&format!("{name}_{opset}"), &model, opset)?;
        }
    }
    for (at, opset) in (17..=21).enumerate() {
        let model = filled(graphs::random(Seed(at as u64))?)?;
        cases.built(&format!("random_{at}"), &model, opset)?;
    }
    for case in zoo::models() {
        let (name, model) = case?;
        cases.built(&name, &filled(model)?, 17)?;
    }
    for case in zoo::of_any_size() {
        let (name, model, sizes) = case?;
        let config = OnnxConfig { size: ImageSize::Dynamic, ..OnnxConfig::default() };
        cases.float(&format!("{name}_any_size"), &filled(model)?, &config, &sizes)?;
    }
    let model = filled(zoo::two_outputs()?)?;
    let config = OnnxConfig { batch: Batch::Fixed(3), ..OnnxConfig::default() };
    cases.float("fixed_batch", &model, &config, &[[3, 12, 10]])?;
    let config = OnnxConfig { external_above: 2_000, opset: 20, ..OnnxConfig::default() };
    cases.float("beside", &model, &config, &[[1, 12, 10], [2, 12, 10]])?;
    let (twins, mixed) = (filled(zoo::twins()?)?, filled(zoo::image_and_numbers()?)?);
    let plain = OnnxConfig::default();
    let sizes: [&[&[usize]]; 2] = [&[&[1, 3, 8, 8], &[1, 3, 8, 8]], &[&[3, 3, 8, 8], &[3, 3, 8, 8]]];
    cases.several("twins", &twins, &plain, &sizes)?;
    let any = OnnxConfig { size: ImageSize::Dynamic, ..OnnxConfig::default() };
    let sizes: [&[&[usize]]; 2] = [&[&[2, 3, 8, 8], &[2, 3, 8, 8]], &[&[2, 3, 12, 9], &[2, 3, 7, 10]]];
    cases.several("twins_any_size", &twins, &any, &sizes)?;
    let fixed = OnnxConfig { batch: Batch::Fixed(2), opset: 21, ..OnnxConfig::default() };
    let shapes: &[&[usize]] = &[&[2, 1, 6, 5], &[2, 4], &[2, 3, 2]];
    cases.several("image_and_numbers", &mixed, &fixed, &[shapes])?;
    let folder = cases.folder.path();
    let bytes = |file: &str| std::fs::metadata(folder.join(file)).unwrap().len();
    assert!(bytes("beside.onnx") < bytes("fixed_batch.onnx") && bytes("beside.onnx.data") > 2_000);
    cases.check();
    Ok(())
}

#[test]
fn integers_are_those_of_onnxruntime() -> Result<()> {
    let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
    let net = zoo::digits()?;
    let images = |part: &Dataset| -> Result<Tensor> {
        let batches = part.batches(64).take(4).map(|batch| Ok(batch?.images)).collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&batches, 0)?)
    };
    let (calibration, test) = (images(&data.train)?, images(&data.test)?);
    let mut learner =
        Learner::new(net.clone(), data).loss(cross_entropy()).optimizer(adamw(3e-3)).batch_size(64);
    learner.fit(if cfg!(debug_assertions) { 1 } else { 4 })?;
    let mut cases = Cases::new();
    let whole = quantize(&net, &[calibration], &QuantizeConfig::default())?.model;
    let ours = vec![("output".to_owned(), whole.forward(&test)?)];
    for opset in [17, 21] {
        let config = OnnxConfig { opset, ..OnnxConfig::default() };
        cases.add(
            &format!("digits_{opset}"),
            ("int8", &whole),
            &config,
            &[(vec![test.clone()], ours.clone())],
        )?;
    }
    let dynamic = quantize_dynamic(&net, &[])?.model;
    let ours = vec![("output".to_owned(), dynamic.forward(&test)?)];
    cases.add("digits_dynamic", ("int8", &dynamic), &OnnxConfig::default(), &[(vec![test], ours)])?;
    // Graphs of all kinds of layers, some of them in f32; their scores are too close together to rank.
    for seed in 0..4 {
        let model = filled(graphs::random(Seed(seed))?)?;
        let shape = model.graph().nodes()[0].shape.clone();
        let batch = formula::images(&[&[8], shape.as_slice()].concat(), &Device::Cpu)?;
        let whole = quantize(&model, std::slice::from_ref(&batch), &QuantizeConfig::default())?.model;
        let ours = vec![("main".to_owned(), whole.forward(&batch)?)];
        let config = OnnxConfig::default();
        cases.add(&format!("int8_random_{seed}"), ("int8 graph", &whole), &config, &[(vec![batch], ours)])?;
    }
    cases.check();
    Ok(())
}

#[test]
fn files_run_in_a_cell() {
    rerun::again(
        LIBRARY,
        onnxruntime::library().unwrap().to_str().unwrap(),
        &["--ignored", "with_the_library"],
    );
}

#[test]
#[ignore = "runs again where the library is"]
fn with_the_library() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.onnx");
    let model = filled(zoo::two_outputs()?)?;
    let x = formula::images(&[5, 3, 12, 10], &Device::Cpu)?;
    let metadata = Metadata::default().classes(&["a", "b", "ü"]).normalized(&[0.5; 3], &[0.25; 3]);
    let config = OnnxConfig { metadata, inputs: vec![x.clone()], ..OnnxConfig::default() };
    let report = export::onnx_with(&model, &path, &config)?;
    let Check::Ran { deviations, .. } = &report.check else { panic!("{report}") };
    assert_eq!(deviations.len(), 2);
    for deviation in deviations {
        assert!(deviation.largest <= 1e-4 * deviation.scale && deviation.scale > 0.01, "{deviation}");
    }
    assert!(report.to_string().contains("largest deviation"), "{report}");
    assert_eq!(report.bytes, std::fs::metadata(&path).unwrap().len());
    assert!(!report.operators.iter().any(|(name, _)| name == "BatchNormalization"), "{report}");

    let runtime = Runtime::onnx(&path)?;
    assert_eq!(runtime.inputs()[0].to_string(), "input f32 (batch, 3, 12, 10)");
    assert_eq!(runtime.outputs()[0].dims[0], Length::Open("batch".into()));
    assert_eq!(runtime.classes(), ["a", "b", "ü"]);
    assert_eq!(runtime.metadata()["size"], "[12,10]");
    assert_eq!(runtime.metadata()["mean"], "[0.5,0.5,0.5]");
    let outputs = runtime.run(std::slice::from_ref(&x))?;
    for ((name, ours), theirs) in model.forward_outputs(&x, Mode::Eval)?.iter().zip(&outputs) {
        let far = (ours - theirs)?.abs()?.max_all()?.to_scalar::<f32>()?;
        assert!(far < 1e-4 * ours.abs()?.max_all()?.to_scalar::<f32>()?, "{name}: {far}");
    }
    for wrong in [vec![], vec![x.i(0)?], vec![x.to_dtype(DType::F64)?], vec![x.narrow(3, 0, 9)?]] {
        let error = runtime.run(&wrong).unwrap_err().to_string();
        assert!(error.contains("input f32 (batch, 3, 12, 10)"), "{error}");
    }
    several::several_inputs_run_in_a_cell(folder.path())?;
    // A batch of none is the runtime's to refuse or to take, not to fall over.
    let _ = runtime.run(&[x.narrow(0, 0, 0)?]);
    std::fs::write(&path, b"no model at all").unwrap();
    let error = Runtime::onnx(&path).unwrap_err().to_string();
    assert!(error.contains("two.onnx"), "{error}");
    let error = Runtime::onnx(folder.path().join("none.onnx")).unwrap_err().to_string();
    assert!(error.contains("none.onnx"), "{error}");
    Ok(())
}

#[test]
fn a_library_that_is_not_there_is_said() {
    rerun::again(LIBRARY, "/nowhere/libonnxruntime.so", &["--ignored", "without_the_library"]);
}

#[test]
#[ignore = "runs again where no library is"]
fn without_the_library() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.onnx");
    let report = export::onnx(&zoo::two_outputs()?, &path)?;
    assert!(matches!(&report.check, Check::NotRun(reason) if reason.contains("ORT_DYLIB_PATH")), "{report}");
    let error = Runtime::onnx(&path).unwrap_err().to_string();
    assert!(error.contains("pip install onnxruntime") && error.contains("nowhere"), "{error}");
    Ok(())
}

/// What `build` refuses to export, and words that the error must have.
fn refused(model: &Model, config: &OnnxConfig, words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refused.onnx");
    let error = export::onnx_with(model, &path, config).unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
    assert!(!Path::new(&path).exists());
}

#[test]
fn what_cannot_be_exported_is_named() -> Result<()> {
    let cpu = Device::Cpu;
    let plain = OnnxConfig::default();
    let model = Model::build([1, 4, 4], |x| x.map("square", |x| Ok(x.sqr()?)).relu())?.init(Seed(0), &cpu)?;
    refused(&model, &plain, &["\"square\"", "code of your own"]);
    let any = OnnxConfig { size: ImageSize::Dynamic, ..plain.clone() };
    let model = Model::build([1, 4, 4], |x| x.relu().flatten().linear(3).named("fc"))?.init(Seed(0), &cpu)?;
    refused(&model, &any, &["\"fc\""]);
    for config in [OnnxConfig { opset: 16, ..plain.clone() }, OnnxConfig { opset: 22, ..plain.clone() }] {
        refused(&model, &config, &["opset 17 to 21", &config.opset.to_string()]);
    }
    refused(&model, &OnnxConfig { batch: Batch::Fixed(0), ..plain.clone() }, &["at least one image"]);
    let metadata = Metadata::default().normalized(&[0.5; 3], &[1.0; 3]);
    refused(&model, &OnnxConfig { metadata, ..plain.clone() }, &["mean", "1 channels", "3 numbers"]);
    let inputs = vec![Tensor::zeros((2, 1, 4, 5), DType::F32, &cpu)?];
    refused(&model, &OnnxConfig { inputs, ..plain.clone() }, &["(B, 1, 4, 4)", "(2, 1, 4, 5)"]);
    let inputs = vec![Tensor::zeros((2, 1, 4, 4), DType::F32, &cpu)?];
    let four = OnnxConfig { batch: Batch::Fixed(4), inputs, ..plain.clone() };
    refused(&model, &four, &["(B, 1, 4, 4)", "B is 4", "(2, 1, 4, 4)"]);
    let sines = SinePositionConfig { embed_dim: 4, ..SinePositionConfig::default() };
    let model = Model::build([4, 4, 4], |x| x.sine_position_embedding(sines).named("where") * x)?
        .init(Seed(0), &cpu)?;
    refused(&model, &any, &["\"where\"", "images of one size"]);
    let model =
        Model::build([2, 7, 7], |x| x.adaptive_avg_pool2d([3, 3]).named("parts"))?.init(Seed(0), &cpu)?;
    refused(&model, &any, &["\"parts\"", "images of one size"]);
    Ok(())
}

#[test]
fn weights_and_layers_come_back() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let metadata = Metadata::default().classes(&["a", "b", "c"]);
    let model = filled(zoo::two_outputs()?)?;
    let report = export::safetensors(&model, folder.path().join("two"), &metadata)?;
    let Check::Ran { deviations, .. } = &report.check else { panic!("{report}") };
    assert!(deviations[0].largest < 1e-5 * deviations[0].scale, "{report}");
    let read = |file: &str| std::fs::read(folder.path().join("two").join(file)).unwrap();
    let config: Json = serde_json::from_slice(&read("config.json")).unwrap();
    assert_eq!(config["metadata"]["classes"], json!(["a", "b", "c"]));
    assert_eq!(config["image"], json!([3, 12, 10]));
    // Every tensor that the layers name is in the file, in its shape, and nothing else.
    let path = folder.path().join("two/model.safetensors");
    let weights = candle_core::safetensors::load(&path, &Device::Cpu)?;
    let tensors = config["graph"]["tensors"].as_array().unwrap();
    assert_eq!(tensors.len(), weights.len());
    for tensor in tensors {
        assert_eq!(json!(weights[tensor["name"].as_str().unwrap()].dims()), tensor["shape"], "{tensor}");
    }
    let whole =
        quantize(&model, &[formula::images(&[8, 3, 12, 10], &Device::Cpu)?], &QuantizeConfig::default())?;
    let report = export::safetensors(&whole, folder.path().join("whole"), &metadata)?;
    let Check::Ran { deviations, .. } = &report.check else { panic!("{report}") };
    assert_eq!(deviations[0].largest, 0.0, "{report}");
    let map = Model::build([1, 4, 4], |x| x.map("square", |x| Ok(x.sqr()?)))?.init(Seed(0), &Device::Cpu)?;
    let error =
        export::safetensors(&map, folder.path().join("map"), &Metadata::default()).unwrap_err().to_string();
    assert!(error.contains("\"square\""), "{error}");
    Ok(())
}
