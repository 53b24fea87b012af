//! Generated source that knows where its parts come from.

use std::ops::Range;

/// A generated file: the user's text and glue between it.
///
/// Glue has no line breaks, and text that is left out leaves its own: so a line of the file is the line
/// of the cell, and what rustc puts into the program (`line!`, panic locations, `dbg!`) is right.
#[derive(Debug, Default, Clone)]
pub struct Placed {
    text: String,
    segments: Vec<Segment>,
    marks: Vec<(Range<usize>, Mark)>,
}

#[derive(Debug, Clone)]
struct Segment {
    at: Range<usize>,
    cell: u32,
    start: usize,
}

/// Glue whose diagnostics mean something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// An import of an earlier cell.
    Import {
        /// Its text.
        text: String,
    },
    /// A variable is taken from the store.
    Take {
        /// Its key.
        key: String,
    },
    /// A variable goes to the store.
    Put {
        /// Its key.
        key: String,
        /// After how many steps.
        branch: usize,
    },
    /// A variable that is not kept goes away.
    Drop {
        /// Its key.
        key: String,
        /// After how many steps.
        branch: usize,
    },
    /// A variable that a step has moved and assigned anew comes back.
    GiveBack {
        /// Its key.
        key: String,
    },
    /// A new variable's type is asked for.
    Probe {
        /// Its key.
        key: String,
    },
}

/// Where a place in a generated file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A cell's own text.
    User {
        /// The cell.
        cell: u32,
        /// Where in it.
        range: Range<usize>,
    },
    /// Glue that means something.
    Mark(&'a Mark),
    /// Other glue.
    Glue,
}

/// A change to the user's text: what stands in a range becomes something else.
#[derive(Debug, Clone)]
pub struct Edit {
    /// What goes; empty to insert.
    pub range: Range<usize>,
    /// What comes.
    pub with: String,
}

impl Placed {
    /// The file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds glue.
    pub fn glue(&mut self, glue: &str) {
        self.text.push_str(glue);
    }

    /// Adds glue whose diagnostics mean something.
    pub fn marked(&mut self, glue: &str, mark: Mark) {
        let start = self.text.len();
        self.text.push_str(glue);
        self.marks.push((start..self.text.len(), mark));
    }

    /// Adds a part of a cell's text with edits, which are in order and do not overlap.
    pub fn user(&mut self, cell: u32, text: &str, range: Range<usize>, edits: &[Edit]) {
        let mut from = range.start;
        for edit in edits {
            if edit.range.start < from || edit.range.end > range.end {
                continue;
            }
            self.verbatim(cell, text, from..edit.range.start);
            self.glue(&edit.with);
            self.blank(text, edit.range.clone());
            from = edit.range.end;
        }
        self.verbatim(cell, text, from..range.end);
    }

    fn verbatim(&mut self, cell: u32, text: &str, range: Range<usize>) {
        if !range.is_empty() {
            let at = self.text.len();
            self.text.push_str(&text[range.clone()]);
            self.segments.push(Segment { at: at..self.text.len(), cell, start: range.start });
        }
    }

    /// Leaves a part of a cell's text out, but not its line breaks.
    pub fn blank(&mut self, text: &str, range: Range<usize>) {
        let lines = text[range].bytes().filter(|byte| *byte == b'\n').count();
        self.text.extend(std::iter::repeat_n('\n', lines));
    }

    /// Where a range comes from.
    pub fn origin(&self, range: Range<usize>) -> Origin<'_> {
        let hit =
            |at: &Range<usize>| at.contains(&range.start) || (at.end == range.start && range.is_empty());
        if let Some((_, mark)) = self.marks.iter().find(|(at, _)| hit(at)) {
            return Origin::Mark(mark);
        }
        let segment = self.segments.iter().find(|segment| hit(&segment.at));
        // Parentheses around an expression are part of it for rustc, our own as well.
        let inside = || {
            let open = self.text.get(range.start..).is_some_and(|text| text.starts_with('('));
            self.segments.iter().find(|segment| open && segment.at.start == range.start + 1)
        };
        let Some(segment) = segment.or_else(inside) else { return Origin::Glue };
        let start = segment.start + range.start.saturating_sub(segment.at.start);
        // The end may lie behind an edit, in a later segment of the same cell; in glue, the part before it.
        let last = self.segments.iter().rev().find(|last| {
            last.cell == segment.cell && last.at.start < range.end && last.at.start >= segment.at.start
        });
        let end = last.map_or(start, |last| last.start + (range.end.min(last.at.end) - last.at.start));
        Origin::User { cell: segment.cell, range: start..end.max(start) }
    }

    /// The offset of a line and column, both from 1; columns count characters.
    pub fn offset(&self, line: u32, column: u32) -> Option<usize> {
        let mut start = 0;
        for (index, text) in self.text.split('\n').enumerate() {
            if index + 1 == line as usize {
                let within = text.char_indices().map(|(at, _)| at).nth(column.saturating_sub(1) as usize);
                return Some(start + within.unwrap_or(text.len()));
            }
            start += text.len() + 1;
        }
        None
    }

    /// The error of a `return Err(error)`, where the offset is that of the call that replaces this.
    pub fn returned(&self, offset: usize) -> Option<Origin<'_>> {
        const CALL: &str = "::sconce_cell::Failed::from(";
        let start =
            offset + self.text.get(offset..).filter(|text| text.starts_with(CALL)).map(|_| CALL.len())?;
        Some(self.origin(start..start + 1))
    }

    /// The offset of a line and column, both from 1; columns count bytes.
    pub fn offset_of_bytes(&self, line: u32, column: u32) -> Option<usize> {
        let line = (line as usize).checked_sub(1)?;
        let (start, text) = self
            .text
            .split('\n')
            .scan(0, |start, text| {
                let at = *start;
                *start += text.len() + 1;
                Some((at, text))
            })
            .nth(line)?;
        let within = (column as usize).checked_sub(1)?;
        text.is_char_boundary(within).then_some(start + within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_found_through_edits() {
        let text = "loop {\n  x\n} y";
        let mut placed = Placed::default();
        placed.glue("fn f() { ");
        placed.user(3, text, 0..text.len(), &[Edit { range: 6..6, with: " check();".into() }]);
        assert_eq!(placed.text(), "fn f() { loop { check();\n  x\n} y");
        let at = placed.text().find('x').unwrap_or_default();
        assert_eq!(placed.origin(at..at + 1), Origin::User { cell: 3, range: 9..10 });
        assert_eq!(placed.origin(9..at + 1), Origin::User { cell: 3, range: 0..10 });
        assert_eq!(placed.origin(0..2), Origin::Glue);
        let mut value = Placed::default();
        value.glue("match &(");
        value.user(1, "f(1)", 0..4, &[]);
        value.glue(")");
        assert_eq!(value.origin(7..13), Origin::User { cell: 1, range: 0..4 });
        assert_eq!(value.origin(6..7), Origin::Glue);
        assert_eq!(placed.offset(2, 3), Some(at));
        assert_eq!(placed.offset_of_bytes(2, 3), Some(at));
        assert_eq!(placed.offset_of_bytes(2, 0), None);
        assert_eq!(placed.offset_of_bytes(9, 1), None);
    }

    #[test]
    fn what_is_left_out_leaves_its_lines() {
        let mut placed = Placed::default();
        placed.blank("a\nb\nc", 0..5);
        placed.glue("x");
        assert_eq!(placed.text(), "\n\nx");
    }
}
