//! How deep a text is nested. What parses and walks over it calls itself once a level.

use std::ops::Range;
use std::panic::resume_unwind;

use proc_macro2::token_stream::IntoIter;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// So many levels fit twice on the stack below, in the frames of an unoptimised build.
pub const LEVELS: usize = 4_000;
pub const STACK: usize = 512 << 20;

/// Where a text becomes deeper than `LEVELS`, counted from above: not only a bracket may open a level, but
/// also an operator or a call (`1 + 1 + 1` is `(1 + 1) + 1`), up to the end of its statement or argument.
pub fn too_deep(tokens: TokenStream) -> Option<Range<usize>> {
    let mut open = vec![Open::new(tokens, 0)];
    while let Some(level) = open.last_mut() {
        let Some(token) = level.rest.next() else {
            open.pop();
            continue;
        };
        level.count(&token);
        let levels = level.outside + level.inside;
        if levels > LEVELS {
            return Some(token.span().byte_range());
        }
        if let TokenTree::Group(group) = token {
            open.push(Open::new(group.stream(), levels));
        }
    }
    None
}

/// What to say of it.
pub fn message() -> String {
    format!(
        "this is nested more than {LEVELS} levels deep, counting brackets, operators and calls; give parts of \
         it names of their own with `let` or `fn`"
    )
}

/// A bracket, and what is left of it.
struct Open {
    rest: IntoIter,
    outside: usize,
    inside: usize,
    /// A block came last: a word behind it begins a new statement.
    block: bool,
}

impl Open {
    fn new(tokens: TokenStream, outside: usize) -> Open {
        Open { rest: tokens.into_iter(), outside, inside: 0, block: false }
    }

    fn count(&mut self, token: &TokenTree) {
        let ends = match token {
            TokenTree::Punct(punct) => {
                matches!(punct.as_char(), ',' | ';') || (self.block && punct.as_char() == '#')
            }
            TokenTree::Ident(word) => self.block && word != "else" && word != "as",
            _ => false,
        };
        self.inside = if ends { 0 } else { self.inside + 1 };
        self.block = matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    }
}

/// Does work that may call itself `LEVELS` deep. Of the stack, only what is used takes memory.
pub fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_too_deep(text: &str) -> bool {
        too_deep(text.parse().unwrap_or_default()).is_some()
    }

    #[test]
    fn what_nests_is_counted() {
        for (before, middle, after) in [
            ("(", "1", ")"),
            ("!", "1", ""),
            ("", "1", " + 1"),
            ("", "x", ".f()"),
            ("if a {} else ", "{}", ""),
        ] {
            let text = |times: usize| [&before.repeat(times), middle, &after.repeat(times)].concat();
            assert!(!is_too_deep(&text(900)), "{before}{middle}{after}");
            assert!(is_too_deep(&text(4_001)), "{before}{middle}{after}");
        }
    }

    #[test]
    fn what_only_follows_does_not_nest() {
        for text in
            ["f(1); ", "1, ", "fn f(a: u8) -> u8 { a } ", "#[test] struct S {} ", "loop { g() } 'a: loop {} "]
        {
            assert!(!is_too_deep(&text.repeat(5_000)), "{text}");
            assert!(!is_too_deep(&format!("m!{{ {} }}", text.repeat(5_000))), "{text}");
        }
    }
}
