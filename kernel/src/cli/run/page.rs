//! Writing the page of a notebook.

use std::path::Path;

use super::progress_line;
use super::targets::Target;
use crate::cli::CliError;
use crate::notebook::{self, Notebook, html};

/// Writes the page of the notebook at `path`, whose pictures lie in `folder`, and says what is not in it.
pub fn write(notebook: &Notebook, path: &Path, folder: &Path, target: &Target) -> Result<(), CliError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let page = html::page(notebook, &name, folder);
    notebook::write_whole(&target.absolute, &page.html)?;
    for problem in page.problems {
        progress_line(&format!("{}: {problem}", path.display()));
    }
    Ok(())
}
