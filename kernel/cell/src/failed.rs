use std::any::{TypeId, type_name};
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

// An error that borrows, such as `lock` gives, is an error as well: it is text before the borrow ends.
impl<E: Display + Debug> From<E> for Failed {
    // `?` passes its own place on.
    #[track_caller]
    fn from(error: E) -> Failed {
        let any = Erased { address: (&raw const error).cast(), ty: typeid::of::<E>() };
        describe(&error, any, type_name::<E>(), Location::caller())
    }
}

/// An error of a type that is known while it runs, which may borrow.
#[derive(Clone, Copy)]
struct Erased {
    address: *const (),
    ty: TypeId,
}

// Not generic, so that it is compiled once and not in every cell for each type of error.
#[inline(never)]
fn describe(error: &dyn Display, any: Erased, kind: &str, at: &Location<'_>) -> Failed {
    let mut chain = vec![error.to_string()];
    // SAFETY: `any` is of the error that `error` borrows, and the causes are text before this returns.
    let mut cause = unsafe { source(&any) };
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
///
/// # Safety
/// The address is that of a live error of the type, which lives as long as `any` is borrowed.
unsafe fn source(any: &Erased) -> Option<&(dyn Error + 'static)> {
    /// # Safety
    /// As for the caller.
    unsafe fn known<E: 'static>(any: &Erased) -> Option<&E> {
        // SAFETY: there is a live value of this type, up to lifetimes. Of the types asked for only the boxes
        // have one, and the borrow ends before what they may hold does.
        (any.ty == TypeId::of::<E>()).then(|| unsafe { &*any.address.cast::<E>() })
    }
    /// # Safety
    /// As for the caller.
    unsafe fn of<E: Error + 'static>(any: &Erased) -> Option<&(dyn Error + 'static)> {
        // SAFETY: the caller's.
        unsafe { known::<E>(any) }.and_then(Error::source)
    }
    // SAFETY: the caller's, for all of them.
    unsafe {
        if let Some(error) = known::<anyhow::Error>(any) {
            return error.chain().nth(1);
        }
        if let Some(error) = known::<Box<dyn Error>>(any) {
            return error.source();
        }
        if let Some(error) = known::<Box<dyn Error + Send + Sync>>(any) {
            return error.source();
        }
        of::<sconce::Error>(any)
            .or_else(|| of::<candle_core::Error>(any))
            .or_else(|| of::<std::io::Error>(any))
            .or_else(|| of::<image::ImageError>(any))
            .or_else(|| of::<serde_json::Error>(any))
    }
}

/// `alloc::boxed::Box<dyn core::error::Error>` as `Box<dyn Error>`. A plain `Error` says nothing alone, so its
/// crate or, in the standard library, its module stays: `sconce::Error`, `io::Error`.
fn short_name(full: &str) -> String {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut short = String::new();
    // How long it borrows for has no name by now.
    let full = full.replace("'_, ", "").replace("<'_>", "");
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
        assert_eq!(
            short_name("std::sync::poison::PoisonError<std::sync::MutexGuard<'_, i32>>"),
            "PoisonError<MutexGuard<i32>>"
        );
    }

    #[test]
    fn an_error_may_borrow() {
        let text = String::from("abc");
        let failed = Failed::from(text.as_str());
        assert_eq!((failed.kind.as_str(), failed.chain), ("&str", vec![text.clone()]));
        #[derive(Debug)]
        struct Borrowing<'a>(&'a str);
        impl Display for Borrowing<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{} is taken", self.0)
            }
        }
        impl Error for Borrowing<'_> {}
        let boxed: Box<dyn Error + '_> = Box::new(Borrowing(&text));
        assert_eq!(Failed::from(boxed).chain, ["abc is taken"]);
    }

    #[test]
    fn causes_are_listed_once() {
        let error = anyhow::anyhow!("disk full").context("saving the model");
        assert_eq!(Failed::from(error).chain, ["saving the model", "disk full"]);
        assert_eq!(Failed::from("text").chain, ["text"]);
        let io = std::io::Error::other(std::io::Error::other("a bad sector"));
        let boxed: Box<dyn Error + Send + Sync> = anyhow::Error::new(io).context("saving").into();
        assert_eq!(Failed::from(boxed).chain, ["saving", "a bad sector"]);
    }
}
