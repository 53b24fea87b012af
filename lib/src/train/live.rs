use super::callback::Control;
use super::epoch::Partial;
use super::history::History;
use super::show::epochs;
use crate::Error;
use crate::plot::{count, escape, number};
use crate::progress::{Bar, duration};

/// The display of a fit that is running: one bar with curves below, updated in place.
pub(super) struct Live {
    bar: Bar,
    /// In epochs: where this fit began, stands and ends.
    begin: f64,
    at: f64,
    until: usize,
    /// Where it stands, in words.
    place: String,
    loss: Option<f64>,
    images: usize,
    /// Seconds in training steps.
    busy: f64,
    /// The curves as they were last drawn, in HTML.
    curves: String,
}

impl Live {
    /// Shows an empty bar, with the curves of earlier fits if there are any.
    pub(super) fn start(history: &History, partial: Option<&Partial>, until: usize) -> Live {
        let begin = partial.map_or(history.len() as f64, Partial::at);
        let mut live = Live {
            bar: Bar::start(),
            begin,
            at: begin,
            until,
            place: format!("epoch {}/{until}", (history.len() + 1).min(until)),
            loss: None,
            images: 0,
            busy: 0.0,
            curves: String::new(),
        };
        live.deliver(Some(history), live.going());
        live
    }

    /// Takes note of a training step, and shows it if it is time to.
    pub(super) fn stepped(&mut self, history: &History, partial: &Partial, images: usize, seconds: f64) {
        self.at = partial.at();
        self.images += images;
        self.busy += seconds;
        if self.bar.is_due() {
            self.loss = history.recent_loss();
            self.place =
                format!("epoch {}/{}, step {}/{}", partial.epoch, self.until, partial.step, partial.steps);
            self.deliver(Some(history), self.going());
        }
    }

    /// Takes note of a batch of the validation.
    pub(super) fn validating(&mut self) {
        if self.bar.is_due() {
            self.place = format!("epoch {}/{}, validation", self.at.ceil(), self.until);
            self.deliver(None, self.going());
        }
    }

    /// Shows how it ended, whenever the last update was.
    pub(super) fn finish(
        mut self,
        history: &History,
        partial: Option<&Partial>,
        outcome: &Result<Control, Error>,
    ) {
        self.loss = history.recent_loss();
        let line = match outcome {
            Ok(Control::GoOn) => self.done(history),
            Ok(Control::Stop(reason)) => format!("{}; stopped: {reason}", self.done(history)),
            Err(Error::Interrupted { at }) => {
                format!("interrupted {at}: all of it is kept, call resume() to go on")
            }
            Err(_) => {
                let place = partial.map_or_else(|| format!("in epoch {}", history.len() + 1), Partial::place);
                format!("stopped by an error {place}")
            }
        };
        self.deliver(Some(history), line);
        self.bar.close();
    }

    fn fraction(&self) -> f64 {
        ((self.at - self.begin) / (self.until as f64 - self.begin)).clamp(0.0, 1.0)
    }

    /// The state while it goes on, in a line.
    fn going(&self) -> String {
        let mut line = self.place.clone();
        if let Some(loss) = self.loss {
            line += &format!(", loss {}", number(loss));
        }
        let fraction = self.fraction();
        if self.images > 0
            && let Some(left) = self.bar.left(fraction)
        {
            line += &format!(", {} images/s, {} left", self.rate(), duration(left));
        }
        line
    }

    fn done(&self, history: &History) -> String {
        let mut line = epochs(history.len());
        if self.images > 0 {
            line += &format!(", {}, {} images/s", duration(self.bar.seconds()), self.rate());
        }
        if let Some(last) = history.last() {
            line += &format!(", train loss {}", number(last.train_loss));
            if let Some(loss) = last.valid_loss {
                line += &format!(", valid loss {}", number(loss));
            }
            for (name, value) in &last.valid_metrics {
                line += &format!(", valid {name} {}", number(*value));
            }
        }
        if history.skipped_in_all() > 0 {
            line += &format!(", {} images skipped", count(history.skipped_in_all()));
        }
        line
    }

    fn rate(&self) -> String {
        count((self.images as f64 / self.busy).round() as usize)
    }

    /// Sends the bar with this line, and new curves if a history is given.
    fn deliver(&mut self, history: Option<&History>, line: String) {
        let fraction = if self.until as f64 > self.begin { self.fraction() } else { 1.0 };
        let Live { bar, curves, .. } = self;
        bar.show(fraction, &line, || {
            if let Some(history) = history.filter(|history| history.has_steps()) {
                *curves = history
                    .curves()
                    .html()
                    .unwrap_or_else(|error| format!("<pre>{}</pre>", escape(&error.to_string())));
            }
            curves.clone()
        });
    }
}
