//! What people stumble over: classes that do not occur, ties, certainty, nothing to divide by.

use candle_core::{DType, Device, Tensor};
use sconce::Error;
use sconce::metrics::{
    Average, CalibrationConfig, CalibrationNorm, KappaWeights, Metric, average_precision, balanced_accuracy,
    calibration_error, cohen_kappa, f1, mcc, mean_absolute_error, mean_iou, precision, r2, recall, roc_auc,
    top_k,
};

fn labels(classes: &[u32]) -> Tensor {
    Tensor::new(classes, &Device::Cpu).unwrap()
}

/// Logits of so many classes that say these.
fn saying(said: &[u32], classes: usize) -> Tensor {
    let rows = said.iter().flat_map(|&said| (0..classes).map(move |class| f32::from(class == said as usize)));
    Tensor::from_vec(rows.collect::<Vec<f32>>(), (said.len(), classes), &Device::Cpu).unwrap()
}

fn rows<const C: usize>(rows: &[[f32; C]]) -> Tensor {
    Tensor::from_slice(rows.as_flattened(), (rows.len(), C), &Device::Cpu).unwrap()
}

fn value(mut metric: Metric, output: &Tensor, targets: &Tensor) -> sconce::Result<f64> {
    metric.update(output, targets)?;
    metric.value()
}

#[test]
fn classes_that_occur_nowhere_do_not_make_it_worse() {
    let targets = labels(&[2, 1, 0, 0]);
    let of_three = value(f1(Average::Macro), &saying(&[2, 1, 0, 1], 3), &targets).unwrap();
    let of_nine = value(f1(Average::Macro), &saying(&[2, 1, 0, 1], 9), &targets).unwrap();
    assert_eq!(of_three, of_nine);
    assert!((of_three - 7.0 / 9.0).abs() < 1e-12);
    // Tags: nothing is said and nothing is there of the second.
    let tags = rows(&[[1.0, 0.0], [0.0, 0.0]]);
    assert_eq!(value(f1(Average::Macro), &rows(&[[5.0, -5.0], [-5.0, -5.0]]), &tags).unwrap(), 1.0);
    // A perfect segmentation of one class of three.
    let map = Tensor::zeros((1, 2, 2), DType::U32, &Device::Cpu).unwrap();
    let logits = Tensor::new(&[[[[1f32; 2]; 2], [[0.; 2]; 2], [[0.; 2]; 2]]], &Device::Cpu).unwrap();
    assert_eq!(value(mean_iou(), &logits, &map).unwrap(), 1.0);
}

#[test]
fn nothing_said_or_nothing_there_is_0_as_in_scikit_learn() {
    // Class 1 is never said, class 2 is never there.
    let (logits, targets) = (saying(&[0, 0, 2], 3), labels(&[0, 1, 0]));
    assert_eq!(value(precision(Average::Class(1)), &logits, &targets).unwrap(), 0.0);
    assert_eq!(value(recall(Average::Class(2)), &logits, &targets).unwrap(), 0.0);
    assert!((value(precision(Average::Macro), &logits, &targets).unwrap() - 0.5 / 3.0).abs() < 1e-12);
    // A constant prediction correlates with nothing.
    assert_eq!(value(mcc(), &saying(&[0, 0], 2), &labels(&[0, 1])).unwrap(), 0.0);
    assert_eq!(value(cohen_kappa(KappaWeights::Linear), &saying(&[0, 0], 2), &labels(&[0, 1])).unwrap(), 0.0);
}

#[test]
fn what_has_no_value_names_the_class() {
    let logits = saying(&[0, 1, 2, 0], 3);
    let missing = labels(&[0, 1, 1, 0]);
    let cases = [
        (roc_auc(Average::Macro), "0 of class 2 and 4 of others"),
        (roc_auc(Average::Weighted), "class 2"),
        (roc_auc(Average::Class(2)), "class 2"),
        (roc_auc(Average::Class(7)), "a class below 3, got 7"),
        (average_precision(Average::Class(2)), "class 2"),
        (f1(Average::Class(3)), "a class below 3"),
    ];
    for (metric, named) in cases {
        let name = metric.name().to_owned();
        let error = value(metric, &logits, &missing).expect_err(&name).to_string();
        assert!(error.contains(named) && error.contains(&name), "{error} should name {named}");
    }
    let all = labels(&[1, 1, 1, 1]);
    let error = value(roc_auc(Average::Macro), &saying(&[0, 1, 1, 0], 2), &all).unwrap_err().to_string();
    assert!(error.contains("0 of class 0 and 4 of class 1"), "{error}");
    let nothing_else = value(roc_auc(Average::Class(1)), &saying(&[0, 1, 1, 0], 2), &all).unwrap_err();
    assert!(matches!(nothing_else, Error::MissingClass { class: 0, .. }), "{nothing_else}");
    let error = value(f1(Average::Class(0)), &saying(&[1, 1, 1, 1], 2), &all).unwrap_err().to_string();
    assert!(error.contains("class 0"), "{error}");
    let error =
        value(cohen_kappa(KappaWeights::Unweighted), &saying(&[1; 4], 3), &all).unwrap_err().to_string();
    assert!(error.contains("class 1 alone"), "{error}");
    // Average precision leaves such classes out, as long as there is one.
    assert!(value(average_precision(Average::Macro), &logits, &missing).is_ok());
    let no_tags = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
    assert!(value(average_precision(Average::Macro), &saying(&[0, 1], 3), &no_tags).is_err());
    assert!(value(average_precision(Average::Micro), &saying(&[0, 1], 3), &no_tags).is_err());
    assert!(value(f1(Average::Weighted), &saying(&[0, 1], 3), &no_tags).is_err());
}

#[test]
fn ties_are_not_in_the_models_favour() {
    // A model that says the same of all classes.
    let (same, targets) = (rows(&[[0.0; 4]; 4]), labels(&[0, 1, 2, 3]));
    for (k, wanted) in [(1, 0.25), (2, 0.5), (3, 0.75)] {
        assert_eq!(value(top_k(k), &same, &targets).unwrap(), wanted);
    }
    assert_eq!(value(roc_auc(Average::Macro), &same, &targets).unwrap(), 0.5);
    assert_eq!(value(average_precision(Average::Macro), &same, &targets).unwrap(), 0.25);
    // The order of the samples does not decide.
    let tied = rows(&[[0.0, 1.0], [0.0, 1.0], [0.0, 0.0]]);
    let auc = |targets: &[u32]| value(roc_auc(Average::Macro), &tied, &labels(targets)).unwrap();
    assert_eq!(auc(&[0, 1, 0]), auc(&[1, 0, 0]));
    assert_eq!(auc(&[0, 1, 0]), 0.75);
    assert_eq!(value(roc_auc(Average::Macro), &rows(&[[-0.0], [0.0]]), &rows(&[[0.0], [1.0]])).unwrap(), 0.5);
}

#[test]
fn very_sure_predictions_are_still_in_order() {
    // Their probabilities are all 1 in f32 and f64.
    let sure =
        rows(&[[0.0, 100.0, 0.0], [0.0, 90.0, 0.0], [0.0, 80.0, 1.0], [95.0, 0.0, 0.0], [0.0, 0.0, 99.0]]);
    let targets = labels(&[1, 1, 0, 0, 2]);
    assert_eq!(value(roc_auc(Average::Class(1)), &sure, &targets).unwrap(), 1.0);
    let tags = rows(&[[1.0], [0.0], [1.0]]);
    assert_eq!(value(roc_auc(Average::Macro), &rows(&[[120.0], [60.0], [90.0]]), &tags).unwrap(), 1.0);
}

#[test]
fn certainty_belongs_to_the_last_bin() {
    let config = CalibrationConfig { bins: 2, norm: CalibrationNorm::Largest };
    // 1.0 and about 0.95, one right and one wrong.
    let logits = rows(&[[200.0, 0.0], [3.0, 0.0]]);
    let p = 1.0 / (1.0 + (-3f64).exp());
    let largest = value(calibration_error(config), &logits, &labels(&[1, 0])).unwrap();
    assert!((largest - ((1.0 + p) / 2.0 - 0.5)).abs() < 1e-12, "{largest}");
    // Even odds are at the lower end of the second of two bins.
    let even = value(calibration_error(config), &rows(&[[0.0, 0.0], [0.0, 9.0]]), &labels(&[0, 1])).unwrap();
    let p = 1.0 / (1.0 + (-9f64).exp());
    assert!((even - (1.0 - (0.5 + p) / 2.0)).abs() < 1e-12, "{even}");
}

#[test]
fn numbers_far_from_0_lose_no_digits() {
    let targets =
        Tensor::new(&[16_777_216.0f64, 16_777_217.0, 16_777_218.0, 16_777_219.0], &Device::Cpu).unwrap();
    let output = (&targets + 0.5).unwrap();
    assert_eq!(value(r2(), &output, &targets).unwrap(), 1.0 - 4.0 * 0.25 / 5.0);
    assert_eq!(value(mean_absolute_error(), &output, &targets).unwrap(), 0.5);
    let same = Tensor::new(&[3f32, 3.0], &Device::Cpu).unwrap();
    let error = value(r2(), &same, &same).unwrap_err().to_string();
    assert!(error.contains("2 samples that all have 3"), "{error}");
}

#[test]
fn many_classes_need_no_table_of_pairs() {
    // Of so many classes there are ten thousand million pairs.
    let (classes, far) = (100_000, 99_999);
    let (said, targets) = ([0, far, 5, 7], labels(&[0, far, 6, 7]));
    let mut logits = vec![0f32; said.len() * classes];
    for (sample, &class) in said.iter().enumerate() {
        logits[sample * classes + class as usize] = 1.0;
    }
    let logits = Tensor::from_vec(logits, (said.len(), classes), &Device::Cpu).unwrap();
    assert_eq!(value(balanced_accuracy(), &logits, &targets).unwrap(), 0.75);
    assert_eq!(value(f1(Average::Macro), &logits, &targets).unwrap(), 3.0 / 5.0);
    // Of four pairs one is wrong; by chance 13 of 16 are.
    let kappa = |weights| value(cohen_kappa(weights), &logits, &targets).unwrap();
    assert!((kappa(KappaWeights::Unweighted) - (1.0 - 4.0 / 13.0)).abs() < 1e-15);
    let all = |distance: fn(f64) -> f64| -> f64 {
        let pairs = said.iter().flat_map(|&a| [0, far, 6, 7].map(|b| f64::from(a) - f64::from(b)));
        pairs.map(distance).sum()
    };
    assert!((kappa(KappaWeights::Linear) - (1.0 - 4.0 / all(f64::abs))).abs() < 1e-15);
    assert!((kappa(KappaWeights::Quadratic) - (1.0 - 4.0 / all(|away| away * away))).abs() < 1e-15);
}
