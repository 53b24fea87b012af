//! Runs notebooks headless: reads `.ipynb` files, executes their cells in order, writes what came out
//! as Jupyter would have.
//!
//! [`Notebook`] is the document, [`run`] executes it on anything that is an [`Executor`], and
//! [`Notebook::write`] puts it on disk in nbformat 4.5.

mod ansi;
pub mod check;
mod document;
pub mod html;
pub mod junit;
mod lines;
mod outputs;
mod read;
mod run;
mod tags;
mod terminal;
mod timing;
mod write;

pub use ansi::stripped;
pub use document::{Cell, CellKind, LanguageInfo, Notebook};
pub use read::ReadError;
pub(crate) use run::first_line;
pub use run::{CellRun, Executor, Observer, OnError, Position, RunOptions, Summary, run};
pub use write::{WriteError, check_writable, write_whole};
