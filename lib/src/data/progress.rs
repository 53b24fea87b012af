//! How far a long task of the data is: a download, a walk through folders.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use sconce_display::{Bundle, Handle, display_with_id, in_notebook, interrupt};

use crate::plot::{count, escape};
use crate::{Error, Result};

/// What is done sooner shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two updates lies at least so much time.
const PAUSE: Duration = Duration::from_millis(250);
/// A line that is written over must not be wider than the terminal.
const COLUMNS: usize = 79;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Files,
    Bytes,
}

/// One bar, updated in place, in a notebook or a terminal; elsewhere nothing is shown. It only appears when
/// the task takes longer than a moment.
pub(super) struct Progress {
    what: String,
    unit: Unit,
    total: Option<u64>,
    done: u64,
    started: Instant,
    updated: Instant,
    handle: Option<Handle>,
}

impl Progress {
    pub(super) fn start(what: &str, unit: Unit, total: Option<u64>) -> Progress {
        let now = Instant::now();
        Progress { what: what.into(), unit, total, done: 0, started: now, updated: now, handle: None }
    }

    /// Takes note of how much is done.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when somebody asked for a stop.
    pub(super) fn at(&mut self, done: u64) -> Result<()> {
        self.done = done;
        if interrupt::requested() {
            return Err(Error::Interrupted { at: format!("{}, after {}", self.what, self.amount(done)) });
        }
        if self.started.elapsed() >= PATIENCE && self.updated.elapsed() >= PAUSE {
            self.updated = Instant::now();
            self.show(self.line());
        }
        Ok(())
    }

    /// Sets how much there is to do, once that is known.
    pub(super) fn total(&mut self, total: Option<u64>) {
        self.total = total;
    }

    fn amount(&self, amount: u64) -> String {
        match self.unit {
            Unit::Files => format!("{} files", count(usize::try_from(amount).unwrap_or(usize::MAX))),
            Unit::Bytes => bytes(amount),
        }
    }

    fn line(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-3);
        let rate = self.amount((self.done as f64 / seconds) as u64);
        match self.total {
            Some(total) => {
                format!("{}: {} of {}, {rate}/s", self.what, self.amount(self.done), self.amount(total))
            }
            None => format!("{}: {}, {rate}/s", self.what, self.amount(self.done)),
        }
    }

    fn fraction(&self) -> Option<f64> {
        let total = self.total.filter(|&total| total > 0)?;
        Some((self.done as f64 / total as f64).clamp(0.0, 1.0))
    }

    fn show(&mut self, line: String) {
        let text = self.fraction().map_or_else(
            || line.clone(),
            |fraction| {
                let full = (fraction * 10.0).round() as usize;
                format!("[{}{}] {line}", "#".repeat(full), ".".repeat(10 - full))
            },
        );
        if in_notebook() {
            let value =
                self.fraction().map_or(String::new(), |value| format!(" value=\"{value:.4}\" max=\"1\""));
            let html = format!(
                "<div style=\"margin:4px 0\"><progress{value} style=\"width:16em;vertical-align:middle\">\
                 </progress> <span style=\"font-variant-numeric:tabular-nums\">{}</span></div>",
                escape(&line)
            );
            let bundle = Bundle::text(text).html(html);
            match &self.handle {
                Some(handle) => handle.update(bundle),
                None => self.handle = Some(display_with_id(bundle)),
            }
        } else if std::io::stderr().is_terminal() {
            // A plain program's first display would go to stdout, which is the program's own.
            let handle = self.handle.get_or_insert_with(|| display_with_id(Bundle::default()));
            handle.update(Bundle::text(text.chars().take(COLUMNS).collect::<String>()));
        }
    }
}

impl Drop for Progress {
    /// Leaves the last state where something was shown, and a clean line behind it.
    fn drop(&mut self) {
        if self.handle.is_some() {
            self.show(self.line());
            if !in_notebook()
                && let Some(handle) = &self.handle
            {
                handle.update(Bundle::text("\n\n"));
            }
        }
    }
}

/// `1.5 MB`.
pub(super) fn bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "bytes");
    for larger in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_in_the_unit_that_suits_them() {
        let cases = [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (170_498_071, "170.5 MB")];
        for (amount, text) in cases {
            assert_eq!(bytes(amount), text);
        }
    }
}
