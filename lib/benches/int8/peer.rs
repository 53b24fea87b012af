//! onnxruntime's times.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::Failed;

/// Medians of runs that take turns, in ms.
pub struct Peer {
    pub f32_ms: f64,
    pub int8_ms: f64,
}

impl Peer {
    /// Measures a model and a batch, `resnet18/8`, on so many threads.
    pub fn measure(python: &str, row: &str, threads: usize) -> Result<Peer, Failed> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/int8/peer_onnxruntime.py");
        let files = tempfile::tempdir()?;
        let output = Command::new(python)
            .arg(script)
            .args(row.split('/'))
            .arg(threads.to_string())
            .arg(files.path())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("--python {python}: {error}"))?;
        if !output.status.success() {
            return Err(format!("{python} {script}: {}; it needs onnx and onnxruntime", output.status).into());
        }
        let times: Value = serde_json::from_slice(&output.stdout)?;
        let ms = |name: &str| times[name].as_f64().ok_or_else(|| format!("{script} gave no {name}"));
        Ok(Peer { f32_ms: ms("f32_ms")?, int8_ms: ms("int8_ms")? })
    }
}
