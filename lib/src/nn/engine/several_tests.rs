//! Several outputs, shared tensors and frozen ones: the engine against the operators one by one.
#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor, Var};

use super::tests::{near, residual, values};
use crate::nn::{Conv2dConfig, Mode, Model, Outputs, Value};
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
            let wanted = nodes.run_nodes(&x, mode, &wanted)?;
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
        near(name, together.get(name)?, &net.run_nodes(&x, Mode::Eval, &[index])?[0]);
    }
    Ok(())
}
