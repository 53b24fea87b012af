//! Labels that are likely to be wrong.

use sconce::data::care::{LabelErrorConfig, LabelErrors, Pruning, Ranking, label_errors};
use sconce::data::{Dataset, datasets};
use sconce::prelude::*;

fn rows(values: &[&[f32]]) -> Tensor {
    Tensor::from_vec(values.concat(), (values.len(), values[0].len()), &Device::Cpu).unwrap()
}

fn found(values: &[&[f32]], labels: &[u32], pruning: Pruning, ranking: Ranking) -> LabelErrors {
    label_errors(&rows(values), labels, LabelErrorConfig { pruning, ranking }).unwrap()
}

fn indices(errors: &LabelErrors) -> Vec<usize> {
    errors.suspects.iter().map(|suspect| suspect.index).collect()
}

/// Images 2 and 7 have the labels of other classes.
const EIGHT: [&[f32]; 8] = [
    &[0.8, 0.1, 0.1],
    &[0.6, 0.3, 0.1],
    &[0.1, 0.8, 0.1],
    &[0.2, 0.7, 0.1],
    &[0.1, 0.9, 0.0],
    &[0.4, 0.4, 0.2],
    &[0.0, 0.2, 0.8],
    &[0.6, 0.0, 0.4],
];
const LABELS: [u32; 8] = [0, 0, 0, 1, 1, 1, 2, 2];

/// Computed by hand from the definitions of the paper: thresholds 1.5 / 3, 2 / 3 and 1.2 / 2; image 5 reaches
/// none of them.
#[test]
fn a_small_example_has_the_values_of_the_definitions() {
    let errors = found(&EIGHT, &LABELS, Pruning::NoiseRate, Ranking::SelfConfidence);
    for (threshold, expected) in errors.thresholds.iter().zip([0.5, 2.0 / 3.0, 0.6]) {
        assert!((threshold.unwrap() - expected).abs() < 1e-6, "{threshold:?}, {expected}");
    }
    assert_eq!(errors.confident_joint, [[2, 1, 0], [0, 2, 0], [1, 0, 1]]);
    let joint = [[2.0, 1.0, 0.0], [0.0, 3.0, 0.0], [1.0, 0.0, 1.0]];
    for (row, expected) in errors.joint.iter().flatten().zip(joint.concat()) {
        assert!((row - expected / 8.0).abs() < 1e-12, "{:?}", errors.joint);
    }
    assert!((errors.noise_rate() - 0.25).abs() < 1e-12);
    let [first, second] = errors.suspects[..] else { panic!("{:?}", errors.suspects) };
    assert_eq!((first.index, first.given, first.suggested), (2, 0, 1));
    assert_eq!((second.index, second.given, second.suggested), (7, 2, 0));
    assert!((first.score - 0.1).abs() < 1e-6 && (second.score - 0.4).abs() < 1e-6);
    let margins = found(&EIGHT, &LABELS, Pruning::NoiseRate, Ranking::NormalizedMargin);
    assert!((margins.suspects[0].score + 0.7).abs() < 1e-6 && (margins.suspects[1].score + 0.2).abs() < 1e-6);
    for pruning in [Pruning::Class, Pruning::Both, Pruning::ConfidentJoint] {
        assert_eq!(indices(&found(&EIGHT, &LABELS, pruning, Ranking::default())), [2, 7], "{pruning:?}");
    }
}

/// Of four images of class 0 two are confident, one of each class: half of the four are taken to be wrong.
#[test]
fn the_joint_is_calibrated_to_the_number_of_labels() {
    let values: [&[f32]; 6] =
        [&[0.9, 0.1], &[0.1, 0.9], &[0.45, 0.55], &[0.4, 0.6], &[0.1, 0.9], &[0.2, 0.8]];
    let labels = [0, 0, 0, 0, 1, 1];
    let calibrated = found(&values, &labels, Pruning::NoiseRate, Ranking::default());
    assert_eq!(calibrated.confident_joint, [[1, 1], [0, 1]]);
    assert!((calibrated.joint[0][1] - 1.0 / 3.0).abs() < 1e-12, "{:?}", calibrated.joint);
    assert_eq!(indices(&calibrated), [1, 3]);
    assert_eq!(indices(&found(&values, &labels, Pruning::ConfidentJoint, Ranking::default())), [1]);
    assert_eq!(calibrated.to_drop(), [1, 3]);
}

#[test]
fn the_two_rankings_differ_where_several_classes_share() {
    let values: [&[f32]; 5] =
        [&[0.2, 0.8, 0.0], &[0.1, 0.45, 0.45], &[0.9, 0.1, 0.0], &[0.1, 0.6, 0.3], &[0.3, 0.3, 0.4]];
    let labels = [0, 0, 0, 1, 2];
    let by = |ranking| indices(&found(&values, &labels, Pruning::ConfidentJoint, ranking));
    assert_eq!(by(Ranking::SelfConfidence), [1, 0]);
    assert_eq!(by(Ranking::NormalizedMargin), [0, 1]);
}

/// A class that no image has, and one of which no image is sure.
#[test]
fn classes_without_labels_or_confidence_are_taken_to_be_right() {
    let values: [&[f32]; 3] = [&[0.9, 0.1, 0.0], &[0.8, 0.2, 0.0], &[0.4, 0.0, 0.6]];
    let errors = found(&values, &[0, 0, 0], Pruning::NoiseRate, Ranking::default());
    assert_eq!(errors.thresholds[1..], [None, None]);
    assert_eq!(errors.noise_rate(), 0.0);
    assert!(errors.suspects.is_empty());
    assert!(errors.rich().plain().unwrap().contains("0 of 3 labels in doubt"));
}

/// 5 % of 3000 labels are changed; the model's logits are noisy.
#[test]
fn planted_noise_is_found() {
    let (images, classes) = (3000, 5);
    let mut rng = Seed(7).rng();
    let mut logits = Vec::with_capacity(images * classes);
    let (mut labels, mut wrong) = (Vec::new(), vec![false; images]);
    for wrong in &mut wrong {
        let class = rng.below(classes);
        let normal = |rng: &mut sconce::Rng| rng.normal() as f32;
        logits.extend((0..classes).map(|other| normal(&mut rng) + if other == class { 4.0 } else { 0.0 }));
        *wrong = rng.uniform() < 0.05;
        let given = if *wrong { (class + 1 + rng.below(classes - 1)) % classes } else { class };
        labels.push(given as u32);
    }
    let logits = Tensor::from_vec(logits, (images, classes), &Device::Cpu).unwrap();
    let exp = logits.exp().unwrap();
    let probabilities = exp.broadcast_div(&exp.sum_keepdim(1).unwrap()).unwrap();
    let planted = wrong.iter().filter(|&&wrong| wrong).count();
    for pruning in [Pruning::NoiseRate, Pruning::Class, Pruning::Both, Pruning::ConfidentJoint] {
        let config = LabelErrorConfig { pruning, ..LabelErrorConfig::default() };
        let errors = label_errors(&probabilities, &labels, config).unwrap();
        let hits = errors.suspects.iter().filter(|suspect| wrong[suspect.index]).count() as f64;
        let (recall, precision) = (hits / planted as f64, hits / errors.suspects.len() as f64);
        // What is counted without calibration is surer, and less.
        let (least_recall, least_precision) =
            if pruning == Pruning::ConfidentJoint { (0.75, 0.97) } else { (0.93, 0.88) };
        let good = recall > least_recall && precision > least_precision;
        assert!(good, "{pruning:?}: recall {recall}, precision {precision}");
        assert!((errors.noise_rate() - 0.05).abs() < 0.015, "{}", errors.noise_rate());
        assert!(errors.suspects.is_sorted_by(|a, b| a.score <= b.score));
    }
    assert!(label_errors(&logits, &labels, LabelErrorConfig::default()).is_err());
}

#[test]
fn what_is_no_probability_is_refused() {
    let good = rows(&EIGHT);
    let refused = |probabilities: &Tensor, labels: &[u32], complaint: &str| {
        let error = label_errors(probabilities, labels, LabelErrorConfig::default()).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    };
    refused(&good, &LABELS[1..], "7 labels");
    refused(&good, &[0, 0, 0, 1, 1, 1, 2, 3], "label 3 of image 7");
    refused(&good.get(0).unwrap(), &LABELS, "(N, K)");
    refused(&good.narrow(1, 0, 1).unwrap(), &LABELS, "K >= 2");
    refused(&good.narrow(0, 0, 0).unwrap(), &[], "N >= 1");
    refused(&good.to_dtype(DType::U32).unwrap(), &LABELS, "float");
    refused(&(&good * 0.9).unwrap(), &LABELS, "sum to 1");
    refused(&(&good * 4.0).unwrap(), &LABELS, "softmax");
    refused(&(&good * f64::NAN).unwrap(), &LABELS, "from 0 to 1");
    let half = good.to_dtype(DType::F16).unwrap();
    assert_eq!(indices(&label_errors(&half, &LABELS, LabelErrorConfig::default()).unwrap()), [2, 7]);
}

#[test]
fn suspects_show_themselves() {
    let errors = found(&EIGHT, &LABELS, Pruning::NoiseRate, Ranking::SelfConfidence);
    let bundle = errors.rich();
    assert!(
        bundle.plain().unwrap().starts_with("2 of 8 labels in doubt; about 25.0 % are wrong\n"),
        "{}",
        bundle.plain().unwrap()
    );
    assert_eq!(errors.table().len(), 2);
    let images = Tensor::zeros((8, 1, 4, 4), DType::F32, &Device::Cpu).unwrap();
    let data = Dataset::new(images, &LABELS, &["cat", "dog", "cow"]).unwrap();
    let grid = errors.show(&data, 10).unwrap();
    assert!(grid.text().contains("cat, or dog?") && grid.len() == 2, "{}", grid.text());
    assert_eq!(data.without(&errors.to_drop()).unwrap().label_values().unwrap(), [0, 0, 1, 1, 1, 2]);
    assert!(data.without(&[8]).unwrap_err().to_string().contains("below 8"));
    assert!(errors.show(&datasets::digits().unwrap(), 10).unwrap_err().to_string().contains("8 images"));
}
