//! A bar that is updated in place, and the walk over images that it shows.

use sconce_display::Bundle;

use super::viewer::{Viewer, duration};
use crate::Error;
use crate::plot::{count, escape};

/// A walk that takes fewer seconds shows nothing.
const PATIENCE: f64 = 1.0;

/// A bar with a line beside it, updated in place.
#[derive(Debug)]
pub(crate) struct Bar(Viewer);

impl Bar {
    pub(crate) fn start() -> Bar {
        Bar(Viewer::start())
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.0.seconds()
    }

    pub(crate) fn is_due(&self) -> bool {
        self.0.is_due()
    }

    /// Seconds that are left if it goes on as it went; none where that can't be told.
    pub(crate) fn left(&self, fraction: f64) -> Option<f64> {
        (fraction > 0.0).then(|| self.seconds() * (1.0 - fraction) / fraction)
    }

    /// Shows the bar at `fraction` with this line; in a notebook with what `below` makes under it.
    pub(crate) fn show(&mut self, fraction: f64, line: &str, below: impl FnOnce() -> String) {
        self.0.show(Some(fraction), line, || {
            Bundle::text(text_bar(fraction, line, 24)).html(html_bar(fraction, line) + &below())
        });
    }

    /// Leaves the last state: what the program prints next starts on a clean line.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

/// The bar of a walk over images: how many are through, how fast, how long it will take. What is over within a
/// second shows nothing.
#[derive(Debug)]
pub(crate) struct Walk {
    bar: Bar,
    what: String,
    done: usize,
    of: usize,
    shown: bool,
}

impl Walk {
    /// A walk over `of` images.
    pub(crate) fn start(what: &str, of: usize) -> Walk {
        Walk { bar: Bar::start(), what: what.to_owned(), done: 0, of, shown: false }
    }

    /// Takes note of some more images.
    pub(crate) fn advance(&mut self, images: usize) {
        self.done += images;
        if self.bar.is_due() && self.bar.seconds() >= PATIENCE {
            self.show(self.line());
        }
    }

    /// Shows how it ended, if anything was shown.
    pub(crate) fn finish(mut self, failed: Option<&Error>) {
        if !self.shown {
            return;
        }
        let images = format!("{}: {} of {} images", self.what, count(self.done), count(self.of));
        let line = match failed {
            None => format!("{images}, {}, {} images/s", duration(self.bar.seconds()), self.rate()),
            Some(Error::Interrupted { .. }) => format!("{images}, interrupted"),
            Some(_) => format!("{images}, stopped by an error"),
        };
        self.show(line);
    }

    fn show(&mut self, line: String) {
        self.shown = true;
        let fraction = if self.of == 0 { 1.0 } else { self.fraction() };
        self.bar.show(fraction, &line, String::new);
    }

    fn fraction(&self) -> f64 {
        (self.done as f64 / self.of as f64).clamp(0.0, 1.0)
    }

    fn rate(&self) -> String {
        count((self.done as f64 / self.bar.seconds().max(1e-9)).round() as usize)
    }

    fn line(&self) -> String {
        let line = format!("{}: {} of {} images", self.what, count(self.done), count(self.of));
        match self.bar.left(self.fraction()) {
            Some(left) => format!("{line}, {} images/s, {} left", self.rate(), duration(left)),
            None => line,
        }
    }
}

impl Drop for Walk {
    /// Also where a walk is left half-way.
    fn drop(&mut self) {
        if self.shown {
            self.bar.close();
        }
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
