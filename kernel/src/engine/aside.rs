//! Code beside the cells: what it says is of use, and it has no number and makes no variables.

use std::sync::Arc;

use sconce_display::Bundle;
use sconce_display::wire::{Ending, Request};

use super::build::{Built, Failed};
use super::hints::Gone;
use super::session::{Session, failure, interrupted};
use super::{Failure, Output, generate, source};

impl Session {
    /// The value of an expression, as the end of a cell shows it. What the expression prints goes on as it
    /// comes; what it changes stays changed.
    ///
    /// # Errors
    /// As for a cell.
    pub fn evaluate(&mut self, expression: &str, outputs: &mut dyn FnMut(Output)) -> Result<Bundle, Failure> {
        if let Err(error) = syn::parse_str::<syn::Expr>(expression) {
            let message = format!("`{expression}` is no expression: {error}");
            return Err(failure(
                "SyntaxError",
                &message,
                &format!("\x1b[1;31mSyntaxError\x1b[0m: {message}"),
            ));
        }
        self.interrupter.begin();
        let result = self.run_aside(expression, outputs);
        self.interrupter.end();
        // What is worth nothing to show is the unit value.
        result.map(|shown| shown.unwrap_or_else(|| Bundle::text("()")))
    }

    /// The type of an expression, which is compiled and not run.
    pub(super) fn type_of(&mut self, expression: &str) -> Result<String, Failure> {
        let (number, built) = self.build_aside(&format!("let value = {expression};"))?;
        // It is never loaded.
        let _ = std::fs::remove_file(self.rustc.library(number));
        let made = built.generated.made.iter().find(|made| made.name == "value");
        let ty = made.and_then(|made| built.types.get(&made.key));
        Ok(match ty {
            Some(ty) => ty.replace(&format!("{}::", generate::CRATE), ""),
            None => "a type that has no name, such as a closure's".to_owned(),
        })
    }

    /// Runs code in the worker and returns what it shows as its result.
    pub(super) fn run_aside(
        &mut self,
        code: &str,
        outputs: &mut dyn FnMut(Output),
    ) -> Result<Option<Bundle>, Failure> {
        let (number, built) = self.build_aside(code)?;
        self.ensure_worker().map_err(|error| self.broken(&error))?;
        let library = self.rustc.library(number);
        let request = Request::Run {
            library: library.to_string_lossy().into_owned(),
            entry: built.generated.entry.clone(),
        };
        let mut shown = None;
        let reply = self.request(request, &mut |output| match output {
            Output::Result(bundle) => shown = Some(bundle),
            other => outputs(other),
        });
        // The worker has it mapped; nobody opens it again.
        let _ = std::fs::remove_file(&library);
        let reply = reply.map_err(|death| self.bury(&death, outputs))?;
        if !matches!(reply.ending, Ending::NotLoaded { .. }) {
            self.symbols.extend(built.generated.symbols);
        }
        self.variables.retain(|name, variable| {
            let kept = reply.stored.contains(&variable.key);
            if !kept {
                let why = format!("`{name}` was moved by the expression `{code}`");
                self.gone.insert(name.clone(), Gone::because(why));
            }
            kept
        });
        self.ending(&reply.ending).map(|()| shown)
    }

    /// Compiles code under a number that no cell has.
    fn build_aside(&mut self, code: &str) -> Result<(u32, Built), Failure> {
        let number = u32::MAX - self.asides;
        // A number is never used again: the worker would take a library of the same name for the same.
        self.asides += 1;
        let text: Arc<str> = code.into();
        self.texts.insert(number, text.clone());
        let built = match source::parse(number, &text, &self.definitions) {
            Err(error) => Err(self.syntax_error(number, &text, &error)),
            Ok(cell) => match self.build(&cell) {
                Ok(built) => Ok((number, built)),
                Err(Failed::Interrupted) => Err(interrupted("while it was compiled")),
                Err(Failed::Io(error)) => Err(self.broken(&error)),
                Err(Failed::Errors(messages)) => Err(self.compile_failure(&messages)),
            },
        };
        self.texts.remove(&number);
        built.map_err(|failure| Failure {
            traceback: failure
                .traceback
                .iter()
                .map(|line| line.replace(&format!("cell {number}:"), "expression:"))
                .collect(),
            ..failure
        })
    }
}
