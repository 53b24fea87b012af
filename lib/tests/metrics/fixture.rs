//! The cases of `tests/fixtures/metrics`, and metrics by the names that they have there.

use candle_core::{DType, Device, Tensor};
use sconce::metrics::{
    Average, CalibrationConfig, CalibrationNorm, KappaWeights, Metric, accuracy, average_precision,
    balanced_accuracy, calibration_error, cohen_kappa, f_beta, f1, mcc, mean_absolute_error, mean_dice,
    mean_iou, mean_squared_error, precision, r2, recall, roc_auc, subset_accuracy, tag_accuracy, top_k,
};
use serde_json::Value;

pub fn cases() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/metrics/metrics.json")).unwrap()
}

/// A tensor of nested lists of numbers.
pub fn tensor(value: &Value, dtype: DType) -> Tensor {
    let mut shape = Vec::new();
    let mut deep = value;
    while let Some(list) = deep.as_array() {
        shape.push(list.len());
        deep = &list[0];
    }
    let mut numbers = Vec::new();
    gather(value, &mut numbers);
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

fn gather(value: &Value, numbers: &mut Vec<f64>) {
    match value.as_array() {
        Some(list) => list.iter().for_each(|value| gather(value, numbers)),
        None => numbers.push(value.as_f64().unwrap()),
    }
}

/// What a metric takes: each kind of case with its outputs and targets.
pub fn all() -> Vec<(String, Tensor, Tensor, Value)> {
    let cases = cases();
    let kinds = [
        ("classes", "logits", DType::U32),
        ("tags", "logits", DType::F32),
        ("maps", "logits", DType::U32),
        ("numbers", "output", DType::F32),
    ];
    let mut all = Vec::new();
    for (kind, output, targets) in kinds {
        for (name, case) in cases[kind].as_object().unwrap() {
            let output = tensor(&case[output], DType::F32);
            all.push((format!("{kind} {name}"), output, tensor(&case["targets"], targets), case.clone()));
        }
    }
    all
}

/// The metric that calls itself so.
pub fn metric(name: &str) -> Metric {
    let plain = [
        accuracy(),
        balanced_accuracy(),
        mcc(),
        cohen_kappa(KappaWeights::Unweighted),
        cohen_kappa(KappaWeights::Linear),
        cohen_kappa(KappaWeights::Quadratic),
        calibration_error(CalibrationConfig::default()),
        calibration_error(CalibrationConfig {
            norm: CalibrationNorm::Largest,
            ..CalibrationConfig::default()
        }),
        subset_accuracy(),
        tag_accuracy(),
        mean_iou(),
        mean_dice(),
        mean_absolute_error(),
        mean_squared_error(),
        r2(),
    ];
    let classes = (0..8).map(Average::Class);
    let averages: Vec<Average> =
        [Average::Micro, Average::Macro, Average::Weighted].into_iter().chain(classes).collect();
    let averaged = averages.into_iter().flat_map(|average| {
        [
            precision(average),
            recall(average),
            f1(average),
            f_beta(0.5, average),
            f_beta(2.0, average),
            roc_auc(average),
            average_precision(average),
        ]
    });
    let all = plain.into_iter().chain((1..8).map(top_k)).chain(averaged);
    let mut found = all.filter(|metric| metric.name() == name);
    found.next().unwrap_or_else(|| panic!("no metric calls itself {name}"))
}
