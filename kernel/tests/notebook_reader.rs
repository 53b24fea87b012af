//! The notebook reader on a million broken notebooks: it says what is wrong or reads them, and never panics.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use sconce_kernel::notebook::check::Rules;
use sconce_kernel::notebook::{Notebook, html};
use serde_json::{Value, json};

const INPUTS: u64 = 1_000_000;

/// xorshift64*: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end.max(1)
    }
}

/// Small notebooks that hold every field that the reader looks at.
fn seeds() -> Vec<String> {
    let code = json!({"cell_type": "code", "id": "a-1", "execution_count": 2, "source": ["let x = 1;\n", "x"],
        "metadata": {"tags": ["skip-execution"], "sconce": {"check": {"ignore": ["\\d+"]}}},
        "outputs": [
            {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]},
            {"output_type": "display_data", "data": {"image/png": "iVBOR", "text/plain": ["p"]}, "metadata": {}},
            {"output_type": "execute_result", "execution_count": 2, "metadata": {},
                "data": {"application/json": {"n": [1.50, null]}, "text/html": "<b>\u{e9}</b>"}},
            {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\u{1b}[31mt\u{1b}[0m"]}]});
    let markdown = json!({"cell_type": "markdown", "source": "# T\n\n$x$ ![p](attachment:p.png)\n\n| a |\n|---|\n",
        "metadata": {}, "attachments": {"p.png": {"image/png": "AQID"}}});
    let metadata = json!({"kernelspec": {"name": "sconce", "language": "rust", "display_name": "Rust"},
        "language_info": {"name": "rust"}, "sconce": {"check": {"ignore": ["s$"]}}});
    let of = |cells: Value| {
        json!({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}).to_string()
    };
    vec![of(json!([code])), of(json!([markdown, {"cell_type": "raw", "source": "r"}])), of(json!([]))]
}

/// Pieces that break JSON, Unicode, numbers and types.
const PIECES: [&str; 26] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "null",
    "true",
    "-",
    "0",
    "1e999",
    "4",
    "3",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{10ffff}",
    "\n",
    "{}",
    "[]",
    "\"\"",
    "18446744073709551616",
    "[[[[[[[[",
    "{\"a\":",
    "\u{1b}[",
];

/// Changes the text a few times: bytes, cuts, doublings, insertions, and parts swapped.
fn mutated(seed: &str, random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(24)).min(bytes.len());
        match random.below(7) {
            0 if at < bytes.len() => bytes[at] = (random.next() >> 56) as u8,
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            3 => bytes.truncate(at),
            4 => {
                let copy = bytes[at..end].to_vec();
                let place = random.below(bytes.len() + 1);
                bytes.splice(place..place, copy);
            }
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                bytes.splice(at..end.min(at + random.below(4)), piece.bytes());
            }
        }
    }
    bytes
}

/// Replaces one value somewhere in a notebook that stays JSON, so that what is behind the parser is reached.
fn retyped(seed: &str, random: &mut Random) -> String {
    let mut root: Value = serde_json::from_str(seed).unwrap();
    let values = [
        json!(null),
        json!(-1),
        json!(4.5),
        json!("text"),
        json!([]),
        json!({}),
        json!([1, "a"]),
        json!(true),
    ];
    let mut place = &mut root;
    for depth in 0.. {
        let stop = depth > 0 && random.below(4) == 0;
        let count = match &*place {
            Value::Array(list) => list.len(),
            Value::Object(fields) => fields.len(),
            _ => 0,
        };
        if stop || count == 0 {
            *place = values[random.below(values.len())].clone();
            break;
        }
        let index = random.below(count);
        let inner = match place {
            Value::Array(list) => list.get_mut(index),
            Value::Object(fields) => fields.values_mut().nth(index),
            _ => None,
        };
        place = inner.unwrap();
    }
    root.to_string()
}

/// Reads bytes as a file with a notebook would be read, and does with it what the commands do.
fn try_one(bytes: &[u8], path: &Path) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let notebook = match Notebook::parse(text, path) {
        Ok(notebook) => notebook,
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with("x.ipynb"), "{message}");
            return false;
        }
    };
    let written = notebook.to_text();
    let again = Notebook::parse(&written, path).unwrap_or_else(|error| panic!("{error}:\n{text}\n{written}"));
    assert_eq!(again.to_text(), written, "{text}");
    let page = html::page(&notebook, "x", Path::new("/nowhere"));
    assert!(page.html.ends_with("</html>\n"));
    let _ = Rules::of(&notebook, path, &[]);
    true
}

#[test]
fn a_million_broken_notebooks_are_read_or_refused() {
    let seeds = seeds();
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let read: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let seeds = &seeds;
                scope.spawn(move || {
                    let path = Path::new("x.ipynb");
                    // Each input has a seed of its own, so that a failure can be had again.
                    let numbers = (thread..INPUTS).step_by(usize::try_from(threads).unwrap());
                    numbers
                        .filter(|&number| {
                            let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
                            random.next();
                            let seed = &seeds[random.below(seeds.len())];
                            let bytes = match random.below(10) {
                                0 => retyped(seed, &mut random).into_bytes(),
                                _ => mutated(seed, &mut random),
                            };
                            try_one(&bytes, path)
                        })
                        .count() as u64
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(read > INPUTS / 100, "only {read} were notebooks: the mutations are too wild to reach anything");
}

#[test]
fn deep_nesting_is_refused_and_overflows_no_stack() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(200_000), close.repeat(200_000));
        for text in [deep.clone(), format!(r#"{{"nbformat": 4, "cells": [], "metadata": {{"x": {deep}}}}}"#)]
        {
            let error = Notebook::parse(&text, Path::new("x.ipynb")).unwrap_err().to_string();
            assert!(error.contains("recursion limit"), "{error}");
        }
    }
    let source = "> ".repeat(100_000) + &"*".repeat(100_000) + &"[".repeat(100_000);
    let text = json!({"nbformat": 4, "cells": [{"cell_type": "markdown", "source": source}]}).to_string();
    let notebook = Notebook::parse(&text, Path::new("x.ipynb")).unwrap();
    assert!(html::page(&notebook, "x", Path::new("/nowhere")).html.len() > 100_000);
}
