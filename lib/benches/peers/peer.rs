//! PyTorch's times.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use candle_core::Device;
use serde_json::Value;

use super::Failed;

/// Milliseconds by the name of the row.
pub struct Peer(HashMap<String, f64>);

impl Peer {
    /// Runs the peer's script for the groups that rows of the filter may be in. The files that its loader
    /// reads are left in `files`.
    pub fn measure(python: &str, device: &Device, filter: &str, files: &Path) -> Result<Peer, Failed> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/peer_torch.py");
        let groups = match filter.split('/').next() {
            Some("train") => vec!["train"],
            Some("infer") => vec!["infer"],
            Some("loader") => vec!["loader"],
            _ if device.is_cpu() => vec!["ops", "train", "infer", "loader"],
            _ => vec!["ops", "train", "infer"],
        };
        let output = Command::new(python)
            .arg(script)
            .args(groups)
            .env("LOADER_FILES", files)
            .env("DEVICE", if device.is_cpu() { "cpu" } else { "cuda" })
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("--python {python}: {error}"))?;
        if !output.status.success() {
            return Err(format!(
                "{python} {script}: {}; it needs torch, torchvision and timm",
                output.status
            )
            .into());
        }
        let mut times = HashMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let row: Value = serde_json::from_str(line)?;
            if let (Some(name), Some(ms)) = (row["name"].as_str(), row["ms"].as_f64()) {
                times.insert(name.to_owned(), ms);
            }
        }
        Ok(Peer(times))
    }

    /// The time of a row, if the script has it.
    pub fn ms(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }
}
