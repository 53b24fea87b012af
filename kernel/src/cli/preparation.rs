//! Preparing the cell library, with the progress that a person sees.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::CliError;
use crate::engine::{CacheDir, PrepareError, Prepared, Progress, prepare, prepared};

/// Without a terminal, a line comes this often.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// `sconce prepare`.
pub fn command() -> Result<(), CliError> {
    let cache = CacheDir::from_env()?;
    let text = match prepared(&cache) {
        Some(_) => format!("The cell library is ready in {}: nothing to do.\n", cache.path().display()),
        None => {
            build(&cache)?;
            format!("The cell library is ready in {}.\n", cache.path().display())
        }
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(CliError::new)
}

/// The prepared cell library; it is built first where that has not been done.
pub fn ensure() -> Result<Prepared, CliError> {
    let cache = CacheDir::from_env()?;
    match prepared(&cache) {
        Some(prepared) => Ok(prepared),
        None => build(&cache),
    }
}

fn build(cache: &CacheDir) -> Result<Prepared, CliError> {
    let start = Instant::now();
    let display = Display::new();
    let result = prepare(cache, &mut |progress| display.show(progress));
    display.finish();
    let prepared = result?;
    line(&format!("Prepared in {:.0} s.", start.elapsed().as_secs_f64()));
    Ok(prepared)
}

impl From<PrepareError> for CliError {
    fn from(error: PrepareError) -> CliError {
        CliError::new(error).help("`sconce doctor` checks everything that the preparation needs")
    }
}

/// How far the preparation is, on stderr.
enum Display {
    /// A moving line in a terminal.
    Bar(ProgressBar),
    /// Lines elsewhere, from a thread of their own: one also comes while a large crate compiles and nothing ends.
    Lines { progress: Sender<Progress>, writer: JoinHandle<()> },
}

impl Display {
    fn new() -> Display {
        line("Preparing the cell library. This takes some minutes, once.");
        if !std::io::stderr().is_terminal() {
            let (progress, incoming) = channel();
            return Display::Lines { progress, writer: std::thread::spawn(move || write_lines(&incoming)) };
        }
        let bar = ProgressBar::new(0);
        let template = "preparing {bar:24.cyan} {pos}/{len} {elapsed:>5} {wide_msg:.dim}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Display::Bar(bar)
    }

    fn show(&self, now: Progress) {
        match self {
            Display::Bar(bar) => {
                bar.set_length(now.total as u64);
                bar.set_position(now.done as u64);
                bar.set_message(now.message);
            }
            // The thread listens for as long as this side exists.
            Display::Lines { progress, .. } => drop(progress.send(now)),
        }
    }

    fn finish(self) {
        match self {
            Display::Bar(bar) => bar.finish_and_clear(),
            Display::Lines { progress, writer } => {
                drop(progress);
                let _ = writer.join();
            }
        }
    }
}

/// Writes the first step at once, and then the latest one every [`LINE_INTERVAL`].
fn write_lines(incoming: &Receiver<Progress>) {
    let start = Instant::now();
    let Ok(mut latest) = incoming.recv() else { return };
    let mut next_line = start;
    loop {
        let Progress { done, total, message } = &latest;
        if Instant::now() >= next_line {
            let seconds = start.elapsed().as_secs();
            match total {
                0 => line(&format!("preparing {seconds:>4} s  {message}")),
                _ => line(&format!("preparing {seconds:>4} s  {done}/{total} crates: {message}")),
            }
            next_line = Instant::now() + LINE_INTERVAL;
        }
        match incoming.recv_timeout(next_line.saturating_duration_since(Instant::now())) {
            Ok(progress) => latest = progress,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn line(text: &str) {
    // With stderr closed the preparation goes on unseen.
    let _ = writeln!(std::io::stderr(), "{text}");
}
