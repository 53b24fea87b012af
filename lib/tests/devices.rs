//! What a person does with a model works wherever its weights lie: training, use, saving, looking inside.
#![allow(clippy::unwrap_used)]

mod gpu;
mod rerun;

use candle_core::{Device, Tensor};
use sconce::nn::{Loading, Mode, Model};
use sconce::prelude::{Learner, Seed, Split, accuracy, adamw, backward, cross_entropy, datasets, sgd};
use sconce::rich::Rich;
use sconce::{Result, ops};

use gpu::device;

fn net(device: &Device) -> Result<Model> {
    Model::build([1, 8, 8], |x| {
        let x = x.conv2d(16, 3).batch_norm().relu().named("stem");
        let y = x.conv2d(16, 3).batch_norm().relu().dropout(0.1).conv2d(16, 3).batch_norm();
        let x = (x + y).relu().max_pool2d(2).image_to_tokens(); // (N, D)
        let x = (&x + x.layer_norm().self_attention(2)).mean([0]);
        x.linear(10)
    })?
    .init(Seed(3), device)
}

fn largest_difference(a: &Tensor, b: &Tensor) -> Result<f32> {
    let [a, b] = [a, b].map(|tensor| tensor.to_device(&Device::Cpu));
    Ok((a? - b?)?.abs()?.flatten_all()?.max(0)?.to_scalar()?)
}

#[test]
fn a_learner_trains_there() -> Result<()> {
    let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(1))?;
    let mut learner = Learner::new(net(&device())?, data)
        .loss(cross_entropy())
        .optimizer(adamw(5e-3))
        .metric(accuracy())
        .seed(Seed(5));
    let history = learner.fit(3)?;
    let losses: Vec<f64> = history.epochs().iter().map(|epoch| epoch.train_loss).collect();
    assert!(losses[2] < 0.5 * losses[0], "{losses:?}");
    let evaluation = learner.evaluate(Split::Test)?;
    assert!(evaluation.metric("accuracy")? > 0.6, "{:?}", evaluation.metric("accuracy"));
    assert!(evaluation.confusion_matrix().rich().plain().is_some());
    Ok(())
}

#[test]
fn batches_come_there() -> Result<()> {
    let digits = datasets::digits()?;
    let here = digits.batches(64).next().unwrap()?;
    let there = digits.batches(64).device(&device()).next().unwrap()?;
    assert!(there.images.device().same_device(&device()));
    assert!(there.labels.device().same_device(&device()));
    assert_eq!(largest_difference(&here.images, &there.images)?, 0.0);
    Ok(())
}

#[test]
fn a_file_brings_weights_from_there_to_the_cpu_and_back() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.safetensors");
    let images = datasets::digits()?.batches(32).next().unwrap()?.images;
    let there = net(&device())?;
    // A training step, so that the running statistics are not those of the start.
    let logits = there.forward(&images.to_device(&device())?, Mode::Train(Seed(1)))?;
    let mut optimizer = sconce::optim::OptimizerConfig::from(sgd(0.1)).build(&there.parameters())?;
    optimizer.step(&backward(&ops::softmax_cross_entropy(
        &logits,
        &Tensor::zeros(32, candle_core::DType::U32, &device())?,
        0.0,
    )?)?)?;
    there.save(&file)?;
    let here = net(&Device::Cpu)?;
    here.load(&file, Loading::Strict)?;
    let wanted = there.forward(&images.to_device(&device())?, Mode::Eval)?;
    let difference = largest_difference(&here.forward(&images, Mode::Eval)?, &wanted)?;
    assert!(difference < 1e-4, "{difference}");
    let again = net(&device())?;
    again.set_state(&here.state()?)?;
    let difference = largest_difference(&again.forward(&images.to_device(&device())?, Mode::Eval)?, &wanted)?;
    assert!(difference < 1e-6, "{difference}");
    Ok(())
}

#[test]
fn looking_inside_works_there() -> Result<()> {
    let image = datasets::digits()?.batches(1).next().unwrap()?.images;
    let [here, there] = [Device::Cpu, device()].map(|device| -> Result<String> {
        let maps = net(&device)?.feature_maps(&image.to_device(&device)?, "stem")?;
        Ok(maps.rich().plain().unwrap_or_default().to_owned())
    });
    assert_eq!(here?, there?);
    let text = image.to_device(&device())?.rich();
    assert!(text.plain().is_some());
    Ok(())
}

#[test]
fn so_it_does_with_narrower_vectors() {
    rerun::with_narrower_vectors(&["weights"]);
}

#[test]
fn so_it_does_with_composed_operators() {
    rerun::with_composed_operators(&["weights"]);
}

#[test]
fn so_it_does_on_a_gpu() {
    gpu::again_on_a_gpu(&[]);
}
