//! What a text that is still being typed is: ready to run or not, code or a string.

use std::str::FromStr;

use proc_macro2::TokenStream;

use super::Completeness;
use super::commands::head::head;
use super::nesting;
use super::source::statements;

/// Whether `code` is ready to run.
pub fn completeness(code: &str) -> Completeness {
    // Without a thread for it, running says what is wrong.
    nesting::on_a_large_stack(|| judge(code)).unwrap_or(Completeness::Complete)
}

pub(super) fn judge(code: &str) -> Completeness {
    let head = head(code);
    if head.open {
        return Completeness::Incomplete { indent: String::new() };
    }
    let code = head.rest.as_str();
    match scan(code) {
        Scan::Open(lines) => return Completeness::Incomplete { indent: "    ".repeat(lines) },
        Scan::Mismatch => return Completeness::Invalid,
        Scan::Balanced => {}
    }
    if code.trim().is_empty() {
        return Completeness::Complete;
    }
    proc_macro2::extra::invalidate_current_thread_spans();
    let Ok(tokens) = TokenStream::from_str(code) else { return Completeness::Invalid };
    if nesting::too_deep(tokens.clone()).is_some() {
        return Completeness::Complete; // running it says so
    }
    match statements(tokens) {
        Ok(_) => Completeness::Complete,
        // An empty last line says that nothing more is to come.
        Err(_) if code.ends_with("\n\n") => Completeness::Invalid,
        Err(error) => {
            let message = error.to_string();
            if message.starts_with("unexpected end of input") {
                Completeness::Incomplete { indent: String::new() }
            } else {
                Completeness::Invalid
            }
        }
    }
}

enum Scan {
    Balanced,
    /// So many lines have delimiters that are still open.
    Open(usize),
    Mismatch,
}

/// Counts delimiters outside of strings and comments; an open string or comment counts as open.
fn scan(code: &str) -> Scan {
    let mut open: Vec<(char, usize)> = Vec::new();
    let lines = |open: &[(char, usize)]| {
        let mut lines: Vec<usize> = open.iter().map(|(_, line)| *line).collect();
        lines.dedup();
        lines.len()
    };
    let mut line = 0;
    let chars: Vec<char> = code.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut index = 0;
    while index < chars.len() {
        match chars[index] {
            '/' if at(index + 1) == '/' => {
                while index < chars.len() && chars[index] != '\n' {
                    index += 1;
                }
                continue;
            }
            '/' if at(index + 1) == '*' => match end_of_comment(&chars, index) {
                Some(end) => index = end,
                None => return Scan::Open(lines(&open)),
            },
            '"' => match end_of_string(&chars, index) {
                Some(end) => index = end,
                None => return Scan::Open(lines(&open)),
            },
            '\'' => index = end_of_char(&chars, index),
            left @ ('(' | '[' | '{') => open.push((left, line)),
            '\n' => line += 1,
            right @ (')' | ']' | '}') => {
                let wanted = match right {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if open.pop().is_none_or(|(left, _)| left != wanted) {
                    return Scan::Mismatch;
                }
            }
            _ => {}
        }
        index += 1;
    }
    if open.is_empty() { Scan::Balanced } else { Scan::Open(lines(&open)) }
}

/// Whether what is typed at the byte `offset` of `code` is code, not part of a string or comment.
pub fn is_code(code: &str, offset: usize) -> bool {
    let chars: Vec<char> = code.chars().collect();
    let cursor = code.char_indices().take_while(|(at, _)| *at < offset).count();
    let mut index = 0;
    while index < cursor {
        // What begins here, and the last character that still belongs to it.
        let last = match (chars[index], chars.get(index + 1)) {
            ('/', Some('/')) => {
                let line = chars[index..].iter().position(|c| *c == '\n');
                // The end of its line is still the comment.
                Some(line.map_or(chars.len(), |length| index + length))
            }
            ('/', Some('*')) => Some(end_of_comment(&chars, index).unwrap_or(chars.len())),
            ('"', _) => Some(end_of_string(&chars, index).unwrap_or(chars.len())),
            ('\'', _) => Some(end_of_char(&chars, index)).filter(|end| *end > index),
            _ => None,
        };
        match last {
            Some(last) if cursor <= last => return false,
            Some(last) => index = last + 1,
            None => index += 1,
        }
    }
    true
}

/// The last character of a comment, which may hold others.
fn end_of_comment(chars: &[char], start: usize) -> Option<usize> {
    let mut depth = 0;
    let mut index = start;
    while index + 1 < chars.len() {
        match (chars[index], chars[index + 1]) {
            ('/', '*') => {
                depth += 1;
                index += 1;
            }
            ('*', '/') => {
                depth -= 1;
                index += 1;
                if depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
        index += 1;
    }
    None
}

/// The last character of the string whose first quote is at `start`.
fn end_of_string(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[..start].iter().rev().take_while(|c| **c == '#').count();
    let before = &chars[..start - hashes];
    let word = before.iter().rev().take_while(|c| c.is_alphanumeric() || **c == '_').collect::<String>();
    // Right behind a quote it is the suffix of that literal, or a lifetime.
    let follows_quote = matches!(before.iter().rev().nth(word.chars().count()), Some('"' | '\''));
    let raw = !follows_quote && matches!(word.as_str(), "r" | "rb" | "rc"); // from its end: r, br, cr
    let mut index = start + 1;
    while index < chars.len() {
        match chars[index] {
            '\\' if !raw => index += 1,
            '"' if !raw => return Some(index),
            '"' if chars[index + 1..].iter().take_while(|c| **c == '#').count() >= hashes => {
                return Some(index + hashes);
            }
            _ => {}
        }
        index += 1;
    }
    None
}

/// The last character of a character literal, or the quote itself where it begins a lifetime.
fn end_of_char(chars: &[char], start: usize) -> usize {
    if chars.get(start + 1) == Some(&'\\') {
        let close = chars.get(start + 3..).unwrap_or_default().iter().position(|c| *c == '\'');
        return close.map_or(start, |offset| start + 3 + offset);
    }
    if chars.get(start + 2) == Some(&'\'') { start + 2 } else { start }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn incomplete(indent: &str) -> Completeness {
        Completeness::Incomplete { indent: indent.into() }
    }

    #[test]
    fn strings_and_comments_are_no_code() {
        let cases = [
            ("ab|", true),
            ("\"a|", false),
            ("\"a\"|", true),
            ("\"ä|\"", false),
            ("r#\"a\"|b\"#", false),
            ("\"a\"br##\"b\"|", true),
            ("// a|", false),
            ("// a\n|", true),
            ("a // b|\nc", false),
            ("/* a|", false),
            ("/* a */|", true),
            ("'ä|'", false),
            ("let c = '\"'; x|", true),
            ("fn f<'a|", true),
        ];
        for (marked, wanted) in cases {
            let offset = marked.find('|').unwrap();
            assert_eq!(is_code(&marked.replace('|', ""), offset), wanted, "{marked:?}");
        }
    }

    #[test]
    fn texts_are_judged() {
        let cases = [
            ("", Completeness::Complete),
            ("let x = 1;", Completeness::Complete),
            ("1 + 1", Completeness::Complete),
            (":vars", Completeness::Complete),
            ("fn f() {", incomplete("    ")),
            ("f(|x| {\n  g([", incomplete("        ")),
            ("let s = \"abc", incomplete("")),
            ("/* open /* nested */", incomplete("")),
            ("let s = r#\"a\" b\"#; '('; let c: &'static str = \"}\";", Completeness::Complete),
            ("'\\'' ; '{'", Completeness::Complete),
            ("1 +", incomplete("")),
            ("f())", Completeness::Invalid),
            ("let = 3;", Completeness::Invalid),
            ("#![allow(dead_code)] fn f() {}", Completeness::Complete),
            ("m!(for#\"\\\"\")", Completeness::Complete),
            ("br#\"\\\"#", Completeness::Complete),
            ("'", Completeness::Invalid),
            ("'\\", Completeness::Invalid),
        ];
        for (code, wanted) in cases {
            assert_eq!(completeness(code), wanted, "{code:?}");
        }
    }
}
