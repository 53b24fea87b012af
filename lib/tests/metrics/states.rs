//! What a metric has taken in as text, and back.

use candle_core::Tensor;
use sconce::metrics::Metric;

use crate::fixture::{all, metric};

/// Each metric of the fixture with what it takes.
fn metrics() -> Vec<(String, Metric, Tensor, Tensor)> {
    let mut metrics = Vec::new();
    for (case, output, targets, json) in all() {
        for name in json["values"].as_object().unwrap().keys() {
            metrics.push((format!("{case}: {name}"), metric(name), output.clone(), targets.clone()));
        }
    }
    metrics
}

#[test]
fn a_metric_goes_on_from_its_state() {
    for (name, mut metric, output, targets) in metrics() {
        let (half, all) = (output.dims()[0] / 2, output.dims()[0]);
        let part = |tensor: &Tensor, start: usize, end: usize| tensor.narrow(0, start, end - start).unwrap();
        let mut nothing = metric.fresh();
        assert!(nothing.restore(&metric.state().unwrap()) && nothing.value().is_err(), "{name}");
        metric.update(&part(&output, 0, half), &part(&targets, 0, half)).unwrap();
        let mut restored = metric.fresh();
        assert!(restored.restore(&metric.state().unwrap()), "{name}");
        for metric in [&mut metric, &mut restored] {
            metric.update(&part(&output, half, all), &part(&targets, half, all)).unwrap();
        }
        assert_eq!(restored.value().unwrap().to_bits(), metric.value().unwrap().to_bits(), "{name}");
    }
}

#[test]
fn what_is_no_state_is_refused_and_changes_nothing() {
    let full: Vec<(String, Metric, Tensor, Tensor)> = metrics();
    let states: Vec<String> = full
        .iter()
        .map(|(_, metric, output, targets)| {
            let mut metric = metric.fresh();
            metric.update(output, targets).unwrap();
            metric.state().unwrap()
        })
        .collect();
    for (name, metric, output, targets) in &full {
        let mut known = metric.fresh();
        known.update(output, targets).unwrap();
        let value = known.value().unwrap();
        let own = known.state().unwrap();
        let broken = [
            own[..own.len() / 2].to_owned(),
            String::new(),
            "7".into(),
            "[]".into(),
            own.replacen('5', "6", 1),
        ];
        for (at, state) in broken.iter().chain(states.iter().step_by(9)).enumerate() {
            let mut other = known.fresh();
            other.update(output, targets).unwrap();
            let taken = other.restore(state);
            assert!(!taken || at >= 4, "{name} takes {state:?}");
            if !taken {
                assert_eq!(other.value().unwrap(), value, "{name}, state {at}");
            }
            // Whatever was accepted: it may be refused later, but nothing breaks.
            let _ = (other.value(), other.update(output, targets), other.value());
        }
    }
}
