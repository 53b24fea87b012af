//! A million broken cells are taken apart: nothing panics, and every place stays inside its text.

#![allow(clippy::unwrap_used)]

use std::thread;

use serde_json::Value;

use super::Completeness;
use super::commands::head::head;
use super::complete;
use super::definitions::Definitions;
use super::items::Text;
use super::placed::Placed;
use super::source::{Cell, take_cell_apart};

/// An unoptimised parser needs minutes for all of them.
const INPUTS: u64 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };

/// Pieces that mean something where they are put.
const WORDS: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    "\"",
    "'",
    "`",
    "\\",
    "\n",
    "\r",
    "\t",
    "\0",
    ";",
    ",",
    ":",
    "::",
    "..",
    "..=",
    "=>",
    "->",
    "|",
    "||",
    "&",
    "&&",
    "!",
    "?",
    "#",
    "#!",
    "@",
    "$",
    "%",
    "^",
    "~",
    "_",
    "=",
    "==",
    "+=",
    "<<=",
    "-",
    "*",
    "/",
    "//",
    "///",
    "//!",
    "/*",
    "*/",
    "/**/",
    "r#\"",
    "\"#",
    "br##\"",
    "c\"",
    "b'",
    "'a",
    "'a'",
    "'\\u{1F600}'",
    "\u{feff}",
    "\u{2028}",
    "ä",
    "日本",
    "😀",
    "e\u{301}",
    "0x",
    "0b12",
    "1e",
    "1.",
    "1..2",
    "0.0.0",
    "1_u8",
    "999999999999999999999999",
    "1e999f32",
    "if",
    "else",
    "match",
    "let",
    "let else",
    "mut",
    "ref",
    "fn",
    "async",
    "await",
    ".await",
    "move",
    "loop",
    "while",
    "for",
    "in",
    "return",
    "break 'a",
    "continue",
    "yield",
    "struct",
    "enum",
    "union",
    "impl",
    "trait",
    "dyn",
    "where",
    "type",
    "mod",
    "use",
    "pub",
    "pub(crate)",
    "extern \"C\"",
    "crate",
    "self",
    "Self",
    "super",
    "static",
    "const",
    "unsafe",
    "macro_rules!",
    "vec!",
    "println!",
    "thread_local!",
    "#[derive(Debug)]",
    "#![allow(x)]",
    "r#if",
    "as",
    "box",
    "try",
    "raw",
    "safe",
    "gen",
    ":vars",
    ":dep x",
    "use a::{b, c as d, *};",
    "fn f() {}",
    "let x = 1;",
    "|x| x",
    "x = f(x)",
];

/// Kinds of statements and definitions that few notebooks have side by side.
const CELLS: &[&str] = &[
    "let (a, mut b, [c, .., d]) = f(); let Some(e) = g() else { panic!() }; let x; x = 1;",
    "let ref r = s; let S { p, q: (ref mut t, _), .. } = u; let A(v) | B(v) = w;",
    "static COUNT: AtomicU32 = AtomicU32::new(0); thread_local! { static K: Cell<u8> = const { Cell::new(1) }; }",
    "fn f() { static INNER: OnceLock<u8> = OnceLock::new(); loop { break } }",
    "macro_rules! m { ($($x:ident),*) => { $(struct $x;)* } } m!(A, B);",
    "impl<T: Debug> Tr for S<T> where T: 'static { type O = u8; const C: u8 = 1; fn f(&self) -> Self::O { 1 } }",
    "pub mod inner { pub use super::*; pub fn f() {} } extern \"C\" { fn g(x: i32); }",
    "'outer: for i in 0..10 { while let Some(x) = it.next() { if x { continue 'outer } else { break 'outer } } }",
    "let y = async { a.await?; return Ok::<(), E>(()) }.await; tokio::join!(a, b);",
    "x = step(x); y += 1; z.w = 3; *p = 4; (a, b) = (b, a); return;",
    "let f = |x: u8| -> u8 { for _ in 0..x { if x > 3 { return 1 } } x }; f(3)",
    "match x { 0..=3 if y => {} A { b, .. } | C(b) => b, _ => unsafe { *p } }",
    "r##\"raw \"# text\"## ; b'\\'' ; c\"nul\" ; '\\u{1F600}' ; 'a: loop {} ; 1.0e-3_f64 ; 0xff_u8",
];

/// The same numbers from the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// A place in a text where characters meet.
    fn place(&mut self, text: &str) -> usize {
        let any = self.below(text.len() + 1);
        text.floor_char_boundary(any)
    }

    fn range(&mut self, text: &str) -> std::ops::Range<usize> {
        let (start, length) = (self.place(text), self.below(24));
        start..text.ceil_char_boundary((start + length).min(text.len()))
    }
}

/// The cells of the quickstart, the ones above, and the definitions of a file of the engine.
fn seeds() -> Vec<String> {
    let notebook: Value =
        serde_json::from_str(include_str!("../../../notebooks/01_quickstart.ipynb")).unwrap();
    let of_notebook = notebook["cells"].as_array().unwrap().iter().map(|cell| {
        cell["source"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect::<String>()
    });
    let of_engine = include_str!("shape.rs").split("\n\n").map(str::to_owned);
    of_notebook.chain(CELLS.iter().map(|cell| (*cell).to_owned())).chain(of_engine).collect()
}

fn input(random: &mut Random, seeds: &[String]) -> String {
    match random.below(1000) {
        0 => nested(random),
        1..100 => (0..random.below(40)).map(|_| *random.one_of(WORDS)).collect(),
        100..150 => {
            (0..random.below(60)).filter_map(|_| char::from_u32(random.next() as u32 >> 11)).collect()
        }
        _ => {
            let mut text = random.one_of(seeds).clone();
            // Most of a long text says what the rest of it says.
            if text.len() > 400 {
                let start = random.place(&text);
                text = text[start..text.ceil_char_boundary((start + 400).min(text.len()))].to_owned();
            }
            for _ in 0..=random.below(4) {
                mutate(&mut text, random, seeds);
            }
            text
        }
    }
}

fn mutate(text: &mut String, random: &mut Random, seeds: &[String]) {
    let range = random.range(text);
    match random.below(6) {
        0 => text.replace_range(range, ""),
        1 => text.truncate(range.start),
        2 => {
            let again = text[range].to_owned();
            let place = random.place(text);
            text.insert_str(place, &again);
        }
        3 => {
            let other = random.one_of(seeds);
            let part = random.range(other);
            text.replace_range(range, &other[part]);
        }
        _ => {
            let word = random.one_of(WORDS);
            let end = if random.below(2) == 0 { range.start } else { range.end };
            text.replace_range(range.start..end, word);
        }
    }
}

/// One thing in itself, or behind itself, over and over.
fn nested(random: &mut Random) -> String {
    let pairs = [
        ("(", ")"),
        ("[", "]"),
        ("{", "}"),
        ("f(", ")"),
        ("vec![", "]"),
        ("|x| ", ""),
        ("!", ""),
        ("&", ""),
        ("-", ""),
        ("if a {} else ", "{}"),
        ("match x { _ => ", "}"),
        ("mod a { ", "}"),
        ("fn f() { ", "}"),
        ("loop { ", "}"),
        ("unsafe {", "}"),
        ("return ", ""),
        ("", " + 1"),
        ("", ".f()"),
        ("", "?"),
        ("", "[0]"),
        ("", " as u8"),
        ("a = ", ""),
        ("/* ", " */"),
        ("#[a] ", ""),
        ("x!{", "}"),
        ("use a::{", "}"),
        ("B<", ">"),
        ("\"", "\""),
        ("let x = ", ";"),
    ];
    let (before, after) = random.one_of(&pairs);
    let start = *random.one_of(&["", "", "let x: ", "let ", "fn f() -> "]);
    let times = *random.one_of(&[10, 100, 1_000, 3_000, 20_000]);
    let close = if random.below(4) == 0 { random.below(times) } else { times };
    [start, &before.repeat(times), "a", &after.repeat(close)].concat()
}

fn check(text: &str, definitions: &Definitions) {
    let completeness = complete::judge(text);
    let head = head(text);
    let text = head.rest.as_str();
    match take_cell_apart(3, text, definitions) {
        Ok(cell) => {
            check_places(text, &cell);
            assert!(head.open || completeness == Completeness::Complete, "{completeness:?}");
        }
        Err(error) => assert!(text.get(error.range).is_some() && !error.message.is_empty()),
    }
}

fn check_places(text: &str, cell: &Cell) {
    let mut end = 0;
    for piece in &cell.pieces {
        assert!(piece.range.start >= end && text.get(piece.range.clone()).is_some(), "{piece:?}");
        end = piece.range.end;
    }
    for definition in cell.definitions() {
        if let Text::Source(range) = &definition.text {
            assert!(text.get(range.clone()).is_some(), "{definition:?}");
        }
    }
    let mut placed = Placed::default();
    placed.user(3, text, 0..text.len(), &cell.edits);
    let lines = |text: &str| text.matches('\n').count();
    assert_eq!(lines(placed.text()), lines(text), "a line of the generated file is a line of the cell");
}

#[test]
fn a_million_texts_are_taken_apart() {
    let seeds = seeds();
    let cell = take_cell_apart(
        1,
        "const N: u8 = 1; struct S; macro_rules! m { () => { fn g() {} } }",
        &Definitions::default(),
    );
    let mut definitions = Definitions::default();
    definitions.add(&cell.unwrap().definitions().cloned().collect::<Vec<_>>());
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let run = |first: u64| {
        for number in (first..INPUTS).step_by(threads as usize) {
            let text = input(&mut Random(number), &seeds);
            let seen = std::panic::catch_unwind(|| check(&text, &definitions));
            assert!(seen.is_ok(), "input {number}, see above: {text:?}");
        }
    };
    thread::scope(|scope| {
        for first in 0..threads {
            let run = &run;
            thread::Builder::new()
                .stack_size(super::nesting::STACK)
                .spawn_scoped(scope, move || run(first))
                .unwrap();
        }
    });
}
