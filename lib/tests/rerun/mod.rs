//! Runs the test program that asks once more, in processes of their own, where operators compute in other ways.

use std::process::{Command, Stdio};

/// Set in a process that is such a run; it starts no further ones.
const RERUN: &str = "SCONCE_TEST_RERUN";

/// The tests that `arguments` choose must hold with AVX2 alone, where the CPU has it, and without vectors.
pub fn with_narrower_vectors(arguments: &[&str]) {
    for vectors in ["avx2", "none"] {
        if vectors == "none" || has_avx2() {
            again("SCONCE_SIMD", vectors, arguments);
        }
    }
}

/// They must hold with the operators composed of candle's, as on a device without kernels of ours.
pub fn with_composed_operators(arguments: &[&str]) {
    again("SCONCE_OPS", "composed", arguments);
}

/// Runs the tests that `arguments` choose with `value` in the environment variable `name`.
pub fn again(name: &str, value: &str, arguments: &[&str]) {
    if std::env::var_os(RERUN).is_some() {
        return;
    }
    let output = Command::new(std::env::current_exe().expect("the path of this program"))
        .args(arguments)
        .env(RERUN, "1")
        .env(name, value)
        .env("SCONCE_TEST_CASES", if name == "SCONCE_SIMD" { "12" } else { "60" })
        .stdin(Stdio::null())
        .output()
        .expect("this program starts");
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "with {name}={value}:\n{out}{err}");
    assert!(!out.contains("running 0 tests"), "{arguments:?} choose no test:\n{out}");
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    // What the operators' AVX2 code is compiled for.
    std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}
