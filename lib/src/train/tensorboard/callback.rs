//! What a training writes into its event file.

use super::TensorBoard;
use crate::Result;
use crate::train::runs::settings_of;
use crate::train::{Callback, Control, EpochEnd, FitBegin, StepEnd};

/// As a callback: `step/loss`, `step/learning_rate` and, where gradients are clipped, `step/gradient_norm` after each
/// training step; `train/…` and `valid/…` with the loss and all metrics after each epoch, at the step that ended it, with
/// `epoch` beside; the settings as a text at the beginning of each fit, and, once, for the table of hyperparameters.
impl Callback for TensorBoard {
    fn on_fit_begin(&mut self, begin: &FitBegin) -> Result<()> {
        self.steps = begin.learner.history().step_places().len();
        // In a run that goes on, a text here would take the place of the last values before it.
        if self.restarts {
            return Ok(());
        }
        let settings = settings_of(begin.learner);
        if !self.begun {
            self.settings(&settings)?;
            self.begun = true;
        }
        self.text("settings", &markdown(&settings), self.steps)
    }

    fn on_step_end(&mut self, end: &StepEnd) -> Result<Control> {
        self.steps = end.total_steps;
        self.scalar("step/loss", end.loss, self.steps)?;
        self.scalar("step/learning_rate", end.learning_rate, self.steps)?;
        if let Some(norm) = end.gradient_norm {
            self.scalar("step/gradient_norm", norm, self.steps)?;
        }
        Ok(Control::GoOn)
    }

    fn on_epoch_end(&mut self, end: &EpochEnd) -> Result<Control> {
        let (epoch, step) = (end.epoch, self.steps);
        self.scalar("train/loss", epoch.train_loss, step)?;
        for (name, value) in &epoch.train_metrics {
            self.scalar(&format!("train/{name}"), *value, step)?;
        }
        if let Some(loss) = epoch.valid_loss {
            self.scalar("valid/loss", loss, step)?;
        }
        for (name, value) in &epoch.valid_metrics {
            self.scalar(&format!("valid/{name}"), *value, step)?;
        }
        self.scalar("epoch", epoch.epoch as f64, step)?;
        Ok(Control::GoOn)
    }
}

/// Settings as a table in Markdown.
fn markdown(settings: &[(String, String)]) -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace(['\n', '\r'], " ");
    let rows = settings.iter().map(|(name, value)| format!("| {} | {} |\n", cell(name), cell(value)));
    format!("| setting | value |\n|---|---|\n{}", rows.collect::<String>())
}
