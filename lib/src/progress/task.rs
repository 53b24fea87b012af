//! How far a long task is: a download, a walk through folders.

use sconce_display::interrupt;

use super::bar::Bar;
use crate::plot::count;
use crate::{Error, Result};

/// In seconds; what is done sooner shows nothing.
const PATIENCE: f64 = 1.0;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Files,
    Images,
    Bytes,
    Layers,
    Resamples,
    Steps,
}

/// A bar that only appears when the task takes longer than a moment.
#[derive(Debug)]
pub(crate) struct Progress {
    what: String,
    unit: Unit,
    total: Option<u64>,
    done: u64,
    bar: Bar,
    shown: bool,
}

impl Progress {
    pub(crate) fn start(what: &str, unit: Unit, total: Option<u64>) -> Progress {
        Progress { what: what.into(), unit, total, done: 0, bar: Bar::start(), shown: false }
    }

    /// Sets how much there is to do, once that is known.
    pub(crate) fn total(&mut self, total: Option<u64>) {
        self.total = total;
    }

    /// Takes note of how much is done.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when somebody asked for a stop.
    pub(crate) fn at(&mut self, done: u64) -> Result<()> {
        self.done = done;
        if interrupt::requested() {
            return Err(Error::Interrupted { at: format!("{}, after {}", self.what, self.amount(done)) });
        }
        if self.bar.seconds() >= PATIENCE && self.bar.is_due() {
            self.show();
        }
        Ok(())
    }

    fn show(&mut self) {
        self.shown = true;
        let rate = self.amount((self.done as f64 / self.bar.seconds().max(1e-3)) as u64);
        let of = self.total.map_or(String::new(), |total| format!(" of {}", self.amount(total)));
        let line = format!("{}: {}{of}, {rate}/s", self.what, self.amount(self.done));
        let total = self.total.filter(|&total| total > 0);
        let fraction = total.map_or(0.0, |total| (self.done as f64 / total as f64).clamp(0.0, 1.0));
        self.bar.show(fraction, &line, String::new);
    }

    fn amount(&self, amount: u64) -> String {
        match self.unit {
            Unit::Files => format!("{} files", count(usize::try_from(amount).unwrap_or(usize::MAX))),
            Unit::Images => format!("{} images", count(usize::try_from(amount).unwrap_or(usize::MAX))),
            Unit::Bytes => bytes(amount),
            Unit::Layers => format!("{} layers", count(usize::try_from(amount).unwrap_or(usize::MAX))),
            Unit::Resamples => format!("{} resamples", count(usize::try_from(amount).unwrap_or(usize::MAX))),
            Unit::Steps => format!("{} steps", count(usize::try_from(amount).unwrap_or(usize::MAX))),
        }
    }
}

impl Drop for Progress {
    /// Leaves the last state where something was shown.
    fn drop(&mut self) {
        if self.shown {
            self.show();
            self.bar.close();
        }
    }
}

/// `1.5 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
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
