//! Completion and inspection of cells, by rust-analyzer. Knows rust-analyzer and nothing of the kernel, which
//! runs it as a process of its own: its memory and its faults stay there.

mod analyst;
mod complete;
mod inspect;
mod notebook;
mod service;
pub mod wire;

pub use analyst::{Analyst, Std};
pub use service::serve;
