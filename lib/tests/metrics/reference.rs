//! Values of scikit-learn and torchmetrics, whatever the sizes of the batches.

use candle_core::Tensor;
use sconce::metrics::ConfusionCounts;

use crate::fixture::{all, metric};

/// The metric over batches of these sizes, the last of them again and again.
fn over(name: &str, output: &Tensor, targets: &Tensor, sizes: &[usize]) -> f64 {
    let mut metric = metric(name);
    let (mut start, mut sizes, all) = (0, sizes.iter().copied(), output.dims()[0]);
    let mut size = 1;
    while start < all {
        size = sizes.next().unwrap_or(size).min(all - start);
        let part = |tensor: &Tensor| tensor.narrow(0, start, size).unwrap();
        metric.update(&part(output), &part(targets)).unwrap();
        start += size;
    }
    metric.value().unwrap()
}

#[test]
fn values_are_those_of_scikit_learn_and_torchmetrics() {
    let mut seen = 0;
    for (case, output, targets, json) in all() {
        for (name, wanted) in json["values"].as_object().unwrap() {
            let wanted = wanted.as_f64().unwrap();
            let whole = over(name, &output, &targets, &[output.dims()[0]]);
            assert!((whole - wanted).abs() <= 1e-9, "{case}: {name} is {whole}, not {wanted}");
            seen += 1;
        }
    }
    assert!(seen > 200, "{seen} values");
}

#[test]
fn the_sizes_of_batches_change_no_bit() {
    for (case, output, targets, json) in all() {
        let all = output.dims()[0];
        for name in json["values"].as_object().unwrap().keys() {
            let whole = over(name, &output, &targets, &[all]);
            for sizes in [&[1][..], &[7], &[2, 1, 13], &[all - 1, 1]] {
                let parts = over(name, &output, &targets, sizes);
                assert_eq!(parts.to_bits(), whole.to_bits(), "{case}: {name} with batches of {sizes:?}");
            }
        }
    }
}

#[test]
fn class_maps_have_an_iou_for_each_class() {
    for (case, logits, targets, json) in all().into_iter().filter(|(case, ..)| case.starts_with("maps")) {
        let mut counts = ConfusionCounts::new(logits.dims()[1]);
        counts.update(&logits, &targets).unwrap();
        let wanted = json["iou"].as_array().unwrap();
        let got: Vec<f64> = counts.tallies().iter().filter_map(|tally| tally.iou()).collect();
        assert_eq!(got.len(), wanted.len(), "{case}: the last class occurs nowhere");
        for (got, wanted) in got.iter().zip(wanted) {
            assert!((got - wanted.as_f64().unwrap()).abs() <= 1e-9, "{case}: {got}, not {wanted}");
        }
        let counted = targets.flatten_all().unwrap().to_vec1::<u32>().unwrap();
        let counted = counted.iter().filter(|&&target| target != 255).count();
        assert_eq!(counts.total(), counted as u64);
    }
}
