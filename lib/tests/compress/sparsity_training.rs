//! What is held at 0 stays 0, whatever trains it, stops, goes on, or is pruned further.

use sconce::compress::{GradualPruning, Pattern, Span, SparsityConfig, SparsityReport, prune_weights};
use sconce::data::DataSplit;
use sconce::optim::OptimizerConfig;
use sconce::prelude::*;
use sconce::train::{Callback, Control, StepEnd};

use super::sparsity::{mask, tensor};

fn data() -> Result<DataSplit> {
    datasets::digits()?.split([0.15, 0.05, 0.8], Seed(42))
}

fn net() -> Result<Model> {
    Model::build([1, 8, 8], |x| {
        x.conv2d(8, 3).batch_norm().relu().named("stem").flatten().linear(16).named("body").relu().linear(10)
    })?
    .init(Seed(7), &Device::Cpu)
}

/// All values of a model as bits.
fn bits(model: &Model) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    for (_, tensor) in model.state()? {
        all.extend(
            tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits),
        );
    }
    Ok(all)
}

/// How many values are held; those must be 0.
fn held(model: &Model) -> Result<usize> {
    let mut held = 0;
    for parameter in model.parameters() {
        let Some(mask) = mask(model, &parameter.name) else { continue };
        for (value, kept) in tensor(model, &parameter.name).into_iter().zip(mask) {
            assert!(kept == 1 || value.to_bits() == 0, "{value} in {}", parameter.name);
            held += usize::from(kept == 0);
        }
    }
    Ok(held)
}

#[test]
fn zeros_stay_zero_whatever_the_optimizer() -> Result<()> {
    let data = data()?;
    let momentum = sgd(0.05).momentum(0.9).nesterov().weight_decay(0.1);
    let optimizers: [OptimizerConfig; 4] =
        [momentum.into(), adamw(3e-3).weight_decay(0.3).into(), rmsprop(1e-3).into(), adagrad(0.01).into()];
    for optimizer in optimizers {
        let sparse = prune_weights(&net()?, &SparsityConfig::unstructured(0.8))?;
        let before = tensor(&sparse.model, "body.weight");
        let zeros = held(&sparse.model)?;
        assert_eq!(zeros, sparse.report.parameters() - sparse.report.parameters_left());
        let mut learner = Learner::new(sparse.model.clone(), data.clone())
            .optimizer(optimizer)
            .ema(0.9)
            .clip_norm(1.0)
            .accumulate(2);
        learner.fit(2)?;
        assert_eq!(held(&sparse.model)?, zeros);
        let after = tensor(&sparse.model, "body.weight");
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert!(
            moved > after.iter().filter(|value| **value != 0.0).count() / 2,
            "what is not held is trained"
        );
    }
    Ok(())
}

#[test]
fn a_loop_by_hand_keeps_them_too_and_counts_only_what_moves() -> Result<()> {
    let model = prune_weights(&net()?, &SparsityConfig::two_of_four())?.model;
    let zeros = held(&model)?;
    assert_eq!(zeros, 16 * 8 * 64 / 2 + 10 * 16 / 2);
    let parameters = model.parameters();
    let mut optimizer = sgd(0.1).momentum(0.9).weight_decay(0.01).build(&parameters)?;
    let mut ema = Ema::new(&parameters, 0.5)?;
    for batch in data()?.train.batches(64) {
        let batch = batch?;
        let loss =
            cross_entropy().of(&model.forward(&batch.images, Mode::Train(Seed(1)))?, batch.classes())?;
        let mut gradients = backward(&loss)?;
        let mut squares = 0.0;
        for parameter in &parameters {
            let gradient = gradients.get(&parameter.var).unwrap().flatten_all()?.to_vec1::<f32>()?;
            let kept = mask(&model, &parameter.name).unwrap_or_else(|| vec![1; gradient.len()]);
            let moving = gradient.iter().zip(kept).filter(|(_, kept)| *kept == 1);
            squares += moving.map(|(value, _)| f64::from(*value).powi(2)).sum::<f64>();
        }
        let norm = clip_grad_norm(&mut gradients, &parameters, 1.0)?;
        assert!((norm - squares.sqrt()).abs() < 1e-6 * norm, "{norm} and {}", squares.sqrt());
        optimizer.step(&gradients)?;
        ema.update(&parameters)?;
        assert_eq!(held(&model)?, zeros);
    }
    ema.swap(&parameters)?;
    assert_eq!(held(&model)?, zeros);
    Ok(())
}

fn gradual() -> GradualPruning {
    GradualPruning::new(SparsityConfig::unstructured(0.9)).from(0.2).over(Span::Steps(3..15)).every(4)
}

/// Nine steps an epoch.
fn plain(model: &Model) -> Result<Learner> {
    let optimizer = sgd(0.05).momentum(0.9).weight_decay(1e-3);
    Ok(Learner::new(model.clone(), data()?).optimizer(optimizer).ema(0.8).batch_size(32))
}

fn learner(model: &Model) -> Result<Learner> {
    Ok(plain(model)?.callback(gradual()))
}

/// Stops after so many steps.
struct StopAfter(usize);

impl Callback for StopAfter {
    fn on_step_end(&mut self, end: &StepEnd) -> Result<Control> {
        Ok(if end.total_steps == self.0 { Control::Stop("far enough".into()) } else { Control::GoOn })
    }
}

#[test]
fn a_training_that_prunes_goes_on_from_its_file_bit_for_bit() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.safetensors");
    let whole = net()?;
    learner(&whole)?.fit(2)?;
    // Right after weights went, and between.
    for (stop, left) in [(7, 2), (10, 1)] {
        let first = net()?;
        let mut training = learner(&first)?.callback(StopAfter(stop));
        training.fit(2)?;
        training.save(&path)?;
        let then = held(&first)?;
        assert!(then > 0);
        let second = net()?;
        let mut training = learner(&second)?;
        training.load(&path)?;
        training.fit(left)?;
        assert!(bits(&second)? == bits(&whole)?, "stopped after {stop}");
        assert!(held(&second)? > then);
        // The file is a model's, too, with what was held then.
        let third = net()?;
        third.load(&path, Loading::Strict)?;
        assert_eq!(held(&third)?, then);
    }
    let report = SparsityReport::of(&whole)?;
    for layer in report.layers() {
        assert_eq!(layer.held, (layer.weights as f64 * 0.9).round() as usize, "{layer:?}");
    }
    Ok(())
}

/// Looks at the sparsity after each step, as a callback behind the one that prunes.
struct Watch(std::sync::mpsc::Sender<f64>);

impl Callback for Watch {
    fn on_step_end(&mut self, end: &StepEnd) -> Result<Control> {
        let model = end.learner.model()?;
        held(model)?;
        self.0.send(SparsityReport::of(model)?.sparsity()).unwrap();
        Ok(Control::GoOn)
    }
}

#[test]
fn the_sparsity_grows_as_the_cube_says() -> Result<()> {
    let model = net()?;
    let (to, from) = std::sync::mpsc::channel();
    learner(&model)?.callback(Watch(to)).fit(2)?;
    let seen: Vec<f64> = from.iter().collect();
    // 0.9 - 0.7 (1 - t)³ after a third and two thirds of the way.
    let wanted =
        [(1, 0.0), (2, 0.0), (3, 0.2), (6, 0.2), (7, 0.9 - 0.7 * 8.0 / 27.0), (10, 0.9 - 0.7 * 8.0 / 27.0)];
    let wanted =
        wanted.into_iter().chain([(11, 0.9 - 0.7 / 27.0), (14, 0.9 - 0.7 / 27.0), (15, 0.9), (18, 0.9)]);
    for (step, sparsity) in wanted {
        assert!(
            (seen[step - 1] - sparsity).abs() < 1e-3,
            "step {step}: {} instead of {sparsity}",
            seen[step - 1]
        );
    }
    let gradual = gradual();
    assert_eq!(gradual.sparsity_at(2, 9), None);
    assert!(gradual.sparsity_at(9, 9).is_some_and(|sparsity| (sparsity - (0.9 - 0.7 / 8.0)).abs() < 1e-12));
    let epochs = gradual.over(Span::Epochs(0.5..2.0));
    // From step 10 to step 40.
    for (step, wanted) in [(10, 0.2), (25, 0.8125), (40, 0.9), (99, 0.9)] {
        assert!(
            epochs.sparsity_at(step, 20).is_some_and(|sparsity| (sparsity - wanted).abs() < 1e-12),
            "{step}"
        );
    }
    assert_eq!(epochs.sparsity_at(9, 20), None);
    Ok(())
}

#[test]
fn what_no_schedule_is_ends_the_fit_before_its_first_step() -> Result<()> {
    let config = SparsityConfig::unstructured(0.9);
    let pattern = Pattern::NOfM { keep: 2, of: 4 };
    let cases = [
        (GradualPruning::new(SparsityConfig { pattern, ..config.clone() }), "NOfM"),
        (GradualPruning::new(config.clone()).from(0.95), "0.95 up to 0.9"),
        (GradualPruning::new(config.clone()).over(Span::Steps(5..5)), "5..5"),
        (GradualPruning::new(config.clone()).over(Span::Epochs(0.0..f64::NAN)), "NaN"),
        (GradualPruning::new(config.clone()).every(0), "every 1 or more"),
        (GradualPruning::new(SparsityConfig { exclude: vec!["neck".into()], ..config.clone() }), "neck"),
        (GradualPruning::new(SparsityConfig::unstructured(0.9999)), "at least one weight"),
    ];
    for (pruning, words) in cases {
        let model = net()?;
        let before = bits(&model)?;
        let error = Learner::new(model.clone(), data()?).callback(pruning).fit(1).unwrap_err().to_string();
        assert!(error.contains(words), "{words:?} is not in {error:?}");
        assert!(bits(&model)? == before);
    }
    Ok(())
}

#[test]
fn a_span_that_is_over_prunes_what_it_says_or_is_refused() -> Result<()> {
    for config in [SparsityConfig::unstructured(0.6), SparsityConfig::unstructured(0.6).global()] {
        for over in [Span::Epochs(0.0..1.0), Span::Steps(2..9)] {
            let model = net()?;
            let mut training = plain(&model)?;
            training.fit(1)?;
            let before = bits(&model)?;
            let pruning = GradualPruning::new(config.clone()).over(over.clone()).every(3);
            let mut training = training.callback(pruning.clone());
            let error = training.fit(1).unwrap_err().to_string();
            assert!(error.contains("after 1 epochs") && error.contains("still to go"), "{error}");
            assert!(bits(&model)? == before && training.history().len() == 1);
            // Where it was followed to its end, training goes on.
            let model = net()?;
            let mut training = plain(&model)?.callback(pruning);
            training.fit(1)?;
            let then = held(&model)?;
            assert!((SparsityReport::of(&model)?.sparsity() - 0.6).abs() < 1e-3);
            training.fit(1)?;
            assert_eq!(held(&model)?, then);
        }
    }
    Ok(())
}
