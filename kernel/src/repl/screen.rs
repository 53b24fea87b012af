//! Shows what cells emit: text as it comes, pictures where the terminal has them, and displays that change in place.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use sconce_display::Bundle;

use super::layout::Cursor;
use super::pictures::{Drawn, Pictures};
use crate::engine::{Failure, Output};

/// How large the place is that things are shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a row.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
}

/// Whether colours reach the one who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// They do.
    On,
    /// What the engine colours goes without.
    Off,
}

/// How large the terminal is now; nothing where there is none, and where nothing can be written over.
pub type Measure = Box<dyn Fn() -> Option<Size> + Send>;

/// Where a session's outputs go.
pub struct Screen {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    colors: Colors,
    pictures: Option<Pictures>,
    size: Measure,
    last_size: Option<Size>,
    /// What the running cell has shown and the cursor can still reach, from top to bottom.
    blocks: Vec<Block>,
    clear_next: bool,
    /// Ids that were shown, by any cell.
    shown: BTreeSet<String>,
    /// Updates of displays that are out of reach: they are shown when the cell has ended.
    waiting: BTreeMap<String, Bundle>,
}

/// Something shown, from the first column of a row on.
struct Block {
    kind: Kind,
    id: Option<String>,
    /// What to write to show it again; text above all displays is not kept.
    content: Option<String>,
    /// What to write to take its pictures away.
    removal: String,
    /// Where it ends.
    end: Cursor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What was printed, on stdout and stderr, since the last display.
    Text,
    Display,
}

impl Screen {
    /// A screen on a terminal, or on two streams where `size` gives nothing.
    pub fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        colors: Colors,
        size: Measure,
    ) -> Screen {
        Screen {
            out,
            err,
            colors,
            pictures: None,
            size,
            last_size: None,
            blocks: Vec::new(),
            clear_next: false,
            shown: BTreeSet::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Shows pictures, not only their text.
    #[must_use]
    pub fn with_pictures(self, pictures: Option<Pictures>) -> Screen {
        Screen { pictures, ..self }
    }

    /// A cell begins: what stands there is out of its reach.
    pub fn begin(&mut self) {
        self.blocks.clear();
        self.clear_next = false;
        self.last_size = (self.size)();
    }

    /// Shows what the running cell emits.
    pub fn show(&mut self, output: Output) -> io::Result<()> {
        self.look_at_size();
        match output {
            Output::Stdout(text) => self.text(&text, Stream::Out)?,
            Output::Stderr(text) => {
                let text = self.colored(&text);
                self.text(&text, Stream::Err)?;
            }
            Output::Display { id, bundle } => {
                if let Some(id) = &id {
                    self.replace(id, &bundle)?;
                    self.waiting.remove(id);
                    self.shown.insert(id.clone());
                }
                self.bundle(id, &bundle)?;
            }
            Output::Update { id, bundle } => {
                if self.shown.contains(&id) && !self.replace(&id, &bundle)? {
                    self.waiting.insert(id, bundle);
                }
            }
            Output::Clear { wait: true } => self.clear_next = true,
            Output::Clear { wait: false } => self.clear()?,
            Output::Result(bundle) | Output::Page(bundle) => self.bundle(None, &bundle)?,
            Output::Times { .. } | Output::Comm(_) => {}
        }
        self.out.flush()
    }

    /// The cell has ended: shows the last state of what could not be changed in place, and how it failed.
    pub fn end(&mut self, failure: Option<&Failure>) -> io::Result<()> {
        for bundle in std::mem::take(&mut self.waiting).into_values() {
            self.bundle(None, &bundle)?;
        }
        self.start_line()?;
        if let Some(failure) = failure {
            let text = self.colored(&failure.traceback.join("\n"));
            self.out.flush()?;
            writeln!(self.err, "{text}")?;
            self.err.flush()?;
        }
        self.out.flush()
    }

    /// The running cell asks something: shows what stands before the answer.
    pub fn question(&mut self, prompt: &str) -> io::Result<()> {
        self.text(prompt, Stream::Out)?;
        self.out.flush()
    }

    /// The answer was typed, and has been seen as far as it was to be seen.
    pub fn answered(&mut self, typed: &str) -> io::Result<()> {
        // With an empty prompt there is no text yet that the answer could go on with.
        self.text("\u{1b}[m", Stream::Out)?;
        self.extend_last(typed);
        self.start_line()?;
        self.forget_unreachable();
        Ok(())
    }

    /// Writes a text of the console's own.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Text of the running cell, as it comes.
    fn text(&mut self, text: &str, stream: Stream) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.clear_if_due()?;
        match stream {
            Stream::Out => self.out.write_all(text.as_bytes())?,
            Stream::Err => {
                // Both may be one terminal, which must get them in order.
                self.out.flush()?;
                self.err.write_all(text.as_bytes())?;
                self.err.flush()?;
            }
        }
        if !self.blocks.last().is_some_and(|block| block.kind == Kind::Text) {
            let below_display = self.blocks.iter().any(|block| block.id.is_some());
            let content = below_display.then(String::new);
            self.blocks.push(Block {
                kind: Kind::Text,
                id: None,
                content,
                removal: String::new(),
                end: Cursor::default(),
            });
        }
        self.extend_last(text);
        self.forget_unreachable();
        Ok(())
    }

    fn bundle(&mut self, id: Option<String>, bundle: &Bundle) -> io::Result<()> {
        self.clear_if_due()?;
        self.start_line()?;
        let drawn = self.render(bundle);
        self.out.write_all(drawn.content.as_bytes())?;
        self.push(Kind::Display, id, drawn);
        self.forget_unreachable();
        Ok(())
    }

    fn push(&mut self, kind: Kind, id: Option<String>, drawn: Drawn) {
        let Drawn { content, removal } = drawn;
        let mut end = Cursor::default();
        end.advance(&content, self.columns());
        self.blocks.push(Block { kind, id, content: Some(content), removal, end });
    }

    /// What a bundle looks like here: whole lines.
    fn render(&mut self, bundle: &Bundle) -> Drawn {
        if let (Some(pictures), Some(size)) = (&mut self.pictures, self.last_size)
            && let Some(drawn) = pictures.draw(bundle, size)
        {
            return drawn;
        }
        let mut text = match bundle.plain() {
            Some(text) => self.colored(text),
            None => {
                let forms: Vec<&str> = bundle.forms.iter().map(|(mime, _)| mime.as_str()).collect();
                format!("[no text form: {}]", forms.join(", "))
            }
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Drawn { content: text, removal: String::new() }
    }

    /// Shows `new` in place of every display of this id; whether one was in reach.
    fn replace(&mut self, id: &str, new: &Bundle) -> io::Result<bool> {
        let is_it = |block: &Block| block.id.as_deref() == Some(id);
        let Some(first) = self.blocks.iter().position(is_it) else { return Ok(false) };
        if !self.can_go_up(first) {
            return Ok(false);
        }
        let old = self.blocks.split_off(first);
        let mut change = String::from("\u{1b}[?2026h"); // terminals that know this draw all of it at once
        old.iter().for_each(|block| change.push_str(&block.removal));
        change.push_str(&up(rows(&old)));
        for block in old {
            let drawn = match is_it(&block) {
                true => self.render(new),
                false => Drawn { content: block.content.unwrap_or_default(), removal: block.removal },
            };
            change.push_str(&drawn.content);
            self.push(block.kind, block.id, drawn);
        }
        change.push_str("\u{1b}[?2026l");
        self.out.write_all(change.as_bytes())?;
        self.out.flush()?;
        self.forget_unreachable();
        Ok(true)
    }

    /// Takes away what the running cell has shown, as far as the cursor can go up.
    fn clear(&mut self) -> io::Result<()> {
        self.clear_next = false;
        self.waiting.clear();
        if let Some(size) = self.last_size {
            let removals: String = self.blocks.iter().map(|block| block.removal.as_str()).collect();
            self.out.write_all(removals.as_bytes())?;
            let rows = rows(&self.blocks).min(size.rows.saturating_sub(1));
            self.out.write_all(up(rows).as_bytes())?;
        }
        self.blocks.clear();
        Ok(())
    }

    fn clear_if_due(&mut self) -> io::Result<()> {
        if self.clear_next { self.clear() } else { Ok(()) }
    }

    /// Goes to the start of a row, if the cursor is not there.
    fn start_line(&mut self) -> io::Result<()> {
        if self.blocks.last().is_some_and(|block| block.end.column > 0) {
            self.out.write_all(b"\n")?;
            self.extend_last("\n");
        }
        Ok(())
    }

    fn extend_last(&mut self, text: &str) {
        let columns = self.columns();
        if let Some(block) = self.blocks.last_mut() {
            block.end.advance(text, columns);
            if let Some(content) = &mut block.content {
                content.push_str(text);
            }
        }
    }

    fn can_go_up(&self, first: usize) -> bool {
        let Some(size) = self.last_size else { return false };
        rows(&self.blocks[first..]) < size.rows && !self.blocks[first..].iter().any(|block| block.end.lost)
    }

    /// Lets go of blocks that have left the screen at its top: what a cell prints without end is not kept.
    fn forget_unreachable(&mut self) {
        let Some(size) = self.last_size else {
            // Only where the line stands matters.
            self.blocks.drain(..self.blocks.len().saturating_sub(1));
            self.blocks.iter_mut().for_each(|block| block.content = None);
            return;
        };
        let mut below = 0;
        let reachable = self.blocks.iter().rev().take_while(|block| {
            let in_reach = below < size.rows && !block.end.lost;
            below += block.end.row;
            in_reach
        });
        let unreachable = self.blocks.len() - reachable.count();
        let unreachable = unreachable.min(self.blocks.len().saturating_sub(1));
        self.blocks.drain(..unreachable);
        let first_display = self.blocks.iter().position(|block| block.id.is_some());
        let above = first_display.unwrap_or(self.blocks.len());
        for block in &mut self.blocks[..above] {
            block.content = None;
        }
    }

    /// A terminal that was resized has broken its lines anew: nothing is where it was.
    fn look_at_size(&mut self) {
        let size = (self.size)();
        if size != self.last_size {
            self.last_size = size;
            self.blocks.drain(..self.blocks.len().saturating_sub(1));
            self.blocks.iter_mut().for_each(|block| block.end.lost = true);
        }
    }

    fn columns(&self) -> usize {
        self.last_size.map_or(usize::MAX, |size| size.columns)
    }

    fn colored(&self, text: &str) -> String {
        match self.colors {
            Colors::On => text.to_owned(),
            Colors::Off => anstream::adapter::strip_str(text).to_string(),
        }
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// How far the cursor is below the first row of these.
fn rows(blocks: &[Block]) -> usize {
    blocks.iter().map(|block| block.end.row).sum()
}

/// Goes to the first column of the row that is so many above, and takes away everything from there on.
fn up(rows: usize) -> String {
    match rows {
        0 => "\r\u{1b}[J".to_owned(),
        _ => format!("\r\u{1b}[{rows}A\u{1b}[J"),
    }
}

#[cfg(test)]
mod tests;
