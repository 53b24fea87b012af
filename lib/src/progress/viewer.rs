//! Where something that goes on is shown, and how often.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sconce_display::{Bundle, Handle, display_with_id, in_notebook};

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

/// One place that is updated: a display of a notebook, a line of a terminal, or lines of a log.
#[derive(Debug)]
pub(crate) struct Viewer {
    audience: Audience,
    handle: Option<Handle>,
    terminal: Option<ProgressBar>,
    started: Instant,
    updated: Instant,
    /// Spent on drawing and sending.
    cost: Duration,
}

impl Viewer {
    pub(crate) fn start() -> Viewer {
        let now = Instant::now();
        Viewer {
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

    /// Shows in a notebook what `bundle` makes; elsewhere the line, in a terminal beside a bar where there is a fraction.
    pub(crate) fn show(&mut self, fraction: Option<f64>, line: &str, bundle: impl FnOnce() -> Bundle) {
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
                let bar = self.terminal.get_or_insert_with(|| terminal_line(fraction));
                bar.set_position((fraction.unwrap_or(0.0) * PARTS as f64).round() as u64);
                bar.set_message(line.to_owned());
            }
            Audience::Notebook => {
                let bundle = bundle();
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
fn terminal_line(fraction: Option<f64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(PARTS), ProgressDrawTarget::stderr());
    let template = if fraction.is_some() { "{bar:16} {wide_msg}" } else { "{wide_msg}" };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
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
