//! Good files made bad, from a seed.

use sconce::{Rng, Seed};

/// Rounds for each file: what `SCONCE_FUZZ_ROUNDS` says, else 1,000, which is more than 40,000 for all formats
/// together; 300 for an unoptimised decoder, which is slow.
pub fn rounds() -> u64 {
    match std::env::var("SCONCE_FUZZ_ROUNDS") {
        Ok(asked) => asked.parse().expect("SCONCE_FUZZ_ROUNDS is a number of rounds"),
        Err(_) if cfg!(debug_assertions) => 300,
        Err(_) => 1_000,
    }
}

/// The bytes with a few things wrong: bits, bytes, lengths, pieces gone or twice, the end missing.
fn mutated(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=rng.below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.below(bytes.len());
        match rng.below(8) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << rng.below(8),
            2 => bytes[at] = rng.next_u64() as u8,
            3 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][rng.below(5)],
            4 => {
                let word = [0, 1, u32::MAX, i32::MAX as u32, 1 << 16][rng.below(5)].to_be_bytes();
                let end = bytes.len().min(at + 4);
                bytes[at..end].copy_from_slice(&word[..end - at]);
            }
            5 => {
                let end = (at + 1 + rng.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            6 => {
                let end = (at + 1 + rng.below(16)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            // The header is where most decisions are made.
            _ => {
                let near = rng.below(bytes.len().min(64));
                bytes[near] = rng.next_u64() as u8;
            }
        }
    }
    bytes
}

/// Hands `check` many broken versions of a file. What it does with them must not panic.
pub fn many(name: &str, bytes: &[u8], rounds: u64, mut check: impl FnMut(&[u8])) {
    let seed = Seed(1).derive(name);
    for round in 0..rounds {
        let broken = mutated(bytes, &mut seed.derive(&format!("round {round}")).rng());
        check(&broken);
    }
}
