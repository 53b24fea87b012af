//! Executes the cells of a notebook in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::document::{CellKind, Notebook};
use super::outputs::Outputs;
use crate::engine::{Failure, Output, Session};

/// Between the interrupt that a cell may answer in an orderly way and the one that kills it.
const GRACE: Duration = Duration::from_secs(2);

/// What runs a cell's source: [`Session`].
pub trait Executor {
    /// Runs one cell to its end and hands over its outputs as they come.
    fn execute(&mut self, code: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure>;

    /// What stops the running cell from another thread: called once it asks, called twice it kills.
    fn interrupter(&self) -> Arc<dyn Fn() + Send + Sync>;
}

impl Executor for Session {
    fn execute(&mut self, code: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
        Session::execute(self, code, outputs)
    }

    fn interrupter(&self) -> Arc<dyn Fn() + Send + Sync> {
        let interrupter = Session::interrupter(self);
        Arc::new(move || interrupter.interrupt())
    }
}

/// How to run a notebook.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// How long a single cell may take; no limit if none.
    pub timeout: Option<Duration>,
    /// What a failing cell does to the rest.
    pub on_error: OnError,
}

/// What a failing cell does to the rest of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnError {
    /// Ends it, unless the cell carries the tag `raises-exception`.
    #[default]
    Stop,
    /// Nothing.
    GoOn,
}

/// Which of the cells that run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The `n` of `In [n]`, from 1.
    pub number: u64,
    /// How many cells there are to run.
    pub total: u64,
}

/// Somebody who watches a run.
pub trait Observer {
    /// A cell starts.
    fn begin(&mut self, position: Position, source: &str);
    /// The cell has ended after `elapsed`.
    fn end(&mut self, position: Position, elapsed: Duration, failure: Option<&Failure>);
}

/// How a run went.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many cells there were to run.
    pub total: u64,
    /// The cells that ran, in order.
    pub cells: Vec<CellRun>,
    /// Whether the run was stopped from outside.
    pub stopped: bool,
}

/// How one cell went.
#[derive(Debug, Clone)]
pub struct CellRun {
    /// Its place among all cells of the notebook, from 0.
    pub index: usize,
    /// The `n` of `In [n]`.
    pub number: u64,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How long it took, by a clock that nobody sets.
    pub elapsed: Duration,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// Whether a tag of the cell allows the failure.
    pub allowed: bool,
}

impl Summary {
    /// The first cell that failed without a tag that allows it, and why.
    #[must_use]
    pub fn failed(&self) -> Option<(&CellRun, &Failure)> {
        let failed = self.cells.iter().filter(|cell| !cell.allowed);
        failed.filter_map(|cell| Some((cell, cell.failure.as_ref()?))).next()
    }
}

/// Executes all code cells of `notebook` in order and stores their outputs in it.
///
/// Blank cells do not run. Outputs and times of an earlier run are gone afterwards, also those of cells that were not
/// reached; only cells whose tags keep them from running keep theirs. When `stop` is set the run ends after the
/// running cell; whoever sets it also interrupts that cell.
pub fn run(
    notebook: &mut Notebook,
    executor: &mut dyn Executor,
    options: &RunOptions,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Summary {
    let mut to_run = Vec::new();
    for (index, cell) in notebook.cells.iter_mut().enumerate() {
        if cell.kind() == CellKind::Code && !cell.is_skipped() {
            cell.set_outputs(None, Vec::new());
            cell.clear_timing();
            if !cell.source().trim().is_empty() {
                to_run.push(index);
            }
        }
    }
    let total = to_run.len() as u64;
    let mut summary = Summary { total, ..Summary::default() };
    let mut outputs = Outputs::default();
    for (number, &index) in (1..).zip(&to_run) {
        if stop.load(Ordering::Relaxed) {
            summary.stopped = true;
            break;
        }
        let cell = &notebook.cells[index];
        let position = Position { number, total };
        observer.begin(position, cell.source());
        let (start, started) = (Instant::now(), Timestamp::now());
        outputs.begin_cell();
        let (result, timed_out) = execute_within(options.timeout, executor, cell.source(), &mut |output| {
            outputs.add(output, number);
        });
        let result = result.map_err(|failure| match options.timeout {
            Some(limit) if timed_out => timeout_failure(limit, failure),
            _ => failure,
        });
        summary.stopped = stop.load(Ordering::Relaxed);
        let (elapsed, ended) = (start.elapsed(), Timestamp::now());
        observer.end(position, elapsed, result.as_ref().err());
        let failure = result.err();
        if let Some(failure) = &failure {
            outputs.fail(failure.clone());
        }
        let allowed = cell.may_fail() && !timed_out && !summary.stopped;
        let ends_run = failure.is_some() && !allowed && options.on_error == OnError::Stop;
        summary.cells.push(CellRun { index, number, started, ended, elapsed, failure, allowed });
        if ends_run {
            break;
        }
    }
    for ((number, &index), outputs) in (1..).zip(&to_run).zip(outputs.into_json()) {
        notebook.cells[index].set_outputs(Some(number), outputs);
    }
    summary
}

/// The first line of a cell that is not blank.
pub(crate) fn first_line(source: &str) -> &str {
    source.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// Runs a cell; after `limit` it is interrupted, and [`GRACE`] later killed. Says whether that happened.
fn execute_within(
    limit: Option<Duration>,
    executor: &mut dyn Executor,
    code: &str,
    outputs: &mut dyn FnMut(Output),
) -> (Result<(), Failure>, bool) {
    let Some(limit) = limit else { return (executor.execute(code, outputs), false) };
    let interrupt = executor.interrupter();
    // Nothing is ever sent: the watch learns from the closed channel that the cell has ended.
    let (running, ended) = channel::<()>();
    std::thread::scope(|scope| {
        let watch = scope.spawn(move || {
            if ended.recv_timeout(limit) != Err(RecvTimeoutError::Timeout) {
                return false;
            }
            interrupt();
            if ended.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
                interrupt();
            }
            true
        });
        let result = executor.execute(code, outputs);
        drop(running);
        (result, watch.join().unwrap_or(true))
    })
}

/// What a cell failed with that ran into its time limit, in front of what the interrupt made of it.
fn timeout_failure(limit: Duration, failure: Failure) -> Failure {
    let message = format!("the cell did not end within {} s (--timeout)", limit.as_secs_f64());
    let mut traceback = vec![format!("\u{1b}[1;31mTimeout\u{1b}[0m: {message}")];
    traceback.extend(failure.traceback);
    Failure { name: "Timeout".to_owned(), message, traceback }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::path::Path;
    use std::sync::mpsc::{Receiver, Sender};

    /// Runs cells of a little language: `print x`, `fail`, `wait` (for an interrupt), `hang` (for two).
    struct Script {
        interrupts: (Sender<()>, Receiver<()>),
        ran: Vec<String>,
    }

    impl Script {
        fn new() -> Script {
            Script { interrupts: channel(), ran: Vec::new() }
        }
    }

    fn failure(name: &str) -> Failure {
        Failure { name: name.to_owned(), message: "m".to_owned(), traceback: vec!["t".to_owned()] }
    }

    impl Executor for Script {
        fn execute(&mut self, code: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
            self.ran.push(code.to_owned());
            let interrupts = match code.trim().split_once(' ') {
                Some(("print", text)) => {
                    outputs(Output::Stdout(text.to_owned()));
                    return Ok(());
                }
                _ if code == "fail" => return Err(failure("Failed")),
                _ if code == "wait" => 1,
                _ => 2,
            };
            for _ in 0..interrupts {
                self.interrupts.1.recv().unwrap();
            }
            Err(failure("Interrupted"))
        }

        fn interrupter(&self) -> Arc<dyn Fn() + Send + Sync> {
            let sender = self.interrupts.0.clone();
            Arc::new(move || sender.send(()).unwrap())
        }
    }

    #[derive(Default)]
    struct Log(Vec<String>);

    impl Observer for Log {
        fn begin(&mut self, position: Position, source: &str) {
            self.0.push(format!("{}/{} {}", position.number, position.total, first_line(source)));
        }

        fn end(&mut self, _: Position, _: Duration, failure: Option<&Failure>) {
            self.0.push(failure.map_or("ok".to_owned(), |failure| failure.name.clone()));
        }
    }

    fn notebook(cells: &[(&str, &str)]) -> Notebook {
        let cells: Vec<_> = cells
            .iter()
            .map(|(source, tag)| {
                serde_json::json!({"cell_type": "code", "source": source, "metadata": {"tags": [tag]},
                    "execution_count": 9, "outputs": ["old"]})
            })
            .collect();
        let text = serde_json::json!({"nbformat": 4, "cells": cells}).to_string();
        Notebook::parse(&text, Path::new("x.ipynb")).unwrap()
    }

    fn run_cells(cells: &[(&str, &str)], options: RunOptions) -> (Notebook, Summary, Vec<String>) {
        let mut notebook = notebook(cells);
        let mut log = Log::default();
        let stop = AtomicBool::new(false);
        let summary = run(&mut notebook, &mut Script::new(), &options, &stop, &mut log);
        (notebook, summary, log.0)
    }

    fn counts(notebook: &Notebook) -> Vec<Option<u64>> {
        notebook.cells().iter().map(super::super::Cell::execution_count).collect()
    }

    #[test]
    fn cells_run_in_order_and_blank_or_skipped_ones_do_not() {
        let cells = [("print a", ""), (" \n", ""), ("print b", "skip-execution"), ("\nprint c", "")];
        assert!(notebook(&[("fail", "nbval-skip")]).cells()[0].is_skipped());
        let (notebook, summary, log) = run_cells(&cells, RunOptions::default());
        assert_eq!(log, ["1/2 print a", "ok", "2/2 print c", "ok"]);
        assert_eq!(counts(&notebook), [Some(1), None, Some(9), Some(2)]);
        assert_eq!(notebook.cells()[0].outputs()[0]["text"], "a");
        assert!(notebook.cells()[1].outputs().is_empty());
        assert_eq!(notebook.cells()[2].outputs()[0], "old");
        assert_eq!(summary.cells.iter().map(|cell| cell.index).collect::<Vec<_>>(), [0, 3]);
        assert!(summary.failed().is_none() && !summary.stopped);
    }

    #[test]
    fn a_failing_cell_stops_the_run_and_keeps_what_was_shown() {
        let cells = [("print a", ""), ("fail", "raises-exception"), ("fail", ""), ("print b", "")];
        let (notebook, summary, _) = run_cells(&cells, RunOptions::default());
        assert_eq!((summary.cells.len(), summary.total), (3, 4));
        let (failed, failure) = summary.failed().unwrap();
        assert_eq!((failed.number, failed.index, failure.name.as_str()), (3, 2, "Failed"));
        assert!(summary.cells[1].allowed);
        assert_eq!(notebook.cells()[0].outputs()[0]["text"], "a");
        assert_eq!(notebook.cells()[2].outputs()[0]["ename"], "Failed");
        assert_eq!(counts(&notebook)[3], None);
        assert!(notebook.cells()[3].outputs().is_empty(), "an unreached cell shows no old output");
    }

    #[test]
    fn going_on_names_the_first_failure() {
        let options = RunOptions { on_error: OnError::GoOn, ..RunOptions::default() };
        let (notebook, summary, _) = run_cells(&[("fail", ""), ("fail", ""), ("print b", "")], options);
        assert_eq!(summary.cells.len(), 3);
        assert_eq!(summary.failed().unwrap().0.number, 1);
        assert_eq!(notebook.cells()[2].outputs()[0]["text"], "b");
    }

    #[test]
    fn a_timeout_interrupts_then_kills_and_is_never_allowed() {
        let options = RunOptions { timeout: Some(Duration::from_millis(50)), ..RunOptions::default() };
        for (code, at_least) in [("wait", Duration::from_millis(50)), ("hang", GRACE)] {
            let start = Instant::now();
            let (notebook, summary, _) = run_cells(&[(code, "raises-exception"), ("print b", "")], options);
            assert!(start.elapsed() >= at_least);
            let (_, failure) = summary.failed().unwrap();
            assert_eq!(failure.name, "Timeout");
            assert_eq!(failure.message, "the cell did not end within 0.05 s (--timeout)");
            assert_eq!(failure.traceback.last().unwrap(), "t");
            assert_eq!(notebook.cells()[0].outputs()[0]["ename"], "Timeout");
            assert_eq!(summary.cells.len(), 1);
        }
        let (_, summary, _) = run_cells(&[("print a", "")], options);
        assert!(summary.failed().is_none());
    }

    #[test]
    fn a_stop_ends_the_run_before_the_next_cell() {
        let mut notebook = notebook(&[("print a", ""), ("print b", "")]);
        let mut script = Script::new();
        let stop = AtomicBool::new(true);
        let summary = run(&mut notebook, &mut script, &RunOptions::default(), &stop, &mut Log::default());
        assert!(summary.stopped && script.ran.is_empty());
    }
}
