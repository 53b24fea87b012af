//! Preparing the cell library and the assistant, with the progress that a person sees.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::CliError;
use crate::engine::{
    CacheDir, PrepareError, Prepared, Progress, prepare, prepare_assistant, prepare_server, prepared,
};

/// Without a terminal, a line comes this often.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Build what notebooks need, so that none has to wait for it: the library that every cell links to, and the help
/// while typing.
///
/// `run`, `repl` and the kernel build the library themselves where that has not been done, and `install` builds
/// both. Each takes minutes once.
#[derive(Debug, Args)]
pub struct PrepareArguments {
    #[command(flatten)]
    pub parts: Parts,
}

/// What of it is wanted.
#[derive(Debug, Clone, Copy, Args)]
pub struct Parts {
    /// Leave out what completes methods, fields and paths, and shows their documentation: rust-analyzer, the longer
    /// part of the build.
    #[arg(long)]
    pub no_assist: bool,
}

/// `sconce prepare`.
pub fn command(arguments: &PrepareArguments) -> Result<(), CliError> {
    let cache = CacheDir::from_env()?;
    let place = cache.path().display();
    let text = match prepared(&cache) {
        Some(_) => format!("The cell library is ready in {place}: nothing to do.\n"),
        None => {
            build(&cache)?;
            format!("The cell library is ready in {place}.\n")
        }
    };
    say(&text)?;
    match cache.assistant_program() {
        Some(program) => {
            say(&format!("The help while typing is ready in {}: nothing to do.\n", program.display()))
        }
        None => assistant(&cache, arguments.parts),
    }
}

/// The prepared cell library; it is built first where that has not been done.
pub fn ensure() -> Result<Prepared, CliError> {
    let cache = CacheDir::from_env()?;
    match prepared(&cache) {
        Some(prepared) => Ok(prepared),
        None => build(&cache),
    }
}

/// The assistant, unless it is not wanted.
pub fn ensure_assistant(parts: Parts) -> Result<(), CliError> {
    assistant(&CacheDir::from_env()?, parts)
}

fn assistant(cache: &CacheDir, parts: Parts) -> Result<(), CliError> {
    if parts.no_assist || cache.assistant_program().is_some() {
        return Ok(());
    }
    let what = "Building the help while typing. This takes some minutes, once; cells run without it.";
    let program = watched(what, |progress| prepare_assistant(cache, progress)).map_err(|error| {
        CliError::new(error)
            .help("cells run without it, and names are completed; `sconce prepare` goes on from here")
    })?;
    say(&format!("The help while typing is ready in {}.\n", program.display()))
}

/// Builds the server, and gives its program.
pub fn build_server(cache: &CacheDir) -> Result<PathBuf, CliError> {
    let what = "Building the server. This takes some minutes, once.";
    watched(what, |progress| prepare_server(cache, progress)).map_err(|error| {
        CliError::new(error)
            .help("`sconce doctor` checks what a build needs; `sconce serve` goes on from here")
    })
}

fn build(cache: &CacheDir) -> Result<Prepared, CliError> {
    let what = "Preparing the cell library. This takes some minutes, once.";
    watched(what, |progress| prepare(cache, progress)).map_err(CliError::from)
}

/// Does something that tells how far it is.
fn watched<T>(
    what: &str,
    work: impl FnOnce(&mut dyn FnMut(Progress)) -> Result<T, PrepareError>,
) -> Result<T, PrepareError> {
    let start = Instant::now();
    let display = Display::new(what);
    let result = work(&mut |progress| display.show(progress));
    display.finish();
    if result.is_ok() {
        line(&format!("Done in {:.0} s.", start.elapsed().as_secs_f64()));
    }
    result
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
    fn new(what: &str) -> Display {
        line(what);
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

fn say(text: &str) -> Result<(), CliError> {
    std::io::stdout().write_all(text.as_bytes()).map_err(CliError::new)
}

fn line(text: &str) {
    // With stderr closed the preparation goes on unseen.
    let _ = writeln!(std::io::stderr(), "{text}");
}
