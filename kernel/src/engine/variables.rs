//! The variables between cells.

use super::names::Names;
use super::plan::Made;
use super::prepare::Prepared;
use super::render::Place;

/// A variable that the worker holds.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its key in the worker's store.
    pub key: String,
    /// Its type, as rustc names it.
    pub ty: String,
    /// The names that the paths in its type begin with: the user's own types, or crates.
    pub ty_names: Names,
    /// Whether it is `mut`.
    pub mutable: bool,
    /// Where it was made.
    pub place: Place,
    /// Crates that its type names and cells do not.
    pub crates: Vec<String>,
}

impl Variable {
    /// A variable just made.
    pub fn new(made: &Made, ty: &str, place: Place, prepared: &Prepared) -> Variable {
        let ty_names = first_segments(ty);
        let crates = ty_names
            .iter()
            .filter(|name| ty.contains(&format!("{name}::")) && !prepared.nameable.contains(*name))
            .filter(|name| prepared.crates.contains_key(*name))
            .cloned()
            .collect();
        Variable { key: made.key.clone(), ty: ty.to_owned(), ty_names, mutable: made.mutable, place, crates }
    }

    /// Whether its type is one of these that mean something else now, is written with one, or may hide one.
    pub fn is_stale(&self, changed: &Names) -> bool {
        !changed.is_empty() && (!self.ty_names.is_disjoint(changed) || self.ty.contains("any::Any"))
    }
}

/// `Stack` and `candle_core` of `Stack<candle_core::Tensor>`.
fn first_segments(ty: &str) -> Names {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = Names::new();
    for path in ty.split(|c: char| !is_name(c) && c != ':') {
        let first = path.split("::").next().unwrap_or_default();
        if first.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            names.insert(first.to_owned());
        }
    }
    names
}

/// Why a variable of this type cannot be kept, if it cannot.
pub fn why_not_kept(ty: &str) -> Option<&'static str> {
    if ty.contains("{closure") {
        Some(
            "its type holds a closure, which has no name; write a `fn`, or box it: `Box<dyn Fn(i32) -> i32>`",
        )
    } else if ty.contains("{async") || ty.contains("{coroutine") {
        Some("it is a future, whose type has no name; `.await` it, or box it: `Box::pin(…)`")
    } else if ty.starts_with("impl ")
        || ty.contains(" impl ")
        || ty.contains("<impl ")
        || ty.contains("(impl ")
    {
        Some("its type is hidden behind `impl`; collect it, or box it: `Box<dyn …>`")
    } else if ty.contains('{') {
        Some("its type is that of one function; give it a pointer's: `let f: fn(i32) -> i32 = …`")
    } else {
        None
    }
}
