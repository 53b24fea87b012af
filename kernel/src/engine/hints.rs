//! What rustc cannot know of a mistake: where a variable of an earlier cell went, what the session has that is
//! called alike, which crate is missing.

use super::render::{Message, Note, NoteKind, Place};
use super::session::Session;

/// A variable that was there and is not there any more.
#[derive(Debug, Clone)]
pub struct Gone {
    /// What became of it.
    pub why: String,
    /// Where that happened, and what to say there.
    pub place: Option<(Place, &'static str)>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Gone {
    /// Only a sentence.
    pub fn because(why: String) -> Gone {
        Gone { why, place: None, help: None }
    }

    /// Moved in a cell, at a place in it if that is known.
    pub fn moved(name: &str, cell: u32, range: Option<std::ops::Range<usize>>) -> Gone {
        Gone {
            why: format!("`{name}` was moved in cell {cell}"),
            place: range.map(|range| (Place { cell, range }, "moved here")),
            help: Some(format!(
                "to keep it, move a copy there, `{name}.clone()`, or lend it, `&{name}`; then run its cell again"
            )),
        }
    }
}

impl Session {
    /// Adds to a message what only the session knows.
    pub(super) fn hint(&self, message: &mut Message) {
        let named = message.text.split('`').nth(1).map(str::to_owned);
        if let (Some("E0412" | "E0425" | "E0433" | "E0405"), Some(name)) = (message.code.as_deref(), &named)
            && !self.gone.contains_key(name)
            && in_prelude(name)
        {
            let help = format!("`use sconce::prelude::*;` brings `{name}` in");
            message.notes.insert(0, Note::new(NoteKind::Help, help));
            return;
        }
        match (message.code.as_deref(), named) {
            (Some("E0425"), Some(name)) => self.missing_value(message, &name),
            (Some("E0432" | "E0433"), Some(_)) => missing_crate(message),
            (Some("E0463"), Some(name)) => bring(message, &name),
            _ => {}
        }
        let waits =
            |label: &Option<String>| label.as_deref().is_some_and(|text| text.contains("found future"));
        if message.places.iter().any(|(_, _, label)| waits(label)) {
            let text = "`.await` behind it gives what the future comes to; the top level of a cell may await";
            message.notes.push(Note::new(NoteKind::Help, text));
        }
    }

    fn missing_value(&self, message: &mut Message, name: &str) {
        if let Some(gone) = self.gone.get(name) {
            let mut notes = vec![Note::new(NoteKind::Note, gone.why.as_str())];
            notes.extend(gone.help.iter().map(|help| Note::new(NoteKind::Help, help.as_str())));
            message.notes.splice(0..0, notes);
            if let Some((place, label)) = &gone.place {
                message.places.push((place.clone(), false, Some((*label).to_owned())));
            }
        } else if matches!(name, "exit" | "quit") {
            let text = "Ctrl-D leaves a console; in a notebook, shut the kernel down in the menu";
            message.notes.insert(0, Note::new(NoteKind::Help, text));
        } else if !message.notes.iter().any(|note| !note.replacements.is_empty())
            && let Some((near, cell)) = self.called_alike(name)
        {
            let mut note =
                Note::new(NoteKind::Help, format!("cell {cell} made a variable of a similar name: `{near}`"));
            let primary = message.places.iter().filter(|(_, primary, _)| *primary);
            note.replacements = primary.map(|(place, _, _)| (place.clone(), near.to_owned())).collect();
            message.notes.insert(0, note);
        }
    }

    /// The variable whose name is nearest to this one, and its cell.
    fn called_alike(&self, name: &str) -> Option<(&str, u32)> {
        let letters = |word: &str| word.chars().count();
        let near = self.variables.iter().map(|(known, variable)| (distance(name, known), known, variable));
        // A third of the letters may be wrong, and never all of them.
        let near = near.filter(|(distance, known, _)| {
            *distance <= letters(known).max(3) / 3 && *distance < letters(known).min(letters(name))
        });
        let (_, known, variable) = near.min_by_key(|(distance, _, _)| *distance)?;
        Some((known, variable.place.cell))
    }
}

/// Whether the library's prelude has a name. rustc looks only into crates that a cell names already.
fn in_prelude(name: &str) -> bool {
    const PRELUDE: &str = include_str!("../../../lib/src/prelude.rs");
    let imports = PRELUDE.split(';').filter_map(|import| import.rsplit_once("::"));
    let mut names = imports.flat_map(|(_, names)| names.split(['{', '}', ',']));
    names.any(|known| known.trim() == name && !name.is_empty())
}

/// Says how a crate comes, where rustc says how it would be linked.
fn missing_crate(message: &mut Message) {
    const WORDS: [&str; 3] = [
        "use of unresolved module or unlinked crate `",
        "no external crate `",
        "use of undeclared crate or module `",
    ];
    let labels = message.places.iter().filter_map(|(_, _, label)| label.as_deref());
    let texts = labels.chain([message.text.as_str()]);
    let name = texts.flat_map(|text| WORDS.iter().filter_map(move |words| text.split(words).nth(1))).next();
    if let Some(name) = name.and_then(|rest| rest.split('`').next()).map(str::to_owned) {
        bring(message, &name);
    }
}

fn bring(message: &mut Message, name: &str) {
    message.notes.retain(|note| {
        !note.replacements.is_empty()
            || !(note.text.contains("crate named") || note.text.contains("extern crate"))
    });
    let text =
        format!("a crate of that name comes with a line `:dep {name} = \"*\"`, or a version in place of `*`");
    message.notes.insert(0, Note::new(NoteKind::Help, text));
}

/// How many letters must be changed, put in, left out or swapped to make one word of another.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preludes_names_are_known() {
        for name in ["Tensor", "Learner", "widgets", "Seed", "datasets", "Var"] {
            assert!(in_prelude(name), "{name}");
        }
        for name in ["", "data", "crate", "use", "Tens"] {
            assert!(!in_prelude(name), "{name}");
        }
    }

    #[test]
    fn words_are_near_or_not() {
        assert_eq!(distance("count", "count"), 0);
        assert_eq!(distance("cuont", "count"), 1);
        assert_eq!(distance("cont", "count"), 1);
        assert_eq!(distance("learnr", "learner"), 1);
        assert_eq!(distance("abc", ""), 3);
    }
}
