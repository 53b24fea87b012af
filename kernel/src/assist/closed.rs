//! A text that is being typed, with the brackets closed that nobody has closed yet. To a parser the arguments of a
//! macro go on until then, and in `println!("{}", t.` nothing can be known of `t`.

use crate::lexer::{self, Kind};

/// `code` with what closes its open brackets behind the word at `cursor`; what stands before that stays where it is.
pub fn closed(code: &str, cursor: usize) -> String {
    let mut open: Vec<(char, usize)> = Vec::new();
    for token in lexer::rust(code, 0) {
        // What comes after a string or a comment without an end is not known.
        if token.open {
            return code.to_owned();
        }
        if token.kind != Kind::Symbol {
            continue;
        }
        let closer = match &code[token.range.clone()] {
            "(" => Some(')'),
            "[" => Some(']'),
            "{" => Some('}'),
            _ => None,
        };
        if let Some(closer) = closer {
            open.push((closer, token.range.start));
        } else if open.last().is_some_and(|(closer, _)| code[token.range.clone()].starts_with(*closer)) {
            open.pop();
        }
    }
    let closers: String =
        open.iter().rev().filter(|(_, at)| *at < cursor).map(|(closer, _)| *closer).collect();
    let is_name = |char: char| char.is_alphanumeric() || char == '_';
    let end = code[cursor..].find(|char| !is_name(char)).map_or(code.len(), |at| cursor + at);
    format!("{}{closers}{}", &code[..end], &code[end..])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn open_brackets_are_closed_behind_the_cursor() {
        for (marked, wanted) in [
            ("println!(\"{}\", t.|", "println!(\"{}\", t.)"),
            ("println!(\"{}\", t.|)", "println!(\"{}\", t.)"),
            ("f(g[h.|\nlet y = 1;", "f(g[h.])\nlet y = 1;"),
            ("f(t.|;\nx)", "f(t.;\nx)"),
            ("for x in y {\n    x.|", "for x in y {\n    x.}"),
            ("t.| f(", "t. f("),
            ("a) + t.|", "a) + t."),
            ("\"(\" + t.|", "\"(\" + t."),
            ("f(t.| // and (\n", "f(t.) // and (\n"),
            ("f(t.su|m", "f(t.sum)"),
            ("f(t.|, \"open", "f(t., \"open"),
        ] {
            let cursor = marked.find('|').unwrap();
            assert_eq!(closed(&marked.replacen('|', "", 1), cursor), wanted, "{marked:?}");
        }
    }
}
