//! Versions and the machine that a run was made with.

use std::time::{SystemTime, UNIX_EPOCH};

use candle_core::{Device, DeviceLocation};

use super::facts::Facts;
use crate::threads;

/// The release of candle that this one is built on; a test holds it against `Cargo.lock`.
const CANDLE: &str = "0.11.1";

/// What the results may depend on beside the settings: releases, the processor's vectors, threads, the device, and the
/// environment variables of this library.
pub(super) fn facts(device: &Device) -> Facts {
    let mut facts: Facts = vec![
        ("sconce".into(), env!("CARGO_PKG_VERSION").into()),
        ("candle".into(), CANDLE.into()),
        ("system".into(), format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        ("vectors".into(), vectors()),
        (
            "threads".into(),
            threads::count().map_or_else(|error| error.to_string(), |count| count.to_string()),
        ),
        ("device".into(), named(device)),
    ];
    for name in ["SCONCE_OPS", "SCONCE_SIMD"] {
        if let Some(value) = std::env::var_os(name) {
            facts.push((name.into(), value.to_string_lossy().into_owned()));
        }
    }
    facts
}

fn named(device: &Device) -> String {
    match device.location() {
        DeviceLocation::Cpu => "cpu".into(),
        DeviceLocation::Cuda { gpu_id } => format!("cuda {gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("metal {gpu_id}"),
    }
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> String {
    let known = [
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
    ];
    let there: Vec<&str> = known.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    if there.is_empty() { "none".into() } else { there.join(" ") }
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> String {
    "not known".into()
}

/// The time in UTC, as in ISO 8601: `2026-11-26T19:20:05Z`.
pub(super) fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    written(seconds)
}

fn written(seconds: u64) -> String {
    let (mut days, rest) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}T{:02}:{:02}:{:02}Z", days + 1, rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        // `date -u -d @… +%FT%TZ`
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_795_720_073, "2026-11-26T19:07:53Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(written(seconds), text);
        }
    }

    #[test]
    fn the_release_of_candle_is_the_one_that_is_built() {
        let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).unwrap();
        assert!(lock.contains(&format!("name = \"candle-core\"\nversion = \"{CANDLE}\"\n")));
    }

    #[test]
    fn the_machine_is_told() {
        let facts = facts(&Device::Cpu);
        assert!(facts.contains(&("device".into(), "cpu".into())), "{facts:?}");
    }
}
