//! What stays of a stream that moves its cursor: progress bars write `\r`, and a saved notebook holds
//! the last state of the line, not every state it went through.

/// A stream's text as it is left after `\r`, `\b` and the terminal's erase-line sequences.
///
/// Works like the text area of a Jupyter client: a carriage return goes to the start of the line and what
/// follows overwrites, character by character; a newline ends the line wherever the cursor stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Lines that nothing can change any more, with their newlines.
    done: String,
    /// The last line.
    line: Vec<Glyph>,
    /// Where the next character goes in `line`; at most its length.
    cursor: usize,
    /// An escape sequence whose end has not come yet.
    escape: String,
}

/// One character, and the escape sequences (colours) that stand before it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Glyph {
    escapes: String,
    char: char,
}

impl Terminal {
    /// Writes `text` at the cursor.
    pub fn write(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            if self.line.is_empty() && self.escape.is_empty() {
                // Whole lines without cursor movement need no look at single characters.
                let plain = rest.find(['\r', '\u{8}', '\u{1b}']).unwrap_or(rest.len());
                if let Some(end) = rest[..plain].rfind('\n') {
                    self.done.push_str(&rest[..=end]);
                    rest = &rest[end + 1..];
                    continue;
                }
            }
            let end = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
            rest[..end].chars().for_each(|char| self.put(char));
            rest = &rest[end..];
        }
    }

    fn put(&mut self, char: char) {
        if self.in_sequence() && !char.is_control() {
            self.escape.push(char);
            self.end_sequence(char);
            return;
        }
        match char {
            '\u{1b}' => self.escape.push(char),
            '\r' => self.cursor = 0,
            '\u{8}' => self.cursor = self.cursor.saturating_sub(1),
            '\n' => {
                self.flush_line();
                self.done.push('\n');
            }
            _ => {
                let escapes = std::mem::take(&mut self.escape);
                match self.line.get_mut(self.cursor) {
                    // Without new ones the colour that was set here goes on.
                    Some(old) if escapes.is_empty() => old.char = char,
                    Some(old) => *old = Glyph { escapes, char },
                    None => self.line.push(Glyph { escapes, char }),
                }
                self.cursor += 1;
            }
        }
    }

    /// Whether `escape` ends in a sequence that goes on: `ESC`, or `ESC [` and parameters.
    fn in_sequence(&self) -> bool {
        let Some(start) = self.escape.rfind('\u{1b}') else { return false };
        let body = &self.escape[start + 1..];
        match body.strip_prefix('[') {
            None => body.is_empty(),
            Some(parameters) => parameters.chars().all(|char| (' '..='?').contains(&char)),
        }
    }

    fn end_sequence(&mut self, last: char) {
        if last != 'K' || self.in_sequence() {
            return;
        }
        let start = self.escape.rfind('\u{1b}').unwrap_or_default();
        match &self.escape[start..] {
            "\u{1b}[K" | "\u{1b}[0K" => self.line.truncate(self.cursor),
            "\u{1b}[2K" => {
                // A terminal's cursor stays in its column; whoever erases a line goes to its start anyway.
                self.line.clear();
                self.cursor = 0;
            }
            _ => return,
        }
        self.escape.truncate(start);
    }

    fn flush_line(&mut self) {
        for glyph in self.line.drain(..) {
            self.done.push_str(&glyph.escapes);
            self.done.push(glyph.char);
        }
        self.cursor = 0;
        self.done.push_str(&std::mem::take(&mut self.escape));
    }

    /// Whether nothing is left to see.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.done.is_empty() && self.line.is_empty() && self.escape.is_empty()
    }

    /// The text as it stands.
    #[must_use]
    pub fn into_text(mut self) -> String {
        self.flush_line();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(writes: &[&str]) -> String {
        let mut terminal = Terminal::default();
        writes.iter().for_each(|text| terminal.write(text));
        terminal.into_text()
    }

    #[test]
    fn plain_text_stays() {
        assert_eq!(left(&["a", "b\nc", "\n\n", "d"]), "ab\nc\n\nd");
        assert_eq!(left(&["äö\n€"]), "äö\n€");
        assert_eq!(left(&["one\r\ntwo\r\n"]), "one\ntwo\n");
    }

    #[test]
    fn a_progress_bar_keeps_its_last_state() {
        assert_eq!(left(&["start\n", " 10 %\r", " 20 %\r", "100 %\n", "done"]), "start\n100 %\ndone");
        assert_eq!(left(&["abcdef\rxy"]), "xycdef", "what is not overwritten stays");
        assert_eq!(left(&["ab\u{8}c"]), "ac");
        assert_eq!(left(&["ab\u{8}\u{8}\u{8}\u{8}c"]), "cb");
        assert_eq!(left(&["ab\n\u{8}c"]), "ab\nc", "a finished line is out of reach");
        assert_eq!(left(&["abc\rx\ny"]), "xbc\ny", "a newline does not cut the line");
    }

    #[test]
    fn escape_sequences_take_no_room() {
        assert_eq!(left(&["\u{1b}[31mred\u{1b}[0m\n"]), "\u{1b}[31mred\u{1b}[0m\n");
        assert_eq!(left(&["\u{1b}[3", "1mred\u{1b}", "[0m"]), "\u{1b}[31mred\u{1b}[0m", "split over writes");
        assert_eq!(left(&["a long line\r\u{1b}[Kshort"]), "short");
        assert_eq!(left(&["ab\u{1b}[2K\rc"]), "c");
        assert_eq!(left(&["\u{1b}[31mabc\rx"]), "\u{1b}[31mxbc", "overwritten in the same colour");
        assert_eq!(left(&["\u{1b}[\nab\u{1b}"]), "\u{1b}[\nab\u{1b}", "a broken sequence swallows nothing");
        assert_eq!(left(&["abc\r\u{1b}[32mx"]), "\u{1b}[32mxbc");
    }
}
