//! What models look at: against PyTorch, in closed forms, and what is refused.
#![allow(clippy::unwrap_used)]

mod attention;
mod checks;
mod embedding;
#[path = "../formula/mod.rs"]
mod formula;
mod inside;
mod known;
mod queries;
mod reference;
mod refused;

use std::sync::LazyLock;

use candle_core::{Device, Tensor};
use sconce::nn::{Model, Value};
use sconce::{Result, Seed};
use serde_json::Value as Json;

/// What `tests/fixtures/explain/make.py` wrote.
static FIXTURE: LazyLock<Json> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/explain/explain.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
});

fn numbers(values: &Json) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// Holds values to others, to 1e-4 of the greatest.
#[track_caller]
fn near(what: &str, got: &[f32], wanted: &[f64]) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let greatest = wanted.iter().fold(0.0_f64, |greatest, value| greatest.max(value.abs()));
    assert!(greatest > 0.0, "{what}: a map of zeros says nothing");
    for (place, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        let error = (f64::from(*got) - wanted).abs();
        assert!(error < 1e-4 * greatest, "{what} at {place}: {got}, not {wanted}");
    }
}

/// The fixture's `Cnn`: a shortcut, a layer of one's own, a max pool; and a dropout, which does nothing here.
fn cnn(x: Value) -> Value {
    let bare = sconce::nn::Conv2dConfig { bias: false, padding: 1.into(), ..Default::default() };
    let x = x.conv2d_with(6, bare).named("conv1").batch_norm().named("bn1").relu();
    let swish = |x: &Tensor| Ok((x / (x.neg()?.exp()? + 1.0)?)?);
    let y = x.conv2d(6, 3).named("conv2").map("swish", swish);
    let x = (x + y).named("join").max_pool2d(2).conv2d(8, 3).named("conv3").relu().named("last");
    x.dropout(0.5).global_avg_pool().linear(5).named("fc")
}

fn small(side: usize) -> Result<(Model, Tensor)> {
    let net = Model::build([3, side, side], cnn)?.init(Seed(0), &Device::Cpu)?;
    formula::fill(&net)?;
    Ok((net, formula::images(&[1, 3, side, side], &Device::Cpu)?))
}
