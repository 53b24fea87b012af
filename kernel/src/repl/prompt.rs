//! The prompt, which tells the number that errors of the cell will name.

use std::borrow::Cow;

use reedline::{Prompt, PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus};

/// `In [7]: `, and dots under it for further lines.
pub struct NumberedPrompt {
    first: String,
    further: String,
}

impl NumberedPrompt {
    /// The prompt of cell `number`.
    pub fn new(number: u32) -> NumberedPrompt {
        let first = format!("In [{number}]: ");
        let further = format!("{:>width$}", "...: ", width = first.len());
        NumberedPrompt { first, further }
    }
}

impl Prompt for NumberedPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.first)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.further)
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let found = match search.status {
            PromptHistorySearchStatus::Passing => "search",
            PromptHistorySearchStatus::Failing => "nothing found",
        };
        Cow::Owned(format!("({found}: {}) ", search.term))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_lines_stand_under_the_first() {
        for number in [1, 12, 345] {
            let prompt = NumberedPrompt::new(number);
            assert_eq!(prompt.render_prompt_left(), format!("In [{number}]: "));
            assert_eq!(prompt.render_prompt_multiline_indicator().len(), prompt.render_prompt_left().len());
        }
    }
}
