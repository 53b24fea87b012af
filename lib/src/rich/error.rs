//! The library's errors.

use sconce_display::Bundle;

use super::Rich;
use crate::Error;
use crate::plot::escape;

impl Rich for Error {
    /// The message; as HTML with what was expected, what came and what to do below each other.
    fn rich(&self) -> Bundle {
        let message = self.to_string();
        let (head, parts) = match self {
            Error::Shape { op, expected, got, hint }
            | Error::Argument { op, expected, got, hint }
            | Error::MissingClass { op, expected, got, hint, .. } => {
                (op.clone(), vec![("expected ", expected), ("got ", got), ("", hint)])
            }
            Error::Format { path, expected, got, hint } => {
                (path.display().to_string(), vec![("expected ", expected), ("got ", got), ("", hint)])
            }
            Error::Image { path, problem, got, hint } => {
                (format!("{}: {problem}", path.display()), vec![("got ", got), ("", hint)])
            }
            _ => (message.clone(), Vec::new()),
        };
        let rows: String = parts
            .iter()
            .filter(|(_, what)| !what.is_empty())
            .map(|(name, what)| format!("<div>{name}{}</div>", escape(what)))
            .collect();
        Bundle::text(format!("{message}\n")).html(format!(
            "<div role=\"alert\" style=\"font-size:13px;padding:2px 0 2px 10px;\
             border-left:4px solid var(--jp-error-color1,#d32f2f)\"><b>{}</b>{rows}</div>",
            escape(&head)
        ))
    }
}
