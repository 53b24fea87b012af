//! An interrupt stops what compares models. In a process of its own: the flag belongs to the whole process.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use sconce::compress::{CompareConfig, compare};
use sconce::data::Dataset;
use sconce::nn::Model;
use sconce::{Error, Result, Seed};
use sconce_display::interrupt;

#[test]
fn a_comparison_stops() -> Result<()> {
    let net = Model::build([1, 4, 4], |x| x.flatten().linear(2))?.init(Seed(1), &Device::Cpu)?;
    let images = Tensor::zeros((4, 1, 4, 4), DType::F32, &Device::Cpu)?;
    let data = Dataset::new(images, &[0, 1, 0, 1], &["a", "b"])?;
    let config = CompareConfig { runs: 5, ..CompareConfig::default() };
    interrupt::request();
    let stopped = compare(&data, &[("net", &net)], &config);
    interrupt::reset();
    assert!(matches!(stopped, Err(Error::Interrupted { .. })), "{stopped:?}");
    assert!(compare(&data, &[("net", &net)], &config).is_ok());
    Ok(())
}
