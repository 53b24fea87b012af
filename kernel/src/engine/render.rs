//! Diagnostics and panics in rustc's own style, on the user's own lines.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::diagnose::origin;
use super::placed::{Mark, Origin};
use super::plan::Generated;
use super::rustc::{Diagnostic, Rustc, Span};

/// The texts of all cells by number.
pub type Texts = HashMap<u32, Arc<str>>;

/// A place in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The cell.
    pub cell: u32,
    /// Where in its text.
    pub range: Range<usize>,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// An error.
    Error,
    /// A warning.
    Warning,
}

/// One message with places in cells.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it is.
    pub severity: Severity,
    /// Its code, e.g. `E0382`.
    pub code: Option<String>,
    /// What it says.
    pub text: String,
    /// The places, whether it is mainly about each, and what it says about it.
    pub places: Vec<(Place, bool, Option<String>)>,
    /// Notes and helps.
    pub notes: Vec<Note>,
}

/// A note or help.
#[derive(Debug, Clone)]
pub struct Note {
    /// What it is.
    pub kind: NoteKind,
    /// What it says.
    pub text: String,
    /// What could stand in some places instead.
    pub replacements: Vec<(Place, String)>,
}

impl Note {
    /// A note or help without replacements.
    pub fn new(kind: NoteKind, text: impl Into<String>) -> Note {
        Note { kind, text: text.into(), replacements: Vec::new() }
    }
}

/// What a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// More to know.
    Note,
    /// What to do.
    Help,
}

/// Where given variables come from, by key.
pub type Declared = HashMap<String, Place>;

/// A diagnostic as a message about the user's text; nothing of the generated code is in it.
pub fn message(
    diagnostic: &Diagnostic,
    generated: &Generated,
    rustc: &Rustc,
    declared: &Declared,
) -> Message {
    let place = |span: &Span| match origin(span, generated, rustc)? {
        Origin::User { cell, range } => Some(Place { cell, range }),
        // The variable was made in another cell: its name there stands for the glue here.
        Origin::Mark(Mark::Take { key }) => {
            let mut place = declared.get(key)?.clone();
            if span.byte_start == span.byte_end {
                place.range.end = place.range.start; // what is to come before the name
            }
            Some(place)
        }
        _ => None,
    };
    let mut places: Vec<(Place, bool, Option<String>)> = Vec::new();
    for span in &diagnostic.spans {
        if let Some(place) = place(span) {
            places.push((place, span.is_primary, span.label.clone()));
        }
    }
    let mut notes = Vec::new();
    for child in &diagnostic.children {
        let kind = if child.level == "help" { NoteKind::Help } else { NoteKind::Note };
        let mut replacements = Vec::new();
        let mut foreign = false;
        let mut imports = Vec::new();
        for span in &child.spans {
            match (place(span), &span.suggested_replacement) {
                (Some(place), Some(with)) => replacements.push((place, with.clone())),
                (Some(place), None) => {
                    places.push((place, false, span.label.clone().or(Some(child.message.clone()))));
                }
                // An import goes to the top of the generated file; the user can write it anywhere.
                (None, Some(with)) if with.trim_start().starts_with("use ") => {
                    imports.push(format!("`{}`", with.trim()));
                }
                (None, Some(_)) => foreign = true,
                (None, None) => {}
            }
        }
        if !imports.is_empty() {
            imports.dedup();
            let text = format!("{}: {}", child.message.trim_end_matches(':'), imports.join(" or "));
            notes.push(Note::new(kind, text));
            continue;
        }
        // A suggestion to change the generated code helps nobody; neither does talk of crate attributes.
        let about_flags = ["#![feature", "on by default", "on the command line", "sconce_cell"];
        if !foreign && !about_flags.iter().any(|text| child.message.contains(text)) {
            let told = !replacements.is_empty() || child.spans.is_empty();
            if told || places.is_empty() {
                notes.push(Note { kind, text: child.message.clone(), replacements });
            }
        }
    }
    let mut message = Message {
        severity: if diagnostic.is_error() { Severity::Error } else { Severity::Warning },
        code: diagnostic.code().map(str::to_owned),
        text: diagnostic.message.clone(),
        places,
        notes,
    };
    let texts = message.places.iter_mut().filter_map(|(_, _, label)| label.as_mut());
    let texts = texts.chain(message.notes.iter_mut().map(|note| &mut note.text));
    for text in texts.chain([&mut message.text]) {
        *text = without_paths(text, generated, rustc);
    }
    message
}

/// `{closure@/tmp/…/body/cell 7:2:72: 2:79}` as `{closure@cell 7:2}`: the file is ours, and so are its columns.
fn without_paths(text: &str, generated: &Generated, rustc: &Rustc) -> String {
    let mut text = text.to_owned();
    for file in &generated.files {
        let path = format!("@{}:", rustc.path(file.folder, file.cell).display());
        while let Some(start) = text.find(&path) {
            let rest = &text[start + path.len()..];
            let line = rest.split(':').next().unwrap_or_default();
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == ' '));
            let with = format!("@cell {}:{line}", file.cell);
            text.replace_range(start..text.len() - rest.len() + end.unwrap_or(rest.len()), &with);
        }
    }
    text
}

/// The message as a person reads it, with ANSI colours, without a line break at the end.
pub fn render(message: &Message, texts: &Texts) -> String {
    let level = match message.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut title = level.primary_title(message.text.as_str());
    if let Some(code) = &message.code {
        title = title.id(code.as_str());
    }
    let mut first = Group::with_title(title);
    for (cell, text) in cells_of(message.places.iter().map(|(place, _, _)| place.cell), texts) {
        let mut snippet = Snippet::source(text).path(format!("cell {cell}"));
        for (place, primary, label) in message.places.iter().filter(|(place, _, _)| place.cell == cell) {
            let kind = if *primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            snippet = snippet.annotation(kind.span(within(&place.range, text)).label(label.as_deref()));
        }
        first = first.element(snippet);
    }
    let mut groups = Vec::new();
    for Note { kind, text, replacements } in &message.notes {
        let level = match kind {
            NoteKind::Note => Level::NOTE,
            NoteKind::Help => Level::HELP,
        };
        if replacements.is_empty() {
            first = first.element(level.message(text.as_str()));
            continue;
        }
        let mut group = Group::with_title(level.secondary_title(text.as_str()));
        for (cell, source) in cells_of(replacements.iter().map(|(place, _)| place.cell), texts) {
            let mut snippet = Snippet::source(source).path(format!("cell {cell}"));
            for (place, with) in replacements.iter().filter(|(place, _)| place.cell == cell) {
                snippet = snippet.patch(Patch::new(within(&place.range, source), with.as_str()));
            }
            group = group.element(snippet);
        }
        groups.push(group);
    }
    groups.insert(0, first);
    Renderer::styled().render(&groups)
}

/// The cells named, each once, in the order they are named first.
fn cells_of(named: impl Iterator<Item = u32>, texts: &Texts) -> Vec<(u32, &str)> {
    let mut cells: Vec<(u32, &str)> = Vec::new();
    for cell in named {
        if let Some(text) = texts.get(&cell)
            && !cells.iter().any(|(known, _)| *known == cell)
        {
            cells.push((cell, text));
        }
    }
    cells
}

/// The range, inside the text and on character boundaries.
fn within(range: &Range<usize>, text: &str) -> Range<usize> {
    let start = text.floor_char_boundary(range.start.min(text.len()));
    let end = text.ceil_char_boundary(range.end.min(text.len()));
    start..end.max(start)
}
