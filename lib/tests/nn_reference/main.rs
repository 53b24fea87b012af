//! Whole models against PyTorch: the output in use, and loss, gradients and running statistics of a
//! training step. Weights and inputs follow from their names, as the fixtures' README says.
#![allow(clippy::unwrap_used)]

#[path = "../formula/mod.rs"]
mod formula;
#[path = "../gpu/mod.rs"]
mod gpu;
#[path = "../rerun/mod.rs"]
mod rerun;

use std::collections::BTreeMap;

use candle_core::Tensor;
use sconce::models::{self, ModelConfig};
use sconce::nn::{Mode, Model};
use sconce::{Result, Seed, ops};
use serde_json::Value as Json;

use formula::{fill, images};
use gpu::device;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures");

fn json(path: &str) -> Json {
    serde_json::from_str(&std::fs::read_to_string(format!("{FIXTURES}/{path}")).unwrap()).unwrap()
}

/// The case's images.
fn case_images(case: &Json) -> Result<Tensor> {
    images(&dims(&case["input"]["shape"]), &device())
}

fn dims(shape: &Json) -> Vec<usize> {
    shape.as_array().unwrap().iter().map(|dim| dim.as_u64().unwrap() as usize).collect()
}

/// The architecture for this many classes and the case's images, with the case's weights. Its names and shapes must be
/// exactly those of the state dict.
fn with_weights(name: &str, config: ModelConfig, case: &Json) -> Result<Model> {
    let shape = dims(&case["input"]["shape"]);
    let config = config.image([shape[1], shape[2], shape[3]]);
    let net = models::create(name, config)?.init(Seed(0), &device())?;
    let wanted = case["state_dict"].as_array().unwrap().iter();
    // How many batches were seen changes nothing at a fixed momentum, and is not kept.
    let wanted: BTreeMap<&str, Vec<usize>> = wanted
        .map(|entry| (entry[0].as_str().unwrap(), dims(&entry[1])))
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .collect();
    let got: BTreeMap<&str, Vec<usize>> =
        net.graph().tensors().iter().map(|spec| (spec.name.as_str(), spec.shape.clone())).collect();
    assert_eq!(got, wanted, "{name}");
    fill(&net)?;
    Ok(net)
}

/// The L2 norm as the reference has it: PyTorch sums the squares in eight f32 numbers, one after the other, which over
/// the hundred million of VGG's first linear layer leaves out 1.4 % of what f64 gives.
fn norm_as_pytorch_sums(values: &[f32]) -> f64 {
    let mut sums = [0.0_f32; 8];
    for eight in values.chunks(8) {
        sums.iter_mut().zip(eight).for_each(|(sum, value)| *sum += value * value);
    }
    f64::from(sums.iter().sum::<f32>()).sqrt()
}

/// One training step against the case: the loss at 1e-5, the running statistics at 1e-4, the gradients'
/// norms at 1e-3 and their first values at 1e-3 of the norm.
fn train_step(name: &str, config: ModelConfig, path: &str) -> Result<()> {
    let case = json(path);
    let net = with_weights(name, config.num_classes(10), &case)?;
    let labels: Vec<u32> =
        case["labels"].as_array().unwrap().iter().map(|label| label.as_u64().unwrap() as u32).collect();
    let logits = net.forward(&case_images(&case)?, Mode::Train(Seed(0)))?;
    let loss = ops::softmax_cross_entropy(&logits, &Tensor::new(labels, &device())?, 0.0)?;
    let wanted = case["loss"].as_f64().unwrap();
    let got = f64::from(loss.to_scalar::<f32>()?);
    assert!((got - wanted).abs() < 1e-5 * wanted, "loss {got}, not {wanted}");

    let gradients = loss.backward()?;
    let wanted: BTreeMap<&str, &Json> =
        case["grads"].as_object().unwrap().iter().map(|(name, gradient)| (name.as_str(), gradient)).collect();
    let parameters = net.parameters();
    assert_eq!(parameters.len(), wanted.len());
    // A bias before a batch norm has no gradient but what rounding leaves.
    let norm_of = |gradient: &Json| gradient["norm"].as_f64().unwrap();
    let nothing = 1e-5 * wanted.values().map(|gradient| norm_of(gradient)).fold(0.0, f64::max);
    for parameter in &parameters {
        let wanted = wanted[parameter.name.as_str()];
        let got = gradients.get(&parameter.var).unwrap().flatten_all()?.to_vec1::<f32>()?;
        let norm = norm_as_pytorch_sums(&got);
        let wanted_norm = norm_of(wanted);
        if wanted_norm < nothing {
            assert!(norm < nothing, "{}: norm {norm}, not {wanted_norm}", parameter.name);
            continue;
        }
        assert!(
            (norm / wanted_norm - 1.0).abs() < 1e-3,
            "{}: norm {norm}, not {wanted_norm}",
            parameter.name
        );
        for (got, wanted) in got.iter().zip(wanted["first"].as_array().unwrap()) {
            let difference = (f64::from(*got) - wanted.as_f64().unwrap()).abs();
            assert!(difference < 1e-3 * wanted_norm, "{}: {got}, not {wanted}", parameter.name);
        }
    }
    let buffers = net.buffers();
    let wanted = case["buffers_after"].as_object().unwrap();
    assert_eq!(buffers.len(), wanted.len());
    for buffer in &buffers {
        let got = buffer.var.to_vec1::<f32>()?;
        for (got, wanted) in got.iter().zip(wanted[&buffer.name].as_array().unwrap()) {
            let wanted = wanted.as_f64().unwrap();
            assert!(
                (f64::from(*got) - wanted).abs() < 1e-4 * wanted.abs().max(0.1),
                "{}: {got}, not {wanted}",
                buffer.name
            );
        }
    }
    Ok(())
}

/// The output in use against the case, in parts of its largest value.
fn outputs(name: &str, fixture: &str) -> Result<()> {
    let case = json(&format!("models/{fixture}.json"));
    let net = with_weights(name, ModelConfig::default(), &case)?;
    let wanted = candle_core::safetensors::load(
        format!("{FIXTURES}/models/{fixture}.safetensors"),
        &candle_core::Device::Cpu,
    )?;
    let wanted = wanted["output"].flatten_all()?.to_vec1::<f32>()?;
    let got = net.forward(&case_images(&case)?, Mode::Eval)?.flatten_all()?.to_vec1::<f32>()?;
    let largest = wanted.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    assert_eq!(got.len(), wanted.len());
    for (got, wanted) in got.iter().zip(&wanted) {
        assert!((got - wanted).abs() < 1e-4 * largest, "{got}, not {wanted}");
    }
    Ok(())
}

#[test]
fn seed_net_gives_what_pytorch_gives() -> Result<()> {
    outputs("lenet", "seed_net")
}

#[test]
fn seed_net_trains_as_pytorch_trains_it() -> Result<()> {
    train_step("lenet", ModelConfig::default(), "train/seed_net.json")
}

#[test]
fn resnet18_trains_as_pytorch_trains_it() -> Result<()> {
    train_step("resnet18", ModelConfig::default(), "train/resnet18.json")
}

/// Large images are for optimized code: `cargo test --release`.
const LARGE: &str = "large";

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes unless it is optimized")]
fn large_vgg11_bn_trains_as_pytorch_trains_it() -> Result<()> {
    train_step("vgg11_bn", ModelConfig::default().dropout(0.0), "train/vgg11_bn_no_dropout.json")
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes unless it is optimized")]
fn large_vit_b_16_trains_as_pytorch_trains_it() -> Result<()> {
    train_step("vit_b_16", ModelConfig::default(), "train/vit_b_16.json")
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes unless it is optimized")]
fn large_images_give_what_pytorch_gives() -> Result<()> {
    for (name, fixture) in [
        ("small_cnn", "seed_cnn"),
        ("alexnet", "alexnet"),
        ("vgg11_bn", "vgg11_bn"),
        ("resnet18", "resnet18"),
        ("resnet50", "resnet50"),
        ("vit_b_16", "vit_b_16"),
    ] {
        outputs(name, fixture)?;
    }
    Ok(())
}

#[test]
fn narrower_vectors_give_what_pytorch_gives() {
    // ResNet-18 would take long without vectors, and has no operator that the small one has not.
    rerun::with_narrower_vectors(&["seed_net"]);
}

#[test]
fn so_do_composed_operators() {
    rerun::with_composed_operators(&["--skip", LARGE]);
}

#[test]
fn so_does_a_gpu() {
    gpu::again_on_a_gpu(&[]);
}
