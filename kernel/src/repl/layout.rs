//! Where text leaves a terminal's cursor, so that what stands above it can be found again.

use unicode_width::UnicodeWidthChar;

/// A place relative to the one where the first text began, in the first column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Rows below the first.
    pub row: usize,
    /// Columns from the left; the terminal's width where the next character begins a new row.
    pub column: usize,
    /// The text went to a place that is not told from here: its row means nothing.
    pub lost: bool,
    sequence: Sequence,
}

/// How far an escape sequence has come that may go on in the next text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Sequence {
    #[default]
    None,
    /// After `ESC`.
    Begun,
    /// After `ESC [`: the parameters.
    Control(String),
    /// In a string of a device or program, which takes no room; whether the last character was `ESC`.
    String { escape: bool },
}

impl Cursor {
    /// Goes where `text` leads on a terminal of `width` columns.
    pub fn advance(&mut self, text: &str, width: usize) {
        for c in text.chars() {
            match std::mem::take(&mut self.sequence) {
                Sequence::None => self.put(c, width),
                Sequence::Begun => self.begin(c),
                Sequence::Control(parameters) => self.control(parameters, c, width),
                Sequence::String { escape } => {
                    let ends = c == '\u{7}' || (escape && c == '\\');
                    if !ends {
                        self.sequence = Sequence::String { escape: c == '\u{1b}' };
                    }
                }
            }
        }
    }

    fn put(&mut self, c: char, width: usize) {
        match c {
            '\u{1b}' => self.sequence = Sequence::Begun,
            '\n' => {
                self.row += 1;
                self.column = 0;
            }
            '\r' => self.column = 0,
            '\u{8}' => self.column = self.column.min(width.saturating_sub(1)).saturating_sub(1),
            '\t' => self.column = ((self.column / 8 + 1) * 8).min(width.saturating_sub(1)),
            c => {
                let wide = c.width().unwrap_or(0);
                if wide > 0 && self.column + wide > width {
                    self.row += 1;
                    self.column = 0;
                }
                self.column += wide;
            }
        }
    }

    fn begin(&mut self, c: char) {
        match c {
            '[' => self.sequence = Sequence::Control(String::new()),
            ']' | 'P' | '_' | '^' | 'X' => self.sequence = Sequence::String { escape: false },
            // Back to the first place, on another screen.
            'c' => self.lost = true,
            _ => {}
        }
    }

    fn control(&mut self, mut parameters: String, c: char, width: usize) {
        if matches!(c, ' '..='?') {
            parameters.push(c);
            self.sequence = Sequence::Control(parameters);
            return;
        }
        let count = parameters.parse::<usize>().unwrap_or(1).max(1);
        match c {
            'A' | 'F' => self.row = self.row.saturating_sub(count),
            'B' | 'E' => self.row += count,
            'C' => self.column = (self.column + count).min(width.saturating_sub(1)),
            'D' => self.column = self.column.saturating_sub(count),
            'G' => self.column = (count - 1).min(width.saturating_sub(1)),
            'H' | 'f' | 'd' | 'S' | 'T' => self.lost = true,
            'J' if !parameters.is_empty() && parameters != "0" => self.lost = true,
            _ => {}
        }
        if matches!(c, 'E' | 'F') {
            self.column = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(texts: &[&str]) -> (usize, usize) {
        let mut cursor = Cursor::default();
        texts.iter().for_each(|text| cursor.advance(text, 10));
        assert!(!cursor.lost);
        (cursor.row, cursor.column)
    }

    #[test]
    fn lines_wrap_where_the_terminal_wraps_them() {
        assert_eq!(after(&["abc"]), (0, 3));
        assert_eq!(after(&["abc\nd"]), (1, 1));
        assert_eq!(after(&["0123456789"]), (0, 10), "the last column is filled, the cursor waits");
        assert_eq!(after(&["0123456789", "a"]), (1, 1));
        assert_eq!(after(&["0123456789\n"]), (1, 0), "a line break there is one, not two");
        assert_eq!(after(&["012345678", "日"]), (1, 2), "a wide character does not fit into one column");
        assert_eq!(after(&["a\tb"]), (0, 9));
        assert_eq!(after(&["e\u{301}"]), (0, 1), "an accent stands on its letter");
        assert_eq!(after(&["50 %\r100 %"]), (0, 5));
    }

    #[test]
    fn sequences_take_no_room() {
        assert_eq!(after(&["\u{1b}[1;31mred\u{1b}[0m"]), (0, 3));
        assert_eq!(after(&["\u{1b}[3", "1mred"]), (0, 3));
        assert_eq!(after(&["\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{7}!"]), (0, 5));
        assert_eq!(after(&["\u{1b}_Ga=T;AAAA\u{1b}\\x"]), (0, 1));
        assert_eq!(after(&["\u{1b}7x\u{1b}8"]), (0, 1));
    }

    #[test]
    fn the_cursor_can_be_moved() {
        assert_eq!(after(&["a\nb\nc\u{1b}[2A"]), (0, 1));
        assert_eq!(after(&["\n\n\u{1b}[F"]), (1, 0));
        assert_eq!(after(&["abc\u{1b}[2D"]), (0, 1));
        for jump in ["\u{1b}[H", "\u{1b}[2J", "\u{1b}[3;4f", "\u{1b}c"] {
            let mut cursor = Cursor::default();
            cursor.advance(jump, 10);
            assert!(cursor.lost, "{jump:?}");
        }
    }
}
