//! What it takes to show a large tensor and batches of images: `cargo bench -p sconce --bench display`.
//!
//! Prints one JSON object a value: the least and the median of the rounds, the bound that it is to stay under, and the bytes
//! of all its forms.

#![allow(clippy::print_stdout, reason = "the result of a benchmark is what it prints")]

use std::time::Instant;

use candle_core::{Device, Tensor};
use sconce::data::Dataset;
use sconce::prelude::{BatchConfig, Seed};
use sconce::rich::Rich;
use sconce::{Error, Result};
use sconce_display::Content;
use serde_json::json;

const ROUNDS: usize = 9;

/// Values from 0 to 1 that do not compress well: a worst case for the picture's file.
fn noise(shape: &[usize]) -> Result<Tensor> {
    let mut rng = Seed(7).rng();
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.uniform_f32()).collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

fn report(name: &str, bound_ms: f64, value: &dyn Rich) {
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let bundle = value.rich();
        times.push(start.elapsed().as_secs_f64() * 1e3);
        let size = |content: &Content| match content {
            Content::Text(text) | Content::Json(text) => text.len(),
            Content::Bytes(bytes) => bytes.len(),
        };
        bytes = bundle.forms.iter().map(|(_, content)| size(content)).sum::<usize>();
    }
    times.sort_by(f64::total_cmp);
    let row = json!({
        "name": format!("display/{name}"),
        "ms": times[0],
        "median_ms": times[ROUNDS / 2],
        "bound_ms": bound_ms,
        "bytes": bytes,
    });
    println!("{row}");
}

fn main() -> Result<()> {
    report("tensor/10000x10000", 500.0, &noise(&[1000, 10_000])?.repeat((10, 1))?);
    for [channels, side] in [[3, 224], [1, 28]] {
        let images = noise(&[64, channels, side, side])?;
        report(&format!("tensor/64x{channels}x{side}x{side}"), 100.0, &images);
        let labels: Vec<u32> = (0..64).map(|at| at % 10).collect();
        let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let config = BatchConfig { batch_size: 64, ..BatchConfig::default() };
        let batch = Dataset::new(images, &labels, &names)?.batches(config).next().transpose()?;
        let batch = batch.ok_or_else(|| Error::Argument {
            op: "display".into(),
            expected: "a batch".into(),
            got: "none".into(),
            hint: "The data set has 64 images.".into(),
        })?;
        report(&format!("batch/64x{channels}x{side}x{side}"), 100.0, &batch);
    }
    Ok(())
}
