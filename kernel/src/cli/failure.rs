use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use crate::notebook::check::RulesError;
use crate::notebook::{ReadError, WriteError};

/// What a command ends with when it could not do its work.
#[derive(Debug)]
pub struct CliError {
    message: String,
    help: Option<String>,
    exit_code: u8,
}

impl CliError {
    /// An error in one sentence.
    pub fn new(message: impl Display) -> CliError {
        CliError { message: message.to_string(), help: None, exit_code: 1 }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Display) -> CliError {
        self.help = Some(help.to_string());
        self
    }

    /// Gives the exit code that shells know from programs which Ctrl-C has ended.
    #[must_use]
    pub fn interrupted(self) -> CliError {
        CliError { exit_code: 130, ..self }
    }

    /// The error in one sentence.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Prints the error to stderr and gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        // With stderr closed there is nobody to tell.
        let mut stderr = anstream::stderr().lock();
        let _ = writeln!(stderr, "\u{1b}[1;31merror\u{1b}[0m: {}", self.message);
        if let Some(help) = &self.help {
            let _ = writeln!(stderr, "\u{1b}[1;36mhelp\u{1b}[0m: {help}");
        }
        ExitCode::from(self.exit_code)
    }
}

impl From<ReadError> for CliError {
    fn from(error: ReadError) -> CliError {
        CliError::new(&error).help(error.help())
    }
}

impl From<RulesError> for CliError {
    fn from(error: RulesError) -> CliError {
        CliError::new(&error).help(error.help())
    }
}

impl From<WriteError> for CliError {
    fn from(error: WriteError) -> CliError {
        CliError::new(error).help("choose another place, in a folder that exists and that you may write to")
    }
}
