//! Our operators and models beside PyTorch's on the same work:
//! `cargo bench -p sconce --bench peers -- [--python PATH] [FILTER]`.
//!
//! Prints one JSON object a row: `name`, `ms` (the least of the runs), for training steps `peak_mib`, and with a
//! Python that has torch, torchvision and timm also `peer_ms` and `ratio`, ours by theirs, both from this run.
//! FILTER picks the rows whose names contain it. `peer_torch.py` says what each row is.

#![allow(clippy::print_stdout, reason = "the result of a benchmark is what it prints")]

mod loader;
mod models;
mod operators;
mod peer;
mod row;

use peer::Peer;
use row::Rows;

/// Whatever went wrong; the benchmark ends with it.
pub type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let mut python = None;
    let mut filter = String::new();
    // cargo adds an option of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--python" => python = Some(arguments.next().ok_or("--python needs the path of a Python")?),
            option if option.starts_with("--") => {
                return Err(format!("no such option: {option}; there are --python PATH and a FILTER").into());
            }
            _ => filter = argument,
        }
    }
    let files = tempfile::tempdir()?;
    let peer = python.map(|python| Peer::measure(&python, &filter, files.path())).transpose()?;
    let mut rows = Rows::new(filter, peer);
    operators::run(&mut rows)?;
    models::run(&mut rows)?;
    loader::run(&mut rows, files.path())?;
    rows.end()
}
