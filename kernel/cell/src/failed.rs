use std::any::{Any, type_name};
use std::error::Error;
use std::fmt::{Debug, Display};
use std::panic::Location;

use sconce_display::wire::Spot;

/// What `?` at the top level of a cell turns an error into: its type, its text and what caused it.
///
/// It implements neither `Debug` nor `Display`, which lets everything that does convert into it.
pub struct Failed {
    pub(crate) kind: String,
    pub(crate) chain: Vec<String>,
    pub(crate) at: Spot,
}

impl Failed {
    /// What a `return` at the top level of a cell becomes: the cell ends, and nothing has failed.
    #[must_use]
    pub fn returned() -> Failed {
        Failed { kind: String::new(), chain: Vec::new(), at: Spot::default() }
    }
}

impl<E: Display + Debug + 'static> From<E> for Failed {
    // `?` passes its own place on.
    #[track_caller]
    fn from(error: E) -> Failed {
        describe(&error, &error, type_name::<E>(), Location::caller())
    }
}

// Not generic, so that it is compiled once and not in every cell for each type of error.
#[inline(never)]
fn describe(error: &dyn Display, any: &dyn Any, kind: &str, at: &Location<'_>) -> Failed {
    let mut chain = vec![error.to_string()];
    let mut cause = source(any);
    while let Some(error) = cause {
        chain.push(error.to_string());
        cause = error.source();
    }
    // A message that ends with its cause's text would say it twice.
    for index in (1..chain.len()).rev() {
        if chain[index - 1].ends_with(chain[index].as_str()) {
            chain.remove(index);
        }
    }
    Failed { kind: short_name(kind), chain, at: at.into() }
}

/// The cause of an error whose trait is not known statically: the kinds that people meet.
fn source(error: &dyn Any) -> Option<&(dyn Error + 'static)> {
    fn of<E: Error + 'static>(error: &dyn Any) -> Option<&(dyn Error + 'static)> {
        error.downcast_ref::<E>().and_then(Error::source)
    }
    if let Some(error) = error.downcast_ref::<anyhow::Error>() {
        return error.chain().nth(1);
    }
    if let Some(error) = error.downcast_ref::<Box<dyn Error>>() {
        return error.source();
    }
    if let Some(error) = error.downcast_ref::<Box<dyn Error + Send + Sync>>() {
        return error.source();
    }
    of::<sconce::Error>(error)
        .or_else(|| of::<candle_core::Error>(error))
        .or_else(|| of::<std::io::Error>(error))
        .or_else(|| of::<image::ImageError>(error))
        .or_else(|| of::<serde_json::Error>(error))
}

/// `alloc::boxed::Box<dyn core::error::Error>` as `Box<dyn Error>`. A plain `Error` says nothing alone, so its
/// crate or, in the standard library, its module stays: `sconce::Error`, `io::Error`.
fn short_name(full: &str) -> String {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut short = String::new();
    for part in full.split_inclusive(|c: char| !is_path(c)) {
        let (path, separator) = part.split_at(part.find(|c: char| !is_path(c)).unwrap_or(part.len()));
        let segments: Vec<&str> = path.split("::").filter(|segment| !segment.is_empty()).collect();
        match segments[..] {
            ["core" | "alloc" | "std", "error", .., "Error"] => short.push_str("Error"),
            ["core" | "alloc" | "std", owner, .., "Error"] | [owner, .., "Error"] => {
                short.push_str(owner);
                short.push_str("::Error");
            }
            [.., last] => short.push_str(last),
            [] => {}
        }
        short.push_str(separator);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_but_tell_whose_error_it_is() {
        assert_eq!(short_name("core::num::error::ParseIntError"), "ParseIntError");
        assert_eq!(short_name("std::io::error::Error"), "io::Error");
        assert_eq!(short_name("core::fmt::Error"), "fmt::Error");
        assert_eq!(short_name("anyhow::Error"), "anyhow::Error");
        assert_eq!(short_name("sconce::error::Error"), "sconce::Error");
        assert_eq!(short_name("alloc::boxed::Box<dyn core::error::Error>"), "Box<dyn Error>");
        assert_eq!(short_name("&str"), "&str");
    }

    #[test]
    fn causes_are_listed_once() {
        let error = anyhow::anyhow!("disk full").context("saving the model");
        assert_eq!(Failed::from(error).chain, ["saving the model", "disk full"]);
        assert_eq!(Failed::from("text").chain, ["text"]);
    }
}
