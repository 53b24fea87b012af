//! Several inputs and outputs, shared tensors and frozen ones: the engine against the operators one by one.
#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor, Var};

use super::tests::{near, residual, values};
use crate::nn::{Conv2dConfig, Inputs, Mode, Model, Outputs, Value};
use crate::{Result, Seed};

/// Three outputs, of which the auxiliary one has a batch norm of its own and two hang on each other.
fn heads(x: Value) -> Outputs {
    let x = x.conv2d(8, 3).batch_norm().relu().named("stem");
    let auxiliary = x.conv2d(4, 3).batch_norm().relu().global_avg_pool().linear(5).named("aux");
    let maps = x.conv2d(6, 3).relu();
    let logits = maps.global_avg_pool().linear(7).named("fc");
    Outputs::new("logits", logits).output("maps", maps).training("aux", auxiliary)
}

/// A head over two sizes of images, the second one of which comes out first.
fn pyramid(x: Value) -> Outputs {
    let x = x.conv2d(6, 3).relu();
    let head = |x: &Value| x.conv2d(6, 3);
    let high = head(&x).named("head").batch_norm().named("norm").relu().conv2d(2, 1).named("out");
    let low = head(&x.max_pool2d(2)).shares("head").batch_norm().shares("norm").relu();
    let low = low.conv2d(2, 1).shares("out");
    Outputs::new("low", low).output("high", high)
}

/// Half of a network that is as it is, a batch norm that is so for ever, and heads.
fn partly_frozen(x: Value) -> Outputs {
    let strided = Conv2dConfig { stride: [2, 2], padding: 1.into(), ..Conv2dConfig::default() };
    // A bias before a norm would have a gradient of nothing but rounding.
    let plain = Conv2dConfig { padding: 1.into(), bias: false, ..Conv2dConfig::default() };
    let x = x.conv2d_with(8, plain).named("a").batch_norm().named("norm_a").relu();
    let x = x.conv2d_with(8, strided).named("b").batch_norm().named("norm_b").frozen().relu();
    let x = x.batch_norm().named("norm_c").conv2d(8, 1).named("c");
    let tokens = x.image_to_tokens().layer_norm().named("ln").self_attention(2).named("attention");
    Outputs::new("logits", tokens.mean([0]).linear(3).named("fc")).output("maps", x.relu())
}

fn same_as_the_operators(layers: fn(Value) -> Outputs, frozen: &[&str]) -> Result<()> {
    let architecture = Model::build_outputs([3, 12, 8], layers)?;
    let images = Var::from_tensor(&values("x", &[5, 3, 12, 8])?)?;
    for mode in [Mode::Train(Seed(4)), Mode::Eval] {
        let [engine, nodes] = [0, 1].map(|_| architecture.init(Seed(2), &Device::Cpu));
        let (engine, nodes) = (engine?, nodes?);
        for pattern in frozen {
            engine.freeze(pattern)?;
            nodes.freeze(pattern)?;
        }
        for x in [images.as_tensor().clone(), images.as_detached_tensor()] {
            let got = engine.forward_outputs(&x, mode)?;
            let wanted: Vec<usize> = (got.names().iter())
                .map(|name| engine.graph().outputs().iter().find(|output| output.name == *name).unwrap().node)
                .collect();
            let wanted = nodes.run_nodes(&[&x], mode, &wanted)?;
            let mut losses = [
                Tensor::zeros((), candle_core::DType::F32, &Device::Cpu)?,
                wanted[0].zeros_like()?.sum_all()?,
            ];
            for ((name, got), wanted) in got.iter().zip(&wanted) {
                near(&format!("{name}, {mode:?}"), got, wanted);
                let factors = values(name, got.dims())?;
                losses[0] = (&losses[0] + (got * &factors)?.sum_all()?)?;
                losses[1] = (&losses[1] + (wanted * &factors)?.sum_all()?)?;
            }
            let [got, wanted] = [losses[0].backward()?, losses[1].backward()?];
            if x.track_op() {
                near(&format!("{mode:?}: x"), got.get(&x).unwrap(), wanted.get(&x).unwrap());
            }
            for ((a, spec), b) in engine.vars.iter().zip(&engine.graph().tensors).zip(&nodes.vars) {
                let what = format!("{mode:?}: {}", spec.name);
                assert_eq!(got.get(a.as_tensor()).is_some(), wanted.get(b.as_tensor()).is_some(), "{what}");
                let trained = engine.parameters().iter().any(|parameter| parameter.name == spec.name);
                assert_eq!(got.get(a.as_tensor()).is_some(), trained && mode != Mode::Eval, "{what}");
                if let (Some(a), Some(b)) = (got.get(a.as_tensor()), wanted.get(b.as_tensor())) {
                    near(&what, a, b);
                }
                near(&what, a.as_tensor(), b.as_tensor());
            }
        }
    }
    Ok(())
}

#[test]
fn several_outputs_are_computed_and_gone_back_together() -> Result<()> {
    same_as_the_operators(heads, &[])
}

#[test]
fn shared_tensors_get_the_sum_of_their_gradients() -> Result<()> {
    same_as_the_operators(pyramid, &[])
}

#[test]
fn frozen_tensors_get_no_gradients_and_their_norms_no_moments() -> Result<()> {
    same_as_the_operators(partly_frozen, &[])?;
    for frozen in ["norm_a.*", "a.*", "*.bias", "attention.*", "c.*", "norm_?.weight", "fc.*", "ln.*"] {
        same_as_the_operators(partly_frozen, &[frozen])?;
    }
    same_as_the_operators(partly_frozen, &["a.*", "norm_a.*", "b.*"])?;
    same_as_the_operators(heads, &["stem*"]).unwrap_err();
    same_as_the_operators(heads, &["conv2d_*", "batch_norm_*"])
}

/// One of several outputs in the loss, and the main one by itself, give what a model of one gives.
#[test]
fn an_output_that_no_loss_needs_has_no_gradient() -> Result<()> {
    let net = Model::build_outputs([3, 12, 8], heads)?.init(Seed(2), &Device::Cpu)?;
    let x = values("x", &[4, 3, 12, 8])?;
    let mode = Mode::Train(Seed(1));
    let alone = net.forward(&x, mode)?.sqr()?.sum_all()?.backward()?;
    let one = net.forward_outputs(&x, mode)?.get("logits")?.sqr()?.sum_all()?.backward()?;
    for parameter in net.parameters() {
        let (one, alone) = (one.get(parameter.var.as_tensor()), alone.get(parameter.var.as_tensor()));
        assert_eq!(one.is_some(), alone.is_some(), "{}", parameter.name);
        if let (Some(one), Some(alone)) = (one, alone) {
            near(&parameter.name, one, alone);
        }
    }
    Ok(())
}

#[test]
fn several_outputs_are_gone_back_once_too() -> Result<()> {
    let net = Model::build_outputs([3, 12, 8], heads)?.init(Seed(2), &Device::Cpu)?;
    let outputs = net.forward_outputs(&values("x", &[2, 3, 12, 8])?, Mode::Train(Seed(1)))?;
    outputs.get("logits")?.sum_all()?.backward()?;
    let error = outputs.get("maps")?.sum_all()?.backward().unwrap_err().to_string();
    assert!(error.contains("add the losses before"), "{error}");
    Ok(())
}

#[test]
fn features_are_those_of_a_run_for_each() -> Result<()> {
    let net = Model::build([3, 12, 8], residual)?.init(Seed(2), &Device::Cpu)?;
    let x = values("x", &[2, 3, 12, 8])?;
    let names: Vec<&str> = net.graph().nodes().iter().map(|node| node.name.as_str()).collect();
    let together = net.features(&x, &names)?;
    assert_eq!(together.names(), names);
    for (index, name) in names.iter().enumerate() {
        near(name, together.get(name)?, &net.run_nodes(&[&x], Mode::Eval, &[index])?[0]);
    }
    Ok(())
}

/// Two sizes of images through shared layers, and features that are added to what comes of them, first to the tokens.
fn joined([large, small, numbers]: [Value; 3]) -> Outputs {
    let large = large.conv2d(6, 3).named("conv").batch_norm().named("norm").relu();
    let small = small.conv2d(6, 3).shares("conv").batch_norm().shares("norm").relu();
    let gate = numbers.linear(6).named("gate");
    let gated = &large * gate.sigmoid().reshape([6, 1, 1]);
    let tokens = small.image_to_tokens().self_attention(2).mean([0]) + &gate;
    let logits = gated.global_avg_pool().concat(&[&tokens, &numbers], 0).linear(4).named("fc");
    Outputs::new("logits", logits).output("maps", gated).training("aux", numbers.linear(2).named("aux"))
}

#[test]
fn gradients_reach_every_input_that_has_a_tape() -> Result<()> {
    let inputs = Inputs::new("large", [3, 12, 8]).input("small", [3, 6, 4]).input("numbers", [5]);
    let architecture = Model::build_inputs(inputs, joined)?;
    let shapes: [&[usize]; 3] = [&[4, 3, 12, 8], &[4, 3, 6, 4], &[4, 5]];
    for mode in [Mode::Train(Seed(4)), Mode::Eval] {
        for followed in 0..8 {
            let net = architecture.init(Seed(2), &Device::Cpu)?;
            let nodes = architecture.init(Seed(2), &Device::Cpu)?;
            let mut inputs = Vec::new();
            for (at, shape) in shapes.iter().enumerate() {
                let values = values(&at.to_string(), shape)?;
                let followed = followed >> at & 1 == 1;
                inputs.push(if followed { Var::from_tensor(&values)?.as_tensor().clone() } else { values });
            }
            let inputs: Vec<&Tensor> = inputs.iter().collect();
            let what = format!("{mode:?}, {followed:03b}");
            let got = net.forward_inputs_outputs(&inputs, mode)?;
            let outputs = net.graph().outputs().iter().take(got.names().len());
            let wanted =
                nodes.run_nodes(&inputs, mode, &outputs.map(|output| output.node).collect::<Vec<_>>())?;
            let mut losses =
                [0, 1].map(|_| Tensor::zeros((), candle_core::DType::F32, &Device::Cpu).unwrap());
            for ((name, got), wanted) in got.iter().zip(&wanted) {
                near(&format!("{what}: {name}"), got, wanted);
                let factors = values(name, got.dims())?;
                losses[0] = (&losses[0] + (got * &factors)?.sum_all()?)?;
                losses[1] = (&losses[1] + (wanted * &factors)?.sum_all()?)?;
            }
            let [got, wanted] = [crate::ops::backward(&losses[0])?, losses[1].backward()?];
            for (at, x) in inputs.iter().enumerate() {
                assert_eq!(got.get(x).is_some(), x.track_op(), "{what}: input {at}");
                if x.track_op() {
                    near(&format!("{what}: input {at}"), got.get(x).unwrap(), wanted.get(x).unwrap());
                }
            }
            for ((a, spec), b) in net.vars.iter().zip(&net.graph().tensors).zip(&nodes.vars) {
                let what = format!("{what}: {}", spec.name);
                assert_eq!(got.get(a.as_tensor()).is_some(), wanted.get(b.as_tensor()).is_some(), "{what}");
                if let (Some(a), Some(b)) = (got.get(a.as_tensor()), wanted.get(b.as_tensor())) {
                    near(&what, a, b);
                }
                near(&what, a.as_tensor(), b.as_tensor());
            }
        }
    }
    Ok(())
}

/// One tensor may be two inputs: its gradient is the sum of theirs. A run may also end before it needs all of them.
#[test]
fn one_tensor_may_go_in_twice() -> Result<()> {
    let inputs = Inputs::new("a", [2, 4, 4]).input("b", [2, 4, 4]).input("c", [3]);
    let net =
        Model::build_inputs(inputs, |[a, b, _]| a.relu() + b.scale(3.0))?.init(Seed(1), &Device::Cpu)?;
    let (x, c) = (Var::from_tensor(&values("x", &[2, 2, 4, 4])?)?, values("c", &[2, 3])?);
    let loss = net.forward_inputs(&[x.as_tensor(), x.as_tensor(), &c], Mode::Eval)?.sum_all()?;
    let gradient = crate::ops::backward(&loss)?.get(x.as_tensor()).unwrap().clone();
    let wanted = (x.as_tensor().gt(0.0)?.to_dtype(candle_core::DType::F32)? + 3.0)?;
    near("twice", &gradient, &wanted);
    let first = net.run(&[x.as_tensor(), x.as_tensor(), &c], Mode::Eval, &[0])?.remove(0);
    near("itself", &first, x.as_tensor());
    let gradient = crate::ops::backward(&(first * 2.0)?.sum_all()?)?.get(x.as_tensor()).unwrap().clone();
    near("itself", &gradient, &x.as_tensor().ones_like()?.affine(2.0, 0.0)?);
    Ok(())
}
