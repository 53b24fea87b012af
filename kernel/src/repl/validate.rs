//! Whether Enter ends a cell or a line.

use reedline::{ValidationResult, Validator};

use crate::engine::{Completeness, Session};

/// Asks the engine. What no further line would mend counts as complete: rustc then says what is wrong with it.
pub struct CellValidator;

impl Validator for CellValidator {
    fn validate(&self, code: &str) -> ValidationResult {
        match Session::completeness(code) {
            Completeness::Incomplete { .. } => ValidationResult::Incomplete,
            Completeness::Complete | Completeness::Invalid => ValidationResult::Complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_end_when_they_are_whole_or_beyond_mending() {
        let complete = |code| matches!(CellValidator.validate(code), ValidationResult::Complete);
        assert!(complete("let x = 1;") && complete(":vars") && complete("") && complete("f())"));
        assert!(!complete("fn f() {") && !complete("let s = \"a") && !complete("1 +"));
    }
}
