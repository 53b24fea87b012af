//! Two architectures of the zoo learn handwritten digits from nothing: a ResNet-20 and a tiny ViT.
//!
//! `cargo run --release -p sconce --example zoo [-- NAME...]` trains each of the architectures named, these two if none
//! is, and fails if the accuracy on the test part is below 97 %.

#![allow(clippy::print_stdout)] // A program for the terminal: its results go to stdout.

use std::time::Instant;

use sconce::optim::OptimizerConfig;
use sconce::plot::percent;
use sconce::prelude::*;
use sconce::transforms::{Affine, Filter, Resize};

/// The digits are 8 × 8 pixels; so many are good for patches of 16.
const SIDE: usize = 32;

fn main() -> Result<()> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names = vec!["resnet20".into(), "vit_ti_16".into()];
    }
    for name in &names {
        let (accuracy, seconds) = train(name)?;
        println!("{name}: {} of the test images right, after {seconds:.0} s", percent(accuracy));
        if accuracy < 0.97 {
            return Err(Error::Argument {
                op: name.clone(),
                expected: "an accuracy of at least 97 %".into(),
                got: percent(accuracy),
                hint: "The last change to the library made it learn worse.".into(),
            });
        }
    }
    Ok(())
}

/// What each learns well with: the optimizer and the epochs.
fn recipe(name: &str) -> (OptimizerConfig, usize) {
    match name {
        name if name.starts_with("vit") => (adamw(7e-4).weight_decay(0.05).into(), 36),
        _ => (adamw(3e-3).weight_decay(0.05).into(), 12),
    }
}

/// The accuracy on the test part, and the seconds that training took.
fn train(name: &str) -> Result<(f64, f64)> {
    let config = models::ModelConfig::default().num_classes(10).image([1, SIDE, SIDE]);
    let model = models::create(name, config)?.init(Seed(42), &Device::Cpu)?;
    let digits = datasets::digits()?.transform(Resize::new([SIDE, SIDE]));
    let mut data = digits.split([0.7, 0.15, 0.15], Seed(42))?;
    // Digits a little larger, smaller or aside are the same digits, and there are few.
    let shaken = Affine::new().translate_x(-0.1..=0.1).translate_y(-0.1..=0.1).scale(0.9..=1.1);
    let shaken = shaken.filter(Filter::Bilinear);
    data.train = data.train.transform(shaken);

    let (optimizer, epochs) = recipe(name);
    let learner = Learner::new(model, data).loss(cross_entropy()).optimizer(optimizer);
    // Two epochs to warm up, then down to nothing; used are averages of the weights.
    let learner = learner.schedule(cosine().warmup(40)).clip_norm(1.0).ema(0.99);
    let mut learner = learner.metric(accuracy()).seed(Seed(42)).batch_size(64);
    let start = Instant::now();
    let history = learner.fit(epochs)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{}", history.table().text());
    Ok((learner.evaluate(Split::Test)?.metric("accuracy")?, seconds))
}
