//! Measuring and printing.

use std::time::Instant;

use candle_core::Device;
use serde_json::{Map, Value, json};

use super::Failed;
use super::peer::Peer;

/// The rows that are asked for.
pub struct Rows {
    filter: String,
    device: Device,
    peer: Option<Peer>,
    printed: usize,
}

impl Rows {
    pub fn new(filter: String, device: Device, peer: Option<Peer>) -> Rows {
        Rows { filter, device, peer, printed: 0 }
    }

    /// Where the work is done.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether a row is asked for: what it needs is made only then.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    /// Prints the least time of `runs` runs of `work`, after one that does not count.
    pub fn row<R>(
        &mut self,
        name: &str,
        runs: usize,
        mut work: impl FnMut() -> sconce::Result<R>,
    ) -> Result<(), Failed> {
        if !self.wants(name) {
            return Ok(());
        }
        let ms = self.least(runs, &mut work)?;
        self.print(name, ms, None);
        Ok(())
    }

    /// The same for a training step, with the memory that it takes at most beyond what was there before.
    pub fn training<R>(
        &mut self,
        name: &str,
        runs: usize,
        mut work: impl FnMut() -> sconce::Result<R>,
    ) -> Result<(), Failed> {
        if !self.wants(name) {
            return Ok(());
        }
        let ms = self.least(runs, &mut work)?;
        let peak = if self.device.is_cpu() { peak_of(&mut work)? } else { None };
        self.print(name, ms, peak);
        Ok(())
    }

    /// The least time in ms. On a GPU a run ends when its last kernel has.
    fn least<R>(&self, runs: usize, work: &mut impl FnMut() -> sconce::Result<R>) -> Result<f64, Failed> {
        let mut least = f64::INFINITY;
        for run in 0..=runs {
            let start = Instant::now();
            let result = work()?;
            self.device.synchronize()?;
            let ms = start.elapsed().as_secs_f64() * 1e3;
            // Freeing what it gave is no part of the work.
            drop(result);
            if run > 0 {
                least = least.min(ms);
            }
        }
        Ok(least)
    }

    fn print(&mut self, name: &str, ms: f64, peak_mib: Option<f64>) {
        let round = |value: f64| json!((value * 1000.0).round() / 1000.0);
        let mut row = Map::from_iter([("name".to_owned(), json!(name)), ("ms".to_owned(), round(ms))]);
        if let Some(peak) = peak_mib {
            row.insert("peak_mib".into(), json!(peak.round()));
        }
        if let Some(peer) = self.peer.as_ref().and_then(|peer| peer.ms(name)) {
            row.insert("peer_ms".into(), json!(peer));
            row.insert("ratio".into(), round(ms / peer));
        }
        self.printed += 1;
        println!("{}", Value::Object(row));
    }

    /// An error if the filter matched nothing.
    pub fn end(self) -> Result<(), Failed> {
        match self.printed {
            0 => Err(format!("no row's name contains {:?}", self.filter).into()),
            _ => Ok(()),
        }
    }
}

/// The largest resident memory during `work`, in MiB; none where the system does not tell.
fn peak_of<R>(work: &mut impl FnMut() -> sconce::Result<R>) -> Result<Option<f64>, Failed> {
    // Sets the mark to what is resident now.
    if std::fs::write("/proc/self/clear_refs", "5").is_err() {
        return Ok(None);
    }
    work()?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    Ok(kib.map(|kib| kib / 1024.0))
}
