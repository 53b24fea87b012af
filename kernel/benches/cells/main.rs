//! How long cells take, over the real protocol: `cargo bench -p sconce-kernel --bench cells`.
//!
//! With `-- soak`, a thousand cells in one session instead; with `-- idle`, a kernel that has nothing to do; with
//! `-- typing`, completion of methods, for which `sconce-assist` must be built.
//!
//! Prints one JSON object a line: name, value, unit, budget, and the stock Rust kernel's value as `peer`
//! where `evcxr_jupyter` is on the PATH. The peer builds candle first and runs as many of the cells as fit
//! into its time. SCONCE names another program than the one just built.

#![allow(clippy::print_stdout, reason = "the result of a benchmark is what it prints")]

mod client;
mod long;
mod typing;

use std::process::Command;
use std::time::{Duration, Instant};

use client::Kernel;
use serde_json::{Map, Value, json};

/// Whatever went wrong; the benchmark ends with it.
pub type Failed = Box<dyn std::error::Error>;

const CELLS: usize = 305;
/// How long ours and the peer may take in all.
const LIMIT: Duration = Duration::from_secs(600);

const FIRST_TENSOR: &str = r#"use candle_core::{Device, Tensor};
let t = Tensor::arange(0f32, 12., &Device::Cpu)?.reshape((3, 4))?;
println!("{t}");"#;

/// What later cells need.
const BEGINNING: &str =
    "let mut total = 0f32;\nfn scale_0(x: &Tensor) -> candle_core::Result<Tensor> { x * 0.5 }";

/// Cell number `n`, from 1: creation, arithmetic, printing, results, state, and a function every tenth.
fn cell(n: usize) -> String {
    let tenth = n / 10 * 10;
    match n % 10 {
        0 => format!("fn scale_{n}(x: &Tensor) -> candle_core::Result<Tensor> {{ x * {n}.5 }}"),
        1 => format!("let t_{n} = Tensor::arange(0f32, {n}., &Device::Cpu)?;"),
        2 => "let product = t.matmul(&t.t()?)?;".to_owned(),
        3 => r#"println!("{}", product.sum_all()?);"#.to_owned(),
        4 => format!("scale_{tenth}(&t)?"),
        5 => "total += t.mean_all()?.to_scalar::<f32>()?;".to_owned(),
        6 => format!("let t = ((&t + {n}.0)? / 2.0)?;"),
        7 => r#"for row in t.to_vec2::<f32>()? { println!("{row:?}"); }"#.to_owned(),
        8 => "let values: Vec<f32> = t.flatten_all()?.to_vec1()?;".to_owned(),
        _ => r#"println!("{total} {}", values.len());"#.to_owned(),
    }
}

struct Measured {
    /// Seconds from the process's start to the first tensor's text.
    first_tensor: f64,
    /// Milliseconds from request to idle, cell by cell.
    cells: Vec<f64>,
    resident_mib: Option<f64>,
}

fn percentile(values: &[f64], fraction: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (fraction * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

impl Measured {
    fn percentile(&self, fraction: f64) -> Option<f64> {
        percentile(&self.cells, fraction)
    }

    /// Cells 295 to 305 against 5 to 15.
    fn growth(&self) -> Option<f64> {
        let mean = |cells: &[f64]| cells.iter().sum::<f64>() / cells.len() as f64;
        Some(mean(self.cells.get(294..305)?) / mean(self.cells.get(4..15)?))
    }
}

/// Runs the cells. `preparation` is a cell that brings candle, and counts as part of the start. When the
/// time is up, the cells so far count.
async fn measure(command: &mut Command, preparation: Option<&str>) -> Result<Measured, Failed> {
    let until = Instant::now() + LIMIT;
    let mut kernel = Kernel::start(command, until).await?;
    if let Some(preparation) = preparation {
        kernel.run(preparation, until).await?;
    }
    let first = kernel.run(FIRST_TENSOR, until).await?.first_text.ok_or("no tensor was printed")?;
    let first_tensor = first.duration_since(kernel.started()).as_secs_f64();
    kernel.run(BEGINNING, until).await?;
    let mut cells = Vec::new();
    for n in 1..=CELLS {
        match kernel.run(&cell(n), until).await {
            Ok(run) => cells.push(run.time.as_secs_f64() * 1000.0),
            Err(_) if Instant::now() > until && !cells.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Measured { first_tensor, cells, resident_mib: kernel.resident_mib() })
}

fn line(name: &str, unit: &str, budget: f64, value: Option<f64>, peer: Option<Option<f64>>) {
    let round = |value: Option<f64>| value.map(|value| (value * 1000.0).round() / 1000.0);
    let mut fields = Map::from_iter([
        ("name".to_owned(), json!(name)),
        ("value".to_owned(), json!(round(value))),
        ("unit".to_owned(), json!(unit)),
        ("budget".to_owned(), json!(budget)),
    ]);
    if let Some(peer) = peer {
        fields.insert("peer".into(), json!(round(peer)));
    }
    println!("{}", Value::Object(fields));
}

fn main() -> Result<(), Failed> {
    let sconce = std::env::var("SCONCE").unwrap_or_else(|_| env!("CARGO_BIN_EXE_sconce").to_owned());
    // What is prepared once is no part of any start.
    if !Command::new(&sconce).args(["prepare", "--no-assist"]).status()?.success() {
        return Err("`sconce prepare` failed".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // cargo adds an option of its own.
    match std::env::args().skip(1).find(|argument| !argument.starts_with("--")).as_deref() {
        Some("soak") => return runtime.block_on(long::soak(Command::new(&sconce).arg("kernel"))),
        Some("idle") => return runtime.block_on(long::idle(Command::new(&sconce).arg("kernel"))),
        Some("typing") => return runtime.block_on(typing::typing(Command::new(&sconce).arg("kernel"))),
        _ => {}
    }
    let ours = runtime.block_on(measure(Command::new(&sconce).arg("kernel"), None))?;
    if ours.cells.len() < CELLS {
        return Err(format!("only {} of {CELLS} cells ran within {LIMIT:?}", ours.cells.len()).into());
    }
    let peer = match Command::new("evcxr_jupyter").arg("--help").output() {
        Ok(_) => {
            let dep = Some(":dep candle-core = \"0.11.1\"");
            match runtime.block_on(measure(Command::new("evcxr_jupyter").arg("--control_file"), dep)) {
                Ok(measured) => Some(measured),
                Err(error) => {
                    println!(
                        "{}",
                        json!({"name": "cells/peer", "note": format!("evcxr_jupyter failed: {error}")})
                    );
                    None
                }
            }
        }
        Err(_) => {
            println!("{}", json!({"name": "cells/peer", "note": "peer not installed: evcxr_jupyter"}));
            None
        }
    };
    let peer = peer.as_ref();
    line("cells/first_tensor", "s", 1.0, Some(ours.first_tensor), peer.map(|peer| Some(peer.first_tensor)));
    line("cells/warm_median", "ms", 150.0, ours.percentile(0.5), peer.map(|peer| peer.percentile(0.5)));
    line("cells/warm_p95", "ms", 350.0, ours.percentile(0.95), peer.map(|peer| peer.percentile(0.95)));
    line("cells/growth", "cell 300 / cell 10", 1.3, ours.growth(), peer.map(Measured::growth));
    line("cells/kernel_memory", "MiB", 60.0, ours.resident_mib, peer.map(|peer| peer.resident_mib));
    if let Some(peer) = peer {
        println!("{}", json!({"name": "cells/peer_cells", "value": peer.cells.len(), "unit": "cells"}));
    }
    Ok(())
}
