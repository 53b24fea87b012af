//! Where in a text the cursor is, as far as that can be seen without understanding the text.

use std::ops::Range;

use crate::engine::Session;

/// Where the cursor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    /// In the name of a command, colon included.
    Command(Range<usize>),
    /// In a name that stands alone; the name may be empty yet.
    Name(Range<usize>),
    /// In the first name of an import.
    Import(Range<usize>),
    /// In a name that belongs to what stands before it: behind a `.` or a `::`.
    Member(Range<usize>),
    /// In a string, a comment, a number or the arguments of a command: nothing to help with.
    Nothing,
}

/// Where the byte `cursor` of `code` is.
pub fn spot(code: &str, cursor: usize) -> Spot {
    let Some(rust) = Rust::of(code, cursor) else { return command(code, cursor) };
    let (text, cursor) = (rust.text.as_str(), rust.cursor);
    if !Session::is_code(text, cursor) {
        return Spot::Nothing;
    }
    let word = word(text, cursor);
    let in_code = word.start + rust.removed..word.end + rust.removed;
    if text[word.clone()].starts_with(|c: char| c.is_ascii_digit()) {
        return Spot::Nothing;
    }
    let before = &text[..word.start];
    let owner = before.trim_end();
    if owner.ends_with("::") || (owner.ends_with('.') && !owner.ends_with("..")) {
        return Spot::Member(in_code);
    }
    match import_before(before) {
        Some("") => Spot::Import(in_code),
        Some(_) => Spot::Member(in_code),
        None => Spot::Name(in_code),
    }
}

/// A cell without its commands, and the cursor there.
#[derive(Debug, PartialEq, Eq)]
pub struct Rust {
    /// The text.
    pub text: String,
    /// The cursor in it.
    pub cursor: usize,
    /// How many bytes before the cursor were left out.
    pub removed: usize,
}

impl Rust {
    /// Nothing if the cursor is in a line that is not Rust.
    pub fn of(code: &str, cursor: usize) -> Option<Rust> {
        let text = Session::rust(code);
        let line = code[..cursor].matches('\n').count();
        // The lines that are not Rust are empty there.
        if code.split('\n').nth(line) != text.split('\n').nth(line) {
            return None;
        }
        let removed = code.len() - text.len();
        // In an empty line between commands there is nothing to know of those after it.
        let cursor = cursor.checked_sub(removed)?;
        Some(Rust { text, cursor, removed })
    }
}

/// The name that the person asks about: the one that the cursor touches, else that of the function whose
/// arguments it stands in.
pub fn asked_about(code: &str, cursor: usize) -> Spot {
    match spot(code, cursor) {
        Spot::Name(word) if word.is_empty() => match callee(code, cursor) {
            Some(end) => spot(code, end),
            None => Spot::Nothing,
        },
        other => other,
    }
}

/// The end of the name of the function in whose arguments the cursor stands.
fn callee(code: &str, cursor: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, char) in code[..cursor].char_indices().rev() {
        match char {
            ')' | ']' | '}' => depth += 1,
            '(' if depth == 0 => {
                let name = code[..at].trim_end().trim_end_matches('!');
                return (!word(code, name.len()).is_empty()).then_some(name.len());
            }
            '(' | '[' | '{' => depth -= 1,
            ';' if depth == 0 => return None,
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    None
}

/// Where the cursor is in a line that is not Rust.
fn command(code: &str, cursor: usize) -> Spot {
    let start = code[..cursor].rfind('\n').map_or(0, |at| at + 1);
    let line = code[start..].lines().next().unwrap_or_default();
    let command = line.trim_start();
    let start = start + line.len() - command.len();
    let end = start + command.find(char::is_whitespace).unwrap_or(command.len());
    match command.starts_with(':') && start < cursor && cursor <= end {
        true => Spot::Command(start..end),
        false => Spot::Nothing,
    }
}

/// What stands between `use` and the end of `before`, if that is inside of an import.
fn import_before(before: &str) -> Option<&str> {
    let at = before.rfind("use ")?;
    let begins = before[..at].chars().next_back().is_none_or(|c| !is_name(c));
    let path = before[at + "use ".len()..].trim();
    let is_path = path.chars().all(|c| is_name(c) || c.is_whitespace() || "{}:,*".contains(c));
    (begins && is_path).then_some(path)
}

/// The name around `cursor`.
fn word(code: &str, cursor: usize) -> Range<usize> {
    let before = code[..cursor].trim_end_matches(is_name);
    let after = code[cursor..].trim_start_matches(is_name);
    before.len()..code.len() - after.len()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(marked: &str) -> (Spot, String) {
        let cursor = marked.find('|').unwrap();
        let code = marked.replacen('|', "", 1);
        let spot = spot(&code, cursor);
        let text = match &spot {
            Spot::Command(range) | Spot::Name(range) | Spot::Import(range) | Spot::Member(range) => {
                code[range.clone()].to_owned()
            }
            Spot::Nothing => String::new(),
        };
        (spot, text)
    }

    #[test]
    fn cursors_are_placed() {
        let kind = |spot: &Spot| match spot {
            Spot::Command(_) => "command",
            Spot::Name(_) => "name",
            Spot::Import(_) => "import",
            Spot::Member(_) => "member",
            Spot::Nothing => "nothing",
        };
        for (marked, wanted, text) in [
            (":va|", "command", ":va"),
            ("\n  :v|ars\nx", "command", ":vars"),
            (":opt |", "nothing", ""),
            ("!ls fo|", "nothing", ""),
            ("!echo \"\nlet x = ab|", "name", "ab"),
            ("x;\n:va|", "name", "va"),
            ("let größe = ä|b + 1;", "name", "äb"),
            ("f(|)", "name", ""),
            ("x.|", "member", ""),
            ("x.\n    fo|o(", "member", "foo"),
            ("0..le|n", "name", "len"),
            ("candle_core::Te|", "member", "Te"),
            ("use can|", "import", "can"),
            ("use std::{fs, io::{self, R|", "member", "R"),
            ("reuse can|", "name", "can"),
            ("use a::b; ca|", "name", "ca"),
            ("\"x|", "nothing", ""),
            ("// x|", "nothing", ""),
            ("12|", "nothing", ""),
        ] {
            let (spot, found) = at(marked);
            assert_eq!((kind(&spot), found.as_str()), (wanted, text), "{marked:?}");
        }
    }

    #[test]
    fn the_rust_of_a_cell_has_its_own_cursor() {
        let rust = Rust::of(":dep größe\n!ls '\nx.y", ":dep größe\n!ls '\nx.".len()).unwrap();
        assert_eq!((rust.text.as_str(), rust.cursor), ("\n\nx.y", 4));
        assert_eq!(Rust::of("!ls fo", 6), None);
        assert_eq!(Rust::of("::std::fs", 3).map(|rust| rust.cursor), Some(3));
    }

    #[test]
    fn arguments_ask_about_their_function() {
        for (marked, wanted) in [
            ("load(|", Some("load")),
            ("load(a, g(b), |)", Some("load")),
            ("println!(\"{}\", |", Some("println")),
            ("x.rows(|", Some("rows")),
            ("f(1); |", None),
            ("f({ 1; |", None),
            ("(|", None),
        ] {
            let cursor = marked.find('|').unwrap();
            let code = marked.replacen('|', "", 1);
            let found = match asked_about(&code, cursor) {
                Spot::Name(range) | Spot::Member(range) if !range.is_empty() => Some(&code[range]),
                _ => None,
            };
            assert_eq!(found, wanted, "{marked:?}");
        }
    }
}
