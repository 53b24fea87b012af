//! What a person does with a model works wherever its weights lie: training, use, saving, looking inside.
#![allow(clippy::unwrap_used)]

mod gpu;
mod rerun;

use candle_core::{DType, Device, Tensor};
use sconce::nn::{ConvTranspose2dConfig, Loading, Mode, Model};
use sconce::prelude::{
    Learner, Precision, Seed, Split, accuracy, adamw, backward, cross_entropy, datasets, in_precision, sgd,
};
use sconce::rich::Rich;
use sconce::{Error, Result, ops};

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
        &Tensor::zeros(32, DType::U32, &device())?,
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

/// Whether the kernels of this process compute in f32 only.
fn is_refused() -> bool {
    device().is_cpu() && std::env::var("SCONCE_OPS").as_deref() != Ok("composed")
}

/// One of each kind that multiplies.
fn products(device: &Device) -> Result<Model> {
    Model::build([1, 8, 8], |x| {
        let x = x.conv2d(8, 3).batch_norm().relu();
        let x = x
            .conv_transpose2d_with(8, ConvTranspose2dConfig::default())
            .relu()
            .max_pool2d(2)
            .image_to_tokens();
        let x = (&x + x.layer_norm().self_attention(2)).mean([0]);
        x.linear(10)
    })?
    .init(Seed(3), device)
}

fn learner_in(precision: Precision) -> Result<Learner> {
    let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(1))?;
    let net = Model::build([1, 8, 8], |x| x.conv2d(8, 3).batch_norm().relu().flatten().linear(10))?;
    let net = net.init(Seed(3), &device())?;
    let learner = Learner::new(net, data).optimizer(adamw(5e-3)).metric(accuracy());
    Ok(learner.precision(precision).seed(Seed(5)))
}

#[test]
fn a_precision_that_a_device_has_not_is_refused() -> Result<()> {
    if !is_refused() {
        return Ok(());
    }
    let image = Tensor::ones((1, 1, 8, 8), DType::F32, &device())?;
    let net = products(&device())?;
    let by_hand = in_precision(Precision::BFloat16, || net.forward(&image, Mode::Eval)).map(|_| ());
    let fit = learner_in(Precision::BFloat16)?.fit(1).map(|_| ());
    for outcome in [by_hand, fit] {
        let Err(Error::Argument { expected, got, .. }) = outcome else { panic!("{outcome:?}") };
        assert!(expected.contains("a GPU") && got.contains("CPU"), "{expected}, {got}");
    }
    Ok(())
}

#[test]
fn mixed_precision_gives_outputs_and_gradients_of_fewer_digits() -> Result<()> {
    if is_refused() {
        return Ok(());
    }
    let images = datasets::digits()?.batches(32).next().unwrap()?.images.to_device(&device())?;
    let net = products(&device())?;
    let both = [Precision::Full, Precision::BFloat16].map(|precision| -> Result<Vec<Vec<f32>>> {
        let y = in_precision(precision, || net.forward(&images, Mode::Train(Seed(1))))?;
        // Backward outside, as a loop by hand may have it.
        let gradients = backward(&y.sqr()?.mean_all()?)?;
        let mut all = vec![y.flatten_all()?.to_vec1()?];
        for parameter in net.parameters() {
            all.push(gradients.get(&parameter.var).unwrap().flatten_all()?.to_vec1()?);
        }
        Ok(all)
    });
    let [full, mixed] = both;
    let (full, mixed) = (full?, mixed?);
    for (at, (full, mixed)) in full.iter().zip(&mixed).enumerate() {
        let length = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
        let size = length(&mut full.iter().copied());
        let apart = length(&mut full.iter().zip(mixed).map(|(a, b)| a - b));
        // Eight bits a factor, several layers deep; a bias in front of a norm has a gradient of 0 but for rounding.
        assert!(apart <= 0.05 * size.max(1e-3), "{at}: {apart} of {size}");
        assert!(at > 0 || apart > 1e-5 * size, "the products are no others");
    }
    Ok(())
}

#[test]
fn mixed_precision_trains_as_far() -> Result<()> {
    if is_refused() {
        return Ok(());
    }
    let reached = [Precision::Full, Precision::BFloat16].map(|precision| -> Result<f64> {
        let mut learner = learner_in(precision)?;
        learner.fit(4)?;
        assert!(learner.net().parameters().iter().all(|p| p.var.dtype() == DType::F32));
        learner.evaluate(Split::Test)?.metric("accuracy")
    });
    let [full, mixed] = reached;
    let (full, mixed) = (full?, mixed?);
    assert!(full > 0.9 && mixed > full - 0.03, "{full}, {mixed}");
    Ok(())
}

#[test]
fn so_it_does_with_narrower_vectors() {
    rerun::with_narrower_vectors(&["weights"]);
}

#[test]
fn so_it_does_with_composed_operators() {
    rerun::with_composed_operators(&["weights", "precision"]);
}

#[test]
fn so_it_does_on_a_gpu() {
    gpu::again_on_a_gpu(&[]);
}
