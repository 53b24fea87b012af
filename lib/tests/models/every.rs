//! What holds for every architecture of the registry, on small images.

use candle_core::{DType, Device, Tensor, Var};
use sconce::models::{ModelConfig, ModelEntry};
use sconce::nn::{Loading, Mode, Model, backward};
use sconce::{Result, Seed};

use crate::every;
use crate::formula::{fill, images};

/// Takes the models of more than 100 million parameters in, the VGGs and the large ViTs, which need minutes and
/// gigabytes.
const ALL: &str = "SCONCE_TEST_LARGE_MODELS";

fn up_to(parameters: usize) -> impl Iterator<Item = &'static ModelEntry> {
    let size = |entry: &&ModelEntry| {
        let architecture = entry.architecture(ModelConfig::default()).unwrap();
        architecture.summary().num_parameters()
    };
    every().into_iter().filter(move |entry| size(entry) < parameters)
}

/// Those that it takes no gigabytes to make several times.
fn of_moderate_size() -> impl Iterator<Item = &'static ModelEntry> {
    up_to(30_000_000)
}

/// Images as small as is good for tests.
fn config(entry: &ModelEntry) -> ModelConfig {
    let [channels, ..] = entry.defaults.image;
    // A bias between pixels and attention need more than one of them, behind all that halves the image.
    let least = if entry.name == "coatnet_0" || !crate::classifies(entry) { 64 } else { 32 };
    let sides = entry.smallest.map(|side| side.max(least));
    let mut config = ModelConfig::default().num_classes(3).image([channels, sides[0], sides[1]]);
    // Blocks that are left out for both images have no gradient.
    config.stochastic_depth = entry.defaults.stochastic_depth.map(|_| 0.0);
    config
}

fn small(entry: &ModelEntry) -> Result<(Model, Tensor)> {
    let config = config(entry);
    let net = entry.architecture(config)?.init(Seed(3), &Device::Cpu)?;
    let [channels, height, width] = config.image.unwrap();
    Ok((net, images(&[2, channels, height, width], &Device::Cpu)?))
}

fn bits(x: &Tensor) -> Result<Vec<u32>> {
    Ok(x.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
}

/// All outputs of a model in use, one after the other.
fn outputs(net: &Model, x: &Tensor) -> Result<Vec<u32>> {
    let outputs = net.forward_outputs(x, Mode::Eval)?;
    let all = outputs.iter().map(|(_, output)| {
        assert_eq!(output.dims()[0], x.dims()[0]);
        bits(output)
    });
    Ok(all.collect::<Result<Vec<_>>>()?.concat())
}

/// Whether a parameter has no gradient however the model is trained. The guesses of a DETR start as zeros: the values of
/// its first self-attention are equal, and what chooses among them does not matter. A bias of all keys changes all
/// scores alike, which softmax does not see.
fn is_idle(entry: &ModelEntry, parameter: &str) -> bool {
    let first = parameter.strip_prefix("model.decoder.layers.0.self_attn.").unwrap_or_default();
    let unused = ["q_proj", "k_proj", "v_proj.weight"].iter().any(|unused| first.starts_with(unused));
    entry.family == "DETR" && (parameter.ends_with("k_proj.bias") || unused)
}

/// A number that every output goes into, each with a weight of its own.
fn objective(net: &Model, x: &Tensor) -> Result<Tensor> {
    let mut sum = Tensor::zeros((), DType::F32, &Device::Cpu)?;
    for (_, y) in net.forward_outputs(x, Mode::Train(Seed(5)))?.iter() {
        let factors: Vec<f32> = (0..y.elem_count()).map(|place| (1.0 + place as f32).sin()).collect();
        sum = (sum + (y * Tensor::from_vec(factors, y.shape(), y.device())?)?.sum_all()?)?;
    }
    Ok(sum)
}

#[test]
fn a_step_changes_every_parameter_and_what_was_learnt_survives_a_file() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let all = std::env::var_os(ALL).is_some();
    for entry in up_to(if all { usize::MAX } else { 100_000_000 }) {
        let name = entry.name;
        let (net, x) = small(entry)?;
        // Heads that start as zeros let no gradient through in a first step.
        fill(&net)?;
        let input = Var::from_tensor(&x)?;
        let gradients = backward(&objective(&net, input.as_tensor())?)?;
        for parameter in net.parameters().into_iter().filter(|parameter| !is_idle(entry, &parameter.name)) {
            let gradient = gradients.get(&parameter.var);
            let moved = gradient.map(|gradient| gradient.flatten_all()?.to_vec1::<f32>()).transpose()?;
            let moved = moved.unwrap_or_default();
            assert!(moved.iter().any(|&value| value != 0.0), "{name}: nothing moves {}", parameter.name);
            assert!(moved.iter().all(|value| value.is_finite()), "{name}: {} is lost", parameter.name);
            let before = parameter.var.as_tensor().copy()?;
            let step = (gradients.get(&parameter.var).unwrap() * 1e-2)?;
            parameter.var.set(&(&before - step)?)?;
            assert_ne!(bits(&before)?, bits(parameter.var.as_tensor())?, "{name}: {}", parameter.name);
        }
        let reached = gradients.get(&input).unwrap().abs()?.sum_all()?.to_scalar::<f32>()?;
        assert!(reached > 0.0 && reached.is_finite(), "{name}: the gradient of the input is {reached}");

        let y = outputs(&net, &x)?;
        assert!(y == outputs(&net, &x)?, "{name}: twice the same");

        let path = folder.path().join(format!("{name}.safetensors"));
        net.save(&path)?;
        let (other, _) = small(entry)?;
        other.load(&path, Loading::Strict)?;
        assert!(y == outputs(&other, &x)?, "{name}: from a file");
        std::fs::remove_file(path).unwrap();
    }
    Ok(())
}

#[test]
fn fresh_weights_give_finite_numbers_and_follow_from_the_seed() -> Result<()> {
    for entry in of_moderate_size() {
        let (net, x) = small(entry)?;
        let y = net.forward(&x, Mode::Train(Seed(1)))?.flatten_all()?.to_vec1::<f32>()?;
        let largest = y.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        assert!(y.iter().all(|value| value.is_finite()) && largest < 1e3, "{}: {largest}", entry.name);
        let (again, _) = small(entry)?;
        for (one, other) in net.parameters().iter().zip(again.parameters()) {
            assert_eq!(
                bits(one.var.as_tensor())?,
                bits(other.var.as_tensor())?,
                "{}: {}",
                entry.name,
                one.name
            );
        }
    }
    Ok(())
}

#[test]
fn other_channels_classes_and_sizes() -> Result<()> {
    for entry in of_moderate_size() {
        let small = config(entry);
        let [_, height, width] = small.image.unwrap();
        let other = small.num_classes(1).image([1, 2 * height, width]);
        let net = entry.architecture(other)?.init(Seed(1), &Device::Cpu)?;
        let y = net.forward(&images(&[1, 1, 2 * height, width], &Device::Cpu)?, Mode::Eval)?;
        let y = y.flatten_all()?.to_vec1::<f32>()?;
        assert!(y.iter().all(|value| value.is_finite()), "{}", entry.name);
    }
    Ok(())
}
