//! A session: cells in, outputs out, and what lives between cells.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sconce_display::wire::{Calls, Ending, Request};
use tempfile::TempDir;

use super::audience::Audience;
use super::backtrace::Backtrace;
use super::build::{Built, Failed};
use super::commands;
use super::definitions::Definitions;
use super::deps::Deps;
use super::hints::Gone;
use super::placed::Placed;
use super::prepare::Prepared;
use super::render::{Declared, Message, Note, NoteKind, Severity, Texts, render};
use super::rustc::Rustc;
use super::source::{self, Cell};
use super::variables::Variable;
use super::worker::Worker;
use super::{Failure, Interrupter, Mailbox, Output};

/// Why a session could not start.
#[derive(Debug, thiserror::Error)]
#[error("the engine could not start: {0}; `sconce doctor` checks what it needs")]
pub struct EngineError(#[from] io::Error);

/// Runs cells one after the other and keeps what they define.
#[derive(Debug)]
pub struct Session {
    /// The cell library, with the crates of `:dep`.
    pub(super) prepared: Prepared,
    /// The cell library alone.
    pub(super) original: Prepared,
    pub(super) deps: Deps,
    pub(super) rustc: Rustc,
    pub(super) interrupter: Interrupter,
    pub(super) definitions: Definitions,
    pub(super) variables: BTreeMap<String, Variable>,
    pub(super) texts: Texts,
    /// The symbols of statics that the worker has.
    pub(super) symbols: BTreeSet<String>,
    /// Why a variable that was there is not there any more.
    pub(super) gone: HashMap<String, Gone>,
    /// The level that `:opt` fixed; nothing lets it follow the cell.
    pub(super) optimize: Option<u8>,
    pub(super) timing: bool,
    /// What `:env` set.
    pub(super) environment: BTreeMap<String, String>,
    /// The codes of the errors that the last cell failed with.
    pub(super) last_codes: Vec<String>,
    /// How often code ran beside the cells.
    pub(super) asides: u32,
    pub(super) worker: Option<Worker>,
    pub(super) mailbox: Mailbox,
    pub(super) audience: Audience,
    pub(super) number: u32,
    /// The files of each cell as they were compiled last, for the places of panics.
    pub(super) files: HashMap<(&'static str, u32), Placed>,
    /// What led to the panics of other threads since the cell began to run, by the threads' names.
    pub(super) thread_panics: RefCell<Vec<(String, Calls)>>,
    // Dropped last: the worker and rustc use it.
    pub(super) folder: TempDir,
}

impl Session {
    /// Starts a session with a worker of its own.
    pub fn start(prepared: &Prepared) -> Result<Session, EngineError> {
        let folder = tempfile::Builder::new().prefix("sconce-").tempdir()?;
        let rustc = Rustc::new(prepared.clone(), folder.path().to_owned())?;
        let mailbox = Mailbox::new()?;
        let worker = Worker::start(prepared, folder.path(), &mailbox, &BTreeMap::new())?;
        Ok(Session {
            prepared: prepared.clone(),
            original: prepared.clone(),
            deps: Deps::default(),
            rustc,
            interrupter: Interrupter::default(),
            definitions: Definitions::default(),
            variables: BTreeMap::new(),
            texts: Texts::new(),
            symbols: BTreeSet::new(),
            gone: HashMap::new(),
            optimize: None,
            timing: false,
            environment: BTreeMap::new(),
            last_codes: Vec::new(),
            asides: 0,
            worker: Some(worker),
            mailbox,
            audience: Audience::default(),
            number: 0,
            files: HashMap::new(),
            thread_panics: RefCell::default(),
            folder,
        })
    }

    /// A fresh worker, nothing remembered.
    pub fn restart(&mut self) -> Result<(), EngineError> {
        self.clear();
        self.forget_dependencies();
        self.number = 0;
        self.texts.clear();
        self.worker = None;
        self.worker =
            Some(Worker::start(&self.prepared, self.folder.path(), &self.mailbox, &self.environment)?);
        Ok(())
    }

    /// The number of the cell that runs next, as messages name it.
    #[must_use]
    pub fn next_number(&self) -> u32 {
        self.number + 1
    }

    /// What stops a running cell, from any thread.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// What reaches a running cell, from any thread.
    #[must_use]
    pub fn mailbox(&self) -> Mailbox {
        self.mailbox.clone()
    }

    /// Runs one cell to its end and hands on what it emits as it comes.
    ///
    /// # Errors
    /// What a person needs to know of why it failed. Variables that were not moved are kept.
    pub fn execute(&mut self, code: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
        self.number += 1;
        self.interrupter.begin();
        let result = self.run_cell(code, outputs);
        self.interrupter.end();
        result
    }

    fn run_cell(&mut self, code: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
        let number = self.number;
        let code = commands::run(self, &code.replace("\r\n", "\n"), outputs)?;
        if code.text.trim().is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        let text: Arc<str> = code.text.into();
        self.texts.insert(number, text.clone());
        let cell = match source::parse(number, &text, &self.definitions) {
            Ok(cell) => cell,
            Err(error) => return Err(self.syntax_error(number, &text, &error)),
        };
        let mut built = match self.build(&cell) {
            Ok(built) => built,
            Err(Failed::Interrupted) => return Err(interrupted("while it was compiled")),
            Err(Failed::Io(error)) => return Err(self.broken(&error)),
            Err(Failed::Errors(messages)) => return Err(self.compile_failure(&messages)),
        };
        let compiled = start.elapsed();
        let ending = self.run_built(&cell, &mut built, outputs);
        let ran = start.elapsed() - compiled;
        if self.timing || code.timed {
            outputs(Output::Stderr(format!("compiled in {compiled:.0?}, ran in {ran:.0?}\n")));
        }
        outputs(Output::Times { compiled, ran });
        let result = match ending {
            Ok(Ending::Panicked(panic)) => {
                Err(self.panicked(&panic, &self.backtrace(number, &built, &panic)))
            }
            Ok(ending) => self.ending(&ending),
            Err(failure) => Err(failure),
        };
        // The worker has it mapped; nobody opens it again.
        let _ = std::fs::remove_file(self.rustc.library(number));
        result
    }

    fn run_built(
        &mut self,
        cell: &Cell,
        built: &mut Built,
        outputs: &mut dyn FnMut(Output),
    ) -> Result<Ending, Failure> {
        for warning in &built.warnings {
            outputs(Output::Stderr(render(warning, &self.texts) + "\n"));
        }
        for note in &built.notes {
            outputs(note_output(note));
        }
        for (name, why) in &built.not_kept {
            outputs(note_output(&format!("`{name}` {why}")));
        }
        if cell.defines_main_only() {
            outputs(note_output(
                "`main` is defined and not called: a cell runs its statements, so add `main()`",
            ));
        }
        for file in &built.generated.files {
            self.files.insert((file.folder, file.cell), file.placed.clone());
        }
        if self.interrupter.asked() > 0 {
            return Err(interrupted("before it ran"));
        }
        if let Err(error) = self.ensure_worker() {
            return Err(self.broken(&error));
        }
        self.definitions = std::mem::take(&mut built.definitions);
        self.drop_stale(&built.changed_types, cell, outputs);
        let library = self.rustc.library(cell.number);
        let request = Request::Run {
            library: library.to_string_lossy().into_owned(),
            entry: built.generated.entry.clone(),
        };
        self.thread_panics.take();
        let reply = match self.request(request, outputs) {
            Ok(reply) => reply,
            Err(death) => return Err(self.bury(&death, outputs)),
        };
        if !matches!(reply.ending, Ending::NotLoaded { .. }) {
            self.symbols.extend(built.generated.symbols.iter().cloned());
        }
        self.take_stock(cell, built, &reply, outputs);
        Ok(reply.ending)
    }

    pub(super) fn ending(&self, ending: &Ending) -> Result<(), Failure> {
        match ending {
            Ending::Done => Ok(()),
            Ending::Interrupted => Err(interrupted("variables that it did not move are kept")),
            // A long loop of the library that was asked to stop says how far it came.
            Ending::Failed { chain, .. } if self.interrupter.asked() > 0 => {
                Err(interrupted(&chain.join(": ")))
            }
            Ending::Failed { kind, chain, at } => {
                let first = chain.first().map_or("", String::as_str);
                let mut message = self.message_at(at, format!("{kind}: {first}"));
                message.notes.clear(); // a place outside of cells is not where the `?` stands
                let causes = chain.iter().skip(1);
                message
                    .notes
                    .extend(causes.map(|cause| Note::new(NoteKind::Note, format!("caused by: {cause}"))));
                Err(failure(kind, &chain.join(": "), &render(&message, &self.texts)))
            }
            Ending::Panicked(panic) => Err(self.panicked(panic, &Backtrace::default())),
            Ending::NotLoaded { message } => Err(not_loaded(message)),
        }
    }

    /// The folder that cells are compiled in.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn declared(&self) -> Declared {
        self.variables.values().map(|variable| (variable.key.clone(), variable.place.clone())).collect()
    }

    pub(super) fn compile_failure(&mut self, messages: &[Message]) -> Failure {
        let text: Vec<String> = messages.iter().map(|message| render(message, &self.texts)).collect();
        self.last_codes = codes(messages);
        let first = messages.iter().find(|message| message.severity == Severity::Error);
        let name = first.and_then(|message| message.code.clone()).unwrap_or_else(|| "CompileError".into());
        failure(&name, first.map_or("", |message| &message.text), &text.join("\n\n"))
    }

    pub(super) fn broken(&self, error: &io::Error) -> Failure {
        let message =
            format!("the engine could not run the cell: {error}; `sconce doctor` checks what it needs");
        failure("EngineError", &message, &message)
    }
}

/// The codes of the errors, each once.
fn codes(messages: &[Message]) -> Vec<String> {
    let mut codes: Vec<String> = messages
        .iter()
        .filter(|message| message.severity == Severity::Error)
        .filter_map(|message| message.code.clone())
        .filter(|code| code.starts_with('E'))
        .collect();
    codes.dedup();
    codes
}

pub(super) fn failure(name: &str, message: &str, text: &str) -> Failure {
    Failure {
        name: name.to_owned(),
        message: message.to_owned(),
        traceback: text.split('\n').map(str::to_owned).collect(),
    }
}

fn not_loaded(why: &str) -> Failure {
    let text = match why.split_once("undefined symbol: ") {
        Some((_, symbol)) => format!(
            "`{symbol}` is declared and nowhere defined; `#[link(name = \"…\")]` on its `extern` block names the \
             library that has it"
        ),
        None => format!("the compiled cell could not be loaded: {why}"),
    };
    failure("NotLoaded", &text, &text)
}

pub(super) fn interrupted(what: &str) -> Failure {
    failure(
        "Interrupted",
        &format!("the cell was interrupted; {what}"),
        &format!("\x1b[1;31mInterrupted\x1b[0m: the cell was stopped; {what}"),
    )
}

pub(super) fn note_output(text: &str) -> Output {
    Output::Stderr(format!("\x1b[2mnote: {text}\x1b[0m\n"))
}
