//! How wide layers are after pruning: in steps, by the names of other nodes, where channels lie over each other, and of tokens.

use candle_core::{Device, Tensor};
use sconce::compress::{PruneConfig, Scope, prune_channels, sensitivity};
use sconce::nn::{Conv2dConfig, Model};
use sconce::{Result, Seed};

use super::prune::cnn;
use super::zeroed::{check, lively};

/// How many channels a layer makes.
fn made(model: &Model, layer: &str) -> usize {
    let weight = format!("{layer}.weight");
    model.graph().tensors().iter().find(|tensor| tensor.name == weight).unwrap().shape[0]
}

#[test]
fn steps_end_where_a_single_one_does() -> Result<()> {
    let model = cnn()?;
    let limits = vec![("wide".into(), 0.25)];
    for config in [
        PruneConfig::ratio(0.5),
        PruneConfig { round_to: 8, ..PruneConfig::ratio(0.5) },
        PruneConfig { limits, ..PruneConfig::ratio(0.8) },
        PruneConfig::ratio(0.1),
    ] {
        let at_once = prune_channels(&model, &config)?.model;
        for steps in [1, 5, 12] {
            let (mut net, mut sizes) = (model.clone(), Vec::new());
            for step in config.steps(&model, steps) {
                net = prune_channels(&net, &step)?.model;
                sizes.push(net.num_parameters());
            }
            assert_eq!(sizes.len(), steps);
            for layer in ["conv2d_1", "wide", "narrow"] {
                let what = format!("{layer} in {steps} steps of {:?}", config.target);
                assert_eq!(made(&net, layer), made(&at_once, layer), "{what}");
            }
            // It goes bit by bit.
            assert!(sizes.is_sorted_by(|one, next| one >= next), "{sizes:?}");
            assert!(steps == 1 || sizes[0] > sizes[steps - 1], "{sizes:?}");
        }
    }
    for (scope, share) in [(Scope::Uniform, 0.6), (Scope::Global, 0.5)] {
        let mut net = model.clone();
        for step in (PruneConfig { scope, ..PruneConfig::multiply_adds(share) }).steps(&model, 6) {
            net = prune_channels(&net, &step)?.model;
        }
        let left = net.summary().multiply_adds() as f64 / model.summary().multiply_adds() as f64;
        assert!(left <= 1.0 - share && left > 0.88 - share, "{left}");
        // As many of all layers' channels as at once.
        let mut net = model.clone();
        for step in (PruneConfig { scope, ..PruneConfig::ratio(0.5) }).steps(&model, 7) {
            net = prune_channels(&net, &step)?.model;
        }
        assert_eq!(made(&net, "conv2d_1") + made(&net, "wide"), 20);
    }
    // Three heads of an attention.
    let heads = Model::build([12, 4, 4], |x| {
        let x = x.image_to_tokens();
        (&x + x.layer_norm().self_attention(3).named("attention")).mean([0]).linear(4)
    })?
    .init(Seed(2), &Device::Cpu)?;
    let mut net = heads.clone();
    for step in PruneConfig::ratio(0.5).steps(&heads, 4) {
        net = prune_channels(&net, &step)?.model;
    }
    let kept = prune_channels(&heads, &PruneConfig::ratio(0.5))?.model;
    assert_eq!(net.num_parameters(), kept.num_parameters());
    assert!(net.num_parameters() < heads.num_parameters());
    Ok(())
}

#[test]
fn channels_that_lie_over_each_other_are_counted_one_by_one() -> Result<()> {
    let model = Model::build([3, 8, 8], |x| {
        let x = x.conv2d(24, 3).named("stem").relu();
        let both = x.slice(0, 0..8) + x.slice(0, 8..16);
        both.concat(&[&x.slice(0, 16..24)], 0).global_avg_pool().linear(4)
    })?
    .init(Seed(5), &Device::Cpu)?;
    for share in [0.0, 0.2, 0.5, 0.8] {
        let pruned = prune_channels(&model, &PruneConfig::ratio(share))?;
        let group = &pruned.report.groups()[0];
        assert_eq!((group.before, group.after), (24, made(&pruned.model, "stem")), "{share}");
        let config = PruneConfig { round_to: 8, ..PruneConfig::ratio(share) };
        let stem = made(&prune_channels(&model, &config)?.model, "stem");
        assert!(stem.is_multiple_of(8), "{stem} at {share}");
    }
    let scan = sensitivity(&model, &[0.25], &PruneConfig::default(), |net| Ok(made(net, "stem") as f64))?;
    let (gone, left) = scan.layers()[0].points[0];
    assert!((gone - (1.0 - left / 24.0)).abs() < 1e-12, "{gone} gone, {left} left");
    Ok(())
}

#[test]
fn any_name_of_a_node_stands_for_its_channels() -> Result<()> {
    let model = Model::build([1, 8, 8], |x| {
        let x = x.conv2d(16, 3).batch_norm().relu().named("stem");
        let depthwise = Conv2dConfig { groups: 12, ..Conv2dConfig::default() };
        let y = x.conv2d(12, 3).named("wide").conv2d_with(12, depthwise).named("each").relu();
        y.conv2d(16, 3).named("last").relu().global_avg_pool().linear(10).named("head")
    })?
    .init(Seed(3), &Device::Cpu)?;
    for (exclude, wanted) in [
        (vec![], [8, 6, 8]),
        // The activation behind a layer, a layer that makes nothing of its own, and one that nothing is taken of anyway.
        (vec!["stem"], [16, 6, 8]),
        (vec!["each"], [8, 12, 8]),
        (vec!["head", "la*"], [8, 6, 16]),
    ] {
        let exclude: Vec<String> = exclude.into_iter().map(str::to_owned).collect();
        let net = prune_channels(&model, &PruneConfig { exclude, ..PruneConfig::ratio(0.5) })?.model;
        assert_eq!(["conv2d_1", "wide", "last"].map(|layer| made(&net, layer)), wanted);
    }
    let limits = vec![("stem".into(), 0.25), ("head".into(), 0.0)];
    let net = prune_channels(&model, &PruneConfig { limits, ..PruneConfig::ratio(0.5) })?.model;
    assert_eq!(["conv2d_1", "wide", "last"].map(|layer| made(&net, layer)), [12, 6, 8]);
    Ok(())
}

#[test]
fn tokens_that_no_norm_takes_together_lose_channels_everywhere() -> Result<()> {
    // A class token, position embeddings, queries and factors lose the channels of the tokens that they are added to.
    let transformer = Model::build([3, 8, 8], |x| {
        let patches = Conv2dConfig { kernel: [2, 2], stride: [2, 2], ..Conv2dConfig::default() };
        let x = x.conv2d_with(16, patches).named("patches").image_to_tokens().class_token();
        let x = x.position_embedding().layer_scale(0.5);
        let x = &x + x.self_attention(4);
        let x = &x + x.linear(24).gelu().linear(16);
        let queries = x.queries([3, 16]);
        let taken = &queries + queries.multi_head_attention(&x, &x, 4);
        x.concat(&[&taken], 0).mean([0]).linear(5)
    })?;
    // Layers over places instead of channels, and windows of an image.
    let mixer = Model::build([3, 8, 8], |x| {
        let x = x.conv2d(12, 3).named("patches").relu().image_to_tokens();
        let x = &x + x.permute([1, 0]).linear(64).gelu().permute([1, 0]);
        let windows = x.reshape([2, 4, 2, 4, 12]).permute([0, 2, 1, 3, 4]).reshape([4, 16, 12]);
        let weights = windows.softmax(1);
        (windows * &weights).mean([1]).mean([0]).linear(5)
    })?;
    for (architecture, channels) in [(transformer, 16), (mixer, 12)] {
        let model = architecture.init(Seed(4), &Device::Cpu)?;
        lively(&model, Seed(4))?;
        let mut rng = Seed(5).rng();
        // Tokens and positions start near 0, behind which something could hide.
        for parameter in model.parameters().into_iter().filter(|parameter| parameter.var.dims()[0] == 1) {
            let values: Vec<f32> = (0..parameter.var.elem_count()).map(|_| rng.uniform_f32() - 0.5).collect();
            parameter.var.set(&Tensor::from_vec(values, parameter.var.dims(), &Device::Cpu)?)?;
        }
        for share in [0.3, 0.7] {
            let pruned = prune_channels(&model, &PruneConfig::ratio(share))?;
            check(&model, &pruned, 1e-4)?;
            let wanted = channels - (channels as f64 * share).round() as usize;
            assert_eq!(made(&pruned.model, "patches"), wanted);
        }
    }
    Ok(())
}
