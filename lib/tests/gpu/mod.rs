//! The same tests on a GPU, where there is one.

use std::sync::OnceLock;

use candle_core::Device;

use crate::rerun;

const DEVICE: &str = "SCONCE_TEST_DEVICE";

/// The device that the tests of this process run on: the CPU, unless they run again.
pub fn device() -> Device {
    static OF_PROCESS: OnceLock<Device> = OnceLock::new();
    let chosen = || match std::env::var(DEVICE).as_deref() {
        Ok("cuda") => Device::new_cuda(0).expect("a GPU"),
        _ => Device::Cpu,
    };
    OF_PROCESS.get_or_init(chosen).clone()
}

/// Runs the tests that `arguments` choose again on the first GPU, if this program was built for it (feature `cuda`) and
/// there is one.
pub fn again_on_a_gpu(arguments: &[&str]) {
    match Device::new_cuda(0) {
        Ok(_) => rerun::again(DEVICE, "cuda", arguments),
        Err(error) => eprintln!("no GPU at hand, so not tried on one: {error}"),
    }
}
