//! `sconce run`: executes notebooks without Jupyter.

mod execute;
mod files;
mod page;
mod report;
mod targets;

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use regex::Regex;

use self::execute::{Runner, Timing};
use self::targets::Task;
use super::interrupts::Interrupts;
use super::{CliError, preparation, toolchain};
use crate::notebook::{self, LanguageInfo, OnError, RunOptions, check, junit};

/// Execute notebooks, and write each with its outputs.
///
/// Exits with 1 and names the first failing cell if a cell fails; what was shown until then is written. A cell
/// tagged `raises-exception` may fail; one tagged `skip-execution` does not run. The first Ctrl-C interrupts the
/// running cell and ends the run, the second kills the cell.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The notebooks, and folders of notebooks; each is executed on its own, from its own folder.
    #[arg(required = true, value_name = "NOTEBOOK|FOLDER")]
    notebooks: Vec<PathBuf>,

    /// Where to write, with one notebook; otherwise each `x.ipynb` becomes `x.out.ipynb` beside it.
    ///
    /// With --check or --html the executed notebook is written only where -o or --in-place says so.
    #[arg(short, long, value_name = "OUT.ipynb", conflicts_with = "in_place")]
    output: Option<PathBuf>,

    /// Write the outputs into the notebooks themselves.
    #[arg(short, long)]
    in_place: bool,

    /// Compare the outputs with those that the notebook holds, and write nothing unless told to.
    ///
    /// Exits with 1 if they differ. Cells tagged `ignore-output` are not compared; `ignore-stdout` and
    /// `ignore-stderr` leave out a stream. nbval's names of tags are understood too.
    #[arg(long)]
    check: bool,

    /// With --check, mask what this regular expression matches, in all outputs; may be given several times.
    ///
    /// A notebook, or a cell, carries its own in its metadata:
    /// "sconce": {"check": {"ignore": ["\\d+ images/s"]}}
    #[arg(long, value_name = "REGEX", requires = "check", value_parser = check::pattern)]
    ignore: Vec<Regex>,

    /// Write a page that needs nothing else, with several notebooks a folder of pages.
    ///
    /// HTML that cells show or Markdown holds goes in as it is, scripts included: convert what you trust.
    #[arg(long, value_name = "FILE.html|FOLDER")]
    html: Option<PathBuf>,

    /// With --html, convert the notebooks with the outputs that they hold.
    #[arg(
        long,
        requires = "html",
        conflicts_with_all = ["check", "output", "in_place", "timing", "timeout", "allow_errors", "junit"]
    )]
    no_execute: bool,

    /// Write how each cell went, as JUnit XML for CI.
    #[arg(long, value_name = "FILE.xml")]
    junit: Option<PathBuf>,

    /// Write into each cell when it ran, as JupyterLab does: the times of the metadata field `execution`.
    ///
    /// Without it, the same outputs give the same file, byte for byte.
    #[arg(long)]
    timing: bool,

    /// How long a cell may run before it is interrupted, and two seconds later killed.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,

    /// Run the cells after a failing one too; the exit code still tells that one failed.
    #[arg(long)]
    allow_errors: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|_| "expected a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(limit) if !limit.is_zero() => Ok(limit),
        _ => Err("expected more than 0 seconds".to_owned()),
    }
}

/// Does what the arguments say.
pub fn run(arguments: &RunArguments) -> Result<(), CliError> {
    // Whatever is wrong with any file is said before the first cell runs.
    let plan = targets::plan(arguments)?;
    if arguments.no_execute {
        return plan.tasks.iter().try_for_each(convert);
    }
    let options = RunOptions {
        timeout: arguments.timeout,
        on_error: if arguments.allow_errors { OnError::GoOn } else { OnError::Stop },
    };
    let prepared = preparation::ensure()?;
    let interrupts =
        Interrupts::listen().map_err(|error| CliError::new(format!("cannot listen for Ctrl-C: {error}")))?;
    let language = LanguageInfo { version: rust_version()? };
    let timing = if arguments.timing { Timing::Written } else { Timing::LeftOut };
    let mut runner = Runner { prepared, options, timing, interrupts, suites: Vec::new() };
    let result = run_all(&mut runner, plan.tasks, &language);
    if let Some(junit) = &plan.junit {
        notebook::write_whole(&junit.absolute, &junit::xml(&runner.suites))?;
    }
    result
}

fn convert(task: &Task) -> Result<(), CliError> {
    let Some(target) = &task.page else { return Ok(()) };
    page::write(&task.notebook, &task.path, &task.folder, target)?;
    progress_line(&format!("{}: its page is {}", task.path.display(), target.shown.display()));
    Ok(())
}

fn run_all(runner: &mut Runner, tasks: Vec<Task>, language: &LanguageInfo) -> Result<(), CliError> {
    let count = tasks.len();
    let mut failed = Vec::new();
    for (number, mut task) in (1..).zip(tasks) {
        let path = task.path.clone();
        match count {
            1 => progress_line(&path.display()),
            _ => progress_line(&format!("{} (notebook {number} of {count})", path.display())),
        }
        task.notebook.set_language(language);
        let result = runner.execute(task);
        let stopped = runner.interrupts.stop().load(Ordering::Relaxed);
        match result {
            Err(error) if count == 1 || stopped => return Err(error),
            Err(error) => {
                error.report();
                failed.push(path);
            }
            // Ctrl-C came when its last cell had ended.
            Ok(()) if stopped && number < count => {
                let message = format!("stopped after notebook {number} of {count}");
                return Err(CliError::new(message).interrupted());
            }
            Ok(()) => {}
        }
    }
    all_together(count, &failed)
}

/// After several notebooks, whose errors stand where they came up: which ones failed.
fn all_together(count: usize, failed: &[PathBuf]) -> Result<(), CliError> {
    if failed.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = failed.iter().map(|path| path.display().to_string()).collect();
    Err(CliError::new(format!("{} of {count} notebooks failed: {}", failed.len(), names.join(", "))))
}

/// A number of things, in words: `1 cell`, `3 cells`.
fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// Writes a line to stderr, between the lines of the cells.
fn progress_line(text: &dyn Display) {
    // With stderr closed the run goes on unseen.
    let _ = writeln!(anstream::stderr(), "{text}");
}

fn rust_version() -> Result<String, CliError> {
    let line = toolchain::version_line("rustc").map_err(|error| {
        CliError::new(error).help("install Rust from https://rustup.rs; `sconce doctor` checks the rest")
    })?;
    Ok(toolchain::parse_version(&line).map_or(line, |version| version.to_string()))
}
