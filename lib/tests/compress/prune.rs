//! Structured pruning.

use candle_core::{Device, Tensor};
use sconce::compress::{
    ChannelNorms, Importance, PruneConfig, PruneTarget, Scope, Taylor, prune_channels, sensitivity,
};
use sconce::nn::{Mode, Model};
use sconce::prelude::{Loss, Rich, backward, cross_entropy, datasets};
use sconce::{Result, Seed};

use super::graphs;
use super::zeroed::{check, lively};

/// Graphs that a run makes.
fn cases() -> u64 {
    let default = if cfg!(debug_assertions) { 60 } else { 1000 };
    std::env::var("SCONCE_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

#[test]
fn whatever_the_branches_what_is_left_gives_what_it_gave() -> Result<()> {
    let (mut parameters, mut pruned_layers) = ([0, 0], 0);
    for case in 0..cases() {
        let model = graphs::random(Seed(case))?;
        lively(&model, Seed(case))?;
        for ratio in [0.3, 0.7] {
            let scope = if case % 2 == 0 { Scope::Uniform } else { Scope::Global };
            let importance = if case % 3 == 0 { Importance::Random(Seed(case)) } else { Importance::L1 };
            let config = PruneConfig { scope, importance, ..PruneConfig::ratio(ratio) };
            let pruned = match prune_channels(&model, &config) {
                Ok(pruned) => pruned,
                // Where each channel hangs together with what goes out, there is nothing to remove.
                Err(error) if error.to_string().contains("none: all of them") => continue,
                Err(error) => panic!("case {case}: {error}"),
            };
            let outcome =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&model, &pruned, 1e-4)));
            assert!(
                matches!(outcome, Ok(Ok(()))),
                "case {case} at {ratio}: {outcome:?}\n{:?}",
                model.rich().plain()
            );
            parameters[0] += pruned.report.parameters_before();
            parameters[1] += pruned.report.parameters_after();
            pruned_layers += pruned.report.groups().iter().filter(|group| group.after < group.before).count();
        }
    }
    // It does remove something, in most of them.
    assert!(parameters[1] * 4 < parameters[0] * 3, "{parameters:?}");
    assert!(pruned_layers as u64 > cases() * 4, "{pruned_layers}");
    Ok(())
}

#[test]
fn channels_that_norms_take_together_go_if_asked_to() -> Result<()> {
    let mut tried = 0;
    for case in 0..cases() / 5 {
        let model = graphs::random(Seed(case))?;
        let config = PruneConfig { norms: ChannelNorms::Prune, ..PruneConfig::ratio(0.5) };
        let pruned = match prune_channels(&model, &config) {
            Ok(pruned) => pruned,
            Err(error) if error.to_string().contains("none: all of them") => continue,
            Err(error) => panic!("case {case}: {error}"),
        };
        tried += 1;
        let kept = prune_channels(&model, &PruneConfig::ratio(0.5));
        if let Ok(kept) = kept {
            assert!(pruned.report.parameters_after() <= kept.report.parameters_after(), "case {case}");
        }
        let shape = model.graph().nodes()[0].shape.clone();
        let x = Tensor::ones([&[1], shape.as_slice()].concat(), candle_core::DType::F32, &Device::Cpu)?;
        pruned.model.forward_outputs(&x, Mode::Train(Seed(1)))?;
    }
    assert!(tried * 10 > cases() / 5 * 9, "{tried}");
    Ok(())
}

/// A residual block whose layers have names.
pub fn cnn() -> Result<Model> {
    Model::build([1, 8, 8], |x| {
        let x = x.conv2d(16, 3).batch_norm().relu().named("stem");
        let y = x.conv2d(24, 3).named("wide").batch_norm().relu().conv2d(16, 3).named("narrow").batch_norm();
        (x + y).relu().global_avg_pool().linear(10)
    })?
    .init(Seed(3), &Device::Cpu)
}

/// Channels left in the group of a layer.
fn left(report: &sconce::compress::PruneReport, layer: &str) -> usize {
    let group = report.groups().iter().find(|group| group.layers.iter().any(|known| known == layer));
    group.unwrap().after
}

#[test]
fn what_counts_least_goes_first() -> Result<()> {
    let model = cnn()?;
    let mut state = model.state()?;
    // Channels 3 and 7 of the wide layer are all but 0, and others have small factors in its norm.
    let of = |name: &str| model.state().unwrap().iter().position(|(known, _)| known == name).unwrap();
    let (weight, factors) = (of("wide.weight"), of("batch_norm_2.weight"));
    let row = |at: usize, small: &[usize]| if small.contains(&at) { 1e-3_f32 } else { 1.0 };
    let mask: Vec<f32> = (0..24).map(|at| row(at, &[3, 7])).collect();
    state[weight].1 = state[weight].1.broadcast_mul(&Tensor::from_vec(mask, (24, 1, 1, 1), &Device::Cpu)?)?;
    state[factors].1 =
        Tensor::from_vec((0..24).map(|at| row(at, &[5, 6])).collect::<Vec<_>>(), 24, &Device::Cpu)?;
    model.set_state(&state)?;
    for (importance, gone) in
        [(Importance::L1, [3, 7]), (Importance::L2, [3, 7]), (Importance::BatchNormScale, [5, 6])]
    {
        let exclude = vec!["conv2d_1".into()];
        let config = PruneConfig { importance, exclude, ..PruneConfig::ratio(2.0 / 24.0) };
        let report = prune_channels(&model, &config)?.report;
        let kept = report.kept().iter().find(|kept| kept.tensor == "wide.weight" && kept.dim == 0).unwrap();
        let missing: Vec<usize> = (0..24).filter(|at| !kept.kept.contains(at)).collect();
        assert_eq!(missing, gone);
    }
    Ok(())
}

#[test]
fn the_loss_says_what_it_does_not_need() -> Result<()> {
    let model = cnn()?;
    // What the next layer does not take has no influence, whatever its size.
    let mut state = model.state()?;
    let place = state.iter().position(|(name, _)| name == "narrow.weight").unwrap();
    let mask: Vec<f32> = (0..24).map(|at| if at == 11 || at == 2 { 0.0 } else { 1.0 }).collect();
    state[place].1 = state[place].1.broadcast_mul(&Tensor::from_vec(mask, (1, 24, 1, 1), &Device::Cpu)?)?;
    model.set_state(&state)?;
    let (mut taylor, loss) = (Taylor::new(&model, ChannelNorms::Keep)?, Loss::from(cross_entropy()));
    let config = |taylor: &Taylor| PruneConfig {
        importance: Importance::Taylor(taylor.clone()),
        exclude: vec!["conv2d_1".into()],
        ..PruneConfig::ratio(2.0 / 24.0)
    };
    let error = prune_channels(&model, &config(&taylor)).unwrap_err().to_string();
    assert!(error.contains("batches") && error.contains("none"), "{error}");
    model.freeze("narrow.weight")?;
    let batch = datasets::digits()?.batches(8).next().unwrap()?;
    let logits = model.forward(&batch.images, Mode::Train(Seed(1)))?;
    let error = taylor.add(&backward(&loss.of(&logits, &batch.labels)?)?).unwrap_err().to_string();
    assert!(error.contains("narrow.weight, which is frozen"), "{error}");
    model.unfreeze("*")?;
    for batch in datasets::digits()?.batches(64).take(2) {
        let batch = batch?;
        let logits = model.forward(&batch.images, Mode::Train(Seed(1)))?;
        taylor.add(&backward(&loss.of(&logits, &batch.labels)?)?)?;
    }
    let report = prune_channels(&model, &config(&taylor))?.report;
    let kept = report.kept().iter().find(|kept| kept.tensor == "wide.weight" && kept.dim == 0).unwrap();
    let missing: Vec<usize> = (0..24).filter(|at| !kept.kept.contains(at)).collect();
    assert_eq!(missing, [2, 11]);
    Ok(())
}

#[test]
fn limits_exclusions_and_multiples_are_kept() -> Result<()> {
    let model = cnn()?;
    let config = PruneConfig {
        exclude: vec!["narrow".into()],
        limits: vec![("wi*".into(), 0.25)],
        ..PruneConfig::ratio(0.9)
    };
    let report = prune_channels(&model, &config)?.report;
    // The sum ties the narrow layer to the first one.
    assert_eq!((left(&report, "conv2d_1"), left(&report, "wide")), (16, 18));
    // What must stay is no part of what goes elsewhere.
    let config = PruneConfig { scope: Scope::Global, limits: Vec::new(), ..config };
    let report =
        prune_channels(&model, &PruneConfig { target: PruneTarget::Channels(0.5), ..config })?.report;
    assert_eq!((left(&report, "conv2d_1"), left(&report, "wide")), (16, 12));
    let config = PruneConfig { round_to: 8, ..PruneConfig::ratio(0.6) };
    let report = prune_channels(&model, &config)?.report;
    assert_eq!((left(&report, "conv2d_1"), left(&report, "wide")), (8, 16));
    // One stays, however much is to go.
    let report = prune_channels(&model, &PruneConfig::ratio(0.999))?.report;
    assert_eq!((left(&report, "conv2d_1"), left(&report, "wide")), (1, 1));
    Ok(())
}

#[test]
fn targets_are_reached_with_as_little_as_it_takes() -> Result<()> {
    let model = cnn()?;
    for (share, scope) in [(0.3, Scope::Uniform), (0.5, Scope::Global), (0.8, Scope::Uniform)] {
        let report =
            prune_channels(&model, &PruneConfig { scope, ..PruneConfig::multiply_adds(share) })?.report;
        let gone = 1.0 - report.multiply_adds_after() as f64 / report.multiply_adds_before() as f64;
        assert!(gone >= share && gone < share + 0.12, "{share}: {gone}");
    }
    let latency = |milliseconds| PruneConfig {
        target: PruneTarget::Latency { milliseconds, batch: 2 },
        ..PruneConfig::default()
    };
    // More time than it takes: nothing goes. None at all: nothing can be done.
    let report = prune_channels(&model, &latency(1e6))?.report;
    assert_eq!(report.parameters_after(), report.parameters_before());
    let error = prune_channels(&model, &latency(1e-9)).unwrap_err().to_string();
    assert!(error.contains("smallest model"), "{error}");
    Ok(())
}

#[test]
fn the_old_model_and_what_is_frozen_stay_as_they_were() -> Result<()> {
    let model = cnn()?;
    let before = model.state()?;
    model.freeze("wide.*")?;
    let pruned = prune_channels(&model, &PruneConfig::ratio(0.5))?;
    assert!(pruned.model.parameters().iter().all(|parameter| !parameter.name.starts_with("wide.")));
    for parameter in pruned.model.parameters() {
        parameter.var.set(&parameter.var.zeros_like()?)?;
    }
    for ((_, before), (name, after)) in before.iter().zip(model.state()?) {
        let apart = (before - after)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
        assert_eq!(apart, 0.0, "{name}");
    }
    Ok(())
}

#[test]
fn a_scan_says_what_each_layer_bears() -> Result<()> {
    let model = cnn()?;
    let mut seen = Vec::new();
    let scan = sensitivity(&model, &[0.25, 0.75], &PruneConfig::default(), |net| {
        seen.push(net.num_parameters());
        Ok(net.num_parameters() as f64)
    })?;
    assert_eq!(scan.baseline(), model.num_parameters() as f64);
    let names: Vec<Vec<String>> = scan.layers().iter().map(|layer| layer.layers.clone()).collect();
    assert_eq!(names, [vec!["conv2d_1".to_owned(), "narrow".into()], vec!["wide".into()]]);
    // One group at a time: 6 and 18 of the 24 wide channels, each with 145 weights before and 144 after it, and its norm.
    let wide: Vec<f64> = scan.layers()[1].points.iter().map(|(_, value)| scan.baseline() - value).collect();
    assert_eq!(wide, [6.0 * (145.0 + 144.0 + 2.0), 18.0 * (145.0 + 144.0 + 2.0)]);
    assert_eq!(seen.len(), 5);
    // What really went stands beside it, where that is less.
    let config = PruneConfig { limits: vec![("wide".into(), 0.25)], ..PruneConfig::default() };
    let scan = sensitivity(&model, &[0.75], &config, |net| Ok(net.num_parameters() as f64))?;
    assert_eq!(scan.layers()[1].points[0].0, 0.25);
    assert!(scan.rich().plain().unwrap().contains("at 25.0 %"), "{:?}", scan.rich().plain());
    for (shares, words) in [(vec![], "[]"), (vec![0.5, 1.0], "1.0")] {
        let error =
            sensitivity(&model, &shares, &PruneConfig::default(), |_| Ok(0.0)).unwrap_err().to_string();
        assert!(error.contains("0 to below 1") && error.contains(words), "{error}");
    }
    let error =
        sensitivity(&model, &[0.5], &PruneConfig::default(), |_| Ok(f64::NAN)).unwrap_err().to_string();
    assert!(error.contains("finite") && error.contains("NaN"), "{error}");
    Ok(())
}

#[test]
fn a_report_says_what_is_left() -> Result<()> {
    let report = prune_channels(&cnn()?, &PruneConfig::ratio(0.5))?.report;
    let shown = report.rich();
    let text = shown.plain().unwrap();
    assert!(text.contains("parameters left") && text.contains("conv2d_1, narrow"), "{text}");
    assert!(text.contains("wide") && text.contains("24") && text.contains("12"), "{text}");
    Ok(())
}

#[test]
fn each_layer_of_a_concatenation_keeps_whole_multiples() -> Result<()> {
    let model = Model::build([3, 8, 8], |x| {
        let (a, b) = (x.conv2d(24, 3).named("a"), x.conv2d(40, 3).named("b"));
        let sum = a.concat(&[&b], 0) + x.conv2d(64, 3).named("c");
        sum.relu().global_avg_pool().linear(4)
    })?
    .init(Seed(5), &Device::Cpu)?;
    for share in [0.2, 0.35, 0.6, 0.9] {
        let config = PruneConfig { round_to: 8, ..PruneConfig::ratio(share) };
        let pruned = prune_channels(&model, &config)?.model;
        let sides = ["a", "b", "c"].map(|layer| {
            let weight = format!("{layer}.weight");
            pruned.graph().tensors().iter().find(|tensor| tensor.name == weight).unwrap().shape[0]
        });
        assert!(sides.iter().all(|side| side % 8 == 0), "{sides:?} at {share}");
        // No more than a step of each of the two layers is left over what was asked for.
        let asked = 64 - (64.0 * share).round() as usize;
        assert!(sides[2] == sides[0] + sides[1] && sides[2] < asked + 16, "{sides:?} at {share}");
    }
    Ok(())
}
