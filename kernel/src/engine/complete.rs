//! What a text that is still being typed is: ready to run or not, code or a string.

use std::str::FromStr;

use proc_macro2::TokenStream;

use crate::lexer::{self, Kind, Token};

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
    // The line of each delimiter that is open.
    let mut open: Vec<(char, usize)> = Vec::new();
    let lines = |open: &[(char, usize)]| {
        let mut lines: Vec<usize> = open.iter().map(|(_, line)| *line).collect();
        lines.dedup();
        lines.len()
    };
    let mut line = 0;
    for token in lexer::rust(code, 0) {
        if token.open {
            return Scan::Open(lines(&open));
        }
        let text = &code[token.range];
        match (token.kind, text.chars().next()) {
            (Kind::Symbol, Some(left @ ('(' | '[' | '{'))) => open.push((left, line)),
            (Kind::Symbol, Some(right @ (')' | ']' | '}'))) => {
                let wanted = match right {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if open.pop().is_none_or(|(left, _)| left != wanted) {
                    return Scan::Mismatch;
                }
            }
            _ => line += text.matches('\n').count(),
        }
    }
    if open.is_empty() { Scan::Balanced } else { Scan::Open(lines(&open)) }
}

/// Whether what is typed at the byte `offset` of `code` is code, not part of a string or comment.
pub fn is_code(code: &str, offset: usize) -> bool {
    let before = lexer::rust(code, 0).into_iter().take_while(|token| token.range.start < offset).last();
    let Some(Token { kind, range, open }) = before else { return true };
    match kind {
        // The end of its line is still the comment.
        Kind::Comment => offset > range.end || (offset == range.end && !open && code[range].ends_with("*/")),
        Kind::String | Kind::Char => offset >= range.end && !open,
        _ => true,
    }
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
