//! Values counted by hand.

use candle_core::{DType, Device, Tensor};
use sconce::Result;
use sconce::metrics::{Accumulate, ConfusionCounts, Metric, accuracy};

fn logits(rows: &[[f32; 3]]) -> candle_core::Result<Tensor> {
    Tensor::from_slice(rows.as_flattened(), (rows.len(), 3), &Device::Cpu)
}

fn targets(classes: &[u32]) -> candle_core::Result<Tensor> {
    Tensor::new(classes, &Device::Cpu)
}

#[test]
fn accuracy_gathers_over_batches_of_different_sizes() -> Result<()> {
    let mut metric = accuracy();
    assert!(metric.value().is_err(), "nothing was taken in yet");
    metric
        .update(&logits(&[[2.0, 1.0, 0.0], [0.0, 1.0, 5.0], [-1.0, -3.0, -2.0]])?, &targets(&[0, 2, 1])?)?;
    assert_eq!(metric.value()?, 2.0 / 3.0);
    // Of equal logits the first counts.
    metric.update(&logits(&[[1.0, 1.0, 0.0]])?, &targets(&[0])?)?;
    assert_eq!(metric.value()?, 3.0 / 4.0);
    assert!(metric.fresh().value().is_err());
    assert_eq!(metric.fresh().name(), "accuracy");
    Ok(())
}

#[test]
fn what_cannot_be_counted_is_refused() -> Result<()> {
    let mut metric = accuracy();
    let good = logits(&[[0.0, 1.0, 2.0]])?;
    let nan = logits(&[[0.0, f32::NAN, 2.0]])?;
    let cases = [
        (good.flatten_all()?, targets(&[0])?, "(B, C)"),
        (good.clone(), targets(&[0, 1])?, "U32 [1]"),
        (good.clone(), targets(&[3])?, "3"),
        (good.clone(), targets(&[0])?.to_dtype(DType::F32)?, "F32"),
        (nan, targets(&[0])?, "NaN for class 1 of sample 0"),
    ];
    for (logits, targets, named) in cases {
        let error = metric.update(&logits, &targets).expect_err(named).to_string();
        assert!(error.contains(named), "{error} should name {named}");
    }
    assert!(metric.value().is_err(), "a refused batch leaves no trace");
    Ok(())
}

#[test]
fn confusions_are_counted_by_true_and_predicted_class() -> Result<()> {
    let mut counts = ConfusionCounts::new(3);
    counts.update(&logits(&[[9.0, 0.0, 0.0], [0.0, 0.0, 9.0]])?, &targets(&[0, 1])?)?;
    counts.record(&[1, 2, 2], &[2, 2, 0])?;
    assert_eq!(counts.counts(), [1, 0, 0, 0, 0, 2, 1, 0, 1]);
    assert!(counts.record(&[0], &[3]).is_err());
    assert!(counts.record(&[0, 1], &[0]).is_err());
    assert_eq!(counts.counts().iter().sum::<u64>(), 5, "what is refused is not counted");
    Ok(())
}

/// The mean of the largest logits: something of one's own.
struct Peak(Vec<f32>);

impl Accumulate for Peak {
    fn update(&mut self, output: &Tensor, _: &Tensor) -> Result<()> {
        self.0.extend(output.max(1)?.to_vec1::<f32>()?);
        Ok(())
    }

    fn value(&self) -> Result<f64> {
        Ok(f64::from(self.0.iter().sum::<f32>()) / self.0.len() as f64)
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(Peak(Vec::new()))
    }
}

#[test]
fn a_metric_of_ones_own() -> Result<()> {
    let mut peak = Metric::new("peak", Peak(Vec::new()));
    peak.update(&logits(&[[0.0, 4.0, 1.0], [2.0, 0.0, 1.0]])?, &targets(&[0, 0])?)?;
    assert_eq!((peak.name(), peak.value()?), ("peak", 3.0));
    Ok(())
}
