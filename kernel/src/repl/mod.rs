//! The console: reads cells from a terminal or a script, runs them, and shows what they emit.
//!
//! One more user of the engine beside Jupyter and the notebook runner, which knows neither of them. `editor` reads a
//! cell, with `highlight`, `keys`, `validate` and `prompt` for how it is typed; `screen` shows what the cell emits.

mod ask;
mod complete;
mod editor;
mod highlight;
mod history;
mod keys;
mod layout;
mod pictures;
mod prompt;
mod screen;
mod script;
mod terminal;
mod validate;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use history::default_path as default_history;
pub use pictures::{CellSize, Detected, Images, Pictures, Protocol, detect};
pub use screen::{Colors, Measure, Screen, Size};
pub use script::Script;
pub use terminal::size;

use crate::assist::Assist;
use crate::engine::{Ask, Failure, Known, Output, Session};
use editor::{Editor, Typed};
use terminal::Quiet;

/// What the keys do, below the commands in `:help`.
const KEYS: &str = "
:quit        end the session, as Ctrl-D does

Enter runs a cell that is complete and continues one that is not.
Alt-Enter always starts a new line. Tab completes, Ctrl-R searches the history.
Ctrl-C clears what is typed, and interrupts a cell that runs; the second kills it.
";

/// What runs cells: [`Session`].
pub trait Evaluator {
    /// Runs one cell to its end and hands over its outputs as they come.
    fn execute(&mut self, code: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure>;

    /// The number of the cell that runs next, as messages name it.
    fn next_number(&self) -> u32;

    /// What can be named in the next cell.
    fn known(&self) -> Known;

    /// Who answers what cells ask from now on.
    fn ask_with(&mut self, ask: Ask);
}

impl Evaluator for Session {
    fn execute(&mut self, code: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
        Session::execute(self, code, outputs)
    }

    fn next_number(&self) -> u32 {
        Session::next_number(self)
    }

    fn known(&self) -> Known {
        Session::known(self)
    }

    fn ask_with(&mut self, ask: Ask) {
        Session::ask_with(self, ask);
    }
}

/// Why a console ended that should have gone on.
#[derive(Debug, thiserror::Error)]
pub enum ReplError {
    /// The terminal does not do what a line editor needs.
    #[error("the terminal cannot be read: {0}")]
    Terminal(io::Error),
    /// The script cannot be read.
    #[error("the script cannot be read: {0}")]
    Script(io::Error),
    /// Outputs cannot be written.
    #[error("outputs cannot be written: {0}")]
    Write(io::Error),
    /// A cell of a script failed; what it said has been shown.
    #[error("stopped at cell {number}, which failed")]
    Cell {
        /// Which one.
        number: u32,
    },
}

/// How the console behaves in a terminal.
#[derive(Debug)]
pub struct TerminalOptions {
    /// The first cell, which nobody types.
    pub load: Option<String>,
    /// The file with what was typed; nothing is kept without one.
    pub history: Option<PathBuf>,
    /// Whether what is typed has colours.
    pub colors: Colors,
    /// What was typed before the console could take it.
    pub typed: String,
    /// Set from outside when the session is to end.
    pub ended: Arc<AtomicBool>,
    /// Counts interrupts, Ctrl-C among them.
    pub interrupts: Arc<AtomicU32>,
    /// Completes what is typed.
    pub assist: Arc<Assist>,
}

/// Runs cells and shows what they emit.
pub struct Repl<'a> {
    evaluator: &'a mut dyn Evaluator,
    // A question of a running cell needs it, too.
    screen: Arc<Mutex<Screen>>,
}

impl<'a> Repl<'a> {
    /// A console for a session.
    pub fn new(evaluator: &'a mut dyn Evaluator, screen: Screen) -> Repl<'a> {
        Repl { evaluator, screen: Arc::new(Mutex::new(screen)) }
    }

    /// Runs one cell and shows what it emits.
    ///
    /// # Errors
    /// If it failed, after it has shown why, or if outputs cannot be written.
    pub fn run(&mut self, code: &str) -> Result<(), ReplError> {
        let number = self.evaluator.next_number();
        lock(&self.screen).begin();
        // A cell goes on when nobody can see what it shows any more: it may do more than that.
        let mut shown = Ok(());
        let result = self.evaluator.execute(code, &mut |output| {
            if shown.is_ok() {
                shown = lock(&self.screen).show(output);
            }
        });
        shown.and_then(|()| lock(&self.screen).end(result.as_ref().err())).map_err(ReplError::Write)?;
        result.map_err(|_| ReplError::Cell { number })
    }

    /// Runs the cells of a script up to the first that fails.
    ///
    /// # Errors
    /// If a cell fails, or reading or writing does.
    pub fn run_script(&mut self, script: Script<'_>) -> Result<(), ReplError> {
        for cell in script {
            let cell = cell.map_err(ReplError::Script)?;
            if is_quit(&cell) {
                break;
            }
            self.run(&cell)?;
        }
        Ok(())
    }

    /// Reads cells from the terminal and runs them, until the person or a signal ends the session.
    ///
    /// # Errors
    /// If the terminal cannot be read or written.
    pub fn run_in_terminal(&mut self, options: &TerminalOptions) -> Result<(), ReplError> {
        self.evaluator.ask_with(ask::ask_in(Arc::clone(&self.screen), Arc::clone(&options.interrupts)));
        if let Some(code) = &options.load {
            self.run_quietly(code)?;
        }
        let assist = &options.assist;
        let mut editor = Editor::new(options, Arc::clone(assist));
        while !options.ended.load(Ordering::Relaxed) {
            assist.update(self.evaluator.known());
            let cell = match editor.read(self.evaluator.next_number()).map_err(ReplError::Terminal)? {
                Typed::Cell(cell) => cell,
                Typed::Nothing => continue,
                Typed::End => break,
            };
            if is_quit(&cell) {
                break;
            }
            self.run_quietly(&cell)?;
            if cell.trim() == ":help" {
                lock(&self.screen).say(KEYS.trim_start_matches('\n')).map_err(ReplError::Write)?;
            }
        }
        Ok(())
    }
}

impl Repl<'_> {
    /// Runs a cell, which may fail, while the terminal does not echo keys.
    fn run_quietly(&mut self, code: &str) -> Result<(), ReplError> {
        let quiet = Quiet::begin();
        let result = self.run(code);
        drop(quiet);
        match result {
            // Why has been shown, and there is more to type.
            Err(ReplError::Cell { .. }) => Ok(()),
            result => result,
        }
    }
}

fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    // What a panic elsewhere left half shown is no reason to show nothing more.
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_quit(cell: &str) -> bool {
    matches!(cell.trim(), ":quit" | ":q")
}
