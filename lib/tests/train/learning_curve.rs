//! Loss and metrics over the number of images.

use std::cell::RefCell;
use std::collections::BTreeSet;

use sconce::prelude::*;
use sconce::train::{LearningCurve, LearningCurveConfig};

fn data() -> DataSplit {
    datasets::digits().unwrap().split([0.7, 0.15, 0.15], Seed(42)).unwrap()
}

fn config(fractions: &[f64]) -> LearningCurveConfig {
    LearningCurveConfig { fractions: fractions.to_vec(), ..LearningCurveConfig::default() }
}

fn trained(data: DataSplit, seed: Seed) -> Result<Learner> {
    let net = Model::build([1, 8, 8], |x| x.flatten().linear(10))?.init(seed, &Device::Cpu)?;
    let mut learner = Learner::new(net, data).metric(accuracy()).optimizer(adamw(0.01)).seed(seed);
    learner.fit(2)?;
    Ok(learner)
}

fn ids(part: &Dataset) -> BTreeSet<String> {
    (0..part.len()).map(|index| part.id(index).unwrap()).collect()
}

#[test]
fn shares_are_nested_and_have_each_class_in_proportion() {
    let all = data();
    let whole = all.train.class_counts().unwrap();
    let mut curve = LearningCurve::new(all.clone(), config(&[0.3, 0.01, 1.0])).unwrap();
    let seen = RefCell::new(Vec::new());
    curve
        .run(|data, seed| {
            assert_eq!((data.valid.len(), data.test.len()), (all.valid.len(), all.test.len()));
            seen.borrow_mut().push((ids(&data.train), data.train.class_counts()?));
            trained(data, seed)
        })
        .unwrap();
    let seen = seen.into_inner();
    assert!(seen[0].0.is_subset(&seen[1].0) && seen[1].0.is_subset(&seen[2].0));
    assert_eq!(seen[2].0, ids(&all.train));
    assert!(seen[0].1.iter().all(|&images| images == 1), "at least one of each class: {:?}", seen[0].1);
    for (part, whole) in seen[1].1.iter().zip(&whole) {
        assert!((*part as f64 - 0.3 * *whole as f64).abs() <= 0.5);
    }
    assert!(curve.is_complete());
    let accuracy = curve.measured("accuracy").unwrap();
    assert_eq!(
        accuracy.iter().map(|point| point.0).collect::<Vec<_>>(),
        seen.iter().map(|seen| seen.0.len()).collect::<Vec<_>>()
    );
    assert!(accuracy[0].1 < accuracy[2].1, "{accuracy:?}");
}

#[test]
fn each_point_is_what_the_learner_says_of_itself() {
    let mut curve =
        LearningCurve::new(data(), LearningCurveConfig { measured_on: Split::Test, ..config(&[0.2, 1.0]) })
            .unwrap();
    let told = RefCell::new(Vec::new());
    let shown = curve
        .run(|data, seed| {
            let learner = trained(data, seed)?;
            told.borrow_mut()
                .push((learner.evaluate(Split::Train)?.loss(), learner.evaluate(Split::Test)?.loss()));
            Ok(learner)
        })
        .unwrap();
    let told = told.into_inner();
    let second = |points: Vec<(usize, f64)>| points.into_iter().map(|point| point.1).collect::<Vec<_>>();
    assert_eq!(second(curve.trained("loss").unwrap()), told.iter().map(|loss| loss.0).collect::<Vec<_>>());
    assert_eq!(second(curve.measured("loss").unwrap()), told.iter().map(|loss| loss.1).collect::<Vec<_>>());
    let text = shown.rich().plain().unwrap().to_owned();
    assert!(
        text.contains("test accuracy")
            && text.contains("100.0 %")
            && text.contains("images the test loss went from"),
        "{text}"
    );
    assert!(curve.curves().svg().unwrap().contains("training images"));
}

#[test]
fn repeats_have_other_images_and_are_averaged() {
    let config = LearningCurveConfig { repeats: 2, ..config(&[0.1]) };
    let mut curve = LearningCurve::new(data(), config).unwrap();
    let seen = RefCell::new(Vec::new());
    curve
        .run(|data, seed| {
            let train = ids(&data.train);
            let learner = trained(data, seed)?;
            seen.borrow_mut().push((train, seed, learner.evaluate(Split::Valid)?.loss()));
            Ok(learner)
        })
        .unwrap();
    let seen = seen.into_inner();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].0 != seen[1].0 && seen[0].1 != seen[1].1);
    let mean = (seen[0].2 + seen[1].2) / 2.0;
    assert!((curve.measured("loss").unwrap()[0].1 - mean).abs() < 1e-12);
    let deviation = (seen[0].2 - seen[1].2).abs() / 2f64.sqrt();
    let text = curve.table().text();
    assert!(text.contains("± loss") && text.contains(&plot::number(deviation)), "{text}");
    assert_eq!(curve.advice(), None, "there is one size only");
}

#[test]
fn what_was_stopped_goes_on_where_it_was() {
    let mut curve = LearningCurve::new(data(), config(&[0.05, 0.1, 0.2])).unwrap();
    assert!(curve.rich().plain().unwrap().contains("no training yet"));
    let calls = RefCell::new(Vec::new());
    let stopped = curve.run(|data, seed| {
        calls.borrow_mut().push(data.train.len());
        match calls.borrow().len() {
            2 => Err(Error::Interrupted { at: "in epoch 1".into() }),
            _ => trained(data, seed),
        }
    });
    let error = stopped.unwrap_err().to_string();
    assert!(error.contains("in the learning curve, after 1 of 3 trainings"), "{error}");
    assert!(!curve.is_complete());
    assert!(curve.rich().plain().unwrap().contains("2 of 3 trainings are still to be made"));
    curve
        .run(|data, seed| {
            calls.borrow_mut().push(data.train.len());
            trained(data, seed)
        })
        .unwrap();
    let calls = calls.into_inner();
    assert_eq!(calls.len(), 4);
    assert_eq!(calls[1], calls[2]);
    let mut whole = LearningCurve::new(data(), config(&[0.05, 0.1, 0.2])).unwrap();
    whole.run(trained).unwrap();
    assert_eq!(whole.measured("loss").unwrap(), curve.measured("loss").unwrap());
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let refused = |config| LearningCurve::new(data(), config).unwrap_err().to_string();
    for fractions in [&[][..], &[0.0], &[0.5, 1.1], &[f64::NAN], &[-0.1]] {
        let error = refused(config(fractions));
        assert!(error.contains("fractions above 0 and at most 1"), "{error}");
    }
    assert!(refused(LearningCurveConfig { repeats: 0, ..config(&[1.0]) }).contains("at least 1 repeat"));
    let mut empty = data();
    empty.valid = empty.valid.subset(&[]).unwrap();
    let error = LearningCurve::new(empty, config(&[1.0])).unwrap_err().to_string();
    assert!(error.contains("images in the valid part"), "{error}");
    let curve = LearningCurve::new(data(), config(&[1.0])).unwrap();
    assert!(curve.measured("accuracy").unwrap_err().to_string().contains("one of []"));
}
