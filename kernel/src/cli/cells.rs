//! Shows on stderr how far a run is: a spinner in a terminal, a line a cell elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::Failure;
use crate::notebook::{Observer, Position, first_line};

/// Longer first lines are cut: the line is there to recognise the cell by.
const LINE_WIDTH: usize = 72;

/// Writes one line for each cell that has ended and, in a terminal, a moving one for the cell that runs.
pub struct CellProgress {
    spinner: Option<ProgressBar>,
    source_line: String,
}

impl CellProgress {
    /// Nothing shows until the first cell begins.
    pub fn new() -> CellProgress {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let spinner = ProgressBar::no_length();
            if let Ok(style) =
                ProgressStyle::with_template("{spinner:.cyan} {prefix} {elapsed:>6} {wide_msg:.dim}")
            {
                spinner.set_style(style);
            }
            spinner
        });
        CellProgress { spinner, source_line: String::new() }
    }

    /// Writes text without disturbing the spinner.
    pub fn print(&self, text: &str) {
        let write = || {
            // With stderr closed the run goes on unseen.
            let mut stderr = anstream::stderr().lock();
            let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
        };
        match &self.spinner {
            Some(spinner) => spinner.suspend(write),
            None => write(),
        }
    }

    /// Takes the spinner away.
    pub fn finish(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

impl Observer for CellProgress {
    fn begin(&mut self, position: Position, source: &str) {
        self.source_line = shortened(first_line(source));
        let place = place(position);
        match &self.spinner {
            Some(spinner) => {
                spinner.set_prefix(place);
                spinner.set_message(self.source_line.clone());
                spinner.reset_elapsed();
                spinner.enable_steady_tick(Duration::from_millis(100));
            }
            // The rest of the line follows when the cell has ended; until then it says what takes so long.
            None => self.print(&format!("{place}  {}", self.source_line)),
        }
    }

    fn end(&mut self, position: Position, elapsed: Duration, failure: Option<&Failure>) {
        let status = match failure {
            Some(_) => "\u{1b}[1;31mfailed\u{1b}[0m after ",
            None => "",
        };
        let seconds = elapsed.as_secs_f64();
        let mut text = match &self.spinner {
            Some(_) => format!("{}  {}  {status}{seconds:.2} s\n", place(position), self.source_line),
            None => format!("  {status}{seconds:.2} s\n"),
        };
        for line in failure.iter().flat_map(|failure| &failure.traceback) {
            text.push_str(line);
            text.push('\n');
        }
        self.print(&text);
    }
}

fn place(position: Position) -> String {
    let total = position.total.to_string();
    format!("cell {:>width$}/{total}", position.number, width = total.len())
}

/// The line, without control characters, cut at [`LINE_WIDTH`] characters.
pub fn shortened(line: &str) -> String {
    let clean = |line: &str| line.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    match line.char_indices().nth(LINE_WIDTH) {
        Some((end, _)) => format!("{}…", clean(&line[..end])),
        None => clean(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(shortened("let\tx = 1;"), "let x = 1;");
        let long = "ä".repeat(100);
        assert_eq!(shortened(&long).chars().count(), LINE_WIDTH + 1);
        assert!(shortened(&long).ends_with("ä…"));
    }

    #[test]
    fn places_line_up() {
        assert_eq!(place(Position { number: 3, total: 12 }), "cell  3/12");
    }
}
