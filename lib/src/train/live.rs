use std::io::IsTerminal;
use std::time::{Duration, Instant};

use sconce_display::{Bundle, Handle, display_with_id, in_notebook};

use super::epoch::Partial;
use super::history::History;
use super::show::{duration, epochs};
use crate::Error;
use crate::plot::{count, escape, number, svg_in_html};

/// Between two updates lies at least so much time.
const PAUSE: Duration = Duration::from_millis(250);
/// No update is made while drawing and sending the earlier ones took more than this share of the time, so
/// that a client that is slow to take them can't slow training down. The first and the last always come.
const SHARE: f64 = 0.015;
/// A line that is written over must not be wider than the terminal, and few are narrower than this.
const COLUMNS: usize = 79;

/// Who looks on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// Sees a bar and curves.
    Notebook,
    /// Sees a line that is written over and over.
    Terminal,
    Nobody,
}

/// The display of a fit that is running: one bar with curves below, updated in place.
pub(super) struct Live {
    audience: Audience,
    handle: Option<Handle>,
    started: Instant,
    updated: Instant,
    /// Spent on drawing and sending.
    cost: Duration,
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
        let now = Instant::now();
        let begin = partial.map_or(history.len() as f64, Partial::at);
        let mut live = Live {
            audience: match (in_notebook(), std::io::stderr().is_terminal()) {
                (true, _) => Audience::Notebook,
                (false, true) => Audience::Terminal,
                (false, false) => Audience::Nobody,
            },
            handle: None,
            started: now,
            updated: now,
            cost: Duration::ZERO,
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
        if self.is_due() {
            self.loss = history.recent_loss();
            self.place =
                format!("epoch {}/{}, step {}/{}", partial.epoch, self.until, partial.step, partial.steps);
            self.deliver(Some(history), self.going());
        }
    }

    /// Takes note of a batch of the validation.
    pub(super) fn validating(&mut self) {
        if self.is_due() {
            self.place = format!("epoch {}/{}, validation", self.at.ceil(), self.until);
            self.deliver(None, self.going());
        }
    }

    /// Shows how it ended, whenever the last update was.
    pub(super) fn finish(
        mut self,
        history: &History,
        partial: Option<&Partial>,
        outcome: &Result<(), Error>,
    ) {
        self.loss = history.recent_loss();
        let line = match outcome {
            Ok(()) => self.done(history),
            Err(Error::Interrupted { at }) => {
                format!("interrupted {at}: all of it is kept, call fit again to go on")
            }
            Err(_) => {
                let place = partial.map_or_else(|| format!("in epoch {}", history.len() + 1), Partial::place);
                format!("stopped by an error {place}")
            }
        };
        self.deliver(Some(history), line);
        if self.audience == Audience::Terminal
            && let Some(handle) = &self.handle
        {
            // What the program prints next starts on a clean line.
            handle.update(Bundle::text("\n\n"));
        }
    }

    fn is_due(&self) -> bool {
        self.audience != Audience::Nobody
            && self.updated.elapsed() >= PAUSE
            && self.cost.as_secs_f64() <= SHARE * self.started.elapsed().as_secs_f64()
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
        if self.images > 0 && fraction > 0.0 {
            let left = self.started.elapsed().as_secs_f64() * (1.0 - fraction) / fraction;
            line += &format!(", {} images/s, {} left", self.rate(), duration(left));
        }
        line
    }

    fn done(&self, history: &History) -> String {
        let mut line = epochs(history.len());
        if self.images > 0 {
            line +=
                &format!(", {}, {} images/s", duration(self.started.elapsed().as_secs_f64()), self.rate());
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
        line
    }

    fn rate(&self) -> String {
        count((self.images as f64 / self.busy).round() as usize)
    }

    /// Sends the bar with this line, and new curves if a history is given.
    fn deliver(&mut self, history: Option<&History>, line: String) {
        let start = Instant::now();
        let fraction = if self.until as f64 > self.begin { self.fraction() } else { 1.0 };
        let bundle = match self.audience {
            Audience::Nobody => return,
            Audience::Terminal => {
                Bundle::text(text_bar(fraction, &line, 10).chars().take(COLUMNS).collect::<String>())
            }
            Audience::Notebook => {
                if let Some(history) = history.filter(|history| history.has_steps()) {
                    self.curves = match history.curves().svg() {
                        Ok(svg) => svg_in_html(&svg, "loss and metrics so far"),
                        Err(error) => format!("<pre>{}</pre>", escape(&error.to_string())),
                    };
                }
                Bundle::text(text_bar(fraction, &line, 24)).html(html_bar(fraction, &line) + &self.curves)
            }
        };
        match &self.handle {
            Some(handle) => handle.update(bundle),
            None if self.audience == Audience::Notebook => self.handle = Some(display_with_id(bundle)),
            None => {
                // A plain program's first display would go to stdout, which is the program's own.
                let handle = display_with_id(Bundle::default());
                handle.update(bundle);
                self.handle = Some(handle);
            }
        }
        self.updated = Instant::now();
        self.cost += start.elapsed();
    }
}

fn text_bar(fraction: f64, line: &str, width: usize) -> String {
    let full = (fraction * width as f64).round() as usize;
    format!("[{}{}] {line}", "#".repeat(full), ".".repeat(width - full))
}

fn html_bar(fraction: f64, line: &str) -> String {
    format!(
        "<div style=\"margin:4px 0\"><progress value=\"{fraction:.4}\" max=\"1\" style=\"width:16em;\
         vertical-align:middle\"></progress> <span style=\"font-variant-numeric:tabular-nums\">{}</span></div>",
        escape(line)
    )
}
