use sconce_display::Bundle;

use crate::data::{SkipReport, Skipped, Split};
use crate::plot::{Curves, Panels, Table, count, number};
use crate::rich::Rich;

/// Curves of single steps are drawn with about so many points, or one for each epoch if there are more.
const POINTS: usize = 200;
/// A table shows at most so many epochs.
const ROWS: usize = 40;

/// What one epoch brought.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Epoch {
    /// Which one, from 1.
    pub epoch: usize,
    /// The mean loss of the training images, each taken while its step was being made.
    pub train_loss: f64,
    /// The metrics over the same outputs, by name. They lag behind: the model was learning meanwhile.
    pub train_metrics: Vec<(String, f64)>,
    /// The mean loss of the validation images after the epoch; `None` if there are none.
    pub valid_loss: Option<f64>,
    /// The metrics on the validation part after the epoch, by name.
    pub valid_metrics: Vec<(String, f64)>,
    /// The learning rate at the epoch's end.
    pub learning_rate: f64,
    /// Whether its training batches were mixed, as by MixUp or CutMix: its training loss is then of another task than its
    /// validation loss, and it has no training metrics.
    pub mixed: bool,
    /// How many images of the training and the validation part were left out, with
    /// [`OnError::Skip`](crate::data::OnError::Skip).
    pub skipped: usize,
    /// How long the training steps took, validation and display aside.
    pub seconds: f64,
    /// How many images went through training in a second.
    pub images_per_second: f64,
}

/// What one training step brought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// Where it ends, in epochs.
    pub(super) at: f64,
    pub(super) loss: f64,
    pub(super) learning_rate: f64,
}

/// What happened in training so far: a value that shows itself as curves and a table. It is written to a file with
/// [`History::save_json`], from which [`History::load_json`] gives it back bit for bit, and as tables with
/// [`History::save_csv`] and [`History::save_steps_csv`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    pub(super) epochs: Vec<Epoch>,
    pub(super) steps: Vec<Step>,
    pub(super) skipped_train: SkipReport,
    pub(super) skipped_valid: SkipReport,
}

impl History {
    /// The epochs that are complete.
    #[must_use]
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// How many epochs are complete.
    #[must_use]
    pub fn len(&self) -> usize {
        self.epochs.len()
    }

    /// Whether no epoch is complete.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.epochs.is_empty()
    }

    /// The last epoch that is complete.
    #[must_use]
    pub fn last(&self) -> Option<&Epoch> {
        self.epochs.last()
    }

    pub(super) fn has_steps(&self) -> bool {
        !self.steps.is_empty()
    }

    /// How many training steps were made, those of an epoch under way among them.
    #[must_use]
    pub fn num_steps(&self) -> usize {
        self.steps.len()
    }

    /// The loss of every training step, those of an epoch under way among them.
    #[must_use]
    pub fn step_losses(&self) -> Vec<f64> {
        self.steps.iter().map(|step| step.loss).collect()
    }

    /// The learning rate of every training step, in the order of [`History::step_losses`].
    #[must_use]
    pub fn step_learning_rates(&self) -> Vec<f64> {
        self.steps.iter().map(|step| step.learning_rate).collect()
    }

    /// Where every training step ends, in epochs: 1.5 in the middle of the second.
    #[must_use]
    pub fn step_places(&self) -> Vec<f64> {
        self.steps.iter().map(|step| step.at).collect()
    }

    /// The images of the training or the validation part that were left out in any epoch, with
    /// [`OnError::Skip`](crate::data::OnError::Skip), each once. Nothing is trained on the test part:
    /// [`Evaluation::skipped`](super::Evaluation::skipped) tells of it.
    #[must_use]
    pub fn skipped(&self, part: Split) -> &SkipReport {
        static NONE: SkipReport = SkipReport { samples: Vec::new() };
        match part {
            Split::Train => &self.skipped_train,
            Split::Valid => &self.skipped_valid,
            Split::Test => &NONE,
        }
    }

    /// Takes note of images that were left out.
    pub(super) fn skip(&mut self, part: Split, samples: Vec<Skipped>) {
        let known = match part {
            Split::Train => &mut self.skipped_train.samples,
            Split::Valid => &mut self.skipped_valid.samples,
            Split::Test => return,
        };
        for sample in samples {
            if let Err(place) = known.binary_search_by_key(&sample.index, |known| known.index) {
                known.insert(place, sample);
            }
        }
    }

    /// How many images were left out, each counted once.
    pub(super) fn skipped_in_all(&self) -> usize {
        self.skipped_train.samples.len() + self.skipped_valid.samples.len()
    }

    pub(super) fn push(&mut self, epoch: Epoch) {
        self.epochs.push(epoch);
    }

    /// Takes note of a step that ends `at` so many epochs and was made with this learning rate.
    pub(super) fn push_step(&mut self, at: f64, loss: f64, learning_rate: f64) {
        self.steps.push(Step { at, loss, learning_rate });
    }

    /// Forgets the steps of an epoch that is going to be made again.
    pub(super) fn drop_partial_epoch(&mut self) {
        let complete = self.epochs.len() as f64;
        self.steps.retain(|step| step.at <= complete);
    }

    /// The mean loss of the last few steps, which jumps less than the loss of one.
    pub(super) fn recent_loss(&self) -> Option<f64> {
        const STEPS: usize = 20;
        let recent = &self.steps[self.steps.len().saturating_sub(STEPS)..];
        (!recent.is_empty()).then(|| recent.iter().map(|step| step.loss).sum::<f64>() / recent.len() as f64)
    }

    /// Names of all metrics that some epoch has, in the order they came.
    pub(super) fn metric_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        let all = self.epochs.iter().flat_map(|epoch| epoch.train_metrics.iter().chain(&epoch.valid_metrics));
        for (name, _) in all {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// Loss and metrics over the epochs, side by side, and the learning rate where it changes. The training loss is
    /// drawn step by step.
    ///
    /// The plots can be drawn otherwise: `history.curves().only(&["loss"])?.smoothed(0.9).logarithmic_y()`. Those of several
    /// histories come together in [`Panels::of_runs`].
    #[must_use]
    pub fn curves(&self) -> Panels {
        let valid: Vec<(f64, f64)> =
            self.epochs.iter().filter_map(|epoch| Some((epoch.epoch as f64, epoch.valid_loss?))).collect();
        let mut loss =
            Curves::new("loss").x_label("epoch").series("train", &means(&self.steps, |step| step.loss));
        if !valid.is_empty() {
            loss = loss.series("valid", &valid);
        }
        let mut panels = vec![loss];
        for name in self.metric_names() {
            let points = |of: &dyn Fn(&Epoch) -> Option<f64>| -> Vec<(f64, f64)> {
                self.epochs.iter().filter_map(|epoch| Some((epoch.epoch as f64, of(epoch)?))).collect()
            };
            let train = points(&|epoch| value(&epoch.train_metrics, name));
            let valid = points(&|epoch| value(&epoch.valid_metrics, name));
            let mut curves = Curves::new(name).x_label("epoch").series("train", &train);
            if !valid.is_empty() {
                curves = curves.series("valid", &valid);
            }
            panels.push(curves);
        }
        if self.steps.windows(2).any(|pair| pair[0].learning_rate != pair[1].learning_rate) {
            let rates = means(&self.steps, |step| step.learning_rate);
            panels.push(Curves::new("learning rate").x_label("epoch").series("learning rate", &rates));
        }
        Panels::new(panels)
    }

    /// A row for each epoch; of more than 40 epochs, 40 spread evenly with the first and the last.
    #[must_use]
    pub fn table(&self) -> Table {
        let names = self.metric_names();
        let mut columns = vec!["epoch".to_owned(), "train loss".into(), "valid loss".into()];
        for name in &names {
            columns.extend([format!("train {name}"), format!("valid {name}")]);
        }
        columns.extend(["images/s".to_owned(), "seconds".into()]);
        let mut table = Table::new(&columns.iter().map(String::as_str).collect::<Vec<_>>());
        let shown = self.epochs.len().min(ROWS);
        for row in 0..shown {
            let at = if shown == ROWS { row * (self.epochs.len() - 1) / (ROWS - 1) } else { row };
            let epoch = &self.epochs[at];
            let or_dash = |value: Option<f64>| value.map_or("–".to_owned(), number);
            let mut cells =
                vec![epoch.epoch.to_string(), number(epoch.train_loss), or_dash(epoch.valid_loss)];
            for name in &names {
                for metrics in [&epoch.train_metrics, &epoch.valid_metrics] {
                    cells.push(value(metrics, name).map_or("–".to_owned(), measured));
                }
            }
            let rate = count(epoch.images_per_second.round() as usize);
            cells.extend([rate, format!("{:.2}", epoch.seconds)]);
            table.push(&cells);
        }
        table
    }
}

pub(super) fn value(metrics: &[(String, f64)], name: &str) -> Option<f64> {
    metrics.iter().find(|(known, _)| known == name).map(|&(_, value)| value)
}

/// The value of a metric. Fractions stand with the same digits in every row.
fn measured(value: f64) -> String {
    if (0.0..=1.0).contains(&value) { format!("{value:.4}") } else { number(value) }
}

/// About [`POINTS`] points, each at the end of the stretch of steps whose mean it is. Every epoch ends with
/// one, so that training and validation can be compared there.
fn means(steps: &[Step], of: impl Fn(&Step) -> f64) -> Vec<(f64, f64)> {
    let epochs = || steps.chunk_by(|one, other| one.at.ceil() == other.at.ceil());
    let parts = (POINTS / epochs().count().max(1)).max(1);
    let mut points = Vec::new();
    for stretch in epochs().flat_map(|epoch| epoch.chunks(epoch.len().div_ceil(parts))) {
        let sum: f64 = stretch.iter().map(&of).sum();
        points.push((stretch[stretch.len() - 1].at, sum / stretch.len() as f64));
    }
    points
}

impl Rich for History {
    fn rich(&self) -> Bundle {
        if self.steps.is_empty() {
            return Bundle::text("no training yet; learner.fit(epochs)? makes some\n");
        }
        let table = self.table();
        let mut text = if table.is_empty() { self.curves().text() } else { table.text() };
        let mut html = match self.curves().html() {
            Ok(curves) => format!("{curves}{}", table.html()),
            Err(error) => {
                text += &format!("({error})\n");
                table.html()
            }
        };
        for part in [Split::Train, Split::Valid] {
            let report = self.skipped(part);
            if !report.samples.is_empty() {
                text += &format!("{part} part: {}", report.text());
                html += &format!("<div>{part} part: {}</div>", report.html());
            }
        }
        Bundle::text(text).html(html)
    }
}
