//! The same network, on the same digits, with the same settings, learns as well as in PyTorch: `tests/peers/digits.py` is
//! the twin, and what it printed stands in `tests/fixtures/peers/digits.json`.

#![allow(clippy::print_stdout)] // By how much it is better or worse is worth reading.

use candle_core::Device;
use sconce::data::DataSplit;
use sconce::prelude::{Learner, Model, Seed, Split, accuracy, adamw, cross_entropy, datasets};
use serde_json::Value;

/// 70 % to learn from, 15 % to watch, 15 % to be judged by: the same rows as the twin's.
fn split(seed: u64) -> sconce::Result<DataSplit> {
    let digits = datasets::digits()?;
    let part = |places: std::ops::Range<u64>| {
        let rows: Vec<usize> =
            (0..digits.len()).filter(|&row| places.contains(&((row as u64 + 4 * seed) % 20))).collect();
        digits.subset(&rows)
    };
    Ok(DataSplit { train: part(0..14)?, valid: part(14..17)?, test: part(17..20)? })
}

fn network(seed: u64) -> sconce::Result<Model> {
    Model::build([1, 8, 8], |x| {
        let x = x.conv2d(16, 3).batch_norm().relu().max_pool2d(2);
        let x = x.conv2d(32, 3).batch_norm().relu().max_pool2d(2);
        x.flatten().linear(10)
    })?
    .init(Seed(seed), &Device::Cpu)
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "takes a minute and a half without optimization, a few seconds with it"
)]
fn digits_are_learned_as_well_as_in_pytorch() -> Result<(), Box<dyn std::error::Error>> {
    let peer: Value = serde_json::from_str(include_str!("../../../tests/fixtures/peers/digits.json"))?;
    let number = |name: &str| peer[name].as_f64().unwrap_or_else(|| panic!("no {name}"));
    let list = |name: &str| peer[name].as_array().unwrap_or_else(|| panic!("no {name}")).clone();
    let mut accuracies = Vec::new();
    for seed in list("seeds") {
        let seed = seed.as_u64().ok_or("a seed is a whole number")?;
        let mut learner = Learner::new(network(seed)?, split(seed)?)
            .loss(cross_entropy())
            .optimizer(adamw(number("lr")).weight_decay(number("weight_decay")))
            .batch_size(number("batch_size") as usize)
            .metric(accuracy())
            .seed(Seed(seed));
        learner.fit(number("epochs") as usize)?;
        accuracies.push(learner.evaluate(Split::Test)?.metric("accuracy")?);
    }
    let mean = accuracies.iter().sum::<f64>() / accuracies.len() as f64;
    let peers = number("mean");
    println!("{mean:.4} on average of {accuracies:?}; PyTorch {peers:.4}");
    assert_eq!(accuracies.len(), 5);
    assert!(mean >= peers - 0.005, "{mean:.4} on average, PyTorch {peers:.4}: {accuracies:?}");
    Ok(())
}
