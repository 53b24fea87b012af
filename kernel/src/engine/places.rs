//! Places that the running program knows by its generated files, as places in cells.

use sconce_display::wire::{Panic, Spot};

use super::placed::Origin;
use super::plan::FOLDERS;
use super::render::{Message, Note, NoteKind, Place, Severity};
use super::session::Session;

impl Session {
    /// Where a panic was, as far as that is in a cell.
    pub(super) fn panic_message(&self, panic: &Panic, who: &str) -> Message {
        self.message_at(&panic.at, format!("{who}: {}", panic.message))
    }

    /// An error at a place that the program knows.
    pub(super) fn message_at(&self, spot: &Spot, text: String) -> Message {
        let mut notes = Vec::new();
        let place = self.place(spot);
        if place.is_none() && !spot.file.is_empty() {
            let at = format!("at {}:{}:{}", spot.file, spot.line, spot.column);
            notes.push(Note::new(NoteKind::Note, at));
        }
        let places = place.map(|place| (place, true, None)).into_iter().collect();
        Message { severity: Severity::Error, code: None, text, places, notes }
    }

    pub(super) fn place(&self, spot: &Spot) -> Option<Place> {
        let cell: u32 = spot.file.strip_prefix("cell ")?.parse().ok()?;
        let start = self.user_offset(cell, spot.line, spot.column)?;
        let rest = self.texts.get(&cell)?.get(start..)?;
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '!' || c == '.'));
        Some(Place { cell, range: start..start + length.unwrap_or(rest.len()).max(1) })
    }

    /// The offset in a cell of a place that the program knows by the generated file's line and column.
    fn user_offset(&self, cell: u32, line: u32, column: u32) -> Option<usize> {
        FOLDERS.iter().find_map(|folder| {
            let placed = self.files.get(&(*folder, cell))?;
            let offset = placed.offset(line, column)?;
            match placed.returned(offset).unwrap_or_else(|| placed.origin(offset..offset)) {
                Origin::User { range, .. } => Some(range.start),
                _ => None,
            }
        })
    }

    /// `dbg!` writes `[cell 3:1:87]`: the line is the user's, the column counts our glue on it.
    pub(super) fn with_user_columns(&self, text: String) -> String {
        const BEGIN: &str = "[cell ";
        if !text.contains(BEGIN) {
            return text;
        }
        let mut mended = String::with_capacity(text.len());
        for (index, part) in text.split(BEGIN).enumerate() {
            if index > 0 {
                mended.push_str(BEGIN);
            }
            let place = part.split(']').next().filter(|_| index > 0).unwrap_or_default();
            let numbers: Vec<u32> = place.split(':').map_while(|number| number.parse().ok()).collect();
            match numbers[..] {
                [cell, line, column] if self.user_offset(cell, line, column).is_some() => {
                    let start = self.user_offset(cell, line, column).unwrap_or_default();
                    let before = self.texts.get(&cell).and_then(|text| text.get(..start)).unwrap_or_default();
                    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
                    mended.push_str(&format!("{cell}:{line}:{column}"));
                    mended.push_str(&part[place.len()..]);
                }
                _ => mended.push_str(part),
            }
        }
        mended
    }
}
