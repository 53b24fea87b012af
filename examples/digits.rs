//! The quickstart notebook as a plain program: a small residual network learns handwritten digits.
//!
//! `cargo run --release -p sconce --example digits [-- SEED...]` trains once for each seed, 42 if none is
//! given, and fails if the accuracy on the test part is below 98 %.

#![allow(clippy::print_stdout)] // A program for the terminal: its results go to stdout.

use std::time::Instant;

use sconce::plot::percent;
use sconce::prelude::*;

fn main() -> Result<()> {
    let seeds: Vec<u64> = std::env::args().skip(1).map(|text| seed(&text)).collect::<Result<_>>()?;
    let seeds = if seeds.is_empty() { vec![42] } else { seeds };
    let architecture = network()?;
    for (run, &seed) in seeds.iter().enumerate() {
        let model = architecture.init(Seed(seed), &Device::Cpu)?;
        if run == 0 {
            println!("{}", model.summary().rich().plain().unwrap_or_default());
        }
        let accuracy = train(model, Seed(seed))?;
        if accuracy < 0.98 {
            return Err(Error::Argument {
                op: "digits".into(),
                expected: "an accuracy of at least 98 %".into(),
                got: percent(accuracy),
                hint: "The last change to the library made it learn worse.".into(),
            });
        }
    }
    Ok(())
}

fn seed(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::Argument {
        op: "digits".into(),
        expected: "seeds, which are whole numbers".into(),
        got: format!("{text:?}"),
        hint: "For example: digits 1 2 3.".into(),
    })
}

/// Two residual blocks of 3 x 3 convolutions, pooling between them.
fn network() -> Result<Architecture> {
    Model::build([1, 8, 8], |x| {
        let x = x.conv2d(32, 3).batch_norm().relu().named("stem");
        let y = x.conv2d(32, 3).batch_norm().relu().conv2d(32, 3).batch_norm();
        let x = (x + y).relu().max_pool2d(2); // (32, 4, 4)
        let x = x.conv2d(64, 3).batch_norm().relu();
        let y = x.conv2d(64, 3).batch_norm().relu().conv2d(64, 3).batch_norm();
        (x + y).relu().global_avg_pool().dropout(0.2).linear(10)
    })
}

/// Trains on digits split and shuffled by this seed; gives the accuracy on the test part.
fn train(model: Model, seed: Seed) -> Result<f64> {
    let data = datasets::digits()?.split([0.7, 0.15, 0.15], seed)?;
    let mut learner =
        Learner::new(model, data).loss(cross_entropy()).optimizer(adamw(3e-3)).metric(accuracy()).seed(seed);
    let start = Instant::now();
    learner.fit(12)?;
    // The last epochs at a tenth of the learning rate let the weights settle.
    learner.set_learning_rate(3e-4)?;
    let history = learner.fit(4)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{}", history.table().text());

    let evaluation = learner.evaluate(Split::Test)?;
    let accuracy = evaluation.metric("accuracy")?;
    println!(
        "seed {}: {} of {} test images right, {} wrong, after {seconds:.1} s of training",
        seed.0,
        percent(accuracy),
        evaluation.targets().len(),
        evaluation.mistakes().len(),
    );

    // Saved and loaded into new weights, it says the same.
    let folder = std::env::temp_dir().join(format!("sconce-digits-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|source| Error::Io {
        op: "create",
        path: folder.clone(),
        source,
    })?;
    let path = folder.join("digits.safetensors");
    learner.model()?.save(&path)?;
    let loaded = network()?.init(Seed(0), &Device::Cpu)?;
    loaded.load(&path, Loading::Strict)?;
    let images = learner.data().test.images()?;
    let before = learner.model()?.forward(&images, Mode::Eval)?.to_vec2::<f32>()?;
    let after = loaded.forward(&images, Mode::Eval)?.to_vec2::<f32>()?;
    std::fs::remove_dir_all(&folder).map_err(|source| Error::Io { op: "remove", path: folder, source })?;
    if before != after {
        return Err(Error::Argument {
            op: "digits".into(),
            expected: "the same logits after saving and loading".into(),
            got: "others".into(),
            hint: "Model::save or Model::load is broken.".into(),
        });
    }
    println!("saved and loaded: the same logits\n");
    Ok(accuracy)
}
