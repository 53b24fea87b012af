//! One notebook: executed, written, and what the command says of it.

use std::path::Path;
use std::time::Instant;

use super::targets::Task;
use crate::cli::CliError;
use crate::cli::cells::{CellProgress, shortened};
use crate::cli::interrupts::Interrupts;
use crate::engine::{Failure, Prepared, Session};
use crate::notebook::{self, CellRun, Notebook, OnError, RunOptions, Summary, first_line};

/// What all notebooks of a run share.
pub struct Runner {
    pub prepared: Prepared,
    pub options: RunOptions,
    pub interrupts: Interrupts,
}

impl Runner {
    /// Executes a notebook in a session of its own and writes it; an error says how it did not end well.
    pub fn execute(&self, task: Task) -> Result<(), CliError> {
        let Task { path, folder, written, mut notebook } = task;
        let start = Instant::now();
        let progress = CellProgress::new();
        let (summary, progress) = self.run(&folder, &mut notebook, progress)?;
        notebook.write(&written.absolute)?;
        let seconds = start.elapsed().as_secs_f64();
        let cells = count(summary.cells.len(), "cell");
        progress.print(&format!("{cells} in {seconds:.1} s, written to {}\n", written.shown.display()));
        self.outcome(&path, &written.shown, &notebook, &summary)
    }

    fn run(
        &self,
        folder: &Path,
        notebook: &mut Notebook,
        mut progress: CellProgress,
    ) -> Result<(Summary, CellProgress), CliError> {
        std::env::set_current_dir(folder)
            .map_err(|error| CliError::new(format!("cannot run in {}: {error}", folder.display())))?;
        let mut session = Session::start(&self.prepared).map_err(CliError::new)?;
        let interrupts = &self.interrupts;
        interrupts.set_session(Some(session.interrupter()));
        let summary = notebook::run(notebook, &mut session, &self.options, interrupts.stop(), &mut progress);
        interrupts.set_session(None);
        progress.finish();
        Ok((summary, progress))
    }

    /// What the command says of a run that did not end well.
    fn outcome(
        &self,
        path: &Path,
        output: &Path,
        notebook: &Notebook,
        summary: &Summary,
    ) -> Result<(), CliError> {
        let Some((cell, failure)) = summary.failed() else {
            return match summary.stopped {
                true => Err(stopped(path, summary)),
                false => Ok(()),
            };
        };
        let error = failed(path, notebook, summary, cell, failure);
        if summary.stopped {
            return Err(error.interrupted());
        }
        let written = format!("everything up to there is in {}", output.display());
        Err(match self.options.on_error {
            OnError::Stop => error.help(format!("{written}; --allow-errors runs the cells after it too")),
            OnError::GoOn => error.help(format!("the outputs of all cells are in {}", output.display())),
        })
    }
}

fn stopped(path: &Path, summary: &Summary) -> CliError {
    let message = format!("{}: stopped after {}", path.display(), count(summary.cells.len(), "cell"));
    CliError::new(message).interrupted()
}

fn failed(
    path: &Path,
    notebook: &Notebook,
    summary: &Summary,
    cell: &CellRun,
    failure: &Failure,
) -> CliError {
    CliError::new(format!(
        "{}: cell {} of {} failed: {}: {}\n  its first line: {}",
        path.display(),
        cell.number,
        summary.total,
        failure.name,
        failure.message,
        shortened(first_line(notebook.cells()[cell.index].source())),
    ))
}

/// A number of things, in words: `1 cell`, `3 cells`.
pub fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}
