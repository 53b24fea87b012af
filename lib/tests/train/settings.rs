//! What a learner does beside plain steps: schedules, clipping, accumulation, averages, callbacks, early stopping.

use std::sync::{Arc, Mutex};

use candle_core::{Device, Tensor};
use sconce::data::{DataSplit, Dataset};
use sconce::metrics::{Accumulate, Metric};
use sconce::optim::{Ema, ReduceOnPlateau, clip_grad_norm, constant, cosine, one_cycle, step_decay};
use sconce::prelude::{Learner, Loss, Mode, Model, Seed, Split, backward, cross_entropy, sgd, top_k};
use sconce::train::{
    Callback, Control, EarlyStopping, Ending, EpochEnd, FitBegin, FitEnd, Monitor, Net, StepEnd,
};
use sconce::{Error, Result};

use crate::small::{self, bits, learner, net, parts};

#[test]
fn a_schedule_without_a_length_takes_that_of_the_fit() -> Result<()> {
    let mut learner = learner()?.schedule(cosine().warmup(2));
    let rates = learner.fit(3)?.step_learning_rates();
    let wanted = cosine().warmup(2).over(18);
    let wanted: Vec<f64> = (0..18).map(|at| wanted.rate(0.01, at)).collect::<Result<_>>()?;
    assert_eq!(rates, wanted);
    // The next fit begins anew.
    assert_eq!(learner.fit(3)?.step_learning_rates()[18..], wanted);
    // From another rate, by hand.
    learner.set_learning_rate(0.02)?;
    assert_eq!(learner.fit(1)?.step_learning_rates()[38], 0.02);
    Ok(())
}

#[test]
fn a_schedule_with_a_length_counts_from_the_first_step() -> Result<()> {
    let mut by_step = learner()?.schedule(step_decay(4, 0.5));
    by_step.fit(1)?;
    let rates = by_step.fit(1)?.step_learning_rates();
    assert_eq!(rates, (0..12).map(|at| 0.01 * 0.5f64.powi(at / 4)).collect::<Vec<_>>());
    let mut by_epoch = learner()?.schedule_by_epoch(step_decay(2, 0.1));
    by_epoch.fit(2)?;
    let rates: Vec<f64> = by_epoch.fit(2)?.epochs().iter().map(|epoch| epoch.learning_rate).collect();
    assert_eq!(rates, [0.01, 0.01, 0.001, 0.001]);
    let error = learner()?.schedule(step_decay(0, 0.5)).fit(1).unwrap_err().to_string();
    assert!(error.contains("step"), "{error}");
    Ok(())
}

#[test]
fn one_cycle_goes_up_and_down_and_leaves_the_rate_as_it_was() -> Result<()> {
    let mut learner = learner()?;
    let rates = learner.fit_one_cycle(2, 0.05)?.step_learning_rates();
    let wanted = one_cycle().over(12);
    assert_eq!(rates, (0..12).map(|at| wanted.rate(0.05, at)).collect::<Result<Vec<_>>>()?);
    assert_eq!(learner.learning_rate(), 0.01);
    assert_eq!(learner.fit(1)?.step_learning_rates()[12..], [0.01; 6]);
    for rate in [0.0, -1.0, f64::NAN] {
        let error = learner.fit_one_cycle(1, rate).unwrap_err().to_string();
        assert!(error.contains("above 0"), "{error}");
    }
    Ok(())
}

#[test]
fn an_interrupted_cycle_is_ended_before_another_fit_begins() -> Result<()> {
    let mut learner = learner()?.callback(Once::at(9));
    assert!(learner.fit_one_cycle(2, 0.05).is_err());
    // Two epochs more than the cycle had left: they are a fit of their own, at the optimizer's own rate.
    let rates = learner.fit(3)?.step_learning_rates();
    let cycle = one_cycle().over(12);
    let wanted = (0..12).map(|at| cycle.rate(0.05, at)).collect::<Result<Vec<_>>>()?;
    assert_eq!(rates[..12], wanted);
    assert_eq!(rates[12..], [0.01; 12]);
    Ok(())
}

/// Fails once, after so many steps in all.
struct Once(Option<usize>);

impl Once {
    fn at(step: usize) -> Once {
        Once(Some(step))
    }
}

impl Callback for Once {
    fn on_step_end(&mut self, end: &StepEnd) -> Result<Control> {
        if self.0 != Some(end.total_steps) {
            return Ok(Control::GoOn);
        }
        self.0 = None;
        Err(Error::Interrupted { at: "here".into() })
    }
}

#[test]
fn frozen_layers_ask_for_another_optimizer() -> Result<()> {
    let mut learner = learner()?.ema(0.9);
    learner.fit(1)?;
    learner.model()?.freeze("conv2d_1.*")?;
    let error = learner.fit(1).unwrap_err().to_string();
    assert!(error.contains(".optimizer(..)"), "{error}");
    let mut learner = learner.optimizer(sgd(0.1));
    let error = learner.fit(1).unwrap_err().to_string();
    assert!(error.contains(".ema(decay)"), "{error}");
    let mut learner = learner.ema(0.9);
    learner.fit(1)?;
    learner.model()?.unfreeze("conv2d_1.*")?;
    assert!(learner.fit(1).unwrap_err().to_string().contains("unfrozen"));
    Ok(())
}

#[test]
fn what_gets_no_better_is_trained_slower() -> Result<()> {
    // A loss that never changes in validation: the rate falls after each second epoch.
    let flat = Loss::new("flat", |output, _| Ok((output - output.detach())?.sum_all()?));
    let plateau = ReduceOnPlateau::default().factor(0.5).patience(1);
    let mut learner = learner()?.loss(flat).reduce_on_plateau(plateau, Monitor::valid_loss());
    let rates: Vec<f64> = learner.fit(6)?.epochs().iter().map(|epoch| epoch.learning_rate).collect();
    assert_eq!(rates, [0.01, 0.01, 0.01, 0.005, 0.005, 0.0025]);
    // Which way is better the monitor says, whatever the plateau was told: this loss gets better.
    let plateau = ReduceOnPlateau::default().higher_is_better().patience(0);
    let mut learner = small::learner()?.reduce_on_plateau(plateau, Monitor::train_loss());
    assert!(learner.fit(4)?.epochs().iter().all(|epoch| epoch.learning_rate == 0.01));
    Ok(())
}

/// The same by hand: what the learner clips, averages and accumulates.
#[test]
fn clipping_and_averages_are_those_of_a_loop_by_hand() -> Result<()> {
    let mut learner = learner()?.optimizer(sgd(0.1)).clip_norm(0.5).ema(0.9);
    let history = learner.fit(2)?;

    // Running statistics belong to the weights.
    let all = |net: &Model| [net.parameters(), net.buffers()].concat();
    let (net, data) = (net()?, parts()?);
    let mut optimizer = sgd(0.1).build(&net.parameters())?;
    let mut ema: Option<Ema> = None;
    for epoch in 1..=2 {
        for (at, batch) in data.train.batches(8).shuffle(Seed(3)).epoch(epoch).enumerate() {
            let batch = batch?;
            let mode = Mode::Train(Seed(3).derive(&format!("epoch {epoch}, step {}", at + 1)));
            let loss = cross_entropy().of(&net.forward(&batch.images, mode)?, &batch.labels)?;
            let mut gradients = backward(&loss)?;
            clip_grad_norm(&mut gradients, &net.parameters(), 0.5)?;
            if ema.is_none() {
                ema = Some(Ema::new(&all(&net), 0.9)?.warmup());
            }
            optimizer.step(&gradients)?;
            ema.as_mut().unwrap().update(&all(&net))?;
        }
    }
    ema.unwrap().swap(&all(&net))?;
    let of_net = Learner::new(net, parts()?);
    assert_eq!(bits(&learner)?, bits(&of_net)?, "between fits the model has the averages");
    // Validation was made with them, too.
    let loss = history.last().unwrap().valid_loss.unwrap();
    assert_eq!(learner.validate()?.loss(), loss);
    // And training goes on from the weights.
    let mut whole = small::learner()?.optimizer(sgd(0.1)).clip_norm(0.5).ema(0.9);
    whole.fit(3)?;
    learner.fit(1)?;
    assert_eq!(learner.history().step_losses(), whole.history().step_losses());
    assert_eq!(bits(&learner)?, bits(&whole)?);
    Ok(())
}

#[test]
fn gradients_of_several_batches_make_the_step_of_a_large_one() -> Result<()> {
    // Without batch norm and dropout, which see each batch alone.
    let plain =
        || Model::build([1, 4, 4], |x| x.flatten().linear(8).relu().linear(3))?.init(Seed(1), &Device::Cpu);
    let trained = |batch: usize, accumulate: usize| -> Result<(Vec<f32>, usize)> {
        let mut learner = Learner::new(plain()?, parts()?)
            .optimizer(sgd(0.5).momentum(0.9))
            .batch_size(batch)
            .accumulate(accumulate)
            .schedule(cosine());
        let history = learner.fit(3)?;
        let mut rates = history.step_learning_rates();
        rates.dedup();
        Ok((learner.net().parameters()[0].var.flatten_all()?.to_vec1()?, rates.len()))
    };
    // 44 images: two steps of 16 and one of 12, or of 4 batches of 4 and the last of 3.
    let ((large, steps), (small, small_steps)) = (trained(16, 1)?, trained(4, 4)?);
    assert_eq!((steps, small_steps), (9, 9), "as many learning rates");
    for (large, small) in large.iter().zip(&small) {
        assert!((large - small).abs() < 1e-5, "{large} {small}");
    }
    let error = learner()?.accumulate(0).fit(1).unwrap_err().to_string();
    assert!(error.contains("at least 1 batch"), "{error}");
    Ok(())
}

/// Notes what it is told.
#[derive(Clone, Default)]
struct Notes {
    lines: Arc<Mutex<Vec<String>>>,
    /// After which step it asks for a stop.
    stop_at: Option<usize>,
}

impl Notes {
    fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }
}

impl Callback for Notes {
    fn on_fit_begin(&mut self, begin: &FitBegin) -> Result<()> {
        self.note(format!("begin until {}", begin.until));
        Ok(())
    }

    fn on_step_end(&mut self, end: &StepEnd) -> Result<Control> {
        assert!(end.loss.is_finite() && end.updated && end.learning_rate == 0.01);
        self.note(format!("{}: {} of {}, {}", end.epoch, end.step, end.steps, end.total_steps));
        Ok(if Some(end.total_steps) == self.stop_at { Control::Stop("eight".into()) } else { Control::GoOn })
    }

    fn on_epoch_end(&mut self, end: &EpochEnd) -> Result<Control> {
        assert_eq!(end.learner.history().last(), Some(end.epoch));
        self.note(format!("epoch {}", end.epoch.epoch));
        Ok(Control::GoOn)
    }

    fn on_fit_end(&mut self, end: &FitEnd) -> Result<()> {
        self.note(format!("{:?}", end.ending));
        Ok(())
    }
}

#[test]
fn callbacks_are_told_everything_and_can_stop() -> Result<()> {
    let notes = Notes { stop_at: Some(8), ..Notes::default() };
    let mut learner = learner()?.callback(notes.clone());
    let history = learner.fit(2)?;
    assert_eq!((history.len(), history.num_steps()), (1, 8));
    let mut wanted = vec!["begin until 2".to_owned()];
    wanted.extend((1..=6).map(|step| format!("1: {step} of 6, {step}")));
    wanted.push("epoch 1".into());
    wanted.extend((1..=2).map(|step| format!("2: {step} of 6, {}", step + 6)));
    wanted.push("Stopped(\"eight\")".into());
    assert_eq!(*notes.lines.lock().unwrap(), wanted);
    assert_eq!(learner.ending(), Some(&Ending::Stopped("eight".into())));
    // What is left of the epoch is made by the next fit.
    assert_eq!(learner.fit(1)?.num_steps(), 12);
    assert!(learner.resume().unwrap_err().to_string().contains("nothing under way"));
    Ok(())
}

struct Failing;

impl Callback for Failing {
    fn on_epoch_end(&mut self, _: &EpochEnd) -> Result<Control> {
        Err(Error::Argument {
            op: "Failing".into(),
            expected: "a disk".into(),
            got: "none".into(),
            hint: String::new(),
        })
    }
}

#[test]
fn an_error_of_a_callback_ends_the_fit_and_loses_nothing() -> Result<()> {
    let notes = Notes::default();
    let mut learner = learner()?.callback(Failing).callback(notes.clone());
    assert!(learner.fit(3).unwrap_err().to_string().contains("a disk"));
    assert_eq!(learner.history().len(), 1);
    assert!(matches!(learner.ending(), Some(Ending::Failed(_))));
    assert_eq!(
        notes.lines.lock().unwrap()[7..],
        ["epoch 1", "Failed(\"Failing: expected a disk, got none. \")"]
    );
    // It goes on, to where it would have ended.
    assert!(learner.resume().is_err());
    assert_eq!(learner.history().len(), 2);
    Ok(())
}

#[test]
fn early_stopping_gives_the_weights_of_the_best_epoch_back() -> Result<()> {
    // A rate that is soon too high.
    let mut learner = learner()?
        .optimizer(sgd(0.05))
        .schedule(sconce::optim::exponential(1.3))
        .callback(EarlyStopping::new(Monitor::valid_loss()).patience(3));
    let history = learner.fit(60)?;
    let losses: Vec<f64> = history.epochs().iter().map(|epoch| epoch.valid_loss.unwrap()).collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let at = losses.iter().position(|&loss| loss == best).unwrap();
    assert_eq!(losses.len(), at + 4, "{losses:?}");
    assert_eq!(learner.validate()?.loss(), best, "the model is that of the best epoch");
    match learner.ending() {
        Some(Ending::Stopped(reason)) => {
            assert!(reason.contains(&format!("of epoch {} for 3 epochs", at + 1)), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    for (stopping, word) in [
        (EarlyStopping::new(Monitor::valid_loss()).patience(0), "patience"),
        (EarlyStopping::new(Monitor::valid_loss()).least_improvement(f64::NAN), "improvement"),
    ] {
        let error = small::learner()?.callback(stopping).fit(1).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let unknown = EarlyStopping::new(Monitor::metric("recall"));
    let error = small::learner()?.callback(unknown).fit(2).unwrap_err().to_string();
    assert!(error.contains("valid recall") && error.contains("[\"accuracy\"]"), "{error}");
    Ok(())
}

/// A metric that takes nothing, or everything.
struct Picky(bool);

impl Accumulate for Picky {
    fn update(&mut self, _: &Tensor, _: &Tensor) -> Result<()> {
        match self.0 {
            true => Err(candle_core::Error::Msg("no".into()).into()),
            false => Ok(()),
        }
    }

    fn value(&self) -> Result<f64> {
        Ok(1.0)
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(Picky(self.0))
    }
}

#[test]
fn what_is_wrong_is_known_before_the_first_step() -> Result<()> {
    // A metric that cannot take the outputs is none of the loss's business: without a first look a step would be made.
    let mut learner = Learner::new(net()?, parts()?).metric(top_k(5));
    assert!(learner.fit(50).is_err());
    assert_eq!(learner.history().num_steps(), 0);
    // And what was set out to do is forgotten: the next fit has a schedule of its own length.
    let mut learner =
        Learner::new(net()?, parts()?).metric(Metric::new("top_5", Picky(true))).schedule(cosine());
    assert!(learner.fit(50).is_err());
    let rates = learner.metric(Metric::new("top_5", Picky(false))).fit(2)?.step_learning_rates();
    assert!(rates.last().unwrap() < &1e-3, "{rates:?}");
    // A schedule that is longer than its fit is refused, and a longer fit is not.
    let mut learner = small::learner()?.schedule(cosine().warmup(10));
    assert!(learner.fit(1).is_err());
    assert_eq!(learner.fit(2)?.num_steps(), 12);
    let error = small::learner()?.callback(EarlyStopping::new(Monitor::metric("recall"))).fit(1).unwrap_err();
    assert!(error.to_string().contains("recall"));

    let pixels = Tensor::zeros((4, 1, 4, 4), candle_core::DType::F32, &Device::Cpu)?;
    let lacking = Dataset::new(pixels, &[0, 1, 1, 0], &["a", "b", "c"])?;
    let error =
        Learner::new(net()?, DataSplit { train: lacking, ..parts()? }).fit(1).unwrap_err().to_string();
    assert!(error.contains("none of class 2 (c), of which the valid part has 6"), "{error}");
    Ok(())
}

/// A layer of one's own that gives infinity where a value is 0.
fn with_a_hole() -> Result<Model> {
    Model::build([1, 4, 4], |x| {
        x.flatten().linear(6).relu().named("hidden").map("logarithm", |x| Ok(x.log()?)).linear(3)
    })?
    .init(Seed(1), &Device::Cpu)
}

#[test]
fn a_loss_that_is_no_number_names_the_layer() -> Result<()> {
    let mut learner = Learner::new(with_a_hole()?, parts()?).batch_size(8);
    let error = learner.fit(1).unwrap_err().to_string();
    assert!(error.contains("logarithm") && error.contains("first layer"), "{error}");
    // Weights that have run away.
    let mut learner = small::learner()?.optimizer(sgd(1e30)).schedule(constant());
    let error = learner.fit(3).unwrap_err().to_string();
    assert!(error.contains("weight") && error.contains("clip_norm(1.0)"), "{error}");
    Ok(())
}

/// Fails as candle does where a device has no memory left.
struct Greedy(Model);

impl Net for Greedy {
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        if x.dims()[0] > 4 && matches!(mode, Mode::Train(_)) {
            let error = "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";
            return Err(candle_core::Error::Msg(error.into()).into());
        }
        self.0.forward(x, mode)
    }

    fn parameters(&self) -> Vec<sconce::nn::Parameter> {
        self.0.parameters()
    }
}

#[test]
fn want_of_memory_is_said_in_words() -> Result<()> {
    let mut learner = Learner::new(Greedy(net()?), parts()?).batch_size(8);
    let error = learner.fit(1).unwrap_err().to_string();
    assert!(error.contains("batch_size(4)") && error.contains("accumulate(2)"), "{error}");
    // What it says helps.
    let mut learner = Learner::new(Greedy(net()?), parts()?).batch_size(4).accumulate(2);
    assert_eq!(learner.fit(1)?.len(), 1);
    assert!(learner.evaluate(Split::Test).is_ok());
    Ok(())
}
