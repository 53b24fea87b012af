use super::callback::Ending;
use super::history::History;
use super::learner::Learner;
use super::plan::{Cycle, Plan};
use crate::nn::Parameter;
use crate::optim::{OneCycleConfig, OptimizerConfig, ParamGroup, layer_decay};
use crate::{Error, Result};

/// How [`Learner::fine_tune`] trains a model that was trained on other images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FineTuneConfig {
    /// Epochs in which the new head alone is trained; 1.
    pub frozen_epochs: usize,
    /// The highest learning rate of the head while the rest is frozen, above 0; then it is half of it. 0.002.
    pub learning_rate: f64,
    /// How many times lower the rate of the first layers is than that of the last ones once all are trained, at least 1;
    /// between them it grows from block to block in equal ratios. 100.
    pub ratio: f64,
}

impl Default for FineTuneConfig {
    fn default() -> FineTuneConfig {
        FineTuneConfig { frozen_epochs: 1, learning_rate: 2e-3, ratio: 100.0 }
    }
}

impl Learner {
    /// Trains a model with a new head ([`Model::replace_head`](crate::nn::Model::replace_head)): first the head alone, all else frozen,
    /// then all of it for `epochs` epochs, the first layers slower than the last; each part is one cycle. The recipe is that of
    /// fastai's `fine_tune`. What was frozen before stays frozen.
    ///
    /// ```no_run
    /// use sconce::prelude::*;
    /// # fn main() -> sconce::Result<()> {
    /// # let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
    /// let net = models::pretrained("resnet18", models::ModelConfig::default(), &Device::Cpu)?.net;
    /// let net = net.replace_head(10, Seed(42))?;
    /// let mut learner = Learner::new(net, data).metric(accuracy());
    /// learner.fine_tune(3, FineTuneConfig::default())?;
    /// # Ok(()) }
    /// ```
    ///
    /// The optimizer begins anew with each part, and with the first fit after them. After an interrupt [`Learner::resume`] ends the
    /// part that was under way; if it was the first, `fine_tune` with `frozen_epochs: 0` goes on.
    ///
    /// # Errors
    /// As for [`Learner::fit`]; a net that is no model graph, or has no head that could be told from the rest; settings out of their range.
    pub fn fine_tune(&mut self, epochs: usize, config: FineTuneConfig) -> Result<History> {
        let FineTuneConfig { frozen_epochs, learning_rate, ratio } = config;
        let wrong = |expected: &str, got: f64| {
            Err(Error::Argument {
                op: "Learner::fine_tune".into(),
                expected: expected.into(),
                got: got.to_string(),
                hint: "FineTuneConfig::default() has 0.002 and 100.".into(),
            })
        };
        if !(learning_rate.is_finite() && learning_rate > 0.0) {
            return wrong("a learning rate above 0, and finite", learning_rate);
        }
        if !(ratio.is_finite() && ratio >= 1.0) {
            return wrong("a ratio of at least 1, and finite", ratio);
        }
        self.check_settings()?;
        if frozen_epochs > 0 {
            let history = self.train_head(frozen_epochs, learning_rate)?;
            if matches!(self.ending, Some(Ending::Stopped(_))) {
                return Ok(history);
            }
        }
        self.end_plan()?;
        let cycle = Cycle { peak: learning_rate / 2.0, rise: 0.3, start_divisor: 5.0 };
        self.start_anew(Plan { ratio: Some(ratio), ..self.new_plan(epochs, Some(cycle)) });
        self.fit_until(self.history.len().saturating_add(epochs))
    }

    /// Trains the head alone; what was trained before is trained again after it.
    fn train_head(&mut self, epochs: usize, peak: f64) -> Result<History> {
        self.end_plan()?;
        let model = self.model()?.clone();
        let names: Vec<String> = model.parameters().into_iter().map(|parameter| parameter.name).collect();
        let head = model.head_parameters();
        let frozen: Vec<String> = names.iter().filter(|name| !head.contains(name)).cloned().collect();
        if frozen.is_empty() || frozen.len() == names.len() {
            return Err(Error::Argument {
                op: "Learner::fine_tune".into(),
                expected: "a model with a head that is trained and layers before it".into(),
                got: format!("the head {head:?} of {} parameters that are trained", names.len()),
                hint: "Give the model a new head with net.replace_head(num_classes, seed), or train it with fit.".into(),
            });
        }
        frozen.iter().try_for_each(|name| model.freeze(name))?;
        let OneCycleConfig { start_divisor, .. } = OneCycleConfig::default();
        let cycle = Cycle { peak, rise: 0.99, start_divisor };
        self.start_anew(Plan { frozen, ..self.new_plan(epochs, Some(cycle)) });
        self.fit_until(self.history.len().saturating_add(epochs))
    }

    /// Another plan, for which another optimizer is needed, and averages of what it moves.
    fn start_anew(&mut self, plan: Plan) {
        (self.optimizer, self.ema, self.accumulation) = (None, None, None);
        self.plan = Some(plan);
    }

    /// What the optimizer of these parameters is built by, under such a plan.
    pub(super) fn config_under(
        &self,
        plan: Option<&Plan>,
        parameters: &[Parameter],
    ) -> Result<OptimizerConfig> {
        match plan {
            Some(plan) if !plan.frozen.is_empty() => Ok(self.config.clone().fitting(parameters)),
            Some(Plan { ratio: Some(ratio), .. }) => {
                Ok(self.config.clone().groups(slower_first(parameters, *ratio)?))
            }
            _ => Ok(self.config.clone()),
        }
    }
}

/// Groups of parameters whose rates grow from the first to the last block by `ratio` in all.
fn slower_first(parameters: &[Parameter], ratio: f64) -> Result<Vec<ParamGroup>> {
    let blocks = layer_decay(parameters, 1.0)?.len();
    layer_decay(parameters, ratio.powf(-1.0 / (blocks.max(2) - 1) as f64))
}
