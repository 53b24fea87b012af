//! What `--check` prints: the differences, for a terminal and for a log.

use std::io::Write;
use std::path::Path;

use super::count;
use crate::cli::CliError;
use crate::cli::cells::shortened;
use crate::notebook::check::{CellDifference, Difference, Line};
use crate::notebook::{Notebook, first_line};

/// Prints to stdout what differs: it is the result of the command.
pub fn print(path: &Path, notebook: &Notebook, differences: &[CellDifference]) -> Result<(), CliError> {
    let mut text = String::new();
    for cell in differences {
        let first_line = shortened(first_line(notebook.cells()[cell.index].source()));
        text.push_str(&format!(
            "\u{1b}[1m{}: cell {} differs\u{1b}[0m: {first_line}\n",
            path.display(),
            cell.number
        ));
        text.extend(cell.differences.iter().map(coloured));
    }
    anstream::stdout().write_all(text.as_bytes()).map_err(CliError::new)
}

fn coloured(difference: &Difference) -> String {
    let mut text = format!("  {}\n", difference.what);
    for line in &difference.lines {
        text.push_str(&match line {
            Line::Note(note) => format!("    \u{1b}[36m{note}\u{1b}[0m\n"),
            Line::Same(line) => format!("     {line}\n"),
            Line::Stored(line) => format!("    \u{1b}[31m-{line}\u{1b}[0m\n"),
            Line::Fresh(line) => format!("    \u{1b}[32m+{line}\u{1b}[0m\n"),
        });
    }
    text
}

fn in_words(numbers: &[String]) -> String {
    format!("cell{} {}", if numbers.len() == 1 { "" } else { "s" }, numbers.join(", "))
}

/// The error of a check that found something.
pub fn error(path: &Path, differences: &[CellDifference], compared: usize, updated: bool) -> CliError {
    let numbers: Vec<String> = differences.iter().map(|cell| cell.number.to_string()).collect();
    let message = format!(
        "{}: {} of {} {} something else than the notebook holds: {}",
        path.display(),
        numbers.len(),
        count(compared, "cell"),
        if numbers.len() == 1 { "shows" } else { "show" },
        in_words(&numbers),
    );
    let accept = match updated {
        true => "the notebook holds the new outputs now".to_owned(),
        false => format!("accept the new outputs with: sconce run --in-place {}", path.display()),
    };
    CliError::new(message).help(format!(
        "{accept}; what changes from run to run is masked with --ignore REGEX or left out with the tag `ignore-output`"
    ))
}
