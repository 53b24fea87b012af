use candle_core::DType;
use sconce_display::{Bundle, Content};

use super::learner::{Learner, check_interrupt};
use super::teacher::Objective;
use crate::metrics::accuracy;
use crate::nn::{Mode, backward};
use crate::plot::{Curves, number, percent};
use crate::progress::{Progress, Unit};
use crate::rich::Rich;
use crate::{Error, Result};

/// Whether a model can learn a single batch by heart. Made by [`Learner::overfit_one_batch`].
#[derive(Debug, Clone, PartialEq)]
pub struct OneBatch {
    losses: Vec<f64>,
    images: usize,
    /// In the last step; `None` if the outputs are no logits of classes.
    accuracy: Option<f64>,
}

impl Learner {
    /// Trains so many steps on the first batch of an epoch alone, with the learner's optimizer at its own rate. A model, loss and
    /// optimizer that fit together bring the loss of one batch to almost nothing; where they do not, hours of training will not
    /// help. The model, the optimizer and the history are as before then.
    ///
    /// ```
    /// use sconce::prelude::*;
    /// # fn main() -> sconce::Result<()> {
    /// # let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
    /// # let net = Model::build([1, 8, 8], |x| x.flatten().linear(32).relu().linear(10))?.init(Seed(42), &Device::Cpu)?;
    /// # let mut learner = Learner::new(net, data).optimizer(adamw(0.01));
    /// assert!(learner.overfit_one_batch(100)?.is_learnt());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Learner::fit`]; fewer than 2 steps.
    pub fn overfit_one_batch(&mut self, steps: usize) -> Result<OneBatch> {
        if steps < 2 {
            return Err(Error::Argument {
                op: "Learner::overfit_one_batch".into(),
                expected: "at least 2 steps".into(),
                got: steps.to_string(),
                hint: "100 are mostly enough.".into(),
            });
        }
        self.try_training(|learner| learner.overfit(steps))
    }

    fn overfit(&mut self, steps: usize) -> Result<OneBatch> {
        let batch = self.train_batches(self.history().len() + 1).next();
        let batch = batch.unwrap_or_else(|| Err(unreadable("Learner::overfit_one_batch")))?;
        let mut progress = Progress::start("one batch", Unit::Steps, Some(steps as u64));
        let mut found = OneBatch { losses: Vec::with_capacity(steps), images: batch.len(), accuracy: None };
        let rate = self.own_rate.unwrap_or(self.config.learning_rate());
        self.optimizer_mut()?.set_learning_rate(rate)?;
        for step in 0..steps {
            check_interrupt(|| format!("while learning one batch, after {step} steps"))?;
            let mode = Mode::Train(self.seed.derive(&format!("one batch, step {step}")));
            let Objective { total: loss, output, .. } = self.objective(&batch, mode)?;
            let value: f64 = loss.to_dtype(DType::F64)?.to_scalar()?;
            found.losses.push(value);
            let mut metric = accuracy();
            found.accuracy = metric.update(&output, &batch.labels).and_then(|()| metric.value()).ok();
            if !value.is_finite() {
                break;
            }
            self.update(&mut backward(&loss)?)?;
            progress.at(step as u64 + 1)?;
        }
        Ok(found)
    }
}

/// No batch of an epoch came.
pub(super) fn unreadable(op: &str) -> Error {
    Error::Argument {
        op: op.into(),
        expected: "a batch that can be read".into(),
        got: "none in the training part".into(),
        hint: "data.train.scan(ScanConfig::default()) says what is wrong with each image; a sampler must draw some.".into(),
    }
}

impl OneBatch {
    /// The loss before each step.
    #[must_use]
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// The part of the batch that was right before the last step; `None` if the outputs are no logits of classes.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        self.accuracy
    }

    /// Whether the loss has come down by nine tenths of what it was, or all images are right.
    #[must_use]
    pub fn is_learnt(&self) -> bool {
        let (Some(first), Some(last)) = (self.losses.first(), self.losses.last()) else { return false };
        last.is_finite() && (first - last >= 0.9 * first.abs() || self.accuracy == Some(1.0))
    }

    fn sentence(&self) -> String {
        let (first, last) = (self.losses.first(), self.losses.last());
        let way = format!(
            "{} images, {} steps: loss {} to {}{}",
            self.images,
            self.losses.len(),
            number(first.copied().unwrap_or(f64::NAN)),
            number(last.copied().unwrap_or(f64::NAN)),
            self.accuracy.map_or(String::new(), |accuracy| format!(", {} right", percent(accuracy)))
        );
        let verdict = if self.is_learnt() {
            "the model learns them by heart, as it should"
        } else if last.is_some_and(|last| !last.is_finite()) {
            "it diverges: try a lower learning rate, or clip_norm(1.0)"
        } else {
            "it does not learn even these: try another learning rate and more steps, look at the images and labels of \
             data.train.show_batch(16), and whether normalization, loss and last layer fit together"
        };
        format!("{way}; {verdict}\n")
    }

    fn curves(&self) -> Curves {
        let points: Vec<(f64, f64)> = (0..).map(f64::from).zip(self.losses.iter().copied()).collect();
        Curves::new("loss of one batch").x_label("step").y_label("loss").series("loss", &points)
    }
}

impl Rich for OneBatch {
    fn rich(&self) -> Bundle {
        let text = format!("{}{}", self.sentence(), self.curves().text());
        self.curves().rich().with("text/plain", Content::Text(text))
    }
}
