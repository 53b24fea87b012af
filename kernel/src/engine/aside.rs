//! Code beside the cells: what it says is of use, and nothing of it stays.

use std::sync::Arc;

use super::build::Failed;
use super::session::{Session, interrupted};
use super::{Failure, source};

/// The number of what is no cell of the user's.
const NUMBER: u32 = 0;

impl Session {
    /// The type of an expression, which is compiled and not run.
    pub(super) fn type_of(&mut self, expression: &str) -> Result<String, Failure> {
        let text: Arc<str> = format!("let value = {expression};").into();
        self.texts.insert(NUMBER, text.clone());
        let cell = match source::parse(NUMBER, &text, &self.definitions) {
            Ok(cell) => cell,
            Err(error) => return Err(self.syntax_error(NUMBER, &text, &error)),
        };
        let built = match self.build(&cell) {
            Ok(built) => built,
            Err(Failed::Interrupted) => return Err(interrupted("while it was compiled")),
            Err(Failed::Io(error)) => return Err(self.broken(&error)),
            Err(Failed::Errors(messages)) => return Err(self.compile_failure(&messages)),
        };
        // It is never loaded.
        let _ = std::fs::remove_file(self.rustc.library(NUMBER));
        let made = built.generated.made.iter().find(|made| made.name == "value");
        let ty = made.and_then(|made| built.types.get(&made.key));
        Ok(ty.map_or_else(
            || "a type that has no name, such as a closure's".to_owned(),
            |ty| ty.replace(&format!("{}::", super::generate::CRATE), ""),
        ))
    }
}
