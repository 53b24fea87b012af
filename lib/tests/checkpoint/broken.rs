//! Good files made bad, thousands of times: an error or other values, never a panic.

use std::fs;

use candle_core::Device;
use sconce::checkpoint::Checkpoint;

use crate::{fixture, mutate};

fn never_panics(name: &str, bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.pth");
    let (mut opened, mut refused) = (0, 0);
    mutate::many(name, bytes, mutate::rounds(), |broken| {
        fs::write(&path, broken).unwrap();
        match Checkpoint::open(&path) {
            Ok(file) => {
                opened += 1;
                for tensor in file.tensors() {
                    // Either is right.
                    let _ = file.tensor(tensor.name(), &Device::Cpu);
                }
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("broken.pth"), "{error}");
            }
        }
    });
    assert!(opened > 0 && refused > 0, "{name}: {opened} opened, {refused} refused");
}

#[test]
fn zipped_files_never_panic() {
    for name in ["types.pth", "training.pth"] {
        never_panics(name, &fs::read(fixture(name)).unwrap());
    }
}

#[test]
fn legacy_files_never_panic() {
    never_panics("types_legacy.pth", &fs::read(fixture("types_legacy.pth")).unwrap());
}

#[test]
fn safetensors_never_panic() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/models/seed_net.safetensors");
    never_panics("seed_net.safetensors", &fs::read(file).unwrap());
}
