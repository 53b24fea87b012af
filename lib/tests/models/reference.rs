//! Names, shapes, sizes, outputs and training steps against what `tests/fixtures/zoo/make.py` wrote.

use std::collections::BTreeMap;
use std::io::Read;

use candle_core::{Device, Tensor};
use sconce::models::{self, ModelConfig};
use sconce::nn::{Mode, Model, backward};
use sconce::{Result, Seed, ops};
use serde_json::Value as Json;

use crate::formula::{fill, images};
use crate::tested;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/zoo");

fn cases() -> BTreeMap<String, Json> {
    serde_json::from_str(&std::fs::read_to_string(format!("{FIXTURES}/zoo.json")).unwrap()).unwrap()
}

/// Those that have outputs: long ones differ from others only in how many layers stand behind each other.
fn computed() -> BTreeMap<String, Json> {
    cases().into_iter().filter(|(_, case)| !case["logits"].is_null()).collect()
}

fn numbers(values: &Json) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// For ten classes and the case's images, with the case's weights and without chance.
fn small(name: &str, case: &Json) -> Result<(Model, Tensor)> {
    let entry = models::entry(name)?;
    let side = case["side"].as_u64().unwrap() as usize;
    let mut config = ModelConfig::default().num_classes(10).image([3, side, side]);
    config.dropout = entry.defaults.dropout.map(|_| 0.0);
    config.stochastic_depth = entry.defaults.stochastic_depth.map(|_| 0.0);
    let net = entry.architecture(config)?.init(Seed(0), &Device::Cpu)?;
    fill(&net)?;
    Ok((net, images(&[2, 3, side, side], &Device::Cpu)?))
}

#[test]
fn every_published_architecture_has_a_case() {
    let cases = cases();
    // `tests/nn_reference` and `tests/models_outputs.rs` hold the others.
    let elsewhere = ["lenet", "small_cnn", "inception_v3", "googlenet"];
    for entry in models::list().entries().iter() {
        let classifies = !["DETR", "FCOS", "U-Net"].contains(&entry.family);
        let known = cases.contains_key(entry.name) || elsewhere.contains(&entry.name);
        assert!(known || !classifies, "{} has no case", entry.name);
    }
    assert!(cases.keys().all(|name| models::entry(name).is_ok()));
}

#[test]
fn names_and_shapes_are_the_published_ones() {
    let mut text = String::new();
    let file = std::fs::File::open(format!("{FIXTURES}/states.json.gz")).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let states: BTreeMap<String, BTreeMap<String, Vec<usize>>> = serde_json::from_str(&text).unwrap();
    assert!(states.len() > 30);
    for (name, wanted) in &states {
        let architecture = models::create(name, ModelConfig::default()).unwrap();
        let tensors = architecture.graph().tensors().iter();
        let got: BTreeMap<String, Vec<usize>> =
            tensors.map(|spec| (spec.name.clone(), spec.shape.clone())).collect();
        for (tensor, shape) in wanted {
            assert_eq!(got.get(tensor), Some(shape), "{name}: {tensor}");
        }
        let unexpected: Vec<&String> = got.keys().filter(|tensor| !wanted.contains_key(*tensor)).collect();
        assert!(unexpected.is_empty(), "{name}: {unexpected:?}");
    }
}

#[test]
fn sizes_and_costs_are_the_published_ones() {
    for (name, case) in &cases() {
        let summary = models::create(name, ModelConfig::default()).unwrap().summary();
        assert_eq!(summary.num_parameters() as u64, case["parameters"].as_u64().unwrap(), "{name}");
        let Some(published) = case["giga_multiply_adds"].as_f64() else { continue };
        // Publications round, and differ in what they count besides products of matrices. The stride of CoAtNet's blocks
        // stands behind the 1 x 1 convolution that widens them, as in timm, which costs more than in the paper.
        let near = if name == "coatnet_0" { 0.1 } else { 0.03 };
        let got = summary.multiply_adds() as f64 / 1e9;
        assert!((got / published - 1.0).abs() < near, "{name}: {got}, not {published}");
    }
}

#[test]
fn outputs_are_those_of_the_reference() -> Result<()> {
    let cases = computed();
    for entry in tested() {
        let Some(case) = cases.get(entry.name) else { continue };
        let (net, x) = small(entry.name, case)?;
        let got = net.forward(&x, Mode::Eval)?.flatten_all()?.to_vec1::<f32>()?;
        let wanted = numbers(&case["logits"]);
        let largest = wanted.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        assert_eq!(got.len(), wanted.len());
        for (got, wanted) in got.iter().zip(&wanted) {
            let difference = (f64::from(*got) - wanted).abs();
            assert!(difference < 1e-4 * largest, "{}: {got}, not {wanted}", entry.name);
        }
    }
    Ok(())
}

#[test]
fn training_steps_are_those_of_the_reference() -> Result<()> {
    let cases = computed();
    for entry in tested() {
        let Some(case) = cases.get(entry.name) else { continue };
        let name = entry.name;
        let (net, x) = small(name, case)?;
        let labels = Tensor::new(&[0_u32, 1], &Device::Cpu)?;
        let loss = ops::softmax_cross_entropy(&net.forward(&x, Mode::Train(Seed(1)))?, &labels, 0.0)?;
        let wanted = case["loss"].as_f64().unwrap();
        let got = f64::from(loss.to_scalar::<f32>()?);
        assert!((got - wanted).abs() < 1e-4 * wanted.max(1.0), "{name}: loss {got}, not {wanted}");
        // The reference has f64. How far PyTorch is off in f32 says how easily the batch norms of two images are upset.
        let near = f64::max(1e-3, 20.0 * case["rounding"].as_f64().unwrap());
        let gradients = backward(&loss)?;
        for (parameter, wanted) in case["gradients"].as_object().unwrap() {
            let wanted = wanted.as_f64().unwrap();
            let var = net.parameters().into_iter().find(|found| found.name == *parameter).unwrap().var;
            let gradient = gradients.get(&var).unwrap().flatten_all()?.to_vec1::<f32>()?;
            let got = gradient.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            assert!((got / wanted - 1.0).abs() < near, "{name}, {parameter}: {got}, not {wanted}");
        }
        for (buffer, wanted) in case["buffers"].as_object().unwrap() {
            let var = net.buffers().into_iter().find(|found| found.name == *buffer).unwrap().var;
            for (got, wanted) in var.to_vec1::<f32>()?.into_iter().zip(numbers(wanted)) {
                let difference = (f64::from(got) - wanted).abs();
                assert!(difference < 1e-4 * wanted.abs().max(0.1), "{name}, {buffer}: {got}, not {wanted}");
            }
        }
    }
    Ok(())
}
