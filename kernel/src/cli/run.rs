//! `sconce run`: executes notebooks without Jupyter.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, CommandFactory};

use super::cells::{CellProgress, shortened};
use super::interrupts::Interrupts;
use super::{Arguments, CliError, preparation, toolchain};
use crate::engine::{Prepared, Session};
use crate::notebook::{self, CellError, LanguageInfo, Notebook, OnError, RunOptions, Summary};

/// Execute notebooks, and write each with its outputs.
///
/// Exits with 1 and names the first failing cell if a cell fails; what was shown until then is written. A cell
/// tagged `raises-exception` may fail; one tagged `skip-execution` does not run. The first Ctrl-C interrupts the
/// running cell and ends the run, the second kills the cell.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The notebooks, each executed on its own, from its own folder.
    #[arg(required = true, value_name = "NOTEBOOK")]
    notebooks: Vec<PathBuf>,

    /// Where to write, with one notebook; otherwise each `x.ipynb` becomes `x.out.ipynb` beside it.
    #[arg(short, long, value_name = "OUT.ipynb")]
    output: Option<PathBuf>,

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

/// A notebook that is to be executed.
struct Task {
    /// As it was typed.
    path: PathBuf,
    /// Where the cells run.
    folder: PathBuf,
    /// Where to write, as it was typed.
    output: PathBuf,
    /// The same place from any folder.
    absolute_output: PathBuf,
    notebook: Notebook,
}

/// Does what the arguments say.
pub fn run(arguments: &RunArguments) -> Result<(), CliError> {
    if arguments.output.is_some() && arguments.notebooks.len() > 1 {
        let message = "-o names one file, and several notebooks are to be executed";
        Arguments::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
    }
    // Whatever is wrong with any file is said before the first cell runs.
    let tasks = arguments.notebooks.iter().map(|path| task(path, arguments.output.as_deref()));
    let tasks = tasks.collect::<Result<Vec<_>, _>>()?;
    let options = RunOptions {
        timeout: arguments.timeout,
        on_error: if arguments.allow_errors { OnError::GoOn } else { OnError::Stop },
    };
    let prepared = preparation::ensure()?;
    let interrupts =
        Interrupts::listen().map_err(|error| CliError::new(format!("cannot listen for Ctrl-C: {error}")))?;
    let language = LanguageInfo { version: rust_version()? };
    let mut first_error = None;
    for mut task in tasks {
        task.notebook.set_language(&language);
        if let Err(error) = execute(task, &prepared, &options, &interrupts) {
            let stopped = interrupts.stop().load(std::sync::atomic::Ordering::Relaxed);
            match first_error {
                None => first_error = Some(error),
                Some(_) => {
                    error.report();
                }
            }
            if stopped {
                break;
            }
        }
    }
    first_error.map_or(Ok(()), Err)
}

fn task(path: &Path, output: Option<&Path>) -> Result<Task, CliError> {
    let notebook = Notebook::read(path)?;
    let output = output.map_or_else(|| path.with_extension("out.ipynb"), Path::to_owned);
    notebook::check_writable(&output)?;
    let absolute = |path: &Path| {
        std::path::absolute(path).map_err(|error| CliError::new(format!("{}: {error}", path.display())))
    };
    let folder = absolute(path)?.parent().map(Path::to_owned).unwrap_or_default();
    Ok(Task { path: path.to_owned(), folder, absolute_output: absolute(&output)?, output, notebook })
}

fn rust_version() -> Result<String, CliError> {
    let line = toolchain::version_line("rustc").map_err(|error| {
        CliError::new(error).help("install Rust from https://rustup.rs; `sconce doctor` checks the rest")
    })?;
    Ok(toolchain::parse_version(&line).map_or(line, |version| version.to_string()))
}

fn execute(
    task: Task,
    prepared: &Prepared,
    options: &RunOptions,
    interrupts: &Interrupts,
) -> Result<(), CliError> {
    let Task { path, folder, output, absolute_output, mut notebook } = task;
    let start = Instant::now();
    std::env::set_current_dir(&folder)
        .map_err(|error| CliError::new(format!("cannot run in {}: {error}", folder.display())))?;
    let mut session = Session::start(prepared).map_err(CliError::new)?;
    let mut progress = CellProgress::new();
    progress.print(&format!("{}\n", path.display()));
    interrupts.set_session(Some(session.interrupter()));
    let summary = notebook::run(&mut notebook, &mut session, options, interrupts.stop(), &mut progress);
    interrupts.set_session(None);
    progress.finish();
    notebook.write(&absolute_output)?;
    let seconds = start.elapsed().as_secs_f64();
    let cells = match summary.executed {
        1 => "1 cell".to_owned(),
        count => format!("{count} cells"),
    };
    progress.print(&format!("{cells} in {seconds:.1} s, written to {}\n", output.display()));
    outcome(&path, &output, options, summary)
}

/// What the command says of a run that did not end well.
fn outcome(path: &Path, output: &Path, options: &RunOptions, summary: Summary) -> Result<(), CliError> {
    let path = path.display();
    let Some(CellError { position, first_line, failure }) = summary.failed else {
        return match summary.stopped {
            true => {
                Err(CliError::new(format!("{path}: stopped after {} cells", summary.executed)).interrupted())
            }
            false => Ok(()),
        };
    };
    let error = CliError::new(format!(
        "{path}: cell {} of {} failed: {}: {}\n  its first line: {}",
        position.number,
        position.total,
        failure.name,
        failure.message,
        shortened(&first_line),
    ));
    if summary.stopped {
        return Err(error.interrupted());
    }
    let written = format!("everything up to there is in {}", output.display());
    Err(match options.on_error {
        OnError::Stop => error.help(format!("{written}; --allow-errors runs the cells after it too")),
        OnError::GoOn => error.help(format!("the outputs of all cells are in {}", output.display())),
    })
}
