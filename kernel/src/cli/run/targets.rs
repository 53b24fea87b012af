//! What is to be done with each notebook, and where its results go.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::files::{self, Source};
use super::{RunArguments, progress_line};
use crate::cli::{Arguments, CliError};
use crate::notebook::check::Rules;
use crate::notebook::{self, Notebook};

/// A notebook that is to be executed.
pub struct Task {
    /// As a person would type it.
    pub path: PathBuf,
    /// Where the cells run.
    pub folder: PathBuf,
    pub notebook: Notebook,
    /// What may differ, if the outputs are to be compared with those that the notebook holds.
    pub check: Option<Rules>,
    /// Where to write the executed notebook, if it is to be written.
    pub written: Option<Target>,
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
    let check = match arguments.check {
        true => Some(Rules::of(&notebook, &path, &arguments.ignore)?),
        false => None,
    };
    let written = match &arguments.output {
        Some(output) => Some(output.clone()),
        None if arguments.in_place => Some(path.clone()),
        None if arguments.check => None,
        None => Some(path.with_extension("out.ipynb")),
    };
    let written = written.map(Target::new).transpose()?;
    let folder = absolute(&path)?.parent().map(Path::to_owned).unwrap_or_default();
    Ok(Task { folder, check, written, path, notebook })
}

/// Ends the process as clap does for flags that do not go together.
fn usage(message: &str) -> ! {
    Arguments::command().error(ErrorKind::ArgumentConflict, message).exit()
}

fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(|error| CliError::new(format!("{}: {error}", path.display())))
}
