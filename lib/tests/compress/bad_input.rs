//! What cannot be done, and what is said then.

use candle_core::{Device, Tensor};
use sconce::compress::{Importance, PruneConfig, PruneTarget, prune_channels};
use sconce::nn::Model;
use sconce::{Result, Seed};

fn net() -> Result<Model> {
    Model::build([1, 8, 8], |x| x.conv2d(8, 3).relu().named("act").conv2d(4, 3).flatten().linear(3))?
        .init(Seed(1), &Device::Cpu)
}

fn refused(model: &Model, config: &PruneConfig, words: &[&str]) {
    let error = prune_channels(model, config).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
}

#[test]
fn shares_that_are_none() -> Result<()> {
    let model = net()?;
    refused(&model, &PruneConfig::ratio(1.0), &["0 to below 1", "leaves nothing"]);
    refused(&model, &PruneConfig::ratio(-0.1), &["0 to below 1", "-0.1"]);
    refused(&model, &PruneConfig::ratio(f64::NAN), &["0 to below 1", "NaN"]);
    refused(&model, &PruneConfig::multiply_adds(0.999), &["at most", "%"]);
    let target = PruneTarget::Latency { milliseconds: f64::NAN, batch: 1 };
    refused(&model, &PruneConfig { target, ..PruneConfig::default() }, &["milliseconds above 0"]);
    let limits = vec![("conv2d_1".into(), 1.5)];
    refused(&model, &PruneConfig { limits, ..PruneConfig::default() }, &["limit from 0 to 1", "1.5"]);
    Ok(())
}

#[test]
fn layers_that_are_none() -> Result<()> {
    let exclude = vec!["stage*".into()];
    refused(&net()?, &PruneConfig { exclude, ..PruneConfig::default() }, &["conv2d_1, conv2d_2", "stage*"]);
    let head = Model::build([1, 8, 8], |x| x.flatten().linear(3))?.init(Seed(1), &Device::Cpu)?;
    refused(&head, &PruneConfig::default(), &["none: all of them"]);
    Ok(())
}

#[test]
fn code_that_nothing_can_look_into() -> Result<()> {
    let model = Model::build([1, 8, 8], |x| {
        x.conv2d(8, 3).map("mine", |x| Ok(x.sqr()?)).conv2d(4, 3).flatten().linear(3)
    })?
    .init(Seed(1), &Device::Cpu)?;
    refused(&model, &PruneConfig::default(), &["mine", "nothing can look"]);
    Ok(())
}

#[test]
fn channels_without_what_they_are_ranked_by() -> Result<()> {
    let config = PruneConfig { importance: Importance::BatchNormScale, ..PruneConfig::default() };
    refused(&net()?, &config, &["conv2d_1", "no batch norm"]);
    let model = net()?;
    let mut state = model.state()?;
    state[0].1 = (Tensor::ones_like(&state[0].1)? * f64::NAN)?;
    model.set_state(&state)?;
    refused(&model, &PruneConfig::default(), &["finite weights", "NaN", "conv2d_1"]);
    Ok(())
}
