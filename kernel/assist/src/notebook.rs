//! A cell as rust-analyzer gets it: a crate with the session's definitions, and a function with its variables
//! as arguments whose body is the cell.

use crate::wire::State;

/// The function that holds the cell.
pub const FUNCTION: &str = "__sconce_cell";

/// The text before the cell, and the text after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Definitions and the head of the function.
    pub before: String,
    /// The end of the function.
    pub after: &'static str,
}

impl Frame {
    /// What stands around a cell in this state of its session.
    pub fn new(state: &State) -> Frame {
        let parameters: Vec<String> = state
            .variables
            .iter()
            .map(|variable| {
                let mutable = if variable.mutable { "mut " } else { "" };
                format!("{mutable}{}: {}", variable.name, variable.ty)
            })
            .collect();
        let before = format!(
            "{}\nasync fn {FUNCTION}({}) -> ::std::result::Result<(), ::sconce_cell::Failed> {{\n",
            state.items,
            parameters.join(", ")
        );
        // What is typed may end in a comment.
        Frame { before, after: "\n;::std::result::Result::Ok(()) }\nfn main() {}\n" }
    }

    /// The whole text of the crate.
    pub fn around(&self, code: &str) -> String {
        format!("{}{code}{}", self.before, self.after)
    }
}
