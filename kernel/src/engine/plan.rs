//! What the crate of a cell is made from, and what it is made of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::items::Definition;
use super::placed::Placed;
use super::source::Cell;

/// A variable that a cell is given.
#[derive(Debug, Clone)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// Its key in the store.
    pub key: String,
    /// Its type, as rustc names it.
    pub ty: String,
    /// Whether it is `mut`.
    pub mutable: bool,
}

/// How the statements are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Each `let` is a step: what was made before a panic is kept.
    Steps,
    /// One step for all: for code that borrows or initialises in ways a closure cannot give out.
    Whole,
}

/// Why and from which step on a variable does not go to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The first branch it is left out of.
    pub from: usize,
    /// It borrows from its cell.
    pub borrows: bool,
    /// It must go before what it borrows is moved to the store, because its end is a use of it.
    pub dropped: bool,
}

/// The steps that move a variable and assign to it anew, by the variable's key: they hand it back.
pub type GivenBack = BTreeMap<String, BTreeSet<usize>>;

/// What a crate is made from.
pub struct Plan<'a> {
    /// The cell.
    pub cell: &'a Cell,
    /// The variables it is given.
    pub given: &'a [Given],
    /// The earlier definitions it needs.
    pub definitions: &'a [&'a Definition],
    /// The texts of the cells they come from.
    pub texts: &'a HashMap<u32, std::sync::Arc<str>>,
    /// The symbols of statics that the worker has.
    pub symbols: &'a BTreeSet<String>,
    /// How to run the statements.
    pub grain: Grain,
    /// What does not go to the store.
    pub lost: &'a BTreeMap<String, Lost>,
    /// What is moved into a step and comes back.
    pub given_back: &'a GivenBack,
    /// Whether its loops look for interrupts; not where only what rustc says of it matters.
    pub checks: bool,
    /// The crate whose async runtime the cell's futures run in, beside the cell library's own.
    pub runtime: Option<&'a str>,
}

/// A file that the crate's root includes.
pub struct File {
    /// The folder it goes to: macros, items and statements of a cell are three files of one name.
    pub folder: &'static str,
    /// The cell it is from.
    pub cell: u32,
    /// What it holds.
    pub placed: Placed,
}

/// The folders that files go to.
pub const FOLDERS: [&str; 3] = ["macros", "items", "body"];

/// A crate's files.
pub struct Generated {
    /// In the order that the root includes them.
    pub files: Vec<File>,
    /// The function that the worker calls.
    pub entry: String,
    /// The variables the cell makes, by key, in order.
    pub made: Vec<Made>,
    /// The symbols of the statics it defines.
    pub symbols: Vec<String>,
    /// Where the text of each step stands.
    pub steps: Vec<Range<usize>>,
}

/// A variable that the cell makes.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Its key in the store.
    pub key: String,
    /// Whether it is `mut`.
    pub mutable: bool,
    /// Where the name stands in the cell.
    pub range: Range<usize>,
    /// The value is a closure by its syntax.
    pub closure: bool,
}
