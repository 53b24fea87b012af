//! A training that goes on from a file is the one that never stopped, bit for bit.

use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use sconce::Result;
use sconce::data::DataSplit;
use sconce::metrics::{Average, CalibrationConfig, calibration_error, f1, mcc};
use sconce::nn::{Loading, Mode, Parameter};
use sconce::optim::{ReduceOnPlateau, cosine, sgd};
use sconce::prelude::{Learner, Sampler, Seed, Split, adagrad, adam, adamw};
use sconce::train::{Callback, Checkpoints, Control, Epoch, Monitor, Net, StepEnd};

use crate::small::{self, bits, learner, net, parts};

/// Ends a fit after so many steps in all, as a user might.
struct StopAfter(usize);

impl Callback for StopAfter {
    fn on_step_end(&mut self, end: &StepEnd) -> Result<Control> {
        Ok(if end.total_steps == self.0 { Control::Stop("enough".into()) } else { Control::GoOn })
    }
}

/// What must be equal of an epoch: not the time that it took.
fn without_times(epochs: &[Epoch]) -> Vec<Epoch> {
    let mut epochs = epochs.to_vec();
    epochs.iter_mut().for_each(|epoch| (epoch.seconds, epoch.images_per_second) = (0.0, 0.0));
    epochs
}

/// Trains four epochs in one piece, and in two with a file between them after `steps` steps.
pub fn resumed(setup: &dyn Fn() -> Result<Learner>, steps: usize) -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.safetensors");
    let mut whole = setup()?;
    whole.fit(4)?;

    let mut first = setup()?.callback(StopAfter(steps));
    first.fit(4)?;
    assert_eq!(first.history().num_steps(), steps);
    first.save(&path)?;
    drop(first);

    let mut second = setup()?;
    second.load(&path)?;
    assert_eq!(second.history().num_steps(), steps);
    second.fit(4 - second.history().len())?;
    let (one, other) = (second.history(), whole.history());
    assert_eq!(one.step_losses(), other.step_losses());
    assert_eq!(without_times(one.epochs()), without_times(other.epochs()));
    assert_eq!(bits(&second)?, bits(&whole)?);
    assert_eq!(second.evaluate(Split::Test)?.loss(), whole.evaluate(Split::Test)?.loss());
    // Once more: what is not seen in losses is equal, too, such as momentum.
    whole.fit(1)?;
    second.fit(1)?;
    assert_eq!(bits(&second)?, bits(&whole)?);
    Ok(())
}

#[test]
fn a_training_goes_on_after_any_step() -> Result<()> {
    for steps in [1, 5, 6, 7, 12, 17] {
        resumed(&learner, steps)?;
    }
    Ok(())
}

#[test]
fn with_metrics_of_every_kind_of_sum() -> Result<()> {
    let setup = || {
        let learner = learner()?.metric(f1(Average::Macro)).metric(mcc());
        Ok(learner.metric(calibration_error(CalibrationConfig::default())))
    };
    resumed(&setup, 9)
}

#[test]
fn with_every_optimizer() -> Result<()> {
    resumed(&|| Ok(learner()?.optimizer(sgd(0.05).momentum(0.9).weight_decay(1e-3))), 9)?;
    resumed(&|| Ok(learner()?.optimizer(adam(0.01))), 9)?;
    resumed(&|| Ok(learner()?.optimizer(adagrad(0.05))), 9)
}

#[test]
fn on_a_plateau() -> Result<()> {
    // Each epoch without a loss that is lower by nine tenths halves the rate: what it is follows from the epochs in the file.
    let setup = || {
        let plateau = ReduceOnPlateau::default().factor(0.5).patience(0).threshold(0.9);
        Ok(learner()?.reduce_on_plateau(plateau, Monitor::valid_loss()))
    };
    for steps in [6, 15, 20] {
        resumed(&setup, steps)?;
    }
    let mut whole = setup()?;
    let history = whole.fit(5)?;
    // Every step of an epoch is made with what all epochs before it come to.
    let mut by_hand = ReduceOnPlateau::default().factor(0.5).patience(0).threshold(0.9);
    let mut scales = vec![1.0];
    for epoch in history.epochs() {
        by_hand.observe(epoch.valid_loss.unwrap())?;
        scales.push(by_hand.scale());
    }
    assert!(scales[4] < 1.0, "the rate falls: {scales:?}");
    for (at, rate) in history.step_places().iter().zip(history.step_learning_rates()) {
        assert_eq!(rate, 0.01 * scales[at.ceil() as usize - 1], "at {at}");
    }
    Ok(())
}

#[test]
fn with_averages_clipping_and_gradients_of_several_batches() -> Result<()> {
    resumed(&|| Ok(learner()?.ema(0.95)), 8)?;
    // Steps 7 and 8 of four that make a step of the optimizer: their gradients wait in the file.
    resumed(&|| Ok(learner()?.accumulate(4).ema(0.9).clip_norm(1.0)), 8)
}

#[test]
fn a_fit_that_was_stopped_is_resumed_under_its_schedule() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.safetensors");
    let setup = || Ok::<_, sconce::Error>(learner()?.schedule(cosine()));
    let mut whole = setup()?;
    whole.fit_one_cycle(3, 0.05)?;
    whole.fit(2)?;

    let mut first = setup()?.callback(SaveAt(10, path.clone()));
    first.fit_one_cycle(3, 0.05)?;
    let mut second = setup()?;
    second.load(&path)?;
    second.resume()?;
    assert_eq!(second.history().len(), 3, "to where the cycle ends");
    second.fit(2)?;
    assert_eq!(second.history().step_learning_rates(), whole.history().step_learning_rates());
    assert_eq!(bits(&second)?, bits(&whole)?);
    Ok(())
}

/// Saves a running training after so many steps in all.
struct SaveAt(usize, std::path::PathBuf);

impl Callback for SaveAt {
    fn on_step_end(&mut self, end: &StepEnd) -> Result<Control> {
        if end.total_steps == self.0 {
            end.learner.save(&self.1)?;
        }
        Ok(Control::GoOn)
    }
}

#[test]
fn a_file_of_a_fit_that_has_ended_begins_anew() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    for cycle in [false, true] {
        let folder = folder.path().join(cycle.to_string());
        let setup = || Ok::<_, sconce::Error>(learner()?.optimizer(adam(0.02)).schedule(cosine()));
        let fit = |learner: &mut Learner| match cycle {
            true => learner.fit_one_cycle(2, 0.05),
            false => learner.fit(2),
        };
        let mut whole = setup()?.callback(Checkpoints::new(&folder));
        fit(&mut whole)?;
        let mut second = setup()?;
        second.load(folder.join("last.safetensors"))?;
        assert!(second.resume().is_err(), "there is nothing under way");
        whole.fit(2)?;
        second.fit(2)?;
        assert_eq!(second.history().step_learning_rates(), whole.history().step_learning_rates());
        assert_eq!(bits(&second)?, bits(&whole)?);
    }
    Ok(())
}

/// A net of one's own, of several parameters.
struct Layers(Vec<Parameter>);

impl Net for Layers {
    fn forward(&self, x: &Tensor, _: Mode) -> Result<Tensor> {
        let mut x = x.flatten_from(1)?;
        for Parameter { var, .. } in &self.0 {
            x = sconce::ops::matmul(&x.tanh()?, var.as_tensor())?;
        }
        Ok(x)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.0.clone()
    }
}

fn layers() -> Result<Layers> {
    let mut rng = Seed(8).rng();
    let sizes = [16, 12, 10, 8, 6, 5, 3];
    let layer = |(at, sides): (usize, &[usize])| {
        let values: Vec<f32> = (0..sides[0] * sides[1]).map(|_| rng.normal() as f32 * 0.5).collect();
        let var = Var::from_tensor(&Tensor::from_vec(values, (sides[0], sides[1]), &Device::Cpu)?)?;
        Ok(Parameter::new(format!("layer{at}"), var))
    };
    Ok(Layers(sizes.windows(2).enumerate().map(layer).collect::<Result<_>>()?))
}

#[test]
fn nets_of_ones_own_go_on_too() -> Result<()> {
    resumed(&|| Ok(Learner::new(layers()?, parts()?).optimizer(adam(0.01)).batch_size(8).ema(0.9)), 9)
}

#[test]
fn the_last_and_the_best_state_lie_in_a_folder() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("runs/columns");
    let checkpoints = || Checkpoints::new(&folder).monitor(Monitor::metric("accuracy"));
    let mut learner = learner()?.optimizer(sgd(0.02)).ema(0.8).callback(checkpoints());
    learner.fit(6)?;
    let accuracies: Vec<f64> =
        learner.history().epochs().iter().map(|epoch| epoch.valid_metrics[0].1).collect();
    let best = accuracies.iter().copied().fold(0.0, f64::max);
    let best_epoch = accuracies.iter().position(|&accuracy| accuracy == best).unwrap() + 1;
    let setup = || Ok::<_, sconce::Error>(small::learner()?.optimizer(sgd(0.02)).ema(0.8));
    let (mut last, mut kept) = (setup()?, setup()?);
    last.load(folder.join("last.safetensors"))?;
    kept.load(folder.join("best.safetensors"))?;
    assert_eq!((last.history().len(), kept.history().len()), (6, best_epoch));
    assert_eq!(kept.validate()?.metric("accuracy")?, best);
    assert_eq!(bits(&last)?, bits(&learner)?);
    // The weights alone go into any model of the same layers: those in use, not those that training goes on from.
    let weights = net()?;
    let report = weights.load(folder.join("last.safetensors"), Loading::Strict)?;
    assert!(report.missing.is_empty() && report.unexpected.is_empty());
    assert_eq!(bits(&Learner::new(weights, parts()?))?, bits(&learner)?);

    // Another training does not take its place unasked.
    let error = small::learner()?.callback(checkpoints()).fit(1).unwrap_err().to_string();
    assert!(error.contains("last.safetensors") && error.contains(".overwrite()"), "{error}");
    let mut elsewhere = small::learner()?;
    elsewhere.fit(1)?;
    let error = elsewhere.callback(checkpoints()).fit(1).unwrap_err().to_string();
    assert!(error.contains("another training"), "{error}");
    small::learner()?.callback(checkpoints().overwrite()).fit(1)?;
    kept.load(folder.join("last.safetensors")).unwrap_err();
    let error = small::learner()?.callback(checkpoints().every_steps(0)).fit(1).unwrap_err().to_string();
    assert!(error.contains("at least 1 step"), "{error}");
    Ok(())
}

#[test]
fn what_does_not_belong_together_is_refused_and_changes_nothing() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.safetensors");
    let mut trained = learner()?;
    trained.fit(1)?;
    trained.save(&path)?;
    let refused = |learner: &mut Learner, path: &Path| -> Result<String> {
        let before = bits(learner)?;
        let error = learner.load(path).unwrap_err().to_string();
        assert_eq!(bits(learner)?, before);
        assert_eq!(learner.history().num_steps(), 0);
        Ok(error)
    };
    let error = refused(&mut learner()?.batch_size(16), &path)?;
    assert!(error.contains("batches of 16") && error.contains("batches of 8"), "{error}");
    let other = DataSplit { valid: small::columns(18, 5)?, ..parts()? };
    let mut other = Learner::new(net()?, other).optimizer(adamw(0.01)).batch_size(8).seed(Seed(3));
    assert!(refused(&mut other, &path)?.contains("data"));
    let sampler = Sampler::balanced(&small::columns(44, 1)?)?;
    assert!(refused(&mut learner()?.sampler(sampler), &path)?.contains("no sampler"));
    let error = refused(&mut learner()?.seed(Seed(4)), &path)?;
    assert!(error.contains("seed 4") && error.contains("seed 3"), "{error}");
    let error = refused(&mut learner()?.batch_transform(sconce::transforms::MixUp::new(3)), &path)?;
    assert!(error.contains("batches by MixUp"), "{error}");
    let error = refused(&mut learner()?.optimizer(sgd(0.1)), &path)?;
    assert!(error.contains("sgd") && error.contains("adamw"), "{error}");
    let other =
        sconce::nn::Model::build([1, 4, 4], |x| x.flatten().linear(3))?.init(Seed(1), &Device::Cpu)?;
    let other = Learner::new(other, parts()?).optimizer(adamw(0.01)).batch_size(8).seed(Seed(3));
    let error = refused(&mut { other }, &path)?;
    assert!(error.contains("linear_1.weight"), "{error}");

    let weights = folder.path().join("weights.safetensors");
    net()?.save(&weights)?;
    let error = refused(&mut learner()?, &weights)?;
    assert!(error.contains("Model::load"), "{error}");
    // Cut off anywhere, or with a byte that is another.
    let good = fs::read(&path).unwrap();
    let broken = folder.path().join("broken.safetensors");
    let mut rng = Seed(5).rng();
    for _ in 0..100 {
        fs::write(&broken, &good[..rng.below(good.len())]).unwrap();
        refused(&mut learner()?, &broken)?;
    }
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let (untouched, trained_bits) = (bits(&learner()?)?, bits(&trained)?);
    let mut fresh = learner()?;
    fresh.fit(1)?;
    let fresh = bits(&fresh)?;
    let mut refusals = 0;
    for _ in 0..300 {
        let mut bytes = good.clone();
        let at = rng.below(header);
        bytes[at] ^= 1 << rng.below(8);
        fs::write(&broken, bytes).unwrap();
        let mut learner = learner()?;
        if learner.load(&broken).is_err() {
            refusals += 1;
            assert_eq!(bits(&learner)?, untouched, "byte {at}: a refused file has changed the weights");
            assert_eq!(learner.history().num_steps(), 0, "byte {at}");
            learner.fit(1)?;
            assert_eq!(bits(&learner)?, fresh, "byte {at}: a refused file has left something behind");
            continue;
        }
        // A digit of a number that is only told, such as a loss: the weights are those of the file.
        assert_eq!(bits(&learner)?, trained_bits, "byte {at}: other weights than the file has");
        let before = learner.history().len();
        assert_eq!(before, 1, "byte {at}");
        if learner.fit(1).is_ok() {
            assert_eq!(learner.history().len(), before + 1, "byte {at}");
            assert!(bits(&learner)? != trained_bits, "byte {at}: a fit without a step");
        }
    }
    assert!(refusals > 150, "only {refusals} of 300 broken files were refused");
    Ok(())
}
