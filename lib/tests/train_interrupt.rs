//! An interrupt stops training between two steps, and nothing is lost. Alone in its process: the flag is
//! the process's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Device, Tensor};
use sconce::data::{DataSplit, Dataset};
use sconce::nn::Model;
use sconce::prelude::{Learner, Loss, Seed, Split, accuracy, adamw, cross_entropy};
use sconce::rich::Rich;
use sconce::{Error, Result};
use sconce_display::interrupt;

fn learner(loss: Loss) -> Result<Learner> {
    let mut rng = Seed(1).rng();
    let pixels: Vec<f32> = (0..60 * 16).map(|_| rng.uniform_f32()).collect();
    let labels: Vec<u32> = (0..60).map(|at| at % 3).collect();
    let images = Tensor::from_vec(pixels, (60, 1, 4, 4), &Device::Cpu)?;
    let data = Dataset::new(images, &labels, &["a", "b", "c"])?;
    let part = |from: usize, to: usize| data.subset(&(from..to).collect::<Vec<_>>());
    let data = DataSplit { train: part(0, 40)?, valid: part(40, 50)?, test: part(50, 60)? };
    let net =
        Model::build([1, 4, 4], |x| x.conv2d(4, 3).batch_norm().relu().dropout(0.3).flatten().linear(3))?
            .init(Seed(2), &Device::Cpu)?;
    Ok(Learner::new(net, data)
        .loss(loss)
        .optimizer(adamw(0.01))
        .metric(accuracy())
        .batch_size(8)
        .seed(Seed(3)))
}

#[test]
fn an_interrupted_fit_goes_on_as_if_nothing_had_been() -> Result<()> {
    let mut undisturbed = learner(cross_entropy().into())?;
    undisturbed.fit(3)?;

    // The interrupt comes while the loss is computed for the calls with these numbers. Behind a first look at one batch, an
    // epoch is five steps and two batches of validation: call 10 is step 2 of epoch 2, call 14 its first validation batch.
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let mut disturbed = learner(Loss::new("interrupting", move |logits, targets| {
        if [10, 14].contains(&(counted.fetch_add(1, Ordering::Relaxed) + 1)) {
            interrupt::request();
        }
        cross_entropy().of(logits, targets)
    }))?;

    let stopped = |outcome: Result<sconce::train::History>| match outcome {
        Err(Error::Interrupted { at }) => at,
        other => panic!("should be interrupted, is {other:?}"),
    };
    assert_eq!(stopped(disturbed.fit(3)), "in epoch 2, after step 2 of 5");
    assert_eq!(disturbed.history().step_losses().len(), 7);
    assert!(disturbed.rich().plain().is_some_and(|text| text.contains("1 epoch and 2 of 5 steps")));

    // As long as the flag stands, nothing starts.
    assert_eq!(stopped(disturbed.fit(3)), "in epoch 2, after step 2 of 5");
    assert!(matches!(disturbed.evaluate(Split::Test), Err(Error::Interrupted { .. })));

    interrupt::reset();
    disturbed.evaluate(Split::Valid).map(|_| ())?;
    calls.store(10, Ordering::Relaxed);
    assert_eq!(stopped(disturbed.fit(2)), "in the validation of epoch 2, after batch 1");
    assert_eq!(disturbed.history().len(), 1, "the epoch is not over before its validation");
    interrupt::reset();
    let history = disturbed.fit(2)?;

    assert_eq!(history.step_losses(), undisturbed.history().step_losses(), "bit for bit");
    for (one, other) in history.epochs().iter().zip(undisturbed.history().epochs()) {
        assert_eq!((one.train_loss, one.valid_loss), (other.train_loss, other.valid_loss));
        assert_eq!(one.train_metrics, other.train_metrics);
    }
    assert_eq!(history.len(), 3);
    let weights = |learner: &Learner| -> Result<Vec<f32>> {
        Ok(learner.net().parameters()[0].var.flatten_all()?.to_vec1()?)
    };
    assert_eq!(weights(&disturbed)?, weights(&undisturbed)?);
    Ok(())
}
