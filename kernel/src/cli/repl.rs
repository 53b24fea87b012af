//! `sconce repl`: cells from a terminal or a script.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;

use super::interrupts::Interrupts;
use super::{CliError, preparation, toolchain};
use crate::assist::Assist;
use crate::engine::{CacheDir, Session};
use crate::repl::{
    self, Colors, Detected, Images, Measure, Pictures, Repl, ReplError, Screen, Script, TerminalOptions,
};

/// Type Rust, cell by cell, and see what it gives.
///
/// Enter runs a cell that is complete and continues one that is not; Alt-Enter always starts a new line. Ctrl-C clears
/// what is typed, or interrupts the cell that runs; pressed again it kills the cell. Ctrl-D or `:quit` ends the
/// session, `:help` lists the commands. What was typed is kept in the file that `SCONCE_HISTORY` names.
///
/// Where stdin is not a terminal, it is a script: its cells run without a prompt, and the first that fails ends it
/// with exit code 1. A cell is as many lines as it takes to be complete, and those that go on with it: indented ones,
/// and ones that begin with `.`, `?`, `else` or a closing bracket; an empty line ends a cell that is complete.
#[derive(Debug, Args)]
pub struct ReplArguments {
    /// A file of Rust to run as the first cell.
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,

    /// How to show pictures; where they cannot be shown, their text is.
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    images: Images,

    /// No colours. They are also left out where `NO_COLOR` is set, and outside of terminals.
    #[arg(long)]
    no_color: bool,
}

/// Does what the arguments say.
pub fn run(arguments: &ReplArguments) -> Result<(), CliError> {
    let load = arguments.load.as_deref().map(read).transpose()?;
    let prepared = preparation::ensure()?;
    let interrupts = Interrupts::listen_until_hangup()
        .map_err(|error| CliError::new(format!("cannot listen for Ctrl-C: {error}")))?;
    let mut session = Session::start(&prepared).map_err(CliError::new)?;
    interrupts.set_session(Some(session.interrupter()));
    let in_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let colors = colors(arguments);
    let Detected { pictures, typed } =
        if in_terminal { repl::detect(arguments.images) } else { Detected::default() };
    let size: Measure = if in_terminal { Box::new(repl::size) } else { Box::new(|| None) };
    let screen = Screen::new(Box::new(io::stdout()), Box::new(io::stderr()), colors, size)
        .with_pictures(pictures.map(|(protocol, cell)| Pictures::new(protocol, cell)));
    let mut console = Repl::new(&mut session, screen);
    let result = if in_terminal {
        let cache = CacheDir::from_env()?;
        greet(&cache)?;
        // A line of its log would stand in the middle of what is typed.
        let assist = Arc::new(Assist::new(cache, |_| ()));
        let options = TerminalOptions {
            load,
            history: repl::default_history(),
            colors,
            typed,
            ended: interrupts.ended().clone(),
            interrupts: interrupts.count().clone(),
            assist,
        };
        console.run_in_terminal(&options)
    } else {
        let loaded = load.map_or(Ok(()), |code| console.run(&code));
        loaded.and_then(|()| console.run_script(Script::new(io::stdin().lock())))
    };
    interrupts.set_session(None);
    let stopped = match in_terminal {
        true => interrupts.ended().load(Ordering::Relaxed),
        false => interrupts.stop().load(Ordering::Relaxed),
    };
    match result {
        Ok(()) if stopped => Err(CliError::new("the session was ended by a signal").interrupted()),
        Ok(()) => Ok(()),
        Err(error) if stopped => Err(CliError::from(error).interrupted()),
        Err(error) => Err(error.into()),
    }
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| {
        CliError::new(format!("{}: {error}", path.display())).help("--load wants a file of Rust source")
    })
}

fn colors(arguments: &ReplArguments) -> Colors {
    match anstream::AutoStream::choice(&io::stdout()) {
        _ if arguments.no_color => Colors::Off,
        anstream::ColorChoice::Never => Colors::Off,
        _ => Colors::On,
    }
}

fn greet(cache: &CacheDir) -> Result<(), CliError> {
    let version = toolchain::version_line("rustc").unwrap_or_default();
    let rust =
        version.split_whitespace().nth(1).map(|version| format!(", Rust {version}")).unwrap_or_default();
    let mut text = format!("Sconce {}{rust}; :help lists commands, Ctrl-D ends\n", env!("CARGO_PKG_VERSION"));
    if cache.assistant_program().is_none() {
        text.push_str(
            "Tab completes names; `sconce prepare` builds what completes methods and fields, once\n",
        );
    }
    io::stdout().write_all(text.as_bytes()).map_err(CliError::new)
}

impl From<ReplError> for CliError {
    fn from(error: ReplError) -> CliError {
        let help = match &error {
            ReplError::Terminal(_) => "`sconce repl < script.rs` runs a script without a terminal",
            ReplError::Script(_) => "a script is a text of Rust in UTF-8",
            ReplError::Write(_) => "stdout must stay open for as long as cells run",
            ReplError::Cell { .. } => "why stands above; the cells after it did not run",
        };
        CliError::new(&error).help(help)
    }
}
