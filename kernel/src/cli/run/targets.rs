//! What is to be done with each notebook, and where its results go.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::files::{self, Source};
use super::{RunArguments, progress_line};
use crate::cli::{Arguments, CliError};
use crate::notebook::{self, Notebook};

/// A notebook that is to be executed.
pub struct Task {
    /// As a person would type it.
    pub path: PathBuf,
    /// Where the cells run.
    pub folder: PathBuf,
    pub notebook: Notebook,
    /// Where to write the executed notebook.
    pub written: Target,
}

/// A file to write.
pub struct Target {
    /// The path as it stands in messages.
    pub shown: PathBuf,
    /// The same place from any folder.
    pub absolute: PathBuf,
}

impl Target {
    fn new(shown: PathBuf) -> Result<Target, CliError> {
        notebook::check_writable(&shown)?;
        Ok(Target { absolute: absolute(&shown)?, shown })
    }
}

/// Reads everything that is to be executed, and looks whether all results can be written.
pub fn plan(arguments: &RunArguments) -> Result<Vec<Task>, CliError> {
    let (sources, passed_over) = files::find(&arguments.notebooks)?;
    for file in passed_over {
        progress_line(&format!("passed over: {}", file.reason));
    }
    if arguments.output.is_some() && sources.len() != 1 {
        usage(&format!(
            "-o names one file, and {} notebooks are to be executed: leave it out, or use --in-place",
            sources.len()
        ));
    }
    sources.into_iter().map(|source| task(source, arguments)).collect()
}

fn task(source: Source, arguments: &RunArguments) -> Result<Task, CliError> {
    let Source { path, notebook, .. } = source;
    let written = match &arguments.output {
        Some(output) => output.clone(),
        None if arguments.in_place => path.clone(),
        None => path.with_extension("out.ipynb"),
    };
    let folder = absolute(&path)?.parent().map(Path::to_owned).unwrap_or_default();
    Ok(Task { folder, written: Target::new(written)?, path, notebook })
}

/// Ends the process as clap does for flags that do not go together.
fn usage(message: &str) -> ! {
    Arguments::command().error(ErrorKind::ArgumentConflict, message).exit()
}

fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(|error| CliError::new(format!("{}: {error}", path.display())))
}
