//! A script on stdin, taken apart into the cells that a person would have typed.

use std::io::{self, BufRead};

use crate::engine::{Completeness, Session};

/// The cells of a script, one after the other.
///
/// A cell is as many lines as it takes to be complete, and those that go on with it: indented ones, and ones that
/// begin with `.`, `?`, `else` or a closing bracket. An empty line ends it without a look at the line behind.
pub struct Script<'a> {
    lines: Box<dyn Iterator<Item = io::Result<String>> + 'a>,
    /// A line that was read and belongs to the next cell.
    next: Option<String>,
}

impl<'a> Script<'a> {
    /// The cells in `text`.
    pub fn new(text: impl BufRead + 'a) -> Script<'a> {
        Script { lines: Box::new(text.lines()), next: None }
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        match self.next.take() {
            Some(line) => Ok(Some(line)),
            None => self.lines.next().transpose(),
        }
    }

    /// The next cell; nothing at the end.
    fn cell(&mut self) -> io::Result<Option<String>> {
        let mut cell = String::new();
        while let Some(line) = self.line()? {
            let blank = line.trim().is_empty();
            if cell.is_empty() {
                if !blank {
                    cell = line;
                }
                continue;
            }
            let open = matches!(Session::completeness(&cell), Completeness::Incomplete { .. });
            if !open && blank {
                return Ok(Some(cell));
            }
            if !open && !goes_on(&line) {
                self.next = Some(line);
                return Ok(Some(cell));
            }
            cell.push('\n');
            cell.push_str(&line);
        }
        Ok((!cell.is_empty()).then_some(cell))
    }
}

impl Iterator for Script<'_> {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<io::Result<String>> {
        self.cell().transpose()
    }
}

/// Whether a line goes on with the statement before it.
fn goes_on(line: &str) -> bool {
    let word_end = line.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(line.len());
    line.starts_with([' ', '\t', '.', '?', '}', ')', ']']) || &line[..word_end] == "else"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cells(text: &str) -> Vec<String> {
        Script::new(text.as_bytes()).map(Result::unwrap).collect()
    }

    #[test]
    fn a_line_is_a_cell_unless_it_goes_on() {
        assert_eq!(cells("let x = 1;\nx + 1\n\n\nx"), ["let x = 1;", "x + 1", "x"]);
        assert_eq!(cells("fn f() {\n\n    1\n}\nf()"), ["fn f() {\n\n    1\n}", "f()"]);
        assert_eq!(cells("if x {\n}\nelse {\n}\n1"), ["if x {\n}\nelse {\n}", "1"]);
        assert_eq!(cells("a\n    .b()\n.c()?\nd"), ["a\n    .b()\n.c()?", "d"]);
        assert_eq!(cells("elsewhere\nelse_x"), ["elsewhere", "else_x"]);
        assert_eq!(cells(":vars\n1"), [":vars", "1"]);
        assert_eq!(cells(""), [""; 0]);
        assert_eq!(cells("\r\nlet x = 1;\r\nx"), ["let x = 1;", "x"]);
    }

    #[test]
    fn what_never_ends_and_what_is_wrong_are_cells_too() {
        assert_eq!(cells("fn f() {\n1"), ["fn f() {\n1"]);
        assert_eq!(cells("f())\n1"), ["f())", "1"]);
    }

    #[test]
    fn an_empty_line_ends_a_cell_before_more_is_read() {
        struct Once(Vec<&'static str>);
        impl io::Read for Once {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                assert!(!self.0.is_empty(), "read on");
                let text = self.0.remove(0).as_bytes();
                buffer[..text.len()].copy_from_slice(text);
                Ok(text.len())
            }
        }
        let mut script = Script::new(io::BufReader::new(Once(vec!["1 + 1\n", "\n"])));
        assert_eq!(script.next().unwrap().unwrap(), "1 + 1");
    }

    #[test]
    fn text_that_is_not_utf8_is_an_error() {
        assert!(Script::new(&b"1\n\xff\n"[..]).any(|cell| cell.is_err()));
    }
}
