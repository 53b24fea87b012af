//! What cannot be done, and what is said then.

use candle_core::{DType, Device, Tensor};
use sconce::compress::{ChannelNorms, Importance, PruneConfig, PruneTarget, Taylor, prune_channels};
use sconce::nn::{Mode, Model, backward};
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
    let target = PruneTarget::Latency { milliseconds: 1.0, batch: 1 << 30 };
    refused(&model, &PruneConfig { target, ..PruneConfig::default() }, &["fits into a memory", "1073741824"]);
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

#[test]
fn what_is_of_another_model() -> Result<()> {
    // As many channels, in other layers.
    let of = |channels: [usize; 2]| {
        let [first, second] = channels;
        Model::build([1, 8, 8], |x| x.conv2d(first, 3).relu().conv2d(second, 3).flatten().linear(3))?
            .init(Seed(1), &Device::Cpu)
    };
    let (model, other) = (of([8, 4])?, of([4, 8])?);
    let mut taylor = Taylor::new(&other, ChannelNorms::Keep)?;
    let images = Tensor::ones((2, 1, 8, 8), DType::F32, &Device::Cpu)?;
    taylor.add(&backward(&other.forward(&images, Mode::Train(Seed(1)))?.sqr()?.sum_all()?)?)?;
    let importance = Importance::Taylor(taylor);
    let config = PruneConfig { importance, ..PruneConfig::default() };
    refused(&model, &config, &["1 batches of another model"]);
    assert!(prune_channels(&other, &config).is_ok());
    let named = Model::build([1, 8, 8], |x| x.conv2d(8, 3).named("stem").relu().flatten().linear(3))?
        .init(Seed(1), &Device::Cpu)?;
    // Nothing that it could have been, neither by its layers nor by their channels.
    for since in [named, of([2, 2])?] {
        let config = PruneConfig { since: Some(since), ..PruneConfig::default() };
        refused(&model, &config, &["PruneConfig::since", "conv2d_1"]);
    }
    Ok(())
}
