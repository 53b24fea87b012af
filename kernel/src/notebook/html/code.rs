//! Rust in colours.

use super::escaped;
use crate::lexer::{Kind, Token, tokens};

/// Source as HTML, each token in a `span` whose class says what it is.
pub(super) fn highlighted(source: &str) -> String {
    let mut html = String::new();
    for Token { kind, range, .. } in tokens(source) {
        let text = escaped(&source[range]);
        match class(kind) {
            Some(class) => html.push_str(&format!("<span class=\"{class}\">{text}</span>")),
            None => html.push_str(&text),
        }
    }
    html
}

fn class(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Command => Some("hl-command"),
        Kind::Comment => Some("hl-comment"),
        Kind::String | Kind::Char => Some("hl-string"),
        Kind::Number => Some("hl-number"),
        Kind::Keyword => Some("hl-keyword"),
        Kind::Type | Kind::Lifetime => Some("hl-type"),
        Kind::Macro | Kind::Function => Some("hl-function"),
        Kind::Blank | Kind::Name | Kind::Symbol => None,
    }
}
