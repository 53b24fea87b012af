//! Which weights are held at 0: PyTorch's answers, patterns by hand, what is told and what is refused.

use std::collections::HashMap;
use std::fs;

use candle_core::{Device, Tensor};
use sconce::compress::{
    LeftOutReason, Pattern, PruneConfig, SparsityConfig, SparsityReport, prune_channels, prune_weights,
};
use sconce::nn::{Conv2dConfig, Initial, Map, Mode, Model};
use sconce::{Result, Seed};
use serde::Deserialize;

use super::graphs;
use super::zeroed::lively;

#[derive(Deserialize)]
struct Fixture {
    weights: HashMap<String, Vec<f32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    global: bool,
    amount: f64,
    masks: HashMap<String, Vec<u8>>,
}

/// The tensor of a model's state.
pub fn tensor(model: &Model, name: &str) -> Vec<f32> {
    let state = model.state().unwrap();
    let (_, tensor) = state.iter().find(|(known, _)| known == name).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The mask of a parameter, if anything of it is held.
pub fn mask(model: &Model, name: &str) -> Option<Vec<u8>> {
    let parameters = model.parameters();
    let parameter = parameters.iter().find(|parameter| parameter.name == name).unwrap();
    Some(parameter.mask.tensor()?.flatten_all().unwrap().to_vec1().unwrap())
}

/// The layers of the fixture.
fn of_fixture(weights: &HashMap<String, Vec<f32>>) -> Result<Model> {
    let grouped = Conv2dConfig { groups: 2, ..Conv2dConfig::default() };
    let model = Model::build([2, 6, 6], |x| {
        let x = x.conv2d_with(6, Conv2dConfig { groups: 1, ..grouped }).named("stem");
        x.conv2d_with(4, grouped).named("middle").flatten().linear(5).named("head")
    })?
    .init(Seed(1), &Device::Cpu)?;
    for parameter in model.parameters() {
        if let Some(values) = weights.get(&parameter.name) {
            parameter.var.set(&Tensor::from_slice(values, parameter.var.shape(), &Device::Cpu)?)?;
        }
    }
    Ok(model)
}

#[test]
fn the_smallest_weights_are_those_that_torch_prunes() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/compress/pruned.json");
    let fixture: Fixture = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let model = of_fixture(&fixture.weights)?;
    for case in &fixture.cases {
        let config = SparsityConfig::unstructured(case.amount);
        let config = if case.global { config.global() } else { config };
        let sparse = prune_weights(&model, &config)?;
        for (name, wanted) in &case.masks {
            assert_eq!(mask(&sparse.model, name).as_ref(), Some(wanted), "{name} at {}", case.amount);
            let zeroed =
                fixture.weights[name].iter().zip(wanted).map(|(value, &kept)| value * f32::from(kept));
            assert_eq!(tensor(&sparse.model, name), zeroed.collect::<Vec<_>>());
            // The old model is as it was.
            assert_eq!(mask(&model, name), None);
            assert_eq!(tensor(&model, name), fixture.weights[name]);
        }
        let held: usize = case.masks.values().flatten().filter(|&&kept| kept == 0).count();
        assert_eq!(sparse.report.parameters_left(), model.num_parameters() - held);
        assert_eq!(sparse.report.sparsity(), held as f64 / 296.0);
    }
    Ok(())
}

/// A linear layer with these weights of two outputs.
fn linear(weights: &[f32]) -> Result<Model> {
    let inputs = weights.len() / 2;
    let model = Model::build([inputs, 1, 1], |x| x.flatten().linear(2).named("head"))?;
    let model = model.init(Seed(1), &Device::Cpu)?;
    model.parameters()[0].var.set(&Tensor::from_slice(weights, (2, inputs), &Device::Cpu)?)?;
    Ok(model)
}

#[test]
fn two_of_four_stay_along_the_inputs() -> Result<()> {
    let two = SparsityConfig::two_of_four();
    let net = linear(&[0.1, -0.9, 0.3, 0.2, 5.0, 4.0, -6.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, -0.5])?;
    let sparse = prune_weights(&net, &two)?;
    let wanted = [0, 1, 1, 0, 1, 0, 1, 0, /* of the same size the first */ 1, 1, 0, 0, 1, 0, 0, 1];
    assert_eq!(mask(&sparse.model, "head.weight").unwrap(), wanted);
    // One of every two is another pattern.
    let pattern = Pattern::NOfM { keep: 1, of: 2 };
    let one = prune_weights(&net, &SparsityConfig { pattern, ..SparsityConfig::default() })?;
    let wanted = [0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1];
    assert_eq!(mask(&one.model, "head.weight").unwrap(), wanted);
    // A convolution (1, 4, 1, 2), tap by tap along its input channels; its 4 outputs the next one's inputs.
    let config = Conv2dConfig { kernel: [1, 2], ..Conv2dConfig::default() };
    let net =
        Model::build([4, 1, 2], |x| x.conv2d_with(1, config).named("conv"))?.init(Seed(1), &Device::Cpu)?;
    let weights = [1.0_f32, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0];
    net.parameters()[0].var.set(&Tensor::from_slice(&weights, (1, 4, 1, 2), &Device::Cpu)?)?;
    let sparse = prune_weights(&net, &two)?;
    assert_eq!(mask(&sparse.model, "conv.weight").unwrap(), [0, 1, 0, 1, 1, 0, 1, 0]);
    assert_eq!(sparse.report.sparsity(), 0.5);
    Ok(())
}

#[test]
fn what_cannot_be_grouped_is_left_out_and_named() -> Result<()> {
    let net = Model::build([3, 8, 8], |x| {
        let own = Map::new(|x, parameters| Ok(x.broadcast_mul(&parameters[0])?));
        let own = own.parameter("factor", [1], Initial::Constant(1.0));
        let x = x.conv2d(8, 3).named("stem").map_with("mine", own);
        x.conv2d(8, 3).named("middle").global_avg_pool().linear(4).named("head")
    })?
    .init(Seed(1), &Device::Cpu)?;
    let config = SparsityConfig { exclude: vec!["he*".into()], ..SparsityConfig::two_of_four() };
    let sparse = prune_weights(&net, &config)?;
    let left: Vec<(&str, LeftOutReason)> =
        sparse.report.left_out().iter().map(|left| (left.name.as_str(), left.reason)).collect();
    let [own, stem, head] = left.as_slice() else { panic!("{left:?}") };
    assert_eq!(*own, ("mine", LeftOutReason::OwnCode));
    assert_eq!(*stem, ("stem.weight", LeftOutReason::Inputs { inputs: 3, of: 4 }));
    assert_eq!(*head, ("head.weight", LeftOutReason::Excluded));
    let held: Vec<usize> = sparse.report.layers().iter().map(|layer| layer.held).collect();
    assert_eq!(held, [0, 8 * 8 * 9 / 2, 0]);
    Ok(())
}

#[test]
fn limits_hold_and_pruning_again_prunes_on() -> Result<()> {
    let net = Model::build([1, 8, 8], |x| x.conv2d(8, 3).named("stem").flatten().linear(4).named("head"))?
        .init(Seed(1), &Device::Cpu)?;
    let limits = vec![("stem".into(), 0.25)];
    for config in [SparsityConfig::unstructured(0.75), SparsityConfig::unstructured(0.75).global()] {
        let report = prune_weights(&net, &SparsityConfig { limits: limits.clone(), ..config })?.report;
        // 72 and 2,048 weights.
        assert!(report.layers()[0].held <= 18, "{report:?}");
        assert!(report.layers()[1].held >= 1536, "{report:?}");
    }
    let half = prune_weights(&net, &SparsityConfig::unstructured(0.5))?.model;
    let more = prune_weights(&half, &SparsityConfig::unstructured(0.8))?.model;
    let [first, second] = [&half, &more].map(|model| mask(model, "head.weight").unwrap());
    assert!(first.iter().zip(&second).all(|(first, second)| first >= second));
    assert_eq!(second.iter().filter(|&&kept| kept == 0).count(), 1638);
    // The largest stay, whichever way one comes there, and less does not bring anything back.
    let straight = prune_weights(&net, &SparsityConfig::unstructured(0.8))?.model;
    assert_eq!(mask(&straight, "head.weight").unwrap(), second);
    let less = prune_weights(&more, &SparsityConfig::unstructured(0.1))?.model;
    assert_eq!(mask(&less, "head.weight").unwrap(), second);
    Ok(())
}

#[test]
fn attention_has_weights_too() -> Result<()> {
    let net = Model::build([4, 4, 4], |x| {
        let x = x.image_to_tokens();
        x.multi_head_attention(&x, &x, 2).named("attention").mean([0]).linear(3)
    })?
    .init(Seed(1), &Device::Cpu)?;
    let sparse = prune_weights(&net, &SparsityConfig::unstructured(0.5))?;
    let names: Vec<&str> = sparse.report.layers().iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names[..2], ["attention.in_proj_weight", "attention.out_proj.weight"]);
    assert_eq!(sparse.report.layers()[0].held, 24);
    Ok(())
}

#[test]
fn channels_can_go_before_and_after() -> Result<()> {
    let mut cut = 0;
    for case in 0..20 {
        let model = graphs::random(Seed(case))?;
        lively(&model, Seed(case))?;
        let Ok(sparse) = prune_weights(&model, &SparsityConfig::unstructured(0.6)) else { continue };
        let Ok(pruned) = prune_channels(&sparse.model, &PruneConfig::ratio(0.4)) else { continue };
        let mut zeros = 0;
        for parameter in pruned.model.parameters() {
            let Some(mask) = mask(&pruned.model, &parameter.name) else { continue };
            let values = tensor(&pruned.model, &parameter.name);
            assert_eq!(mask.len(), values.len());
            // What was held there before is held here: the mask was cut as the weights were, whose zeros are those of the mask.
            for (value, kept) in values.iter().zip(&mask) {
                assert_eq!(*kept == 0, *value == 0.0, "{} of case {case}", parameter.name);
                zeros += usize::from(*kept == 0);
            }
        }
        cut += zeros;
        let report = SparsityReport::of(&pruned.model)?;
        assert_eq!(report.parameters() - report.parameters_left(), zeros);
        assert!(prune_weights(&pruned.model, &SparsityConfig::unstructured(0.7)).is_ok());
    }
    assert!(cut > 1000, "{cut}");
    Ok(())
}

fn refused(model: &Model, config: &SparsityConfig, words: &[&str]) {
    let error = prune_weights(model, config).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() -> Result<()> {
    let net = linear(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
    let of = |pattern: Pattern| SparsityConfig { pattern, ..SparsityConfig::default() };
    refused(&net, &SparsityConfig::unstructured(1.0), &["0 to below 1", "leaves nothing"]);
    refused(&net, &SparsityConfig::unstructured(-0.5), &["0 to below 1", "-0.5"]);
    refused(&net, &SparsityConfig::unstructured(f64::NAN), &["0 to below 1", "NaN"]);
    refused(&net, &SparsityConfig::unstructured(0.99), &["all 6 of head.weight", "Exclude"]);
    refused(&net, &SparsityConfig::unstructured(0.99).global(), &["all 6 of head.weight"]);
    refused(&net, &of(Pattern::NOfM { keep: 4, of: 4 }), &["4 of 4"]);
    refused(&net, &of(Pattern::NOfM { keep: 0, of: 4 }), &["0 of 4"]);
    refused(&net, &SparsityConfig::two_of_four(), &["head.weight", "3 inputs, no multiple of 4"]);
    let exclude = vec!["body".into()];
    refused(&net, &SparsityConfig { exclude, ..SparsityConfig::default() }, &["one of head", "body"]);
    let exclude = vec!["*".into()];
    refused(&net, &SparsityConfig { exclude, ..SparsityConfig::default() }, &["none", "excluded"]);
    let limits = vec![("head".into(), -1.0)];
    refused(
        &net,
        &SparsityConfig { limits: limits.clone(), ..SparsityConfig::default() },
        &["limit from 0 to 1"],
    );
    let limits = vec![("head".into(), 0.5)];
    refused(&net, &SparsityConfig { limits, ..SparsityConfig::two_of_four() }, &["no limits"]);
    let empty = Model::build([1, 2, 2], |x| x.relu().flatten())?.init(Seed(1), &Device::Cpu)?;
    refused(&empty, &SparsityConfig::default(), &["got none"]);
    net.parameters()[0].var.set(&Tensor::new(&[[1.0_f32, f32::NAN, 3.0], [4.0, 5.0, 6.0]], &Device::Cpu)?)?;
    refused(&net, &SparsityConfig::default(), &["finite", "NaN in head.weight"]);
    assert_eq!(mask(&net, "head.weight"), None);
    let x = Tensor::ones((1, 3, 1, 1), candle_core::DType::F32, &Device::Cpu)?;
    assert!(net.forward(&x, Mode::Eval).is_ok());
    Ok(())
}
