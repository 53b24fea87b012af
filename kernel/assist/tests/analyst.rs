//! Completion and inspection in a small workspace, without the standard library.

#![allow(clippy::unwrap_used)]

mod small;

use std::collections::BTreeSet;

use sconce_assist::wire::{Inspection, Question, State, Variable};
use sconce_assist::{Analyst, Std};

struct Cells {
    analyst: Analyst,
}

impl Cells {
    fn new() -> Cells {
        let (_folder, crates) = small::workspace();
        let mut analyst = Analyst::load(&crates, Std::LeftOut).unwrap();
        analyst.set(&state());
        Cells { analyst }
    }

    /// What could stand at the `|`, and the text that it would replace.
    fn complete(&mut self, marked: &str) -> (Vec<String>, String) {
        let question = question(marked);
        let found = self.analyst.complete(&question);
        (found.items.into_iter().map(|item| item.text).collect(), question.code[found.range].to_owned())
    }

    fn inspect(&mut self, marked: &str) -> Option<Inspection> {
        self.analyst.inspect(&question(marked))
    }
}

fn question(marked: &str) -> Question {
    Question { id: 1, code: marked.replacen('|', "", 1), cursor: marked.find('|').unwrap() }
}

/// What earlier cells made.
fn state() -> State {
    let variable = |name: &str, ty: &str| Variable { name: name.into(), ty: ty.into(), mutable: true };
    State {
        items: "macro_rules! twice { ($x:expr) => { $x + $x } }\nuse sconce_cell::Row;\n\
                struct Stack { depth: usize, top: Row }\nimpl Stack { fn pushed(&self) -> u8 { 1 } }\n"
            .into(),
        variables: vec![
            variable("row", "sconce_cell::Row"),
            variable("stack", "Stack"),
            variable("größe", "f32"),
        ],
    }
}

#[test]
fn cells_are_completed() {
    let mut cells = Cells::new();
    for (marked, replaced, wanted) in [
        // Variables and definitions of earlier cells, methods, fields, and paths.
        ("ro|", "ro", vec!["row"]),
        ("let y = grö|;", "grö", vec!["größe"]),
        ("twi|", "twi", vec!["twice!"]),
        ("Sta|", "Sta", vec!["Stack", "stack", "static"]),
        ("row.|", "", vec!["length", "grown"]),
        ("row.gr|own()", "grown", vec!["grown"]),
        ("stack.top.le|", "le", vec!["length"]),
        ("stack.pu|\nlet z = 1;", "pu", vec!["pushed"]),
        ("Row::ze|", "ze", vec!["zeros"]),
        ("use sconce_cell::sh|", "sh", vec!["shapes"]),
        ("use sconce_cell::shapes::{Ci|}", "Ci", vec!["Circle", "circle"]),
        // What the cell itself makes.
        ("let local = row.grown(); lo|", "lo", vec!["local", "loop"]),
        ("let local = Row::zeros(3).grown(); local.le|", "le", vec!["length"]),
        ("fn own_function() {}\nown_|", "own_", vec!["own_function"]),
        // Private, or not there.
        ("row.hid|", "", vec![]),
        ("row.zzz|", "", vec![]),
    ] {
        let (found, text) = cells.complete(marked);
        let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        // Other names of the language may go on from so little.
        let wanted: BTreeSet<&str> = wanted.into_iter().collect();
        assert!(found.is_superset(&wanted) && found.is_empty() == wanted.is_empty(), "{marked:?}: {found:?}");
        assert_eq!(text, replaced, "{marked:?}");
    }
    let everything = cells.complete("|").0;
    assert!(everything.contains(&"row".to_owned()) && everything.contains(&"Stack".to_owned()));
    assert!(!everything.iter().any(|name| name.starts_with("__")), "{everything:?}");
}

#[test]
fn things_are_inspected() {
    let mut cells = Cells::new();
    let method = cells.inspect("row.gr|own()").unwrap();
    assert_eq!(
        (method.signature.as_str(), method.docs.as_str()),
        ("pub fn grown(&self) -> Row", "One more.")
    );
    let called = cells.inspect("Row::zeros(|").unwrap();
    assert!(called.signature.contains("zeros(length: usize) -> Row"), "{called:?}");
    assert_eq!(called.docs, "As many zeros.\n\nNone for 0.");
    let local = cells.inspect("let local = row.grown(); loc|al").unwrap();
    assert!(local.signature.starts_with("let local: Row"), "{local:?}");
    assert_eq!(cells.inspect("nowhere|"), None);
}

#[test]
fn a_cursor_inside_of_a_character_is_none() {
    let mut cells = Cells::new();
    let question = Question { id: 1, code: "ä".into(), cursor: 1 };
    assert_eq!(cells.analyst.complete(&question).items, []);
    assert_eq!(cells.analyst.inspect(&question), None);
}
