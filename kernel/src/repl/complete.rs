//! Completion while typing.

use std::sync::Arc;

use reedline::{Completer, CompletionResult, Span, Suggestion};

use crate::assist::Assist;

/// The name of the menu that Tab opens.
pub const MENU: &str = "completion";

/// The command that only a console has.
const QUIT: (&str, &str) = (":quit", "end the session");

/// Suggests what the session knows.
pub struct Suggestions {
    assist: Arc<Assist>,
}

impl Suggestions {
    /// Suggestions of what `assist` finds.
    pub fn new(assist: Arc<Assist>) -> Suggestions {
        Suggestions { assist }
    }
}

impl Completer for Suggestions {
    fn complete(&mut self, code: &str, cursor: usize) -> CompletionResult {
        let found = self.assist.complete(code, cursor);
        let span = Span { start: found.range.start, end: found.range.end };
        let mut suggestions: Vec<Suggestion> = found
            .items
            .into_iter()
            .map(|item| Suggestion {
                value: item.text,
                description: Some(item.signature).filter(|signature| !signature.is_empty()),
                span,
                ..Suggestion::default()
            })
            .collect();
        let typed = code.get(..cursor).unwrap_or_default().trim_start();
        if typed.starts_with(':') && QUIT.0.starts_with(typed) {
            let span = Span { start: cursor - typed.len(), end: cursor };
            let quit = Suggestion {
                value: QUIT.0.to_owned(),
                description: Some(QUIT.1.to_owned()),
                span,
                ..Suggestion::default()
            };
            suggestions.push(quit);
        }
        CompletionResult::fresh(suggestions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Known, KnownVariable};

    fn suggested(code: &str) -> Vec<(String, usize, usize)> {
        let assist = Arc::new(Assist::default());
        let variable =
            KnownVariable { name: "learner".into(), ty: "sconce::Learner".into(), mutable: true, cell: 1 };
        assist.update(Known { variables: vec![variable], ..Known::default() });
        let result = Suggestions::new(assist).complete(code, code.len());
        let suggestions = result.suggestions().iter();
        suggestions.map(|found| (found.value.clone(), found.span.start, found.span.end)).collect()
    }

    #[test]
    fn variables_and_commands_are_suggested_in_their_place() {
        assert_eq!(suggested("1 + lea"), [("learner".to_owned(), 4, 7)]);
        assert_eq!(suggested("  :q"), [(":quit".to_owned(), 2, 4)]);
        assert_eq!(suggested("\"lea"), []);
        assert!(suggested(":").contains(&(":vars".to_owned(), 0, 1)));
    }
}
