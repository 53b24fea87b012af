//! Preparing the cell library, with the progress that a person sees.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::CliError;
use crate::engine::{CacheDir, PrepareError, Prepared, Progress, prepare, prepared};

/// Without a terminal, lines come at most this often.
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
    let mut display = Display::new();
    let result = prepare(cache, &mut |progress| display.show(&progress));
    display.finish(result.is_ok());
    Ok(result?)
}

impl From<PrepareError> for CliError {
    fn from(error: PrepareError) -> CliError {
        CliError::new(error).help("`sconce doctor` checks everything that the preparation needs")
    }
}

/// How far the preparation is, on stderr.
struct Display {
    start: Instant,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

impl Display {
    fn new() -> Display {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let template = "preparing {bar:24.cyan} {pos}/{len} {elapsed:>5} {wide_msg:.dim}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            // The clock moves while a large crate compiles and nothing else does.
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let display = Display { start: Instant::now(), bar, last_line: None };
        display.line("Preparing the cell library. This takes some minutes, once.");
        display
    }

    fn show(&mut self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
            bar.set_message(progress.message.clone());
        } else if self.last_line.is_none_or(|last| last.elapsed() >= LINE_INTERVAL) {
            self.last_line = Some(Instant::now());
            let Progress { done, total, message } = progress;
            let seconds = self.start.elapsed().as_secs();
            match total {
                0 => self.line(&format!("preparing: {message}")),
                _ => self.line(&format!("preparing {done}/{total} {seconds:>4} s  {message}")),
            }
        }
    }

    fn finish(&self, succeeded: bool) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.start.elapsed().as_secs_f64();
        if succeeded {
            self.line(&format!("Prepared in {seconds:.0} s."));
        }
    }

    fn line(&self, text: &str) {
        let write = || {
            // With stderr closed the preparation goes on unseen.
            let _ = writeln!(std::io::stderr(), "{text}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}
