//! Models on integers of 8 bits beside the same models in f32, both ours, and beside onnxruntime's:
//! `cargo bench -p sconce --bench int8 -- [--python PATH] [FILTER]`.
//!
//! Prints one JSON object a row: `name`, `f32_ms` and `int8_ms` (medians of runs that take turns), and `faster`, the one by
//! the other. With a Python that has onnx and onnxruntime the rows of whole models also get `onnxruntime_f32_ms`,
//! `onnxruntime_int8_ms`, on as many threads, and `ratio`, our int8 by its. FILTER picks the rows whose names contain it.
//!
//! Weights are at random: only times count. The rows `convolutions/…` are those of the stages of ResNet-18 and ResNet-50
//! whose stride is 1, with ReLU, so that the layout is changed only at their ends; the rows `zoo/…` are other models.

#![allow(clippy::print_stdout, reason = "the result of a benchmark is what it prints")]

mod layers;
mod peer;

use std::time::Instant;

use candle_core::{Device, Tensor};
use sconce::Seed;
use sconce::compress::{QuantizeConfig, quantize};
use sconce::nn::{Mode, Model};
use serde_json::{Map, Value, json};

use peer::Peer;

/// Whatever went wrong; the benchmark ends with it.
pub type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let mut python = None;
    let mut filter = String::new();
    // cargo adds an option of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--python" => python = Some(arguments.next().ok_or("--python needs the path of a Python")?),
            option if option.starts_with("--") => {
                return Err(format!("no such option: {option}; there are --python PATH and a FILTER").into());
            }
            _ => filter = argument,
        }
    }
    let threads = sconce::threads::count()?;
    let mut printed = 0;
    for (name, shape, model) in layers::models()? {
        for batch in [1, 8] {
            let name = format!("{name}/{batch}");
            if !name.contains(&filter) {
                continue;
            }
            let mut row = Map::from_iter([("name".to_owned(), json!(name))]);
            let [f32_ms, int8_ms] = measure(&model, batch, shape)?;
            row.extend([
                ("f32_ms".to_owned(), round(f32_ms)),
                ("int8_ms".to_owned(), round(int8_ms)),
                ("faster".to_owned(), round(f32_ms / int8_ms)),
            ]);
            // Beside it in time, for the machine may have other work too.
            if let (Some(python), Some(resnet)) = (&python, name.strip_prefix("model/")) {
                let peer = Peer::measure(python, resnet, threads)?;
                row.extend([
                    ("onnxruntime_f32_ms".to_owned(), round(peer.f32_ms)),
                    ("onnxruntime_int8_ms".to_owned(), round(peer.int8_ms)),
                    ("ratio".to_owned(), round(int8_ms / peer.int8_ms)),
                ]);
            }
            printed += 1;
            println!("{}", Value::Object(row));
        }
    }
    if printed == 0 {
        return Err(format!("no row's name contains {filter:?}").into());
    }
    Ok(())
}

fn round(value: f64) -> Value {
    json!((value * 1000.0).round() / 1000.0)
}

/// The median times of a model in f32 and in int8, in ms, of runs that take turns.
fn measure(net: &Model, batch: usize, [channels, height, width]: [usize; 3]) -> Result<[f64; 2], Failed> {
    let mut rng = Seed(1).rng();
    let values: Vec<f32> = (0..batch * channels * height * width).map(|_| rng.uniform_f32()).collect();
    let x = Tensor::from_vec(values, (batch, channels, height, width), &Device::Cpu)?;
    let quantized = quantize(net, std::slice::from_ref(&x), &QuantizeConfig::default())?.model;
    let run = |int8: bool| -> sconce::Result<f64> {
        let start = Instant::now();
        let y = if int8 { quantized.forward(&x) } else { net.forward(&x, Mode::Eval) };
        let ms = start.elapsed().as_secs_f64() * 1e3;
        // Freeing what it gave is no part of the work.
        drop(y?);
        Ok(ms)
    };
    let mut times = [Vec::new(), Vec::new()];
    let begin = Instant::now();
    // The first of each does not count.
    for turn in 0.. {
        for (int8, times) in [false, true].into_iter().zip(&mut times) {
            let ms = run(int8)?;
            if turn > 0 {
                times.push(ms);
            }
        }
        if turn >= 7 && (turn >= 101 || begin.elapsed().as_secs() >= 3) {
            break;
        }
    }
    Ok(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }))
}
