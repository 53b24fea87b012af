//! Looking for a learning rate, learning one batch by heart, training a model further.

use candle_core::Device;
use sconce::Result;
use sconce::nn::Model;
use sconce::prelude::{FineTuneConfig, Learner, LrFindConfig, Sampler, Seed, sgd};
use sconce::rich::Rich;
use sconce::train::{Callback, Control, Ending, StepEnd};

use crate::small::{self, bits, learner, net, parts};

#[test]
fn a_search_finds_a_rate_and_changes_nothing() -> Result<()> {
    let setup = || Ok::<_, sconce::Error>(learner()?.ema(0.9).accumulate(2));
    let (mut searched, mut other) = (setup()?, setup()?);
    searched.fit(1)?;
    other.fit(1)?;
    let (before, history) = (bits(&searched)?, searched.history().clone());
    let search = searched.lr_find(LrFindConfig::default())?;
    assert_eq!(bits(&searched)?, before);
    assert_eq!(searched.history(), &history);
    searched.fit(1)?;
    other.fit(1)?;
    assert_eq!(bits(&searched)?, bits(&other)?, "training goes on as if there had been no search");
    assert_eq!(searched.history().step_losses(), other.history().step_losses());

    assert!(search.rates().len() > 50 && search.rates().len() == search.losses().len());
    assert!((search.rates()[0] - 1e-7).abs() < 1e-15 && search.rates().is_sorted());
    for rate in [search.suggestion()?, search.steepest()?] {
        assert!((1e-6..1.0).contains(&rate), "{rate}");
    }
    let shown = search.rich();
    let text = shown.plain().unwrap();
    assert!(text.starts_with("suggested learning rate"), "{text}");
    assert!(search.curves().svg()?.contains("suggestion"));
    Ok(())
}

#[test]
fn a_suggested_rate_trains() -> Result<()> {
    let mut learner = learner()?;
    let peak = learner.lr_find(LrFindConfig::default())?.suggestion()?;
    let history = learner.fit_one_cycle(8, peak)?;
    let (first, last) = (&history.epochs()[0], history.last().unwrap());
    assert!(last.valid_loss < first.valid_loss, "{peak}: {first:?}, {last:?}");
    Ok(())
}

#[test]
fn a_search_without_an_end_says_so() -> Result<()> {
    for (config, word) in [
        (LrFindConfig { start: 0.0, ..LrFindConfig::default() }, "above 0"),
        (LrFindConfig { start: 1.0, end: 0.1, ..LrFindConfig::default() }, "1 and 0.1"),
        (LrFindConfig { steps: 9, ..LrFindConfig::default() }, "at least 10 steps"),
        (LrFindConfig { divergence: 1.0, ..LrFindConfig::default() }, "divergence above 1"),
    ] {
        let error = learner()?.lr_find(config).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    // A batch that is always the same, and a rate so low that nothing happens.
    let config = LrFindConfig { start: 1e-12, end: 2e-12, steps: 10, ..LrFindConfig::default() };
    let still = Model::build([1, 4, 4], |x| x.flatten().linear(3))?.init(Seed(1), &Device::Cpu)?;
    let search = Learner::new(still, parts()?).batch_size(44).lr_find(config)?;
    assert!(search.suggestion().unwrap_err().to_string().contains("does not, in 10 steps"));
    assert!(search.rich().plain().unwrap().contains("overfit_one_batch"));
    // Nothing is drawn: an end all the same.
    let none = Sampler::balanced(&small::columns(44, 1)?)?.draws(0);
    let error = learner()?.sampler(none).lr_find(LrFindConfig::default()).unwrap_err().to_string();
    assert!(error.contains("draw") || error.contains("batch that can be read"), "{error}");
    Ok(())
}

#[test]
fn one_batch_is_learnt_by_heart_or_it_is_said_what_to_try() -> Result<()> {
    let mut learnt = learner()?;
    let before = bits(&learnt)?;
    let one = learnt.overfit_one_batch(150)?;
    assert!(one.is_learnt(), "{one:?}");
    assert_eq!(bits(&learnt)?, before);
    assert_eq!(learnt.history().num_steps(), 0);
    assert!(one.rich().plain().unwrap().contains("by heart"));

    let one = learner()?.optimizer(sgd(1e-9)).overfit_one_batch(5)?;
    assert!(!one.is_learnt());
    assert_eq!(one.losses().len(), 5);
    assert!(one.rich().plain().unwrap().contains("another learning rate"));
    let one = learner()?.optimizer(sgd(1e30)).overfit_one_batch(20)?;
    assert!(!one.is_learnt() && one.rich().plain().unwrap().contains("lower learning rate"));
    assert!(learner()?.overfit_one_batch(1).unwrap_err().to_string().contains("at least 2 steps"));
    Ok(())
}

/// Saves after so many steps in all, or ends the fit there.
struct At(usize, Option<std::path::PathBuf>);

impl Callback for At {
    fn on_step_end(&mut self, end: &StepEnd) -> Result<Control> {
        match &self.1 {
            Some(path) if end.total_steps == self.0 => end.learner.save(path).map(|()| Control::GoOn),
            None if end.total_steps == self.0 => Ok(Control::Stop("enough".into())),
            _ => Ok(Control::GoOn),
        }
    }
}

#[test]
fn fine_tuning_goes_on_from_a_file_in_either_part() -> Result<()> {
    let setup = || -> Result<Learner> {
        let net = net()?.replace_head(3, Seed(9))?;
        Ok(Learner::new(net, parts()?).batch_size(8).optimizer(sgd(0.1).momentum(0.9)).seed(Seed(3)))
    };
    let config = FineTuneConfig { frozen_epochs: 1, learning_rate: 0.05, ratio: 10.0 };
    let mut whole = setup()?;
    whole.fine_tune(2, config)?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.safetensors");
    for (steps, epochs) in [(3, 1), (9, 3)] {
        setup()?.callback(At(steps, Some(path.clone()))).fine_tune(2, config)?;
        let mut second = setup()?;
        second.load(&path)?;
        assert_eq!(second.resume()?.len(), epochs);
        if epochs == 1 {
            second.fine_tune(2, FineTuneConfig { frozen_epochs: 0, ..config })?;
        }
        assert_eq!(second.history().step_losses(), whole.history().step_losses(), "from step {steps}");
        assert_eq!(bits(&second)?, bits(&whole)?);
        assert_eq!(second.model()?.parameters().len(), 6, "all is trained again");
    }
    // A stop in the first part is the end of both.
    let mut stopped = setup()?.callback(At(3, None));
    assert_eq!(stopped.fine_tune(2, config)?.num_steps(), 3);
    assert_eq!(stopped.ending(), Some(&Ending::Stopped("enough".into())));
    assert_eq!(stopped.model()?.parameters().len(), 6);
    Ok(())
}

#[test]
fn fine_tuning_trains_the_head_first_and_then_all_of_it() -> Result<()> {
    let trained = net()?.replace_head(3, Seed(9))?;
    let state = |model: &Model| -> Result<Vec<(String, Vec<f32>)>> {
        let flat = model.state()?.into_iter();
        flat.map(|(name, tensor)| Ok((name, tensor.flatten_all()?.to_vec1()?))).collect()
    };
    let before = state(&trained)?;
    let mut learner = Learner::new(trained, parts()?).batch_size(8).optimizer(sgd(0.1).momentum(0.9));
    let config = FineTuneConfig { frozen_epochs: 2, learning_rate: 0.05, ratio: 10.0 };
    learner.fine_tune(0, config)?;
    let after = state(learner.model()?)?;
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        assert_eq!(before == after, !name.starts_with("linear_1"), "{name}");
    }
    assert_eq!(
        learner.model()?.parameters().len(),
        before.len() - 2,
        "all is trained again but the statistics"
    );
    let history = learner.fine_tune(3, config)?;
    assert_eq!(history.len(), 2 + 2 + 3);
    let last = state(learner.model()?)?;
    for ((name, before), (_, after)) in after.iter().zip(&last) {
        // What the batch norm behind it takes off again has no gradient.
        assert!(name == "conv2d_1.bias" || before != after, "{name}");
    }
    // The first layer is trained at a tenth of the rate of the last one.
    let rates = history.step_learning_rates();
    let highest = |range: std::ops::Range<usize>| rates[range].iter().copied().fold(0.0, f64::max);
    assert!((highest(12..24) - 0.05).abs() < 1e-3 && (highest(24..42) - 0.025).abs() < 1e-3, "{rates:?}");

    for (config, word) in [
        (FineTuneConfig { learning_rate: 0.0, ..config }, "learning rate above 0"),
        (FineTuneConfig { ratio: 0.5, ..config }, "ratio of at least 1"),
    ] {
        let error = learner.fine_tune(1, config).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let all = Model::build([1, 4, 4], |x| x.flatten().linear(3))?.init(Seed(1), &Device::Cpu)?;
    let error = Learner::new(all, parts()?).fine_tune(1, config).unwrap_err().to_string();
    assert!(error.contains("replace_head"), "{error}");
    Ok(())
}
