//! A bar that is updated in place, and the walk over images that it shows.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sconce_display::{Bundle, Handle, display_with_id, in_notebook};

use crate::Error;
use crate::plot::{count, escape};

/// A walk that takes fewer seconds shows nothing.
const PATIENCE: f64 = 1.0;
/// Between two updates lies at least so much time.
const PAUSE: Duration = Duration::from_millis(250);
/// No update is made while drawing and sending the earlier ones took more than this share of the time, so
/// that a client that is slow to take them can't slow the work down. The first and the last always come.
const SHARE: f64 = 0.015;
/// Between two lines of a log.
const LOG_PAUSE: Duration = Duration::from_secs(10);
/// Parts of a bar in a terminal.
const PARTS: u64 = 1000;

/// Who looks on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// Sees a bar and what belongs to it.
    Notebook,
    /// Sees a line that is written over and over.
    Terminal,
    /// Gets a plain line now and then, for who reads it later.
    Log,
    Nobody,
}

thread_local! {
    /// How many callers want no bar but their own.
    static QUIET: Cell<usize> = const { Cell::new(0) };
}

/// While it lives, bars that this thread starts show nothing: those of the many parts of a task that has a bar itself.
#[derive(Debug)]
pub(crate) struct Quiet(PhantomData<*const ()>);

impl Quiet {
    pub(crate) fn begin() -> Quiet {
        QUIET.with(|quiet| quiet.set(quiet.get() + 1));
        Quiet(PhantomData)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.with(|quiet| quiet.set(quiet.get() - 1));
    }
}

/// A bar with a line beside it, updated in place.
#[derive(Debug)]
pub(crate) struct Bar {
    audience: Audience,
    handle: Option<Handle>,
    terminal: Option<ProgressBar>,
    started: Instant,
    updated: Instant,
    /// Spent on drawing and sending.
    cost: Duration,
}

impl Bar {
    pub(crate) fn start() -> Bar {
        let now = Instant::now();
        Bar {
            audience: match (in_notebook(), std::io::stderr().is_terminal()) {
                _ if QUIET.with(Cell::get) > 0 => Audience::Nobody,
                (true, _) => Audience::Notebook,
                (false, true) => Audience::Terminal,
                (false, false) => Audience::Log,
            },
            handle: None,
            terminal: None,
            started: now,
            updated: now,
            cost: Duration::ZERO,
        }
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    pub(crate) fn is_due(&self) -> bool {
        let pause = match self.audience {
            Audience::Nobody => return false,
            Audience::Log => LOG_PAUSE,
            Audience::Notebook | Audience::Terminal => PAUSE,
        };
        self.updated.elapsed() >= pause && self.cost.as_secs_f64() <= SHARE * self.seconds()
    }

    /// Seconds that are left if it goes on as it went; none where that can't be told.
    pub(crate) fn left(&self, fraction: f64) -> Option<f64> {
        (fraction > 0.0).then(|| self.seconds() * (1.0 - fraction) / fraction)
    }

    /// Shows the bar at `fraction` with this line; in a notebook with what `below` makes under it.
    pub(crate) fn show(&mut self, fraction: f64, line: &str, below: impl FnOnce() -> String) {
        let start = Instant::now();
        match self.audience {
            Audience::Nobody => return,
            // What is over sooner needs no log.
            Audience::Log if self.started.elapsed() < LOG_PAUSE => return,
            Audience::Log => {
                // A closed stderr is no reason to fail.
                let _ = writeln!(std::io::stderr(), "{line}");
            }
            Audience::Terminal => {
                let bar = self.terminal.get_or_insert_with(terminal_bar);
                bar.set_position((fraction * PARTS as f64).round() as u64);
                bar.set_message(line.to_owned());
            }
            Audience::Notebook => {
                let bundle =
                    Bundle::text(text_bar(fraction, line, 24)).html(html_bar(fraction, line) + &below());
                match &self.handle {
                    Some(handle) => handle.update(bundle),
                    None => self.handle = Some(display_with_id(bundle)),
                }
            }
        }
        self.updated = Instant::now();
        self.cost += start.elapsed();
    }

    /// Leaves the last state: what the program prints next starts on a clean line.
    pub(crate) fn close(&self) {
        if let Some(bar) = &self.terminal {
            bar.abandon();
        }
    }
}

/// On stderr: stdout is the program's own. What does not fit into the terminal's width is cut off.
fn terminal_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(PARTS), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{bar:16} {wide_msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
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

/// A time for people: `12.3 s`, `4 min 05 s`, `2 h 07 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        s if !s.is_finite() => "?".into(),
        s if s < 60.0 => format!("{s:.1} s"),
        _ if whole < 3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
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
