//! The colours of what is typed.

use std::sync::Arc;

use reedline::{Color, Highlighter, StyledText};

use super::keys::Seen;
use crate::lexer::{Kind, Token, tokens};

/// Colours a cell while it is typed, and tells the keys what stands on the screen.
pub struct RustHighlighter {
    seen: Arc<Seen>,
}

impl RustHighlighter {
    /// A highlighter that writes what it was shown into `seen`.
    pub fn new(seen: Arc<Seen>) -> RustHighlighter {
        RustHighlighter { seen }
    }
}

impl Highlighter for RustHighlighter {
    fn highlight(&self, line: &str, cursor: usize) -> StyledText {
        self.seen.painted(line, cursor);
        styled(line)
    }
}

/// `code` in colours.
fn styled(code: &str) -> StyledText {
    let mut text = StyledText::new();
    for Token { kind, range, .. } in tokens(code) {
        let color = match kind {
            Kind::Comment => Color::DarkGray.italic(),
            Kind::String | Kind::Char => Color::Green.normal(),
            Kind::Number => Color::Yellow.normal(),
            Kind::Keyword => Color::Purple.bold(),
            Kind::Command | Kind::Type | Kind::Lifetime => Color::Cyan.normal(),
            Kind::Macro | Kind::Function => Color::Blue.normal(),
            Kind::Blank | Kind::Name | Kind::Symbol => Color::Default.normal(),
        };
        text.push((color, code[range].to_owned()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_nothing_of_the_text() {
        for code in
            ["", ":dep x = \"1\"\nlet s = \"open", "::a::b(c)", "fn f() {\n    1\n", "\u{1b}[31m", ":vars"]
        {
            assert_eq!(styled(code).raw_string(), code);
        }
    }

    #[test]
    fn commands_keywords_and_strings_have_colours() {
        let text = styled(":vars\n!ls\nlet s = \"a\";");
        let color = |piece: &str| text.buffer.iter().find(|(_, text)| text == piece).map(|(style, _)| *style);
        assert_eq!(color(":vars\n!ls\n"), Some(Color::Cyan.normal()));
        assert_eq!(color("let"), Some(Color::Purple.bold()));
        assert_eq!(color("\"a\""), Some(Color::Green.normal()));
        assert_eq!(color("s"), Some(Color::Default.normal()));
    }
}
