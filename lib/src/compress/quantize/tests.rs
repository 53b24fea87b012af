//! Each step on integers against the same layers of the simulation.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use candle_core::{Device, Tensor};

use super::model::QuantizedModel;
use super::place::Observing;
use super::plan::Work;
use super::rewrite::compact;
use super::{QatConfig, QuantizeConfig, prepared, qat, quantize, quantize_trained, simulated};
use crate::nn::{
    Activation, Conv2dConfig, LayerNormConfig, LinearConfig, Mode, Model, Operator, Rounds, Value, evaluate,
};
use crate::ops::int8::Quantization;
use crate::{Result, Seed};

fn images(model: &Model, seed: u64) -> Result<Tensor> {
    let dims = [&[4], model.graph().nodes()[0].shape.as_slice()].concat();
    let mut rng = Seed(seed).rng();
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| rng.normal() as f32).collect();
    Ok(Tensor::from_vec(values, dims, &Device::Cpu)?)
}

/// What the simulation makes of the inputs that a step has on integers.
fn by_simulation(
    model: &QuantizedModel,
    simulation: &Model,
    step: usize,
    inputs: &[Tensor],
) -> Result<Tensor> {
    let step = &model.steps[step];
    let (nodes, mut at) = (simulation.graph().nodes(), step.node);
    let tensors = |node: usize| -> Vec<Tensor> {
        let places = nodes[node].tensors.iter();
        places.map(|&place| simulation.tensor(place).as_tensor().clone()).collect()
    };
    let mut value = evaluate(&nodes[at], inputs, &tensors(at), Mode::Eval)?;
    while at != step.output {
        at = (at + 1..nodes.len()).find(|&next| nodes[next].inputs.contains(&at)).unwrap();
        value = evaluate(&nodes[at], &[value], &tensors(at), Mode::Eval)?;
    }
    Ok(value)
}

fn check_steps(what: &str, model: &QuantizedModel, x: &Tensor) -> Result<()> {
    let simulation = model.simulated()?;
    let mut integers = 0;
    for (index, step) in model.steps.iter().enumerate() {
        let inputs = model.values(x, &step.inputs)?;
        let got = model.values(x, &[step.output])?.remove(0);
        let wanted = by_simulation(model, &simulation, index, &inputs)?;
        assert_eq!(got.dims(), wanted.dims(), "{what}, step {index}");
        let output = match step.work {
            Work::Quantize(to) => Some(to),
            Work::Layer { output, .. } => output.map(|output| output.quantization),
            Work::Add(output) | Work::Concat(output) | Work::Mean(output) => Some(output.quantization),
            // Nothing is rounded.
            Work::Kept | Work::Same | Work::Float => None,
            Work::Dynamic => continue,
        };
        let name = &model.graph.nodes[step.node].name;
        let far = (&got - &wanted)?.abs()?.flatten_all()?.to_vec1::<f32>()?;
        let most = far.iter().fold(0.0_f32, |most, far| most.max(*far));
        let size = wanted.abs()?.max_all()?.to_scalar::<f32>()?;
        match output {
            Some(Quantization { scale, .. }) => {
                integers += 1;
                assert!(most <= 1.001 * scale, "{what}, {name}: {most}, of steps of {scale}");
                let others = far.iter().filter(|far| **far > 0.5 * scale).count();
                let few = 1 + far.len() / 50;
                assert!(others <= few, "{what}, {name}: {others} of {} are a step away", far.len());
            }
            // Biases are whole numbers of sums, too.
            None => assert!(most <= 1e-3 * size, "{what}, {name}: {most} of {size}"),
        }
    }
    assert!(integers > 2, "{what}");
    Ok(())
}

type Layers = fn(Value) -> Value;

fn convolutions(x: Value) -> Value {
    let depthwise = Conv2dConfig { padding: 1.into(), groups: 8, ..Conv2dConfig::default() };
    let strided = Conv2dConfig { stride: [2, 2], groups: 2, bias: false, ..Conv2dConfig::default() };
    let x = x.conv2d(8, 3).batch_norm().relu();
    let y = x.conv2d_with(8, depthwise).batch_norm().activation(Activation::Relu6).conv2d(8, 1);
    let x = (&x + &y).relu();
    let x = x.concat(&[&y, &x.max_pool2d(1)], 0).conv2d_with(12, strided).relu();
    let x = x.adaptive_avg_pool2d([2, 2]).conv2d(8, 1).hardswish().conv2d(8, 1);
    (&x.avg_pool2d(2).flatten() + &x.global_avg_pool()).relu().linear(7).relu().linear(5)
}

fn tokens(x: Value) -> Value {
    let patches = Conv2dConfig { kernel: [3, 3], stride: [3, 3], ..Conv2dConfig::default() };
    let x = x.conv2d_with(16, patches).image_to_tokens();
    let x = &x + x.layer_norm().self_attention(4);
    let x = &x + x.layer_norm().linear(32).relu().linear(16);
    x.mean([0]).linear(5)
}

/// Linear layers of three dimensions, as many features as rows and columns: none may be taken for another.
fn features(x: Value) -> Value {
    let plain = LinearConfig::default();
    let x = x.conv2d(12, 3).permute([1, 2, 0]).layer_norm_with(LayerNormConfig::default()); // (H, W, C)
    let x = &x + x.linear_with(12, plain).relu().linear_with(12, plain);
    let x = x.linear_with(6, plain).gelu().linear_with(12, plain);
    x.permute([2, 0, 1]).conv2d(4, 1).flatten().linear(5)
}

#[test]
fn no_step_is_further_than_one_from_the_simulation() -> Result<()> {
    let layers: [(&str, Layers); 3] =
        [("convolutions", convolutions), ("tokens", tokens), ("features", features)];
    for (what, layers) in layers {
        let model = Model::build([3, 12, 12], layers)?.init(Seed(1), &Device::Cpu)?;
        let quantized = quantize(&model, &[images(&model, 1)?], &QuantizeConfig::default())?.model;
        check_steps(what, &quantized, &images(&model, 2)?)?;
        let aware = qat(&model, &[images(&model, 1)?], &QatConfig::default())?;
        aware.forward(&images(&model, 3)?, Mode::Train(Seed(1)))?;
        check_steps(what, &quantize_trained(&aware)?.model, &images(&model, 2)?)?;
    }
    Ok(())
}

/// As models were quantized before there were ranges of outputs.
#[test]
fn ranges_of_outputs_change_no_number() -> Result<()> {
    let model = Model::build([3, 12, 12], |x| x.conv2d(4, 3).relu().flatten().linear(5).relu())?;
    let model = model.init(Seed(1), &Device::Cpu)?;
    let calibration = [images(&model, 1)?];
    let config = QuantizeConfig::default();
    let (simulation, _) = simulated(prepared(&model)?, &calibration, &config, Observing::No)?;
    let nodes = simulation.graph().nodes().iter().enumerate();
    let observers = nodes
        .filter(|(_, node)| matches!(node.operator, Operator::FakeQuantize { rounds: Rounds::Nothing, .. }));
    let observers: HashMap<usize, usize> = observers.map(|(index, node)| (index, node.inputs[0])).collect();
    assert_eq!(observers.len(), 1);
    let without = QuantizedModel::lowered(compact(simulation.parts()?, &observers))?;
    let with = quantize(&model, &calibration, &config)?.model;
    let x = images(&model, 2)?;
    let values =
        |model: &QuantizedModel| -> Result<Vec<f32>> { Ok(model.forward(&x)?.flatten_all()?.to_vec1()?) };
    assert_eq!(values(&without)?, values(&with)?);
    assert_eq!(with.graph().nodes().len(), without.graph().nodes().len() + observers.len());
    Ok(())
}
