//! What rustc's diagnostics mean for a cell: types of variables, variables that cannot be kept, and what
//! is left for a person to read.

use std::collections::BTreeMap;
use std::ops::Range;

use super::placed::{Mark, Origin};
use super::plan::{Generated, Grain, Lost};
use super::rustc::{Diagnostic, Rustc, Said, Span};

/// The lint that names types.
const PROBE: &str = "dropping_references";

/// What one run of rustc told.
#[derive(Debug, Default)]
pub struct Findings {
    /// The types of new variables, by key.
    pub types: BTreeMap<String, String>,
    /// Variables that cannot go to the store.
    pub lost: BTreeMap<String, Lost>,
    /// Where the cell moves variables, by key.
    pub moved: BTreeMap<String, Range<usize>>,
    /// Keys of variables that a step could not hand back, or that were moved before their type was asked for.
    pub not_back: Vec<String>,
    /// Errors that are about the user's code.
    pub errors: usize,
    /// All of these may come from the way the statements are cut into steps.
    pub only_borrows: bool,
    /// Keys of given variables whose type cannot be written in this cell.
    pub unnameable: Vec<String>,
    /// Errors that are about definitions of earlier cells: the cell and the place.
    pub in_earlier: Vec<(u32, usize)>,
    /// Imports of earlier cells, by their text, that name nothing any more.
    pub stale_imports: Vec<String>,
    /// A definition excludes one of an earlier cell.
    pub overlap: bool,
}

/// Errors of the borrow checker, which sees a closure where the user wrote a statement.
const BORROWS: [&str; 16] = [
    "E0373", "E0381", "E0382", "E0384", "E0495", "E0499", "E0502", "E0503", "E0505", "E0506", "E0507",
    "E0515", "E0521", "E0594", "E0597", "E0716",
];

/// Reads what rustc said of a generated crate.
pub fn findings(said: &Said, generated: &Generated, rustc: &Rustc, cell: u32, grain: Grain) -> Findings {
    let mut found = Findings { only_borrows: grain == Grain::Steps, ..Findings::default() };
    for diagnostic in &said.diagnostics {
        if diagnostic.code() == Some(PROBE) {
            if let Some((key, ty)) = probed(diagnostic, generated, rustc) {
                found.types.insert(key, ty);
            }
        } else if diagnostic.is_error() && !diagnostic.spans.is_empty() {
            read_error(diagnostic, generated, rustc, cell, &mut found);
        }
    }
    found
}

fn probed(diagnostic: &Diagnostic, generated: &Generated, rustc: &Rustc) -> Option<(String, String)> {
    let label = diagnostic.spans.iter().find_map(|span| {
        let label = span.label.as_deref()?.strip_prefix("argument has type `&")?.strip_suffix('`')?;
        Some((span, label))
    });
    let (span, ty) = label?;
    match origin(span, generated, rustc) {
        Some(Origin::Mark(Mark::Probe { key })) => Some((key.clone(), ty.to_owned())),
        _ => None,
    }
}

fn read_error(
    diagnostic: &Diagnostic,
    generated: &Generated,
    rustc: &Rustc,
    cell: u32,
    found: &mut Findings,
) {
    let code = diagnostic.code().unwrap_or_default();
    // Two definitions that exclude each other: one of them may be the newer form of the other.
    let overlaps = matches!(code, "E0592" | "E0119" | "E0201");
    let mut puts: Vec<(&str, usize, &Span)> = Vec::new();
    let mut drops: Vec<&str> = Vec::new();
    let mut moved: Option<Range<usize>> = None;
    for span in &diagnostic.spans {
        match origin(span, generated, rustc) {
            Some(Origin::Mark(Mark::Put { key, branch })) => puts.push((key, *branch, span)),
            Some(Origin::Mark(Mark::Drop { key, .. })) => drops.push(key),
            Some(Origin::Mark(Mark::Import { text })) if code == "E0432" => {
                found.stale_imports.push(text.clone())
            }
            Some(Origin::Mark(Mark::GiveBack { key } | Mark::Probe { key }))
                if matches!(code, "E0382" | "E0381") && span.is_primary =>
            {
                found.not_back.push(key.clone());
                return;
            }
            // A variable that is not `mut` is wrongly used; any other error here is its type's.
            Some(Origin::Mark(Mark::Take { key }))
                if span.is_primary && !BORROWS.contains(&code) && code != "E0596" =>
            {
                found.unnameable.push(key.clone());
            }
            Some(Origin::User { cell: other, range }) if other != cell && (span.is_primary || overlaps) => {
                found.in_earlier.push((other, range.start));
                found.overlap |= overlaps;
            }
            Some(Origin::User { range, .. })
                if span.label.as_deref().is_some_and(|label| label.contains("moved")) =>
            {
                moved = Some(range);
            }
            _ => {}
        }
    }
    let primary = puts.iter().find(|(_, _, span)| span.is_primary);
    if let ("E0382" | "E0381", Some((key, branch, _))) = (code, primary) {
        // It has been moved by then, and stays so.
        let moved_in = moved
            .as_ref()
            .and_then(|moved| generated.steps.iter().position(|step| step.contains(&moved.start)));
        if let Some(range) = moved {
            found.moved.insert((*key).to_owned(), range);
        }
        let from = moved_in.map_or(*branch, |step| step.min(*branch));
        lose(found, key, Lost { from, borrows: false, dropped: false });
        return;
    }
    // Of two variables the one to give up is the one that borrows: rustc says of it that it must live on.
    let borrower = puts.iter().max_by_key(|(_, _, span)| {
        let label = span.label.as_deref().unwrap_or_default();
        (label.contains("'static"), label.contains("later"), !span.is_primary)
    });
    match (borrower, drops.first()) {
        (Some((key, _, _)), _) if drops.is_empty() => {
            lose(found, key, Lost { from: 0, borrows: true, dropped: true })
        }
        // To drop it here would prolong a borrow that has ended.
        (_, Some(key)) => lose(found, key, Lost { from: 0, borrows: true, dropped: false }),
        _ => {
            found.errors += 1;
            found.only_borrows &= BORROWS.contains(&diagnostic.code().unwrap_or("closure"))
                || diagnostic.message.contains("captured variable cannot escape")
                || diagnostic.message.contains("lifetime may not live long enough");
        }
    }
}

fn lose(found: &mut Findings, key: &str, lost: Lost) {
    let known = found.lost.entry(key.to_owned()).or_insert(lost);
    known.from = known.from.min(lost.from);
    known.borrows |= lost.borrows;
    known.dropped &= lost.dropped;
}

/// Where a place comes from; through macro calls to the user's own.
pub fn origin<'a>(span: &Span, generated: &'a Generated, rustc: &Rustc) -> Option<Origin<'a>> {
    let mut span = span;
    loop {
        if let Some(origin) = direct(span, generated, rustc) {
            return Some(origin);
        }
        span = &span.expansion.as_ref()?.span;
    }
}

fn direct<'a>(span: &Span, generated: &'a Generated, rustc: &Rustc) -> Option<Origin<'a>> {
    let file = generated
        .files
        .iter()
        .find(|file| *span.file_name == *rustc.path(file.folder, file.cell).to_string_lossy())?;
    Some(file.placed.origin(span.byte_start..span.byte_end))
}
