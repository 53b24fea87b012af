//! Our operators and models beside PyTorch's on the same work:
//! `cargo bench -p sconce --bench peers -- [--python PATH] [--device cuda] [FILTER]`.
//!
//! Prints one JSON object a row: `name`, `ms` (the least of the runs), for training steps `peak_mib`, and with a
//! Python that has torch, torchvision and timm also `peer_ms` and `ratio`, ours by theirs, both from this run.
//! FILTER picks the rows whose names contain it. `--device cuda` measures both on the first GPU (feature `cuda`); the
//! loader and the memory are left out there. `peer_torch.py` says what each row is.

#![allow(clippy::print_stdout, reason = "the result of a benchmark is what it prints")]

mod loader;
mod models;
mod operators;
mod peer;
mod row;

use candle_core::Device;

use peer::Peer;
use row::Rows;

/// Whatever went wrong; the benchmark ends with it.
pub type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let mut python = None;
    let mut device = Device::Cpu;
    let mut filter = String::new();
    // cargo adds an option of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--python" => python = Some(arguments.next().ok_or("--python needs the path of a Python")?),
            "--device" => match arguments.next().as_deref() {
                Some("cpu") => device = Device::Cpu,
                Some("cuda") => device = Device::new_cuda(0)?,
                other => return Err(format!("--device is cpu or cuda, not {other:?}").into()),
            },
            option if option.starts_with("--") => {
                let known = "--python PATH, --device cpu or cuda, and a FILTER";
                return Err(format!("no such option: {option}; there are {known}").into());
            }
            _ => filter = argument,
        }
    }
    let files = tempfile::tempdir()?;
    let peer = python.map(|python| Peer::measure(&python, &device, &filter, files.path())).transpose()?;
    let mut rows = Rows::new(filter, device, peer);
    operators::run(&mut rows)?;
    models::run(&mut rows)?;
    if rows.device().is_cpu() {
        loader::run(&mut rows, files.path())?;
    }
    rows.end()
}
