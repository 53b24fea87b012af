//! Opens a folder of a million images: `cargo bench -p sconce --bench folders [-- FILES]`.
//!
//! The images are hard links to a few, in a folder that is removed in the end. One JSON object a line.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::time::Instant;

use sconce::data::{Image, ImageFolder, ImageFolderConfig, Pixels, Source};
use serde_json::json;

const FILES: usize = 1_000_000;
const CLASSES: usize = 1_000;
/// A file can have so many names on the usual file systems.
const LINKS: usize = 60_000;

fn main() {
    let files = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(FILES);
    let root = tempfile::tempdir().unwrap();
    let (images, originals) = (root.path().join("images"), root.path().join("originals"));
    fs::create_dir(&originals).unwrap();
    for class in 0..CLASSES {
        fs::create_dir_all(images.join(format!("n{class:08}"))).unwrap();
    }
    for at in 0..files {
        let original = originals.join(format!("{}.png", at / LINKS));
        if at % LINKS == 0 {
            Image::new([8, 8, 3], Pixels::U8(vec![90; 192])).unwrap().save(&original).unwrap();
        }
        // As ImageNet calls them.
        let class = at % CLASSES;
        fs::hard_link(&original, images.join(format!("n{class:08}/n{class:08}_{at}.png"))).unwrap();
    }
    for run in ["first", "second"] {
        let before = memory("VmRSS:");
        let start = Instant::now();
        let folder = ImageFolder::open(&images, ImageFolderConfig::default()).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(folder.len(), files);
        folder.sample(files / 2).unwrap();
        println!(
            "{}",
            json!({
                "what": format!("open a folder of {files} images, {run} time"),
                "seconds": (seconds * 100.0).round() / 100.0,
                "mib_kept": memory("VmRSS:") - before,
                "mib_peak_of_process": memory("VmHWM:"),
            })
        );
    }
}

/// MiB of this process, as Linux says; 0 elsewhere.
fn memory(key: &str) -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.split_whitespace().next()?.parse::<i64>().ok()).map_or(0, |kib| kib / 1024)
}
