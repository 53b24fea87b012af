//! Intervals by bootstrap: the fast way is the slow way, and the ends are where they must be.

use candle_core::{Device, Tensor};
use sconce::metrics::{Accumulate, Average, Confidence, Interval, Metric, accuracy, roc_auc};
use sconce::rich::Rich;
use sconce::{Result, Seed};

use crate::fixture::{all, metric};

/// A metric that only has what every metric must have.
struct Plain(Metric);

impl Accumulate for Plain {
    fn update(&mut self, output: &Tensor, targets: &Tensor) -> Result<()> {
        self.0.update(output, targets)
    }

    fn value(&self) -> Result<f64> {
        self.0.value()
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(Plain(self.0.fresh()))
    }
}

#[test]
fn counting_what_was_drawn_is_the_same_as_an_update_with_it() {
    let confidence = Confidence { resamples: 40, ..Confidence::default() };
    for (case, output, targets, json) in all() {
        for name in json["values"].as_object().unwrap().keys() {
            let fast = metric(name).interval(&output, &targets, confidence);
            let plain = Metric::new(name.clone(), Plain(metric(name)));
            let slow = plain.interval(&output, &targets, confidence);
            match (fast, slow) {
                (Ok(fast), Ok(slow)) => {
                    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
                    let same = near(fast.low, slow.low)
                        && near(fast.high, slow.high)
                        && fast.undefined == slow.undefined;
                    assert!(same, "{case}: {name}: {fast:?}, not {slow:?}");
                }
                (Err(fast), Err(slow)) => assert_eq!(fast.to_string(), slow.to_string(), "{case}: {name}"),
                (fast, slow) => panic!("{case}: {name}: {fast:?}, not {slow:?}"),
            }
        }
    }
}

/// 200 samples, of which 150 are right.
fn three_quarters(confidence: Confidence) -> Result<Interval> {
    let logits = Tensor::new(&[1f32, 0.0], &Device::Cpu)?.repeat((200, 1))?;
    let targets: Vec<u32> = (0..200).map(|at| u32::from(at % 4 == 3)).collect();
    accuracy().interval(&logits, &Tensor::new(targets, &Device::Cpu)?, confidence)
}

#[test]
fn the_ends_are_those_of_the_binomial_distribution() {
    // scipy.stats.binom(200, 0.75).ppf([0.025, 0.975, 0.05, 0.95]) / 200
    let many = Confidence { resamples: 20_000, ..Confidence::default() };
    let interval = three_quarters(many).unwrap();
    assert!((interval.low - 0.69).abs() <= 0.005 && (interval.high - 0.81).abs() <= 0.005, "{interval:?}");
    let narrower = three_quarters(Confidence { level: 0.9, ..many }).unwrap();
    assert!((narrower.low - 0.7).abs() <= 0.005 && (narrower.high - 0.8).abs() <= 0.005, "{narrower:?}");
    assert_eq!(
        (interval.value, interval.resamples, interval.undefined, interval.samples),
        (0.75, 20_000, 0, 200)
    );
}

#[test]
fn a_seed_gives_the_same_interval_again() {
    let with = |seed| {
        three_quarters(Confidence { seed: Seed(seed), resamples: 50, ..Confidence::default() }).unwrap()
    };
    assert_eq!(with(1), with(1));
    let others = (2..8).map(with).filter(|other| *other != with(1)).count();
    assert!(others > 0, "another seed draws others");
    let text = with(1).rich().plain().unwrap().to_owned();
    for part in ["accuracy 0.75, in 95.0 % of resamples ", "50 resamples of 200 samples"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn resamples_without_a_value_are_counted_or_too_many() {
    // A class of so many samples of 40 is missing in about exp(-many) of the resamples.
    let with = |many: u32| {
        let targets: Vec<u32> = (0..40).map(|at| u32::from(at < many)).collect();
        let scores: Vec<f32> = (0..40u16).flat_map(|at| [0.0, f32::from(at * 7 % 40)]).collect();
        let logits = Tensor::from_vec(scores, (40, 2), &Device::Cpu)?;
        roc_auc(Average::Macro).interval(&logits, &Tensor::new(targets, &Device::Cpu)?, Confidence::default())
    };
    let rare = with(4).unwrap();
    assert!((1..=60).contains(&rare.undefined) && rare.resamples + rare.undefined == 1000, "{rare:?}");
    assert!(rare.text().contains("more without a value"), "{}", rare.text());
    let error = with(1).unwrap_err().to_string();
    assert!(
        error.contains("of 1000 without one") && error.contains("40 of class 0 and 0 of class 1"),
        "{error}"
    );
}

#[test]
fn intervals_that_have_no_meaning() {
    let refused = |confidence: Confidence, named: &str| {
        let error = three_quarters(confidence).unwrap_err().to_string();
        assert!(error.contains(named) && error.contains("interval of accuracy"), "{error}");
    };
    for level in [0.0, 1.0, -1.0, f64::NAN, 95.0] {
        refused(Confidence { level, ..Confidence::default() }, "a level between 0 and 1");
    }
    for resamples in [0, 9, usize::MAX] {
        refused(Confidence { resamples, ..Confidence::default() }, "10 to 10,000,000 resamples");
    }
    let one = Tensor::new(&[[1f32, 0.0]], &Device::Cpu).unwrap();
    let label = Tensor::new(&[0u32], &Device::Cpu).unwrap();
    let error = accuracy().interval(&one, &label, Confidence::default()).unwrap_err().to_string();
    assert!(error.contains("at least 2 samples, got 1"), "{error}");
    let wrong = Tensor::new(&[2u32], &Device::Cpu).unwrap();
    assert!(
        accuracy()
            .interval(&one, &wrong, Confidence::default())
            .unwrap_err()
            .to_string()
            .contains("sample 0")
    );
}
