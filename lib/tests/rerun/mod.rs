//! Runs the test program that asks once more, in processes of their own with other vector instructions.

use std::process::{Command, Stdio};

/// The tests that `arguments` choose must hold with AVX2 alone, where the CPU has it, and without vectors.
pub fn with_narrower_vectors(arguments: &[&str]) {
    for vectors in ["avx2", "none"] {
        if vectors == "avx2" && !has_avx2() {
            continue;
        }
        let output = Command::new(std::env::current_exe().expect("the path of this program"))
            .args(arguments)
            .args(["--skip", "narrower_vectors"])
            .env("SCONCE_SIMD", vectors)
            .env("SCONCE_TEST_CASES", "12")
            .stdin(Stdio::null())
            .output()
            .expect("this program starts");
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "with SCONCE_SIMD={vectors}:\n{out}{err}");
        assert!(!out.contains("running 0 tests"), "{arguments:?} choose no test:\n{out}");
    }
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
