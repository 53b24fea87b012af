//! An interrupt leaves a run, and a learning curve, as far as they came. Alone in its process: the flag is the process's own.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sconce::prelude::*;
use sconce::rich::Rich;
use sconce_display::interrupt;

/// A loss during whose call of this number somebody asks for a stop.
fn interrupting(at: usize) -> Loss {
    let calls = Arc::new(AtomicUsize::new(0));
    Loss::new("interrupting", move |logits, targets| {
        if calls.fetch_add(1, Ordering::Relaxed) + 1 == at {
            interrupt::request();
        }
        cross_entropy().of(logits, targets)
    })
}

fn learner(data: DataSplit, seed: Seed, loss: impl Into<Loss>) -> Learner {
    let net = Model::build([1, 8, 8], |x| x.flatten().linear(10)).unwrap().init(seed, &Device::Cpu).unwrap();
    Learner::new(net, data).loss(loss).metric(accuracy()).seed(seed)
}

#[test]
fn what_was_done_before_an_interrupt_is_kept() {
    let data = datasets::digits().unwrap().split([0.7, 0.15, 0.15], Seed(42)).unwrap();
    let above = tempfile::tempdir().unwrap();
    let record = RunRecord::new(above.path().join("run")).unwrap();
    let folder = record.folder().to_owned();
    let mut stopped = learner(data.clone(), Seed(1), interrupting(40)).callback(record);
    assert!(matches!(stopped.fit(5), Err(Error::Interrupted { .. })));
    let run = Run::open(&folder).unwrap();
    assert_eq!(run.ending(), Some("interrupted"));
    assert_eq!(run.history(), stopped.history());
    assert!(run.history().step_losses().len() > 20, "steps of the second epoch are there too");
    interrupt::reset();
    stopped.fit(1).unwrap();
    let run = Run::open(&folder).unwrap();
    assert_eq!((run.ending(), run.history()), (Some("complete"), stopped.history()));

    let config = LearningCurveConfig { fractions: vec![0.1, 0.2, 0.3], ..LearningCurveConfig::default() };
    let mut curve = LearningCurve::new(data, config).unwrap();
    let trained = |data, seed, loss: Loss| {
        let mut learner = learner(data, seed, loss);
        learner.fit(2)?;
        Ok(learner)
    };
    let mut trainings = 0;
    let error = curve.run(|data, seed| {
        trainings += 1;
        trained(data, seed, if trainings == 2 { interrupting(3) } else { cross_entropy().into() })
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("after 1 of 3 trainings"), "{error}");
    // As long as the flag stands, nothing starts.
    assert!(curve.run(|_, _| panic!("it starts")).is_err());
    assert!(curve.rich().plain().unwrap().contains("2 of 3 trainings are still to be made"));
    interrupt::reset();
    curve.run(|data, seed| trained(data, seed, cross_entropy().into())).unwrap();
    assert!(curve.is_complete());
}
