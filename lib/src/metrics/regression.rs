//! Numbers against numbers.

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::average::Average;
use super::counted::{Counted, Form, Rule};
use super::metric::Metric;
use super::refused::{argument, described, shape};
use crate::Result;

/// The mean of the absolute differences. Takes an output and float targets of one shape (B,) or (B, …).
#[must_use]
pub fn mean_absolute_error() -> Metric {
    Distance::Absolute.metric()
}

/// The mean of the squared differences. Takes what [`mean_absolute_error`] takes.
#[must_use]
pub fn mean_squared_error() -> Metric {
    Distance::Squared.metric()
}

/// The coefficient of determination, R²: 1 where every target is met, 0 for always saying the mean, below it for worse.
/// Takes what [`mean_absolute_error`] takes; of several numbers a sample it is the mean over them, as in scikit-learn.
///
/// Targets that are all the same have no R², which is an error; scikit-learn says 1 or 0 there.
#[must_use]
pub fn r2() -> Metric {
    Distance::Determination.metric()
}

#[derive(Debug, Clone, Copy)]
enum Distance {
    Absolute,
    Squared,
    Determination,
}

impl Distance {
    fn metric(self) -> Metric {
        Metric::new(self.op(), Counted::new(self))
    }
}

/// What is known of one number of the samples.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sums {
    count: u64,
    absolute: f64,
    squared: f64,
    /// The first target. The others are counted from there, so that large targets lose no digits.
    first: f64,
    targets: f64,
    squared_targets: f64,
}

/// A sample holds targets, and by how much each was missed.
impl Rule for Distance {
    type Item = Vec<(f64, f64)>;
    type Sums = Vec<Sums>;

    fn op(&self) -> &str {
        match self {
            Distance::Absolute => "mean_absolute_error",
            Distance::Squared => "mean_squared_error",
            Distance::Determination => "r2",
        }
    }

    fn items(&self, output: &Tensor, targets: &Tensor) -> Result<(Form, Vec<Self::Item>)> {
        let fits = output.dims() == targets.dims() && output.rank() > 0;
        if !fits || !output.dtype().is_float() || !targets.dtype().is_float() {
            return Err(shape(
                self.op(),
                "an output and targets of one shape (B, …), both F32 or F64",
                format!("output {} and targets {}", described(output), described(targets)),
                "Bring them together with reshape and to_dtype: (B, 1) is another shape than (B,).",
            ));
        }
        let values = output.dims()[1..].iter().product::<usize>();
        if values == 0 {
            let hint = "A sample holds at least one number.";
            return Err(shape(self.op(), "at least one number a sample", described(output), hint));
        }
        let read = |tensor: &Tensor| -> Result<Vec<f64>> {
            Ok(tensor.detach().to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?)
        };
        let (said, targets) = (read(output)?, read(targets)?);
        for (what, numbers) in [("output", &said), ("target", &targets)] {
            if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
                return Err(argument(
                    self.op(),
                    "finite numbers",
                    format!("{} as {what} {} of sample {}", numbers[at], at % values, at / values),
                    "The model has diverged, or the data hold it.",
                ));
            }
        }
        let pairs: Vec<(f64, f64)> =
            targets.iter().zip(&said).map(|(target, said)| (*target, said - target)).collect();
        Ok((Form::Values(values), pairs.chunks_exact(values).map(<[_]>::to_vec).collect()))
    }

    fn nothing(&self, form: Form) -> Vec<Sums> {
        vec![Sums::default(); form.width()]
    }

    fn fits(&self, form: Form, sums: &Vec<Sums>) -> bool {
        sums.len() == form.width()
    }

    fn add(&self, sums: &mut Vec<Sums>, item: &Self::Item, times: u64) {
        let weight = times as f64;
        for (sums, &(target, missed)) in sums.iter_mut().zip(item) {
            if sums.count == 0 {
                sums.first = target;
            }
            let away = target - sums.first;
            sums.count += times;
            sums.absolute += missed.abs() * weight;
            sums.squared += missed * missed * weight;
            sums.targets += away * weight;
            sums.squared_targets += away * away * weight;
        }
    }

    fn value(&self, sums: &Vec<Sums>) -> Result<f64> {
        let value = |(number, sums): (usize, &Sums)| {
            let count = sums.count as f64;
            match self {
                Distance::Absolute => Ok(Some(sums.absolute / count)),
                Distance::Squared => Ok(Some(sums.squared / count)),
                Distance::Determination => {
                    let spread = sums.squared_targets - sums.targets * sums.targets / count;
                    if spread > 0.0 {
                        return Ok(Some(1.0 - sums.squared / spread));
                    }
                    Err(argument(
                        self.op(),
                        "targets that differ",
                        format!("{} samples that all have {} as target {number}", sums.count, sums.first),
                        "Without differences there is nothing to explain; use mean_squared_error.",
                    ))
                }
            }
        };
        let values = sums.iter().enumerate().map(value).collect::<Result<Vec<_>>>()?;
        Average::Macro.of(self.op(), &values, &[])
    }
}
