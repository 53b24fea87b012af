//! What the kernel and its assistant say to each other: one JSON object a line. Both build this file.

use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the kernel says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Load the crates that cells can name. Answered with [`Answer::Loaded`].
    Load(Crates),
    /// The session is like this now. Not answered.
    Session(State),
    /// What could be written here?
    Complete(Question),
    /// What is this?
    Inspect(Question),
}

/// Where the crates are that cells can name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crates {
    /// The manifest of a workspace.
    pub manifest: PathBuf,
    /// A root file of a crate in it that can name the same crates as a cell; cells stand in its place.
    pub root: PathBuf,
}

/// What cells made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The definitions in force.
    pub items: String,
    /// The variables between cells.
    pub variables: Vec<Variable>,
}

/// A variable between cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type, in full.
    pub ty: String,
    /// Whether it is `mut`.
    pub mutable: bool,
}

/// A text with a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What the answer carries too.
    pub id: u64,
    /// The text of the cell.
    pub code: String,
    /// The cursor, in bytes.
    pub cursor: usize,
}

/// What the assistant says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Questions can be answered from now on.
    Loaded {
        /// Whether the standard library's source was found.
        std: bool,
    },
    /// The crates could not be loaded.
    NotLoaded {
        /// Why, and what to do.
        reason: String,
    },
    /// To [`Request::Complete`].
    Completed {
        /// The question's.
        id: u64,
        /// What could be written.
        completions: Completions,
    },
    /// To [`Request::Inspect`].
    Inspected {
        /// The question's.
        id: u64,
        /// What it is, if that is known.
        inspection: Option<Inspection>,
    },
}

/// What could stand in a place of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completions {
    /// The place, in bytes; empty at the cursor where there are none.
    pub range: Range<usize>,
    /// The best first.
    pub items: Vec<Completion>,
}

/// One thing that could stand there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The text to put there.
    pub text: String,
    /// What it is, in a word of Rust: `variable`, `function`, `struct`.
    pub kind: String,
    /// Its type or signature; empty where it has none.
    pub signature: String,
}

/// What the thing under the cursor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Its declaration, in Rust.
    pub signature: String,
    /// Its documentation, in Markdown; empty where it has none.
    pub docs: String,
}

impl Completions {
    /// Of these, what goes on from the text between the start of `range` and `cursor`: in the case it is typed
    /// in before others, and otherwise in the order they come.
    pub fn matching(items: Vec<Completion>, code: &str, range: Range<usize>, cursor: usize) -> Completions {
        let typed = code.get(range.start..cursor).unwrap_or_default();
        let lower = typed.to_lowercase();
        let (same, other): (Vec<_>, Vec<_>) = items
            .into_iter()
            .filter(|item| item.text.to_lowercase().starts_with(&lower))
            .partition(|item| item.text.starts_with(typed));
        let items: Vec<Completion> = same.into_iter().chain(other).collect();
        let range = if items.is_empty() { cursor..cursor } else { range };
        Completions { range, items }
    }
}
