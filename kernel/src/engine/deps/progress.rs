//! A line that is written over again.

use super::super::Output;

/// Shows how far something is.
pub struct ProgressLine<'a> {
    outputs: &'a mut dyn FnMut(Output),
    shown: String,
}

impl<'a> ProgressLine<'a> {
    /// A line that shows nothing yet.
    pub fn new(outputs: &'a mut dyn FnMut(Output)) -> ProgressLine<'a> {
        ProgressLine { outputs, shown: String::new() }
    }

    /// Shows this in place of what was shown.
    pub fn say(&mut self, text: &str) {
        let text = format!(":dep: {text}");
        if text != self.shown {
            // Blanks cover what is left of a longer line: not every front end knows how to erase.
            let width = self.shown.chars().count();
            (self.outputs)(Output::Stderr(format!("\r{text:width$}")));
            self.shown = text;
        }
    }

    /// Ends the line with what became of it, if there is one.
    pub fn end(mut self, text: &str) {
        if !self.shown.is_empty() {
            self.say(text);
            (self.outputs)(Output::Stderr("\n".into()));
        }
    }
}
