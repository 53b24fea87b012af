#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor, Var};

use crate::nn::{
    Activation, Conv2dConfig, LayerNormConfig, Mode, Model, Padding, Pool2dConfig, Rounding, Value,
};
use crate::{Result, Seed};

pub(super) fn values(seed: &str, shape: &[usize]) -> Result<Tensor> {
    let mut rng = Seed(5).derive(seed).rng();
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| 2.0 * rng.uniform_f32() - 1.0).collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Shortcuts that are convolutions themselves, norms before and behind, values used more than once.
pub(super) fn residual(x: Value) -> Value {
    let strided = Conv2dConfig { stride: [2, 2], padding: 1.into(), bias: false, ..Conv2dConfig::default() };
    let a = x.conv2d(8, 3).batch_norm().relu();
    let b = a.conv2d_with(12, strided).batch_norm().relu().conv2d(12, 3).batch_norm();
    let shortcut = Conv2dConfig { kernel: [1, 1], padding: Padding::default(), ..strided };
    let c = (a.conv2d_with(12, shortcut).batch_norm() + b).relu();
    let d = c.batch_norm().relu().conv2d(12, 1);
    let e = (&d + &c).relu();
    let f = (&e + &e) + e.conv2d(12, 3).relu();
    (f.conv2d(12, 1) + &f).global_avg_pool().linear(7)
}

fn pools_and_features(x: Value) -> Value {
    let pool = Pool2dConfig {
        kernel: [3, 2],
        stride: [2, 2],
        padding: Padding { top: 1, bottom: 0, left: 1, right: 1 },
        rounding: Rounding::Ceil,
    };
    let x = x.relu().conv2d(6, 3).relu().max_pool2d_with(pool);
    let x = x.flatten().linear(20).batch_norm().relu().dropout(0.3).linear(9);
    (x.relu() + x.linear(9).relu()).linear(4)
}

fn tokens(x: Value) -> Value {
    let norm = LayerNormConfig { eps: 1e-6 };
    let patches = Conv2dConfig { kernel: [4, 4], stride: [4, 4], ..Conv2dConfig::default() };
    let x = x.conv2d_with(12, patches).image_to_tokens().class_token().position_embedding();
    let y = x.layer_norm_with(norm).self_attention(3).stochastic_depth(0.2);
    let x = x + y;
    let y = x.slice(0, 0..2).multi_head_attention(&x, &x.layer_norm(), 2);
    let y = y.linear(24).activation(Activation::Gelu).linear(12);
    (y + x.slice(0, 1..3)).mean([0]).linear(5)
}

fn grouped(x: Value) -> Value {
    let depthwise = Conv2dConfig { groups: 8, padding: 1.into(), ..Conv2dConfig::default() };
    let x = x.conv2d(8, 3).conv2d_with(8, depthwise).batch_norm().activation(Activation::Silu);
    let gate = x.mean([1, 2]).linear(8).sigmoid().reshape([8, 1, 1]);
    (x * gate).global_avg_pool().linear(3)
}

#[track_caller]
pub(super) fn near(what: &str, got: &Tensor, wanted: &Tensor) {
    assert_eq!(got.dims(), wanted.dims(), "{what}");
    let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (got, wanted) = (numbers(got), numbers(wanted));
    let largest = wanted.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for (place, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
        let error = (got - wanted).abs();
        assert!(error <= 2e-5 * largest + 1e-5, "{what} at {place}: {got}, not {wanted}");
    }
}

/// Outputs, gradients and running statistics, of the engine and of the operators one by one.
#[test]
fn it_computes_what_the_operators_compute() -> Result<()> {
    for (name, layers) in [
        ("residual", residual as fn(Value) -> Value),
        ("pools_and_features", pools_and_features),
        ("tokens", tokens),
        ("grouped", grouped),
    ] {
        let architecture = Model::build([3, 12, 8], layers)?;
        let x = Var::from_tensor(&values("x", &[5, 3, 12, 8])?)?;
        for mode in [Mode::Train(Seed(4)), Mode::Eval] {
            let [engine, nodes] = [0, 1].map(|_| architecture.init(Seed(2), &Device::Cpu));
            let (engine, nodes) = (engine?, nodes?);
            let output = engine.graph().outputs()[0].node;
            let got = engine.forward(x.as_tensor(), mode)?;
            let wanted = nodes.run_nodes(&[x.as_tensor()], mode, &[output])?.remove(0);
            near(&format!("{name}, {mode:?}"), &got, &wanted);
            let factors = values("factors", got.dims())?;
            let got = (got * &factors)?.sum_all()?.backward()?;
            let wanted = (wanted * &factors)?.sum_all()?.backward()?;
            near(
                &format!("{name}, {mode:?}: x"),
                got.get(x.as_tensor()).unwrap(),
                wanted.get(x.as_tensor()).unwrap(),
            );
            for (a, b) in engine.parameters().iter().zip(nodes.parameters()) {
                let (what, training) = (format!("{name}, {mode:?}: {}", a.name), mode != Mode::Eval);
                assert_eq!(got.get(a.var.as_tensor()).is_some(), training, "{what}");
                if let (Some(a), Some(b)) = (got.get(a.var.as_tensor()), wanted.get(b.var.as_tensor())) {
                    near(&what, a, b);
                    assert!(!a.track_op(), "{what} hangs on a tape");
                }
            }
            for (a, b) in engine.buffers().iter().zip(nodes.buffers()) {
                near(&format!("{name}, {mode:?}: {}", a.name), a.var.as_tensor(), b.var.as_tensor());
            }
        }
    }
    Ok(())
}

#[test]
fn the_output_of_any_layer_can_be_had() -> Result<()> {
    let net = Model::build([3, 12, 8], residual)?.init(Seed(2), &Device::Cpu)?;
    let x = values("x", &[2, 3, 12, 8])?;
    for (index, node) in net.graph().nodes().iter().enumerate() {
        let got = super::forward(&net, &[&x], Mode::Eval, &[index])?.remove(0);
        near(&node.name, &got, &net.run_nodes(&[&x], Mode::Eval, &[index])?[0]);
    }
    Ok(())
}

#[test]
fn a_forward_pass_can_be_gone_back_once() -> Result<()> {
    let net = Model::build([3, 12, 8], residual)?.init(Seed(2), &Device::Cpu)?;
    let loss = net.forward(&values("x", &[2, 3, 12, 8])?, Mode::Train(Seed(1)))?.sum_all()?;
    loss.backward()?;
    let error = loss.backward().unwrap_err().to_string();
    assert!(error.contains("expected one backward pass for a forward pass, got a second one"), "{error}");
    Ok(())
}

/// A loss of two runs and a penalty, whose parts meet at the parameters.
#[test]
fn gradients_handed_over_are_those_of_candles_pass() -> Result<()> {
    let net = Model::build([3, 12, 8], residual)?.init(Seed(2), &Device::Cpu)?;
    let x = values("x", &[2, 3, 12, 8])?;
    let loss = || -> Result<Tensor> {
        let [a, b] = [1, 2].map(|seed| net.forward(&x, Mode::Train(Seed(seed))));
        let penalty = net.parameters()[0].var.sqr()?.sum_all()?;
        Ok(((a?.sqr()?.sum_all()? + b?.sum_all()?)? + penalty)?)
    };
    let (got, wanted) = (crate::ops::backward(&loss()?)?, loss()?.backward()?);
    for parameter in net.parameters() {
        let tensor = parameter.var.as_tensor();
        near(&parameter.name, got.get(tensor).unwrap(), wanted.get(tensor).unwrap());
    }
    Ok(())
}

/// The same run again takes the memory of the run before.
#[test]
fn memory_is_used_again() -> Result<()> {
    let net = Model::build([3, 12, 8], residual)?.init(Seed(2), &Device::Cpu)?;
    let x = values("x", &[4, 3, 12, 8])?;
    let mut held = Vec::new();
    for _ in 0..6 {
        net.forward(&x, Mode::Train(Seed(1)))?.sum_all()?.backward()?;
        held.push(net.pool.free_values());
    }
    assert!(held[0] > 0);
    assert_eq!(held[1..], vec![held[0]; 5]);
    Ok(())
}
