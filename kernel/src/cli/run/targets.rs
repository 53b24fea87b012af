//! What is to be done with each notebook, and where its results go.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::files::{self, Source};
use super::{RunArguments, progress_line};
use crate::cli::{Arguments, CliError};
use crate::notebook::check::Rules;
use crate::notebook::{self, Notebook};

/// All that is to be done.
pub struct Plan {
    pub tasks: Vec<Task>,
    /// Where to write how it went.
    pub junit: Option<Target>,
}

/// A notebook that is to be worked on.
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
    /// Where to write its page, if it is to have one.
    pub page: Option<Target>,
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

/// Reads everything that is to be worked on, and looks whether all results can be written.
pub fn plan(arguments: &RunArguments) -> Result<Plan, CliError> {
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
    let pages = match &arguments.html {
        Some(html) => pages(html, &sources)?,
        None => sources.iter().map(|_| None).collect(),
    };
    let tasks = sources.into_iter().zip(pages).map(|(source, page)| task(source, page, arguments));
    let tasks = tasks.collect::<Result<_, _>>()?;
    let junit = arguments.junit.clone().map(Target::new).transpose()?;
    Ok(Plan { tasks, junit })
}

fn task(source: Source, page: Option<Target>, arguments: &RunArguments) -> Result<Task, CliError> {
    let Source { path, notebook, .. } = source;
    let check = match arguments.check {
        true => Some(Rules::of(&notebook, &path, &arguments.ignore)?),
        false => None,
    };
    let written = match &arguments.output {
        Some(output) => Some(output.clone()),
        None if arguments.in_place => Some(path.clone()),
        // Whoever asks for something else does not ask for a file beside the notebook.
        None if arguments.check || page.is_some() => None,
        None => Some(path.with_extension("out.ipynb")),
    };
    let written = written.map(Target::new).transpose()?;
    let folder = absolute(&path)?.parent().map(Path::to_owned).unwrap_or_default();
    Ok(Task { folder, check, written, page, path, notebook })
}

/// The place of each notebook's page: the file `html`, or below the folder `html` as the notebooks lie below
/// theirs.
fn pages(html: &Path, sources: &[Source]) -> Result<Vec<Option<Target>>, CliError> {
    let ends_like_a_folder = html.as_os_str().as_encoded_bytes().ends_with(b"/");
    if sources.len() == 1 && !html.is_dir() && !ends_like_a_folder {
        return Ok(vec![Some(Target::new(html.to_owned())?)]);
    }
    if html.is_file() {
        let number = sources.len();
        usage(&format!(
            "--html {} is a file, and {number} notebooks need a folder for their pages",
            html.display()
        ));
    }
    let mut taken: HashMap<PathBuf, &Path> = HashMap::new();
    let mut pages = Vec::new();
    for source in sources {
        let page = html.join(&source.below).with_extension("html");
        if let Some(other) = taken.insert(page.clone(), &source.path) {
            let message = format!(
                "the pages of {} and {} would both be {}",
                other.display(),
                source.path.display(),
                page.display()
            );
            return Err(
                CliError::new(message).help("name a folder that holds both, or convert them one by one")
            );
        }
        let folder = page.parent().unwrap_or(html);
        std::fs::create_dir_all(folder).map_err(|error| {
            CliError::new(format!("cannot make the folder {} for pages: {error}", folder.display()))
                .help("choose another place with --html")
        })?;
        pages.push(Some(Target::new(page)?));
    }
    Ok(pages)
}

/// Ends the process as clap does for flags that do not go together.
fn usage(message: &str) -> ! {
    Arguments::command().error(ErrorKind::ArgumentConflict, message).exit()
}

fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(|error| CliError::new(format!("{}: {error}", path.display())))
}
