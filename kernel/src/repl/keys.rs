//! Keys that follow the code: Enter goes to the next line with the right indent, a closing bracket steps back, Tab
//! at the start of a line indents.

use std::sync::{Arc, Mutex, PoisonError};

use reedline::{
    EditCommand, EditMode, Emacs, KeyCode, KeyModifiers, PromptEditMode, ReedlineEvent, ReedlineRawEvent,
    default_emacs_keybindings,
};

use super::complete::MENU;
use crate::engine::{Completeness, Session};

const INDENT: &str = "    ";

/// What was last painted, for as long as no key has changed it.
///
/// Keys that come in one burst are text that was pasted into a terminal without bracketed paste: it brings its own
/// indent, and is taken as it is.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Option<Painted>>);

#[derive(Debug, Clone)]
struct Painted {
    code: String,
    cursor: usize,
}

impl Seen {
    /// `code` stands on the screen, with the cursor at a byte of it.
    pub fn painted(&self, code: &str, cursor: usize) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Painted { code: code.to_owned(), cursor });
    }

    /// What stands there, which is about to change.
    fn take(&self) -> Option<Painted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Painted {
    /// The current line up to the cursor, where it is blank.
    fn blank_before(&self) -> Option<&str> {
        let line = self.code.get(..self.cursor)?.rsplit('\n').next()?;
        line.trim().is_empty().then_some(line)
    }

    /// What Enter does to a cell that is not complete.
    fn line_break(&self) -> Option<ReedlineEvent> {
        let Completeness::Incomplete { .. } = Session::completeness(&self.code) else { return None };
        // Within the cell, the lines before the cursor say how far to indent.
        let indent = match Session::completeness(self.code.get(..self.cursor)?) {
            Completeness::Incomplete { indent } if !indent.is_empty() => indent,
            _ => self.indent_of_line(),
        };
        let edits = vec![EditCommand::InsertNewline, EditCommand::InsertString(indent)];
        Some(ReedlineEvent::UntilFound(vec![ReedlineEvent::MenuAccept, ReedlineEvent::Edit(edits)]))
    }

    fn indent_of_line(&self) -> String {
        let line = self.code[..self.cursor].rsplit('\n').next().unwrap_or_default();
        line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
    }
}

/// Emacs' keys, and those of this module.
pub struct Keys {
    emacs: Emacs,
    seen: Arc<Seen>,
}

impl Keys {
    /// The keys, for what `seen` knows to be on the screen.
    pub fn new(seen: Arc<Seen>) -> Keys {
        let mut bindings = default_emacs_keybindings();
        let menu =
            |next: ReedlineEvent| ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(MENU.to_owned()), next]);
        bindings.add_binding(KeyModifiers::NONE, KeyCode::Tab, menu(ReedlineEvent::MenuNext));
        bindings.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, menu(ReedlineEvent::MenuPrevious));
        Keys { emacs: Emacs::new(bindings), seen }
    }

    fn special(painted: &Painted, event: &ReedlineEvent) -> Option<ReedlineEvent> {
        match event {
            ReedlineEvent::Enter => painted.line_break(),
            ReedlineEvent::UntilFound(events) if matches!(&events[..], [ReedlineEvent::Menu(_), _]) => {
                painted.blank_before().map(|_| edit(vec![EditCommand::InsertString(INDENT.to_owned())]))
            }
            ReedlineEvent::Edit(edits) => match edits[..] {
                [EditCommand::InsertChar(close @ ('}' | ')' | ']'))]
                    if painted.blank_before()?.ends_with(INDENT) =>
                {
                    let back = std::iter::repeat_n(EditCommand::Backspace, INDENT.len());
                    Some(edit(back.chain([EditCommand::InsertChar(close)]).collect()))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

fn edit(edits: Vec<EditCommand>) -> ReedlineEvent {
    ReedlineEvent::Edit(edits)
}

impl EditMode for Keys {
    fn parse_event(&mut self, event: ReedlineRawEvent) -> ReedlineEvent {
        let event = self.emacs.parse_event(event);
        match self.seen.take() {
            Some(painted) => Keys::special(&painted, &event).unwrap_or(event),
            None => event,
        }
    }

    fn edit_mode(&self) -> PromptEditMode {
        self.emacs.edit_mode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a key does to `code`, in which `|` is the cursor.
    fn pressed(code: &str, event: &ReedlineEvent) -> Option<ReedlineEvent> {
        let cursor = code.find('|').unwrap_or(code.len());
        Keys::special(&Painted { code: code.replace('|', ""), cursor }, event)
    }

    fn indent_after(code: &str) -> Option<String> {
        let ReedlineEvent::UntilFound(events) = pressed(code, &ReedlineEvent::Enter)? else { return None };
        let [ReedlineEvent::MenuAccept, ReedlineEvent::Edit(edits)] = &events[..] else { return None };
        match &edits[..] {
            [EditCommand::InsertNewline, EditCommand::InsertString(indent)] => Some(indent.clone()),
            _ => None,
        }
    }

    #[test]
    fn enter_indents_what_is_open_and_submits_what_is_not() {
        assert_eq!(indent_after("fn f() {|").as_deref(), Some("    "));
        assert_eq!(indent_after("fn f() {\n    if x {|").as_deref(), Some("        "));
        assert_eq!(indent_after("fn f() {\n    if x {\n        1\n    }|").as_deref(), Some("    "));
        assert_eq!(indent_after("let x =|").as_deref(), Some(""));
        assert_eq!(
            indent_after("fn f() {|\n    1").as_deref(),
            Some("    "),
            "in the middle of an open cell"
        );
        assert_eq!(indent_after("let x = 1;|"), None);
        assert_eq!(indent_after("fn f() {|}"), None, "a whole cell runs wherever the cursor is");
        assert_eq!(indent_after("f())|"), None, "no line would mend it: rustc says what is wrong");
    }

    #[test]
    fn a_closing_bracket_steps_back() {
        let close = edit(vec![EditCommand::InsertChar('}')]);
        let Some(ReedlineEvent::Edit(edits)) = pressed("fn f() {\n    |", &close) else {
            panic!("the bracket stays where it is")
        };
        assert_eq!(edits.len(), INDENT.len() + 1);
        assert!(pressed("fn f() {\n    1 |", &close).is_none());
        assert!(pressed("|", &close).is_none());
    }

    #[test]
    fn tab_indents_where_there_is_nothing_to_complete() {
        let tab =
            ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(MENU.to_owned()), ReedlineEvent::MenuNext]);
        assert!(pressed("fn f() {\n|", &tab).is_some());
        assert!(pressed("let x = le|", &tab).is_none());
    }

    #[test]
    fn a_burst_of_keys_is_taken_as_it_is() {
        let seen = Seen::default();
        seen.painted("fn f() {", 8);
        assert!(seen.take().is_some());
        assert!(seen.take().is_none(), "nothing was painted since");
    }
}
