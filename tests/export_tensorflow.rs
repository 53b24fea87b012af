//! Exported models in LiteRT and in TensorFlow give what they give here.

#![allow(clippy::unwrap_used)]

#[path = "export_tensorflow/cases.rs"]
mod cases;
#[path = "export_tensorflow/first_layers.rs"]
mod first_layers;
#[path = "export_tensorflow/models.rs"]
mod models;
#[path = "../lib/tests/compress/graphs.rs"]
mod random;
#[path = "export_tensorflow/sizes.rs"]
mod sizes;

use candle_core::Device;
use sconce::compress::{QuantizeConfig, QuantizedModel, quantize, quantize_dynamic, quantize_trained};
use sconce::export::{self, Exportable, Metadata};
use sconce::nn::{AvgPool2dConfig, Divisor, Model, Pool2dConfig};
use sconce::{Result, Seed};
use serde_json::json;

use cases::{AND_CONVERTED, Cases, on_integers};
use models::{filled, images};

/// The ways in which a model is run: a file for one image at a time, with weights in 16 bits, for any number; SavedModel.
const WAYS: [&str; 4] = ["lite", "lite half", "lite batch", "saved"];
/// Of large models, whose files take their time.
const OF_LARGE: [&str; 2] = ["lite", "saved"];

#[test]
fn every_operator_gives_what_it_gives_here() -> Result<()> {
    let mut cases = Cases::new(&WAYS);
    for (index, (name, architecture)) in models::operators().into_iter().enumerate() {
        let model = filled(architecture?.init(Seed(index as u64), &Device::Cpu)?, Seed(index as u64))?;
        let images = images(&model, 2, index as u64)?;
        cases.add(&format!("{index:02}_{name}"), &model, &[images])?;
    }
    cases.check();
    Ok(())
}

#[test]
fn models_of_several_inputs_give_what_they_give_here() -> Result<()> {
    let mut cases = Cases::new(&AND_CONVERTED);
    for (name, architecture) in models::several_inputs() {
        let model = filled(architecture?.init(Seed(1), &Device::Cpu)?, Seed(1))?;
        let nodes = model.graph().inputs().iter().enumerate();
        let inputs = nodes.map(|(at, node)| models::values(&node.shape, 2, at as u64));
        cases.add(name, &model, &inputs.collect::<Result<Vec<_>>>()?)?;
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
        cases.add(&format!("random_{seed}"), &model, &[images])?;
    }
    cases.check();
    Ok(())
}

#[test]
fn the_models_of_the_zoo_give_what_they_give_here_without_transposes() -> Result<()> {
    let mut cases = Cases::new(&AND_CONVERTED);
    for (name, model) in models::zoo()? {
        let images = images(&model, 2, 1)?;
        cases.add(name, &model, &[images])?;
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

/// Not through TensorFlow's own converter, which takes three minutes of processor for these four. What it made of them was
/// within 1e-6 of the files of TensorFlow Lite when it was run once; the smallest models of their families go through it
/// above.
#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimization")]
fn the_large_models_give_what_they_give_here() -> Result<()> {
    let mut cases = Cases::new(&OF_LARGE);
    for case in models::large() {
        let (name, model) = case?;
        cases.add(name, &model, &[images(&model, 1, 1)?])?;
    }
    cases.check();
    Ok(())
}

/// Trained on the digits, so that its classes mean something, and quantized, by calibration and in training.
#[test]
fn integers_give_what_they_give_here() -> Result<()> {
    let mut cases = Cases::new(&[]);
    let first_layers = first_layers::first_layers()?;
    for (name, model) in models::for_integers()?.iter().chain(&first_layers) {
        let name = *name;
        // With those that are compared, lest these are cut off.
        let calibration = [images(model, 16, 1)?, images(model, 8, 3)?];
        let quantized = quantize(model, &calibration, &QuantizeConfig::default())?.model;
        let whole: &[_] = match name {
            "int8_mixed" => &[],
            "int8_probabilities" => &["int8 probabilities"],
            _ => &["int8 steps"],
        };
        cases.add_int8(name, &quantized, &images(model, 8, 3)?, whole)?;
    }
    let (net, aware, calibration, unseen) = models::digits()?;
    let whole = &["int8 steps", "int8 other classes"];
    let quantized = quantize(&net, &calibration, &QuantizeConfig::default())?.model;
    cases.add_int8("digits", &quantized, &unseen, whole)?;
    // The same file with what is told of the model, and the names of the classes behind it.
    let classes: Vec<String> = (0..10).map(|digit| format!("the digit {digit}")).collect();
    let metadata = Metadata::default().classes(&classes).normalized(&[0.25], &[0.5]);
    let told = json!({
        "name": "digits.int8", "input": net.graph().nodes()[0].name, "color": 2, "size": [8, 8], "mean": [63.75],
        "std": [127.5], "outputs": [net.graph().outputs()[0].name], "labels": classes,
    });
    cases.tell("digits", &quantized, metadata, told)?;
    let path = cases.folder.path().join("digits.safetensors");
    quantized.save(&path)?;
    cases.add_int8("digits_from_file", &QuantizedModel::open(&path)?, &unseen, whole)?;
    cases.add_int8("digits_trained", &quantize_trained(&aware)?.model, &unseen, whole)?;
    cases.add_dynamic("digits_dynamic", &quantize_dynamic(&net, &[])?.model, &unseen)?;
    cases.check();
    for (name, _) in &first_layers {
        let inputs = &cases.reports[&format!("{name}, int8")].inputs;
        assert!(inputs.iter().all(|input| input.contains("int8")), "{name}: {inputs:?}");
    }
    // Weights in 8 bits are most of a file.
    let wide = Model::build([1, 8, 8], |x| x.flatten().linear(512).relu().linear(10))?;
    let wide = wide.init(Seed(1), &Device::Cpu)?;
    let in_float = export::saved_model(&wide, cases.folder.path().join("wide"))?.bytes;
    let wide = quantize(&wide, &calibration, &QuantizeConfig::default())?.model;
    let in_bytes = export::saved_model(&wide, cases.folder.path().join("wide_int8"))?.bytes;
    assert!(3 * in_bytes < in_float, "{in_bytes} and {in_float} bytes");
    let operators = |name: &str, operator: &str| {
        let found = cases.reports[name].operators.iter().find(|(other, _)| other == operator);
        found.map_or(0, |(_, count)| *count)
    };
    for name in ["digits", "digits_from_file", "digits_trained"] {
        // All that is f32 goes in and comes out.
        assert_eq!(operators(name, "QUANTIZE") + operators(name, "DEQUANTIZE"), 2, "{}", cases.reports[name]);
        let name = format!("{name}, int8");
        assert_eq!(operators(&name, "CONV_2D") + operators(&name, "FULLY_CONNECTED"), 3);
        assert_eq!(operators(&name, "QUANTIZE") + operators(&name, "DEQUANTIZE"), 0);
    }
    Ok(())
}

#[test]
fn a_file_of_integers_names_the_layer_that_is_none() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let refused = |model: &dyn Exportable| {
        let path = folder.path().join("whole.tflite");
        let error = export::tflite_with(model, &path, &on_integers()).unwrap_err().to_string();
        assert!(!path.exists(), "{error}");
        error
    };
    let net = Model::build([3, 8, 8], |x| {
        let x = x.conv2d(4, 3).named("stem").relu().conv2d(4, 3).named("middle").relu();
        x.flatten().linear(5).named("head")
    })?;
    let net = net.init(Seed(1), &Device::Cpu)?;
    let calibration = [images(&net, 8, 1)?];
    let error = refused(&net);
    assert!(error.contains("\"stem\"") && error.contains("compress::quantize makes"), "{error}");
    let error = refused(&quantize_dynamic(&net, &[])?.model);
    assert!(error.contains("\"stem\"") && error.contains("quantize_dynamic"), "{error}");
    for layer in ["stem", "middle", "head"] {
        let config = QuantizeConfig { exclude: vec![layer.to_owned()], ..QuantizeConfig::default() };
        let error = refused(&quantize(&net, &calibration, &config)?.model);
        assert!(error.contains(&format!("{layer:?}")) && error.contains("without excluding"), "{error}");
    }
    let gated = Model::build([3, 8, 8], |x| x.conv2d(4, 3).hardswish().named("gate").conv2d(4, 3))?;
    let gated = gated.init(Seed(1), &Device::Cpu)?;
    let error = refused(&quantize(&gated, &calibration, &QuantizeConfig::default())?.model);
    assert!(error.contains("\"gate\"") && error.contains("other layers"), "{error}");
    // Windows of the format that reach beyond the image lie elsewhere.
    let window = Pool2dConfig { kernel: [3, 3], padding: 1.into(), ..Pool2dConfig::default() };
    let inside = AvgPool2dConfig { window, divisor: Divisor::PixelsOnly };
    let pooled = Model::build([3, 8, 8], |x| {
        x.conv2d(4, 3).relu().avg_pool2d_with(inside).named("pool").flatten().linear(5)
    })?;
    let pooled = pooled.init(Seed(1), &Device::Cpu)?;
    let error = refused(&quantize(&pooled, &calibration, &QuantizeConfig::default())?.model);
    assert!(error.contains("\"pool\"") && error.contains("other layers"), "{error}");
    // Two ranges for one input.
    let twice = Model::build([3, 8, 8], |x| x.dropout(0.1).conv2d(4, 3) + x.dropout(0.2).conv2d(4, 3))?;
    let twice = twice.init(Seed(1), &Device::Cpu)?;
    let error = refused(&quantize(&twice, &calibration, &QuantizeConfig::default())?.model);
    assert!(error.contains("\"input\"") && error.contains("interface at Float32"), "{error}");
    Ok(())
}
