//! One notebook: executed, compared, written, and what the command says of it.

use std::path::Path;
use std::time::Instant;

use super::targets::{Target, Task};
use super::{count, report};
use crate::cli::CliError;
use crate::cli::cells::{CellProgress, shortened};
use crate::cli::interrupts::Interrupts;
use crate::engine::{Failure, Prepared, Session};
use crate::notebook::check::{self, CellDifference};
use crate::notebook::junit::Suite;
use crate::notebook::{self, CellRun, Notebook, OnError, RunOptions, Summary, first_line};

/// Whether notebooks say when their cells ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// They do.
    Written,
    /// They do not.
    LeftOut,
}

/// What all notebooks of a run share.
pub struct Runner {
    pub prepared: Prepared,
    pub options: RunOptions,
    pub timing: Timing,
    pub interrupts: Interrupts,
    /// How the notebooks went that have run.
    pub suites: Vec<Suite>,
}

/// A notebook that has run.
struct Ran {
    notebook: Notebook,
    summary: Summary,
    /// What differs from the outputs that the notebook held; nothing where that was not asked.
    differences: Vec<CellDifference>,
}

impl Runner {
    /// Executes a notebook in a session of its own and does with it what is asked; an error says how it did
    /// not end well.
    pub fn execute(&mut self, task: Task) -> Result<(), CliError> {
        let Task { path, folder, check, written, page, mut notebook } = task;
        let (start, started) = (Instant::now(), jiff::Timestamp::now());
        let name = path.display().to_string();
        let stored = check.map(|rules| (notebook.clone(), rules));
        let (summary, progress) = self.run(&folder, &mut notebook).inspect_err(|error| {
            self.suites.push(Suite::broken(&name, started, error.message()));
        })?;
        if self.timing == Timing::Written {
            notebook.set_timing(&summary);
        }
        let differences = match &stored {
            Some((stored, rules)) => check::compare(stored, &notebook, &summary, rules),
            None => Vec::new(),
        };
        let elapsed = start.elapsed();
        self.suites.push(Suite::of(&name, started, elapsed, &notebook, &summary, &differences));
        let mut told = format!("{} in {:.1} s", count(summary.cells.len(), "cell"), elapsed.as_secs_f64());
        if let Some(written) = &written {
            notebook.write(&written.absolute)?;
            told.push_str(&format!(", written to {}", written.shown.display()));
        }
        if let Some(page) = &page {
            super::page::write(&notebook, &path, &folder, page)?;
            told.push_str(&format!(", its page is {}", page.shown.display()));
        }
        progress.print(&format!("{told}\n"));
        report::print(&path, &notebook, &differences)?;
        let updated = written.as_ref().is_some_and(|written| written.shown == path);
        self.outcome(&path, written.or(page).as_ref(), updated, &Ran { notebook, summary, differences })
    }

    fn run(&self, folder: &Path, notebook: &mut Notebook) -> Result<(Summary, CellProgress), CliError> {
        std::env::set_current_dir(folder)
            .map_err(|error| CliError::new(format!("cannot run in {}: {error}", folder.display())))?;
        let mut session = Session::start(&self.prepared).map_err(CliError::new)?;
        let mut progress = CellProgress::new();
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
        written: Option<&Target>,
        updated: bool,
        ran: &Ran,
    ) -> Result<(), CliError> {
        let Ran { summary, differences, .. } = ran;
        if let Some((cell, failure)) = summary.failed() {
            let error = failed(path, ran, cell, failure);
            return Err(match summary.stopped {
                true => error.interrupted(),
                false => error.help(self.after_failure(written)),
            });
        }
        if summary.stopped {
            return Err(stopped(path, summary));
        }
        match differences.is_empty() {
            true => Ok(()),
            false => Err(report::error(path, differences, summary.cells.len(), updated)),
        }
    }

    fn after_failure(&self, written: Option<&Target>) -> String {
        let go_on = "--allow-errors runs the cells after it too";
        match (written, self.options.on_error) {
            (None, OnError::Stop) => go_on.to_owned(),
            (None, OnError::GoOn) => "all cells after it have run too".to_owned(),
            (Some(written), OnError::Stop) => {
                format!("everything up to there is in {}; {go_on}", written.shown.display())
            }
            (Some(written), OnError::GoOn) => {
                format!("the outputs of all cells are in {}", written.shown.display())
            }
        }
    }
}

fn stopped(path: &Path, summary: &Summary) -> CliError {
    let message = format!("{}: stopped after {}", path.display(), count(summary.cells.len(), "cell"));
    CliError::new(message).interrupted()
}

fn failed(path: &Path, ran: &Ran, cell: &CellRun, failure: &Failure) -> CliError {
    CliError::new(format!(
        "{}: cell {} of {} failed: {}: {}\n  its first line: {}",
        path.display(),
        cell.number,
        ran.summary.total,
        failure.name,
        failure.message,
        shortened(first_line(ran.notebook.cells()[cell.index].source())),
    ))
}
