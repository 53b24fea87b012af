//! Takes Rust apart while it is typed, for colours and to see what is still open. Unlike a compiler's lexer it has a
//! token for every text: a string that is still open is a string, and what nothing can begin with is a symbol.

use std::ops::Range;

/// What a piece of source is, as far as its colour goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lines that speak to the session, `:help`, before the first line of Rust.
    Command,
    /// White space.
    Blank,
    /// A comment, to its end or the text's.
    Comment,
    /// A string, byte string, C string or raw string, to its end or the text's.
    String,
    /// A character or byte.
    Char,
    /// `'a`, or a loop's label.
    Lifetime,
    /// A number with its suffix.
    Number,
    /// A word of the language.
    Keyword,
    /// A name in the style of types.
    Type,
    /// A macro's name and its `!`.
    Macro,
    /// The name of what is called or declared with `fn`.
    Function,
    /// Another name.
    Name,
    /// Everything else, one character at a time.
    Symbol,
}

const KEYWORDS: &[&str] = &[
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern", "false",
    "fn", "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return",
    "self", "static", "struct", "super", "trait", "true", "type", "union", "unsafe", "use", "where", "while",
    "yield",
];

/// Names of types that are not written like types.
const PRIMITIVES: &[&str] = &[
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16", "u32",
    "u64", "u128", "usize",
];

/// A piece of source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub range: Range<usize>,
    /// Its own end is not there yet: the text ends in a string or a comment.
    pub open: bool,
}

/// The tokens of a cell, one after the other: together they are the whole text.
#[must_use]
pub fn tokens(code: &str) -> Vec<Token> {
    let head: usize = code.split_inclusive('\n').take_while(|line| is_command(line)).map(str::len).sum();
    let mut tokens = rust(code, head);
    if head > 0 {
        tokens.insert(0, Token { kind: Kind::Command, range: 0..head, open: false });
    }
    tokens
}

/// The tokens of the Rust that begins at `start`.
#[must_use]
pub fn rust(code: &str, mut start: usize) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut after_fn = false;
    while let Some(first) = code[start..].chars().next() {
        let rest = &code[start..];
        let Piece { mut kind, length, open } = piece(rest, first);
        let text = &rest[..length];
        if kind == Kind::Name {
            kind = name(text, &rest[length..], after_fn);
        }
        if kind != Kind::Blank {
            after_fn = kind == Kind::Keyword && text == "fn";
        }
        // The `!` of a macro belongs to its name; that of `a != b` does not.
        let length = if kind == Kind::Macro { length + 1 } else { length };
        tokens.push(Token { kind, range: start..start + length, open });
        start += length;
    }
    tokens
}

/// Whether a line speaks to the session: `:help`, but not `::std::mem::drop(x)`; `!ls` and `%%time`.
fn is_command(line: &str) -> bool {
    let indented = line.trim_start();
    (indented.starts_with(':') && !indented.starts_with("::")) || line.starts_with(['!', '%'])
}

/// What a text begins with.
struct Piece {
    kind: Kind,
    length: usize,
    open: bool,
}

impl Piece {
    fn whole(kind: Kind, length: usize) -> Piece {
        Piece { kind, length, open: false }
    }

    /// Of this length, or to the end of `rest`.
    fn up_to(kind: Kind, length: Option<usize>, rest: &str) -> Piece {
        Piece { kind, length: length.unwrap_or(rest.len()), open: length.is_none() }
    }

    /// A literal takes the name right behind it along, as its suffix.
    fn with_suffix(self, rest: &str) -> Piece {
        let suffix = if self.open { 0 } else { length_while(&rest[self.length..], is_name) };
        Piece { length: self.length + suffix, ..self }
    }
}

fn piece(rest: &str, first: char) -> Piece {
    if first.is_whitespace() {
        return Piece::whole(Kind::Blank, length_while(rest, char::is_whitespace));
    }
    if rest.starts_with("//") {
        return Piece::whole(Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Piece::up_to(Kind::Comment, block_comment(rest), rest);
    }
    if let Some(length) = prefixed_string(rest) {
        return Piece::up_to(Kind::String, length, rest).with_suffix(rest);
    }
    if let Some(quoted) = rest.strip_prefix("b'") {
        return Piece::whole(Kind::Char, 1 + character(quoted).unwrap_or(1)).with_suffix(rest);
    }
    if let Some(quoted) = rest.strip_prefix('\'') {
        return match character(quoted) {
            Some(length) => Piece::whole(Kind::Char, length).with_suffix(rest),
            None => Piece::whole(Kind::Lifetime, 1 + length_while(quoted, is_name)),
        };
    }
    if first.is_ascii_digit() {
        return Piece::whole(Kind::Number, number(rest));
    }
    if is_name(first) {
        let raw = if rest.starts_with("r#") { 2 } else { 0 };
        return Piece::whole(Kind::Name, raw + length_while(&rest[raw..], is_name));
    }
    Piece::whole(Kind::Symbol, first.len_utf8())
}

fn name(text: &str, rest: &str, after_fn: bool) -> Kind {
    if KEYWORDS.contains(&text) {
        return Kind::Keyword;
    }
    if rest.starts_with('!') && !rest.starts_with("!=") {
        return Kind::Macro;
    }
    let capital = text.chars().find(|c| *c != '_').is_some_and(char::is_uppercase);
    if PRIMITIVES.contains(&text) || text == "Self" || (capital && text.chars().any(char::is_lowercase)) {
        return Kind::Type;
    }
    let called = rest.starts_with('(') || rest.starts_with("::<");
    if after_fn || called { Kind::Function } else { Kind::Name }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn length_while(text: &str, accepts: fn(char) -> bool) -> usize {
    text.find(|c| !accepts(c)).unwrap_or(text.len())
}

/// The length of a comment that may hold others, if it ends.
fn block_comment(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0;
    let mut index = 0;
    while index + 1 < bytes.len() {
        match &bytes[index..index + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                index += 1;
                continue;
            }
        }
        index += 2;
        if depth == 0 {
            return Some(index);
        }
    }
    None
}

/// The length of a string with its prefix, if `text` begins with one, and if it ends.
fn prefixed_string(text: &str) -> Option<Option<usize>> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| rest.trim_start_matches('#').starts_with('"'))
    })?;
    let rest = &text[prefix.len()..];
    let hashes = length_while(rest, |c| c == '#');
    let raw = prefix.ends_with('r');
    if hashes > 0 && !raw {
        return None;
    }
    let body_start = prefix.len() + hashes + 1;
    let body = &text[body_start..];
    let length = if raw {
        let end = format!("\"{}", "#".repeat(hashes));
        body.find(&end).map(|at| at + end.len())
    } else {
        closing_quote(body, '"').map(|at| at + 1)
    };
    Some(length.map(|length| body_start + length))
}

/// Where the first quote stands that no backslash takes its meaning from.
fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}

/// The length of a character literal with both quotes, whose first quote stands before `text`; none where it begins
/// a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    let (_, first) = chars.next()?;
    if first == '\\' {
        let line = text.lines().next().unwrap_or_default();
        return Some(1 + closing_quote(line, '\'').map_or(line.len(), |at| at + 1));
    }
    let (at, second) = chars.next()?;
    (first != '\'' && second == '\'').then_some(1 + at + 1)
}

/// The length of `1_000`, `0xff_u8`, `1.5e-3f32`; a `.` counts only with a digit behind it, for `0..9` and `1.max(2)`.
fn number(text: &str) -> usize {
    let mut length = length_while(text, is_name);
    let fraction = &text[length..];
    if fraction.starts_with('.') && fraction[1..].starts_with(|c: char| c.is_ascii_digit()) {
        length += 1 + length_while(&fraction[1..], is_name);
    }
    let exponent = text[..length].ends_with(['e', 'E']) && !text.starts_with("0x");
    if exponent && text[length..].starts_with(['+', '-']) {
        length += 1 + length_while(&text[length + 1..], is_name);
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(code: &str) -> Vec<(Kind, &str)> {
        let tokens = tokens(code).into_iter().map(|token| (token.kind, &code[token.range]));
        tokens.filter(|(kind, _)| *kind != Kind::Blank).collect()
    }

    #[test]
    fn code_is_taken_apart() {
        use Kind::{Comment, Function, Keyword, Lifetime, Macro, Name, Number, String, Symbol, Type};
        assert_eq!(
            kinds("fn f<'a>(x: &'a str) -> Vec<u8> { vec![0xff_u8] } // end"),
            [
                (Keyword, "fn"),
                (Function, "f"),
                (Symbol, "<"),
                (Lifetime, "'a"),
                (Symbol, ">"),
                (Symbol, "("),
                (Name, "x"),
                (Symbol, ":"),
                (Symbol, "&"),
                (Lifetime, "'a"),
                (Type, "str"),
                (Symbol, ")"),
                (Symbol, "-"),
                (Symbol, ">"),
                (Type, "Vec"),
                (Symbol, "<"),
                (Type, "u8"),
                (Symbol, ">"),
                (Symbol, "{"),
                (Macro, "vec!"),
                (Symbol, "["),
                (Number, "0xff_u8"),
                (Symbol, "]"),
                (Symbol, "}"),
                (Comment, "// end"),
            ]
        );
        assert_eq!(
            kinds(":dep x = \"1\"\n:vars\n::f()")[..2],
            [(Kind::Command, ":dep x = \"1\"\n:vars\n"), (Symbol, ":")]
        );
        assert_eq!(kinds("a != b")[1..], [(Symbol, "!"), (Symbol, "="), (Name, "b")]);
        assert_eq!(kinds("x.max::<T>()")[2], (Function, "max"));
        assert_eq!(kinds("r#type")[0], (Name, "r#type"));
        assert_eq!(kinds("\"a\\\"b\" c")[0], (String, "\"a\\\"b\""));
    }

    #[test]
    fn literals_end_where_they_end() {
        use Kind::{Char, Lifetime, Number, String};
        let first = |code| kinds(code)[0];
        assert_eq!(first("r##\"a\"# b\"## c"), (String, "r##\"a\"# b\"##"));
        assert_eq!(first("br\"\\\" c"), (String, "br\"\\\""));
        assert_eq!(first("c\"x\"y z"), (String, "c\"x\"y"));
        assert_eq!(kinds("\"a\"r\"b\\\"c\"")[1], (String, "\"b\\\"c\""));
        assert_eq!(first("'\\'' x"), (Char, "'\\''"));
        assert_eq!(first("b'x' y"), (Char, "b'x'"));
        assert_eq!(first("'ä' y"), (Char, "'ä'"));
        assert_eq!(first("'outer: loop"), (Lifetime, "'outer"));
        for number in ["1_000", "1.5", "1e9", "1.5e-3f32", "0b1010", "2f64"] {
            let code = format!("{number} + 1");
            assert_eq!(kinds(&code)[0], (Number, number));
        }
        assert_eq!(first("0..9"), (Number, "0"));
        assert_eq!(first("1.max(2)"), (Number, "1"));
    }

    #[test]
    fn what_is_still_open_goes_on_to_the_end() {
        use Kind::{Char, Comment, String};
        for (code, kind, open) in [
            ("\"open { text", String, true),
            ("r#\"open\" text", String, true),
            ("/* open /* nested */ text", Comment, true),
            ("'\\", Char, false),
            ("b'", Char, false),
            ("\"closed\"", String, false),
            ("/* closed */", Comment, false),
            ("// a line", Comment, false),
        ] {
            assert_eq!(tokens(code), [Token { kind, range: 0..code.len(), open }]);
        }
    }

    /// A generator of numbers that are the same in every run.
    fn next(state: &mut u64) -> usize {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 33) as usize
    }

    #[test]
    fn every_byte_of_any_text_is_in_one_token() {
        let pieces = [
            "\"", "'", "\\", "r", "b", "c", "#", "/", "*", "//", "/*", "*/", "\n", " ", "fn", "ä", "€", "😀",
            "0", "1.", "e", "+", "x", "!", "!=", "r#", "::<", "(", "{", "_", "\u{0}", "\u{200d}", "'a", "b'",
            "br#\"", "0x",
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15;
        for _ in 0..20_000 {
            let count = next(&mut state) % 12;
            let code: String = (0..count).map(|_| pieces[next(&mut state) % pieces.len()]).collect();
            let mut end = 0;
            for Token { range, .. } in tokens(&code) {
                assert_eq!(range.start, end, "{code:?}");
                assert!(range.end > range.start && code.is_char_boundary(range.end), "{code:?}");
                end = range.end;
            }
            assert_eq!(end, code.len(), "{code:?}");
        }
    }
}
