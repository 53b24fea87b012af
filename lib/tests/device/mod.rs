//! The same tests on other ways: the operators composed of candle's, and a GPU where one is at hand.
//! Each runs this test program again, in a process of its own.

use std::process::Command;
use std::sync::OnceLock;

use candle_core::Device;

const DEVICE: &str = "SCONCE_TEST_DEVICE";

/// The device that the tests of this process run on.
pub fn device() -> Device {
    static OF_PROCESS: OnceLock<Device> = OnceLock::new();
    let chosen = || match std::env::var(DEVICE).as_deref() {
        Ok("cuda") => Device::new_cuda(0).unwrap(),
        _ => Device::Cpu,
    };
    OF_PROCESS.get_or_init(chosen).clone()
}

/// All tests of this program but those that call this, on the CPU without its kernels.
pub fn again_composed() {
    again("SCONCE_OPS", "composed");
}

/// The same on the first GPU, if this program was built for it and there is one.
pub fn again_on_a_gpu() {
    match Device::new_cuda(0) {
        Ok(_) => again(DEVICE, "cuda"),
        Err(error) => eprintln!("no GPU at hand, so not tried on one: {error}"),
    }
}

fn again(variable: &str, value: &str) {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(["--skip", "again_"]).env(variable, value).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{variable}={value}:\n{text}");
    assert!(!text.contains("running 0 tests"), "{variable}={value}: nothing ran");
}
