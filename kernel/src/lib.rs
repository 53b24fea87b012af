//! A Jupyter kernel and headless notebook runner for Rust.

pub mod assist;
pub mod cli;
pub mod engine;
pub mod history;
pub mod jupyter;
mod lexer;
pub mod mime;
pub mod notebook;
pub mod repl;
