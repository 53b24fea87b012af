//! What a person can get wrong.

use candle_core::{DType, Device, Tensor};
use sconce::metrics::{
    Average, CalibrationConfig, ConfusionCounts, KappaWeights, Metric, accuracy, average_precision,
    balanced_accuracy, calibration_error, cohen_kappa, f_beta, f1, mcc, mean_absolute_error, mean_dice,
    mean_iou, mean_squared_error, precision, r2, recall, roc_auc, subset_accuracy, tag_accuracy, top_k,
};

fn labels(classes: &[u32]) -> Tensor {
    Tensor::new(classes, &Device::Cpu).unwrap()
}

fn floats(shape: &[usize], value: f32) -> Tensor {
    Tensor::full(value, shape, &Device::Cpu).unwrap()
}

/// Logits (2, 3) with one number in the place of class 1 of sample 1.
fn with(value: f32) -> Tensor {
    Tensor::new(&[[0f32, 1.0, 2.0], [0.0, value, 2.0]], &Device::Cpu).unwrap()
}

fn of_classes() -> Vec<Metric> {
    vec![
        accuracy(),
        top_k(2),
        balanced_accuracy(),
        precision(Average::Macro),
        recall(Average::Micro),
        f1(Average::Weighted),
        f_beta(2.0, Average::Class(1)),
        mcc(),
        cohen_kappa(KappaWeights::Quadratic),
        roc_auc(Average::Macro),
        average_precision(Average::Macro),
        calibration_error(CalibrationConfig::default()),
    ]
}

fn of_tags() -> Vec<Metric> {
    let mut metrics = vec![subset_accuracy(), tag_accuracy()];
    let both = ["precision", "recall", "f1", "f_2", "roc_auc", "average_precision", "calibration"];
    metrics.extend(
        of_classes().into_iter().filter(|metric| both.iter().any(|name| metric.name().starts_with(name))),
    );
    metrics
}

fn refuses(mut metric: Metric, output: &Tensor, targets: &Tensor, named: &[&str]) {
    let name = metric.name().to_owned();
    let error = metric.update(output, targets).map(|()| "accepted").expect_err(&name).to_string();
    for named in named {
        assert!(error.contains(named), "{name}: {error} should name {named}");
    }
    assert!(error.contains(&name), "{error} should name {name}");
    let error = metric.value().expect_err("a refused batch leaves no trace").to_string();
    assert!(error.contains("at least one sample"), "{error}");
}

#[test]
fn nothing_taken_in() {
    let numbers = [mean_absolute_error(), mean_squared_error(), r2(), mean_iou(), mean_dice()];
    for mut metric in of_classes().into_iter().chain(of_tags()).chain(numbers) {
        let error = metric.value().unwrap_err().to_string();
        assert!(error.contains("at least one sample, got none") && error.contains(metric.name()), "{error}");
        // Batches without samples are none.
        let empty = floats(&[0, 3], 0.0);
        if metric.update(&empty, &labels(&[])).is_ok() {
            assert!(metric.value().is_err(), "{}", metric.name());
        }
    }
}

#[test]
fn classes_of_another_shape_kind_or_range() {
    for metric in of_classes() {
        let good = with(1.5);
        refuses(metric.fresh(), &good.flatten_all().unwrap(), &labels(&[0, 1]), &["logits (B, C)", "[6]"]);
        refuses(metric.fresh(), &good, &labels(&[0, 1, 2]), &["U32 [2]", "U32 [3]"]);
        refuses(metric.fresh(), &good, &labels(&[0, 3]), &["targets below 3", "3 for sample 1"]);
        refuses(metric.fresh(), &good, &floats(&[2], 0.0), &["U32 [2]", "F32 [2]"]);
        refuses(metric.fresh(), &good, &labels(&[0, 1]).to_dtype(DType::I64).unwrap(), &["I64 [2]"]);
        refuses(
            metric.fresh(),
            &with(f32::NAN),
            &labels(&[0, 1]),
            &["NaN for class 1 of sample 1", "diverged"],
        );
    }
    for metric in [
        roc_auc(Average::Macro),
        average_precision(Average::Micro),
        calibration_error(CalibrationConfig::default()),
    ] {
        refuses(metric, &with(f32::INFINITY), &labels(&[0, 1]), &["infinity for class 1 of sample 1"]);
    }
    refuses(
        roc_auc(Average::Macro),
        &floats(&[2, 1], 0.0),
        &labels(&[0, 0]),
        &["two classes or more", "(B, 1)"],
    );
}

#[test]
fn tags_of_another_shape_kind_or_range() {
    for metric in of_tags() {
        let good = with(1.5);
        refuses(metric.fresh(), &good, &floats(&[2, 2], 1.0), &["F32 [2, 3]", "F32 [2, 2]"]);
        refuses(
            metric.fresh(),
            &good,
            &floats(&[2, 3], 0.3),
            &["0 and 1", "0.3 for class 0 of sample 0", "MixUp"],
        );
        refuses(metric.fresh(), &with(f32::NAN), &floats(&[2, 3], 1.0), &["NaN for class 1 of sample 1"]);
    }
    // Metrics of one class each say that they are.
    for metric in [accuracy(), mcc(), top_k(1)] {
        refuses(metric, &with(1.5), &floats(&[2, 3], 1.0), &["U32 [2]"]);
    }
}

#[test]
fn batches_of_one_metric_are_of_one_model() {
    for mut metric in of_classes() {
        metric.update(&with(1.5), &labels(&[0, 2])).unwrap();
        let error = metric.update(&floats(&[2, 4], 0.0), &labels(&[0, 1])).unwrap_err().to_string();
        assert!(error.contains("3 classes") && error.contains("4 classes"), "{error}");
    }
    let mut metric = f1(Average::Micro);
    metric.update(&with(1.5), &labels(&[0, 1])).unwrap();
    assert!(metric.update(&with(1.5), &floats(&[2, 3], 1.0)).is_err(), "first classes, then tags");
    let mut counts = ConfusionCounts::new(2);
    assert!(counts.update(&with(1.5), &labels(&[0, 1])).unwrap_err().to_string().contains("2 classes"));
    assert_eq!(counts.total(), 0);
}

#[test]
fn options_that_have_no_meaning() {
    let (logits, targets) = (with(1.5), labels(&[0, 1]));
    refuses(top_k(0), &logits, &targets, &["k from 1 to 2", "got 0"]);
    refuses(top_k(3), &logits, &targets, &["k from 1 to 2", "got 3"]);
    for beta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refuses(f_beta(beta, Average::Macro), &logits, &targets, &["a beta above 0"]);
    }
    let none = CalibrationConfig { bins: 0, ..CalibrationConfig::default() };
    refuses(calibration_error(none), &logits, &targets, &["bins, got 0"]);
}

#[test]
fn class_maps_that_do_not_fit() {
    for metric in [mean_iou(), mean_dice()] {
        let logits = floats(&[1, 2, 2, 3], 0.0);
        let map = |values: [[u32; 3]; 2]| Tensor::new(&[values], &Device::Cpu).unwrap();
        let good = map([[0, 1, 0], [1, 255, 0]]);
        refuses(
            metric.fresh(),
            &logits,
            &good.narrow(2, 0, 2).unwrap(),
            &["U32 [1, 2, 2]", "ops::interpolate"],
        );
        refuses(metric.fresh(), &floats(&[1, 2], 0.0), &labels(&[0]), &["(B, C, H, W)"]);
        refuses(metric.fresh(), &logits, &good.to_dtype(DType::U8).unwrap(), &["U8 [1, 2, 3]"]);
        refuses(metric.fresh(), &logits, &map([[0, 1, 0], [1, 0, 2]]), &["2 at row 1, column 2 of image 0"]);
        refuses(
            metric.fresh(),
            &floats(&[1, 2, 2, 3], f32::NAN),
            &good,
            &["NaN for class 0 at row 0, column 0"],
        );
        let mut ignored = metric.fresh();
        ignored.update(&logits, &map([[255; 3]; 2])).unwrap();
        assert!(ignored.value().unwrap_err().to_string().contains("a pixel that counts"));
    }
    refuses(
        mean_iou(),
        &floats(&[1, 10_001, 1, 1], 0.0),
        &labels(&[0]).reshape((1, 1, 1)).unwrap(),
        &["10001"],
    );
    // Of more than 255 classes 255 is one.
    let mut metric = mean_iou();
    let logits = floats(&[1, 256, 1, 1], 0.0);
    metric.update(&logits, &Tensor::new(&[[[255u32]]], &Device::Cpu).unwrap()).unwrap();
    assert_eq!(metric.value().unwrap(), 0.0);
}

#[test]
fn numbers_that_do_not_fit() {
    for metric in [mean_absolute_error(), mean_squared_error(), r2()] {
        let good = floats(&[2, 1], 0.0);
        refuses(metric.fresh(), &good, &floats(&[2], 0.0), &["F32 [2, 1]", "F32 [2]"]);
        refuses(metric.fresh(), &floats(&[2], 0.0), &labels(&[0, 1]), &["U32 [2]"]);
        refuses(metric.fresh(), &floats(&[2, 1], f32::NAN), &good, &["NaN as output 0 of sample 0"]);
        refuses(metric.fresh(), &good, &floats(&[2, 1], f32::INFINITY), &["inf as target 0 of sample 0"]);
        refuses(metric.fresh(), &floats(&[2, 0], 0.0), &floats(&[2, 0], 0.0), &["at least one number"]);
    }
}
