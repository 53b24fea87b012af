//! Whether a model learns by heart, too little, or as it should.

use std::fmt;

use sconce_display::Bundle;

use super::history::{Epoch, History, value};
use crate::plot::{Curves, Panels, Table, escape, number, percent};
use crate::rich::Rich;

/// From where on [`History::gap_with`] calls something too wide, too high or flat. Shares are of the loss with which
/// training began, so that they mean the same for any loss and any number of classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GapConfig {
    /// So many epochs in a row decide: a single one may be chance.
    pub window: usize,
    /// The validation loss rises if each of the last `window` epochs is above the best one by more than this share;
    /// the training loss likewise.
    pub rise: f64,
    /// The gap is wide if the validation loss is above the training loss by more than this share, in the mean over the
    /// last `window` epochs.
    pub wide: f64,
    /// A loss is flat if its best value became better by less than this share over the last `window` epochs.
    pub flat: f64,
    /// The training loss is high if more than this share is left.
    pub high: f64,
}

impl Default for GapConfig {
    /// 3 epochs; 2 % above the best; 10 % apart; 1 % better; half left.
    fn default() -> GapConfig {
        GapConfig { window: 3, rise: 0.02, wide: 0.1, flat: 0.01, high: 0.5 }
    }
}

/// What the curves of training and validation say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Too few epochs to tell, or no validation part.
    Unclear,
    /// The training loss itself gets worse.
    Diverging,
    /// The validation loss gets worse while the training loss gets better: the model learns its images by heart.
    Overfitting,
    /// Validation still gets better: training has not come to its end.
    Learning,
    /// Neither gets better any more, and the training loss is still high: the model learns too little.
    Underfitting,
    /// Validation has come to rest far above training.
    WideGap,
    /// Validation has come to rest near training, and both are low.
    Settled,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Unclear => "not to be told yet",
            Verdict::Diverging => "training gets worse",
            Verdict::Overfitting => "overfitting",
            Verdict::Learning => "still learning",
            Verdict::Underfitting => "underfitting",
            Verdict::WideGap => "a wide gap",
            Verdict::Settled => "settled",
        })
    }
}

/// How training and validation lie to each other: a value that shows itself as a sentence, what to do, and a picture.
/// [`History::gap`] makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct GapReport {
    verdict: Verdict,
    since: Option<usize>,
    best_epoch: Option<usize>,
    gap: Option<f64>,
    reason: String,
    advice: Vec<&'static str>,
    last: Option<Epoch>,
    curves: Panels,
}

impl GapReport {
    /// What the curves say.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The epoch from which on it is so, for overfitting and diverging: the first after the best.
    #[must_use]
    pub fn since(&self) -> Option<usize> {
        self.since
    }

    /// The epoch with the lowest validation loss; the weights of that epoch are the ones to keep.
    #[must_use]
    pub fn best_epoch(&self) -> Option<usize> {
        self.best_epoch
    }

    /// How far the validation loss was above the training loss in the last epochs, as a share of the loss with which
    /// training began. `None` where the two are not to be compared.
    #[must_use]
    pub fn gap(&self) -> Option<f64> {
        self.gap
    }

    /// What to try, the most promising first.
    #[must_use]
    pub fn advice(&self) -> &[&'static str] {
        &self.advice
    }

    /// Losses over the epochs, and the gap between them.
    #[must_use]
    pub fn curves(&self) -> &Panels {
        &self.curves
    }

    /// Training beside validation in the last epoch.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["last epoch", "train", "valid", "difference"]);
        let Some(last) = &self.last else { return table };
        let mut row = |name: &str, train: Option<f64>, valid: Option<f64>| {
            let cell = |value: Option<f64>| value.map_or("–".to_owned(), number);
            let difference = train.zip(valid).map(|(train, valid)| valid - train);
            table.push(&[name.to_owned(), cell(train), cell(valid), cell(difference)]);
        };
        row("loss", Some(last.train_loss), last.valid_loss);
        for (name, valid) in &last.valid_metrics {
            row(name, value(&last.train_metrics, name), Some(*valid));
        }
        table
    }

    fn headline(&self) -> String {
        format!("{}: {}", self.verdict, self.reason)
    }
}

impl Rich for GapReport {
    fn rich(&self) -> Bundle {
        let mut text = format!("{}\n", self.headline());
        let mut html = format!("<div style=\"font-size:13px\"><b>{}</b>", escape(&self.headline()));
        if !self.advice.is_empty() {
            html += "<ul style=\"margin:4px 0\">";
            for advice in &self.advice {
                text += &format!("- {advice}\n");
                html += &format!("<li>{}</li>", escape(advice));
            }
            html += "</ul>";
        }
        if self.last.is_some() {
            text += &self.table().text();
            let picture = self.curves.html().unwrap_or_else(|error| escape(&error.to_string()));
            html += &format!("{picture}{}", self.table().html());
        }
        Bundle::text(text).html(html + "</div>")
    }
}

const LESS_CAPACITY: &[&str] = &[
    "Take the weights of the best epoch: early stopping keeps them.",
    "Show the model more: more images, or stronger augmentation (flips, crops, RandAugment, MixUp).",
    "Hold it back: more weight decay, dropout, label smoothing.",
    "Take a smaller model, or start from pretrained weights.",
    "If the metrics do not get worse with the loss, the model only becomes too sure of itself; label smoothing helps.",
];
const MORE_DATA: &[&str] = &[
    "Show the model more: more images, or stronger augmentation (flips, crops, RandAugment, MixUp).",
    "Hold it back: more weight decay, dropout, a smaller model.",
    "See that the parts are of one kind: the same sources, no duplicates within training (data.train.scan).",
    "A LearningCurve tells whether more images would help.",
];
const MORE_CAPACITY: &[&str] = &[
    "Look for a better learning rate: learner.lr_find().",
    "Take a larger model, or one with pretrained weights.",
    "Hold it back less: less weight decay, dropout and augmentation.",
    "See that it can learn one batch by heart; if it cannot, labels or images are wrong.",
];
const LONGER: &[&str] = &["Train longer; what was learnt is kept, fit goes on."];
const LOWER_RATE: &[&str] = &[
    "Build the model anew and train it with a lower learning rate; learner.lr_find() suggests one.",
    "Clip gradients, or warm the learning rate up.",
];
const FINE: &[&str] = &["Training longer gains little. More would come of more images or a larger model."];

impl History {
    /// Whether the model learns by heart, too little, or as it should, since which epoch, and what to do about it, by the
    /// thresholds of [`GapConfig::default`].
    #[must_use]
    pub fn gap(&self) -> GapReport {
        self.gap_with(GapConfig::default())
    }

    /// The same by other thresholds; a window of 0 is one of 1.
    ///
    /// The training loss of an epoch is taken while the model learns, with dropout and augmentation, so that it may lie
    /// above that of validation. Where batches were mixed ([`Epoch::mixed`]), the two losses are of different tasks: then
    /// only the course of validation is judged.
    #[must_use]
    pub fn gap_with(&self, config: GapConfig) -> GapReport {
        let Facts { verdict, since, best_epoch, gap, reason } = self.judged(&config);
        let advice = match verdict {
            Verdict::Unclear => &[],
            Verdict::Diverging => LOWER_RATE,
            Verdict::Overfitting => LESS_CAPACITY,
            Verdict::Learning => LONGER,
            Verdict::Underfitting => MORE_CAPACITY,
            Verdict::WideGap => MORE_DATA,
            Verdict::Settled => FINE,
        };
        GapReport {
            verdict,
            since,
            best_epoch,
            gap,
            reason,
            advice: advice.to_vec(),
            last: self.epochs.last().cloned(),
            curves: self.gap_curves(),
        }
    }

    fn gap_curves(&self) -> Panels {
        let points = |of: &dyn Fn(&Epoch) -> Option<f64>| -> Vec<(f64, f64)> {
            self.epochs.iter().filter_map(|epoch| Some((epoch.epoch as f64, of(epoch)?))).collect()
        };
        let losses = Curves::new("loss")
            .x_label("epoch")
            .series("train", &points(&|epoch| Some(epoch.train_loss)))
            .series("valid", &points(&|epoch| epoch.valid_loss));
        let gap = points(&|epoch| Some(epoch.valid_loss? - epoch.train_loss));
        losses.beside(Curves::new("valid loss above train loss").x_label("epoch").series("gap", &gap))
    }

    fn judged(&self, config: &GapConfig) -> Facts {
        let window = config.window.max(1);
        let unclear = |reason: &str| Facts { reason: reason.to_owned(), ..Facts::default() };
        let train: Vec<f64> = self.epochs.iter().map(|epoch| epoch.train_loss).collect();
        let valid: Vec<f64> = self.epochs.iter().filter_map(|epoch| epoch.valid_loss).collect();
        if valid.is_empty() || valid.len() < train.len() {
            return unclear("there is no validation loss of each epoch; give the data a validation part");
        }
        if train.len() <= window {
            return unclear(&format!("{} epochs are too few, {} are needed", train.len(), window + 1));
        }
        let begin = self.steps.first().map_or(train[0], |step| step.loss.max(train[0]));
        let lowest = train.iter().chain(&valid).copied().fold(f64::INFINITY, f64::min);
        // A loss of one's own may go below 0.
        let scale = begin - lowest.min(0.0);
        let all_finite = train.iter().chain(&valid).all(|loss| loss.is_finite());
        if !(all_finite && scale.is_finite() && scale > 0.0) {
            return unclear("the losses are not finite, or 0 from the beginning");
        }
        let share = |loss: f64| loss / scale;
        let (best_train, best_valid) = (Best::of(&train, window), Best::of(&valid, window));
        let facts = |verdict, since: Option<usize>, reason: String| Facts {
            verdict,
            since,
            best_epoch: Some(best_valid.at + 1),
            gap: None,
            reason,
        };
        let since = |best: &Best| Some(best.at + 2);
        let mixed = self.epochs.iter().any(|epoch| epoch.mixed);
        if !mixed && share(best_train.recent - best_train.value) > config.rise {
            let (best, last) = (number(best_train.value), number(train[train.len() - 1]));
            let reason = format!(
                "since epoch {} the training loss is above its best, {last} after {best}",
                best_train.at + 2
            );
            return facts(Verdict::Diverging, since(&best_train), reason);
        }
        let mean = |losses: &[f64]| losses[losses.len() - window..].iter().sum::<f64>() / window as f64;
        let left = share(train[train.len() - 1] - lowest.min(0.0));
        // Where training stands still at a high loss, there is nothing that could be learnt by heart.
        let trains = left <= config.high || share(train[best_valid.at] - mean(&train)) >= config.flat;
        if (mixed || trains) && share(best_valid.recent - best_valid.value) > config.rise {
            let (best, last) = (number(best_valid.value), number(valid[valid.len() - 1]));
            let reason = format!(
                "since epoch {} the validation loss rises, {last} after {best}, while training goes on",
                best_valid.at + 2
            );
            return facts(Verdict::Overfitting, since(&best_valid), reason);
        }
        let gap = (!mixed).then(|| share(mean(&valid) - mean(&train)));
        let facts = |verdict, reason: String| Facts { gap, ..facts(verdict, None, reason) };
        if share(best_valid.gained) >= config.flat {
            let reason = format!(
                "in the last {window} epochs the validation loss fell by {} of the loss at the beginning",
                percent(share(best_valid.gained))
            );
            return facts(Verdict::Learning, reason);
        }
        if !mixed && left > config.high && share(best_train.gained) < config.flat {
            let reason = format!("the training loss no longer falls, and {} of it is left", percent(left));
            return facts(Verdict::Underfitting, reason);
        }
        match gap {
            Some(gap) if gap > config.wide => {
                let reason = format!(
                    "validation no longer gets better, and its loss is above that of training by {} of the loss at the \
                     beginning",
                    percent(gap)
                );
                facts(Verdict::WideGap, reason)
            }
            Some(gap) => {
                let reason = format!(
                    "validation no longer gets better, and is within {} of training",
                    percent(gap.max(0.0))
                );
                facts(Verdict::Settled, reason)
            }
            None => {
                let reason = "validation no longer gets better; the training loss is of mixed images and tells nothing";
                facts(Verdict::Settled, reason.to_owned())
            }
        }
    }
}

struct Facts {
    verdict: Verdict,
    since: Option<usize>,
    best_epoch: Option<usize>,
    gap: Option<f64>,
    reason: String,
}

impl Default for Facts {
    fn default() -> Facts {
        Facts { verdict: Verdict::Unclear, since: None, best_epoch: None, gap: None, reason: String::new() }
    }
}

/// The lowest of some losses, and what came of it.
struct Best {
    /// From 0; the first of several.
    at: usize,
    value: f64,
    /// The lowest of the last epochs.
    recent: f64,
    /// How much lower the lowest is than that of all epochs before the last ones.
    gained: f64,
}

impl Best {
    /// There are more losses than the window is long.
    fn of(losses: &[f64], window: usize) -> Best {
        let lowest = |losses: &[f64]| losses.iter().copied().fold(f64::INFINITY, f64::min);
        let (before, recent) = losses.split_at(losses.len() - window);
        let value = lowest(losses);
        Best {
            at: losses.iter().position(|loss| *loss == value).unwrap_or(0),
            value,
            recent: lowest(recent),
            gained: lowest(before) - value,
        }
    }
}
