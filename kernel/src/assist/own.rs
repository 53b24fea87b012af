//! Answers from what the session knows: at once, without an analysis of the code.

use super::spot::{Spot, asked_about, spot};
use super::{Completion, Completions, Inspection};
use crate::engine::{Known, KnownDefinition, KnownKind, KnownVariable, Session};

/// The most lines of a type's definition that an inspection shows.
const LONGEST_DEFINITION: usize = 30;

/// What could be written at `cursor`.
pub fn complete(known: &Known, code: &str, cursor: usize) -> Completions {
    let (range, items) = match spot(code, cursor) {
        Spot::Command(range) => (range, commands()),
        Spot::Name(range) => (range, names(known)),
        Spot::Import(range) => (range, crates(known)),
        Spot::Member(_) | Spot::Nothing => (cursor..cursor, Vec::new()),
    };
    Completions::matching(items, code, range, cursor)
}

fn item(text: &str, kind: &str, signature: String) -> Completion {
    Completion { text: text.to_owned(), kind: kind.to_owned(), signature }
}

fn commands() -> Vec<Completion> {
    Session::commands().map(|(name, about)| item(name, "command", about.to_owned())).collect()
}

fn crates(known: &Known) -> Vec<Completion> {
    known.crates.iter().map(|name| item(name, "module", String::new())).collect()
}

fn names(known: &Known) -> Vec<Completion> {
    let mut items: Vec<Completion> = known
        .variables
        .iter()
        .map(|variable| item(&variable.name, "variable", short(&variable.ty)))
        .collect();
    for definition in known.definitions.iter().rev() {
        for name in &definition.names {
            if !items.iter().any(|item| item.text == *name) {
                let signature = declaration(definition).lines().next().unwrap_or_default().to_owned();
                items.push(item(name, kind(definition), signature));
            }
        }
    }
    items.extend(crates(known));
    items
}

fn kind(definition: &KnownDefinition) -> &'static str {
    match definition.kind {
        KnownKind::Function => "function",
        KnownKind::Constant => "constant",
        KnownKind::Type => "type",
        KnownKind::Macro => "macro",
        KnownKind::Import => "import",
        KnownKind::Other => "item",
    }
}

/// `Vec<Tensor>` of `std::vec::Vec<candle_core::Tensor>`.
fn short(ty: &str) -> String {
    let mut short = String::new();
    for part in ty.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

/// What the thing at `cursor` is.
pub fn inspect(known: &Known, code: &str, cursor: usize) -> Option<Inspection> {
    match asked_about(code, cursor) {
        Spot::Command(range) => {
            let (name, about) = Session::commands().find(|(name, _)| *name == &code[range.clone()])?;
            Some(Inspection { signature: name.to_owned(), docs: about.to_owned() })
        }
        Spot::Name(range) => {
            let name = &code[range];
            if is_made_here(name, &code[..cursor]) {
                return None;
            }
            let variable = known.variables.iter().find(|variable| variable.name == name);
            variable.map(of_variable).or_else(|| {
                let mut newest = known.definitions.iter().rev();
                newest
                    .find(|definition| definition.names.iter().any(|known| known == name))
                    .map(of_definition)
            })
        }
        Spot::Import(_) | Spot::Member(_) | Spot::Nothing => None,
    }
}

/// Whether a `let` makes a variable of this name: then what earlier cells have under it is not what is meant.
fn is_made_here(name: &str, before: &str) -> bool {
    let words: Vec<&str> =
        before.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
    words.windows(2).any(|pair| matches!(pair[0], "let" | "mut") && pair[1] == name)
}

fn of_variable(variable: &KnownVariable) -> Inspection {
    let mutable = if variable.mutable { "mut " } else { "" };
    Inspection {
        signature: format!("let {mutable}{}: {}", variable.name, variable.ty),
        docs: format!("A variable of cell {}.", variable.cell),
    }
}

fn of_definition(definition: &KnownDefinition) -> Inspection {
    let docs = docs(&definition.text);
    let place = match definition.kind {
        KnownKind::Import => "Imported",
        _ => "Defined",
    };
    let place = format!("{place} in cell {}.", definition.cell);
    let docs = if docs.is_empty() { place } else { format!("{docs}\n\n{place}") };
    Inspection { signature: declaration(definition), docs }
}

/// The lines of `///` before a definition.
fn docs(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter_map(|line| line.strip_prefix("///"));
    let before_code = text.lines().map(str::trim).take_while(|line| line.starts_with("///")).count();
    let lines: Vec<&str> =
        lines.take(before_code).map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n")
}

/// A definition without its documentation; of a function its signature, of a long one its beginning.
fn declaration(definition: &KnownDefinition) -> String {
    let lines: Vec<&str> = definition
        .text
        .lines()
        .skip_while(|line| line.trim().starts_with("///") || line.trim().starts_with("#["))
        .collect();
    let text = lines.join("\n");
    match definition.kind {
        KnownKind::Function => text.split('{').next().unwrap_or_default().trim_end().to_owned(),
        KnownKind::Macro => format!("macro {}!", definition.names.first().map_or("", String::as_str)),
        _ if lines.len() > LONGEST_DEFINITION => lines[..LONGEST_DEFINITION].join("\n") + "\n…",
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn known() -> Known {
        let variable = |name: &str, ty: &str, mutable| KnownVariable {
            name: name.into(),
            ty: ty.into(),
            mutable,
            cell: 2,
        };
        let definition = |name: &str, kind, text: &str| KnownDefinition {
            names: vec![name.into()],
            kind,
            cell: 1,
            text: text.into(),
        };
        Known {
            variables: vec![
                variable("learner", "sconce::train::learner::Learner", true),
                variable("größe", "std::vec::Vec<(i64, candle_core::Tensor)>", false),
            ],
            definitions: vec![
                definition(
                    "learn",
                    KnownKind::Function,
                    "/// Learns.\n///\n/// Slowly.\nfn learn(n: u8) { n }",
                ),
                definition("Learner", KnownKind::Import, "use sconce::train::Learner;"),
            ],
            crates: vec!["candle_core".into(), "sconce".into()],
        }
    }

    fn completed(marked: &str) -> (String, Vec<String>) {
        let cursor = marked.find('|').unwrap();
        let code = marked.replacen('|', "", 1);
        let completions = complete(&known(), &code, cursor);
        let texts = completions.items.into_iter().map(|item| item.text).collect();
        (code[completions.range].to_owned(), texts)
    }

    #[test]
    fn what_is_known_completes() {
        for (marked, replaced, texts) in [
            ("let y = lear|", "lear", vec!["learner", "learn", "Learner"]),
            ("Le|arn", "Learn", vec!["Learner", "learner", "learn"]),
            ("f(grö|", "grö", vec!["größe"]),
            ("use s|", "s", vec!["sconce"]),
            (":va|", ":va", vec![":vars"]),
            ("learner.le|", "", vec![]),
            ("\"lear|\"", "", vec![]),
            ("zzz|", "", vec![]),
        ] {
            let texts = texts.into_iter().map(str::to_owned).collect();
            assert_eq!(completed(marked), (replaced.to_owned(), texts), "{marked:?}");
        }
    }

    #[test]
    fn types_are_shown_short() {
        let items = complete(&known(), "grö", "grö".len()).items;
        assert_eq!(items[0].signature, "Vec<(i64, Tensor)>");
        assert_eq!(
            short("&'static dyn std::ops::Fn(i32) -> std::string::String"),
            "&'static dyn Fn(i32) -> String"
        );
    }

    #[test]
    fn what_is_known_is_explained() {
        let found = |code: &str| {
            inspect(&known(), code, code.len()).map(|found| (found.signature, found.docs)).unwrap_or_default()
        };
        assert_eq!(
            found("learner"),
            ("let mut learner: sconce::train::learner::Learner".into(), "A variable of cell 2.".into())
        );
        assert_eq!(
            found("learn(3, "),
            ("fn learn(n: u8)".into(), "Learns.\n\nSlowly.\n\nDefined in cell 1.".into())
        );
        assert!(found(":vars").1.contains("variables"));
        assert_eq!(found("learner.learn"), Default::default());
        assert_eq!(found("let learner = 1; learner"), Default::default());
    }
}
