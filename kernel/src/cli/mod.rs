//! The `sconce` command: what a person types, and what Jupyter calls.

mod cells;
mod doctor;
mod failure;
mod install;
mod interrupts;
mod jupyter_folders;
mod kernelspec;
mod preparation;
mod repl;
mod run;
mod serve;
mod toolchain;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::CliError;

use crate::engine::CacheDir;

/// Rust notebooks with computer vision on candle: a Jupyter kernel, and a runner that needs no Jupyter.
#[derive(Debug, Parser)]
#[command(name = "sconce", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArguments),
    Repl(repl::ReplArguments),
    Serve(serve::ServeArguments),
    Prepare(preparation::PrepareArguments),
    Install(install::InstallArguments),
    Uninstall(install::UninstallArguments),
    /// Check what the kernel needs, and say how to mend what is missing.
    Doctor,
    /// Be the kernel: what Jupyter calls.
    Kernel {
        /// The file in which Jupyter says where to listen.
        connection_file: PathBuf,
    },
}

/// Parses the arguments of the process and does what they say.
///
/// The exit code is 0 on success, 2 for wrong usage, 130 after Ctrl-C, and 1 for everything else that went wrong.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Repl(arguments) => repl::run(&arguments),
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Prepare(arguments) => preparation::command(&arguments),
        Command::Install(arguments) => install::install(&arguments),
        Command::Uninstall(arguments) => install::uninstall(&arguments),
        Command::Doctor => doctor::command(),
        Command::Kernel { connection_file } => kernel(&connection_file),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

fn kernel(connection_file: &Path) -> Result<(), CliError> {
    crate::jupyter::serve(connection_file, &CacheDir::from_env()?).map_err(|error| {
        CliError::new(error).help(
            "Jupyter calls this with a connection file that it has written; `sconce install` sets that up",
        )
    })
}
