//! What shows only over time: a thousand cells in one session, and a kernel that has nothing to do.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::client::Kernel;
use super::{BEGINNING, FIRST_TENSOR, Failed, cell, line};

const CELLS: usize = 1000;
/// How long all cells of the soak may take.
const LIMIT: Duration = Duration::from_secs(1800);
const IDLE: Duration = Duration::from_secs(20);
/// Of `/proc/PID/stat`, the same on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Memory of the kernel process and times of cells, at the end of many cells against those near the begin.
pub async fn soak(command: &mut Command) -> Result<(), Failed> {
    let until = Instant::now() + LIMIT;
    let mut kernel = Kernel::start(command, until).await?;
    kernel.run(FIRST_TENSOR, until).await?;
    kernel.run(BEGINNING, until).await?;
    let mut times = Vec::new();
    let mut early = None;
    for n in 1..=CELLS {
        times.push(kernel.run(&cell(n), until).await?.time.as_secs_f64());
        if n == 100 {
            early = kernel.resident_mib();
        }
    }
    let late = kernel.resident_mib();
    let ratio = early.zip(late).map(|(early, late)| late / early);
    let mean = |cells: &[f64]| cells.iter().sum::<f64>() / cells.len() as f64;
    let growth = mean(&times[CELLS - 50..]) / mean(&times[50..100]);
    line("soak/kernel_memory", "MiB after 1000 cells", 60.0, late, None);
    line("soak/memory_growth", "cell 1000 / cell 100", 1.2, ratio, None);
    line("soak/time_growth", "cells 951 to 1000 / cells 51 to 100", 1.3, Some(growth), None);
    Ok(())
}

/// Processor time of the kernel and its worker while nobody asks for anything.
pub async fn idle(command: &mut Command) -> Result<(), Failed> {
    let until = Instant::now() + LIMIT;
    let mut kernel = Kernel::start(command, until).await?;
    kernel.run(FIRST_TENSOR, until).await?;
    // What the cell has left to do is done by then.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = busy(kernel.id())?;
    tokio::time::sleep(IDLE).await;
    let spent = busy(kernel.id())? - before;
    line("idle/processor_time", "% of one core", 0.1, Some(100.0 * spent / IDLE.as_secs_f64()), None);
    Ok(())
}

/// The seconds that a process and its children have run.
fn busy(process: u32) -> Result<f64, Failed> {
    let folder = Path::new("/proc").join(process.to_string());
    let stat = std::fs::read_to_string(folder.join("stat"))?;
    // The name, in brackets, may hold spaces; user and system time are the 12th and 13th field behind it.
    let fields = stat.rsplit_once(')').ok_or("no name in /proc/PID/stat")?.1.split_whitespace();
    let ticks = fields.skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    let children = std::fs::read_to_string(folder.join(format!("task/{process}/children")))?;
    let of_children = children.split_whitespace().map(|child| busy(child.parse()?));
    Ok(ticks / TICKS_PER_SECOND + of_children.sum::<Result<f64, Failed>>()?)
}
