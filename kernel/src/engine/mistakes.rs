//! From what rustc says to what a person reads: the messages of a cell that does not compile.

use super::build::Failed;
use super::diagnose::Findings;
use super::placed::Placed;
use super::plan::{File, Generated};
use super::render::{Message, Note, NoteKind, Place, Severity, message};
use super::rustc::{Make, Said};
use super::session::{Session, failure};
use super::source::{Cell, SyntaxError};
use super::{Failure, render};

impl Session {
    /// The errors as a person reads them: rustc is asked again, for short names of types and without our
    /// looks for interrupts. `None` where it then finds nothing wrong.
    pub(super) fn errors(
        &self,
        plain: &Generated,
        cell: &Cell,
        crates: &[String],
        said: &Said,
        found: &Findings,
    ) -> Result<Option<Vec<Message>>, Failed> {
        let make = Make::Diagnostics;
        let again = self.rustc.compile(plain, cell.number, crates, make, &self.interrupter)?;
        let again = again.ok_or(Failed::Interrupted)?;
        if !again.success {
            return Ok(Some(self.messages(plain, &again, found, false)));
        }
        // Codegen or the linker failed: that says nothing of places.
        let placed = said.diagnostics.iter().any(|said| said.is_error() && !said.spans.is_empty());
        Ok((!placed).then(|| self.messages(plain, said, found, true)))
    }

    /// What rustc said, for a person; `link` where it is not about places in the text.
    pub(super) fn messages(
        &self,
        generated: &Generated,
        said: &Said,
        found: &Findings,
        link: bool,
    ) -> Vec<Message> {
        let declared = self.declared();
        let mut messages: Vec<Message> = said
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.is_error() && (link || !diagnostic.spans.is_empty()))
            .filter(|diagnostic| !diagnostic.message.starts_with("aborting due to"))
            .map(|diagnostic| message(diagnostic, generated, &self.rustc, &declared))
            .collect();
        // Errors without a place in a cell follow from others.
        if messages.iter().any(|message| !message.places.is_empty()) {
            messages.retain(|message| !message.places.is_empty());
        }
        for key in &found.unnameable {
            if let Some((name, variable)) = self.variables.iter().find(|(_, variable)| variable.key == *key) {
                let text = format!(
                    "`{name}` cannot be used here: its type `{}` cannot be named in this cell",
                    variable.ty
                );
                messages.push(plain(&text));
            }
        }
        for message in &mut messages {
            self.explain(message);
        }
        if messages.is_empty() {
            messages.push(plain(&format!("rustc failed: {}", said.rest.trim())));
        }
        messages
    }

    /// Adds what only the session knows: where a missing variable went.
    fn explain(&self, message: &mut Message) {
        if let Some(text) = our_types_in(message) {
            message.notes = vec![Note::new(NoteKind::Help, text)];
            message.text =
                message.text.replace(" in a closure that returns `Result`", " at the top level of a cell");
            message.places.retain(|(_, primary, _)| *primary);
            for (_, _, label) in &mut message.places {
                *label = None;
            }
        }
        self.hint(message);
    }

    /// What rustc says of a text that cannot be taken apart.
    pub(super) fn syntax_error(&mut self, number: u32, text: &str, error: &SyntaxError) -> Failure {
        // As the inside of a function; brackets that are not closed take ours for theirs, and stand alone.
        let mut messages = self.syntax_messages(number, text, ["fn cell() { ", "\n}"]);
        if messages.is_empty() {
            messages = self.syntax_messages(number, text, ["", ""]);
        }
        if messages.is_empty() {
            let mut own = plain(&format!("syntax error: {}", error.message));
            own.places.push((Place { cell: number, range: error.range.clone() }, true, None));
            messages.push(own);
        }
        let text: Vec<String> = messages.iter().map(|message| render::render(message, &self.texts)).collect();
        failure("SyntaxError", &messages[0].text, &text.join("\n\n"))
    }

    fn syntax_messages(&self, number: u32, text: &str, [before, behind]: [&str; 2]) -> Vec<Message> {
        let mut placed = Placed::default();
        placed.glue(before);
        placed.user(number, text, 0..text.len(), &[]);
        placed.glue(behind);
        let file = File { folder: "body", cell: number, placed };
        let generated = Generated {
            files: vec![file],
            entry: String::new(),
            made: Vec::new(),
            symbols: Vec::new(),
            steps: Vec::new(),
        };
        let said = self.rustc.compile(&generated, number, &[], Make::Diagnostics, &self.interrupter);
        let Ok(Some(said)) = said else { return Vec::new() };
        let declared = self.declared();
        let mut messages: Vec<Message> = said
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.is_error() && !diagnostic.spans.is_empty())
            .map(|diagnostic| message(diagnostic, &generated, &self.rustc, &declared))
            .filter(|message| !message.places.is_empty())
            .collect();
        for message in &mut messages {
            message.text = message
                .text
                .replace("found `}`", "found the end of the cell")
                .replace("mismatched closing delimiter: `}`", "unclosed delimiter")
                .replace("this file contains", "the cell contains");
            if !message.places.iter().any(|(_, primary, _)| *primary) {
                let end = text.trim_end().len();
                message.places.push((Place { cell: number, range: end..end }, true, None));
            }
            message.notes.extend(foreign_habit(text));
        }
        messages
    }
}

/// What to say instead of how our own types do not fit, where that is what a message tells.
fn our_types_in(message: &Message) -> Option<&'static str> {
    if message.text.contains("not `Option`s") {
        return Some("say what is missing: `.ok_or(\"no such entry\")?`");
    }
    let ours = |text: &str| text.contains("sconce_cell::Failed") || text.contains("`Failed`");
    let told = message.places.iter().any(|(_, _, label)| label.as_deref().is_some_and(ours));
    if message.text.contains("couldn't convert the error") {
        return Some(
            "the error must implement `Display` and `Debug`, or become text: `.map_err(|error| format!(\"{error:?}\"))?`",
        );
    }
    told.then_some("a cell is no function to return from: `Err(…)?` ends it with an error")
}

/// What brings names in here, where a text tries it in the way of Python.
fn foreign_habit(text: &str) -> Option<Note> {
    let imports =
        |line: &str| line.starts_with("import ") || (line.starts_with("from ") && line.contains(" import "));
    let help = "in Rust, `use std::fmt;` brings names in, and a line `:dep name = \"*\"` a crate";
    text.lines().any(|line| imports(line.trim_start())).then(|| Note::new(NoteKind::Help, help))
}

/// An error that is only a sentence.
pub(super) fn plain(text: &str) -> Message {
    Message {
        severity: Severity::Error,
        code: None,
        text: text.to_owned(),
        places: Vec::new(),
        notes: Vec::new(),
    }
}
