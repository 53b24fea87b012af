//! Which identifiers a text mentions: the superset that decides what a cell is given.

use std::collections::BTreeSet;
use std::str::FromStr;

use proc_macro2::{TokenStream, TokenTree};

/// Identifiers.
pub type Names = BTreeSet<String>;

/// Adds the identifiers in `text`, those in format strings (`"{x:?}"`) included.
pub fn collect(text: &str, into: &mut Names) {
    if let Ok(tokens) = TokenStream::from_str(text) {
        collect_tokens(tokens, into);
    }
}

/// Adds the identifiers in `tokens`.
pub fn collect_tokens(tokens: TokenStream, into: &mut Names) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                into.insert(ident.to_string());
            }
            TokenTree::Literal(literal) => in_format_string(&literal.to_string(), into),
            TokenTree::Group(group) => collect_tokens(group.stream(), into),
            TokenTree::Punct(_) => {}
        }
    }
}

/// Whether `.await` stands in the tokens of a macro call.
pub fn awaits(tokens: TokenStream) -> bool {
    let mut dot = false;
    for token in tokens {
        match &token {
            TokenTree::Ident(ident) if dot && ident == "await" => return true,
            TokenTree::Group(group) if awaits(group.stream()) => return true,
            _ => {}
        }
        dot = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
    }
    false
}

fn in_format_string(literal: &str, into: &mut Names) {
    if !literal.contains('"') {
        return;
    }
    for part in literal.split('{').skip(1) {
        let inside = part.split('}').next().unwrap_or_default();
        for word in inside.split(|c: char| !(c.is_alphanumeric() || c == '_')) {
            if word.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                into.insert(word.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let mut names = Names::new();
        collect(text, &mut names);
        names.into_iter().collect()
    }

    #[test]
    fn format_strings_mention_variables() {
        assert_eq!(of(r#"println!("{a:>width$} {} {{no}}", b)"#), ["a", "b", "no", "println", "width"]);
        assert_eq!(of("x.y(|z| 'c')"), ["x", "y", "z"]);
        assert_eq!(of("\"plain text\""), Vec::<String>::new());
    }

    #[test]
    fn await_is_found_in_macros() {
        let tokens = |text: &str| TokenStream::from_str(text).unwrap_or_default();
        assert!(awaits(tokens("\"{}\", f().await")));
        assert!(!awaits(tokens("await, f.awaited")));
    }
}
