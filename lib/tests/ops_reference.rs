//! Operators against PyTorch: output and every gradient, at 1e-5 of the largest value.
#![allow(clippy::unwrap_used)]

mod gpu;
mod rerun;

use std::collections::HashMap;

use candle_core::{D, DType, Tensor, Var};
use sconce::Result;
use sconce::ops::{self, Activation, BatchNormConfig, Corners, Divisor, Interpolation, Rounding, Sliding};
use serde_json::Value as Json;

use gpu::device;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures");

/// An entry of the case's parameters that is a number or a pair: height and width.
fn pair(params: &Json, name: &str, otherwise: usize) -> [usize; 2] {
    match &params[name] {
        Json::Null => [otherwise; 2],
        Json::Array(sides) => [0, 1].map(|side| sides[side].as_u64().unwrap() as usize),
        side => [side.as_u64().unwrap() as usize; 2],
    }
}

fn sliding(params: &Json) -> Sliding {
    Sliding {
        stride: pair(params, "stride", 1),
        padding: pair(params, "padding", 0).into(),
        dilation: pair(params, "dilation", 1),
    }
}

/// The value that the fixtures' README gives the tensor `name`: uniform in [0, 1).
fn uniform(name: &str, len: usize) -> Vec<f64> {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut rng = sconce::Seed(hash).rng();
    (0..len).map(|_| f64::from(rng.uniform_f32())).collect()
}

fn run(op: &str, params: &Json, inputs: &HashMap<String, Var>) -> Result<Tensor> {
    let input = |name: &str| inputs[name].as_tensor();
    let scaled = || -> Result<Tensor> {
        let scale = params["scale_input_by"].as_f64().unwrap_or(1.0);
        Ok((input("x") * scale)?)
    };
    let groups = params["groups"].as_u64().unwrap_or(1) as usize;
    let ceil = params["ceil_mode"].as_bool() == Some(true);
    let rounding = if ceil { Rounding::Ceil } else { Rounding::Floor };
    match op {
        "conv2d" => ops::conv2d(input("x"), input("w"), Some(input("b")), sliding(params), groups),
        "conv_transpose2d" => {
            let output_padding = pair(params, "output_padding", 0);
            let (x, w, b) = (input("x"), input("w"), Some(input("b")));
            ops::conv_transpose2d(x, w, b, sliding(params), output_padding, groups)
        }
        "max_pool2d" => {
            ops::max_pool2d(input("x"), pair(params, "kernel_size", 1), sliding(params), rounding)
        }
        "avg_pool2d" => {
            let only = params["count_include_pad"].as_bool() == Some(false);
            let divisor = if only { Divisor::PixelsOnly } else { Divisor::WithPadding };
            ops::avg_pool2d(input("x"), pair(params, "kernel_size", 1), sliding(params), rounding, divisor)
        }
        "adaptive_avg_pool2d" => {
            let y = ops::adaptive_avg_pool2d(input("x"), pair(params, "output_size", 1))?;
            if y.dims()[2..] == [1, 1] {
                let same = ops::global_avg_pool(input("x"))?.unsqueeze(2)?.unsqueeze(3)?;
                assert!(deviation(&same, &y)? < 1e-6);
            }
            Ok(y)
        }
        "layer_norm" => ops::layer_norm(input("x"), input("w"), input("b"), params["eps"].as_f64().unwrap()),
        "group_norm" => {
            let eps = params["eps"].as_f64().unwrap();
            ops::group_norm(input("x"), groups, input("w"), input("b"), eps)
        }
        "batch_norm" => {
            let channels = input("w").elem_count();
            let config =
                BatchNormConfig { eps: params["eps"].as_f64().unwrap(), ..BatchNormConfig::default() };
            if params["training"].as_bool() == Some(true) {
                let running = [
                    Var::zeros(channels, DType::F32, &device())?,
                    Var::ones(channels, DType::F32, &device())?,
                ];
                ops::batch_norm_train(input("x"), input("w"), input("b"), (&running[0], &running[1]), config)
            } else {
                let values = |name: &str, f: fn(f64) -> f64| -> Result<Tensor> {
                    let values: Vec<f32> = uniform(name, channels).into_iter().map(|u| f(u) as f32).collect();
                    Ok(Tensor::new(values, &device())?)
                };
                let mean = values("bn.running_mean", |u| 0.1 * (2.0 * u - 1.0))?;
                let var = values("bn.running_var", |u| 0.5 + u)?;
                ops::batch_norm_eval(input("x"), input("w"), input("b"), (&mean, &var), config)
            }
        }
        "softmax" => ops::softmax(&scaled()?, D::Minus1),
        "log_softmax" => ops::log_softmax(&scaled()?, D::Minus1),
        "relu" => ops::relu(&scaled()?),
        "leaky_relu" => ops::activate(&scaled()?, Activation::LeakyRelu { slope: 0.01 }),
        "gelu" => ops::activate(&scaled()?, Activation::Gelu),
        "gelu_tanh" => ops::activate(&scaled()?, Activation::GeluTanh),
        "silu" => ops::activate(&scaled()?, Activation::Silu),
        "sigmoid" => ops::activate(&scaled()?, Activation::Sigmoid),
        "hardswish" => ops::activate(&scaled()?, Activation::Hardswish),
        "linear" => ops::linear(input("x"), input("w"), Some(input("b"))),
        "scaled_dot_product_attention" => ops::attention(input("q"), input("k"), input("v")),
        "interpolate" => {
            let interpolation = match params["mode"].as_str() {
                Some("nearest") => Interpolation::Nearest,
                Some("bilinear") => Interpolation::Bilinear(Corners::Edges),
                mode => panic!("no interpolation for {mode:?}"),
            };
            ops::interpolate(input("x"), pair(params, "size", 1), interpolation)
        }
        other => panic!("no operator for {other}"),
    }
}

/// The largest difference over the largest value wanted.
fn deviation(got: &Tensor, wanted: &Tensor) -> Result<f64> {
    assert_eq!(got.dims(), wanted.dims());
    let largest =
        |t: &Tensor| -> Result<f64> { Ok(f64::from(t.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?)) };
    Ok(largest(&(got - wanted)?)? / largest(wanted)?)
}

#[test]
fn operators_compute_what_pytorch_computes() -> Result<()> {
    let cases: Vec<Json> =
        serde_json::from_str(&std::fs::read_to_string(format!("{FIXTURES}/ops/ops.json")).unwrap()).unwrap();
    let tensors = candle_core::safetensors::load(format!("{FIXTURES}/ops/ops.safetensors"), &device())?;
    let mut failures = Vec::new();
    assert_eq!(cases.len(), 45);
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let tensor = |part: &str| &tensors[&format!("{name}/{part}")];
        let inputs: HashMap<String, Var> = case["inputs"]
            .as_object()
            .unwrap()
            .keys()
            .map(|input| (input.clone(), Var::from_tensor(tensor(input)).unwrap()))
            .collect();
        let y = run(case["op"].as_str().unwrap(), &case["params"], &inputs)?;
        let gradients = (&y * tensor("dy"))?.sum_all()?.backward()?;
        let mut check = |part: String, got: &Tensor| -> Result<()> {
            let deviation = deviation(got, tensor(&part))?;
            if deviation.is_nan() || deviation > 1e-5 {
                failures.push(format!("{name}/{part}: {deviation:.2e}"));
            }
            Ok(())
        };
        check("y".into(), &y)?;
        for (input, var) in &inputs {
            check(format!("d{input}"), gradients.get(var).unwrap())?;
        }
    }
    assert!(failures.is_empty(), "deviations above 1e-5: {failures:?}");
    Ok(())
}

#[test]
fn so_do_narrower_vectors() {
    rerun::with_narrower_vectors(&[]);
}

#[test]
fn so_do_composed_operators() {
    rerun::with_composed_operators(&[]);
}

#[test]
fn so_does_a_gpu() {
    gpu::again_on_a_gpu(&[]);
}
