//! Losses against PyTorch's values and gradients, difference quotients, and what they refuse.

mod cross_entropy;
mod fixtures;
mod set_loss;
mod values;

use candle_core::{Device, Tensor, Var};
use fixtures::Any;
use sconce::losses::Loss;

#[test]
fn a_loss_of_ones_own_has_its_name_and_gradient() -> Any {
    let squared = Loss::new("squared", |output, targets| Ok((output - targets)?.sqr()?.mean_all()?));
    let x = Var::new(&[1.0f32, 4.0], &Device::Cpu)?;
    let targets = Tensor::new(&[0.0f32, 2.0], &Device::Cpu)?;
    let value = squared.clone().of(&x, &targets)?;
    assert_eq!((squared.name(), value.to_scalar::<f32>()?), ("squared", 2.5));
    let gradients = value.backward()?;
    assert_eq!(gradients.get(&x).ok_or("no gradient")?.to_vec1::<f32>()?, [1.0, 2.0]);
    let unreduced = Loss::new("unreduced", |output, targets| Ok((output - targets)?));
    let error = unreduced.of(&x, &targets).expect_err("two numbers are no loss").to_string();
    assert!(error.contains("unreduced") && error.contains("[2]"), "{error}");
    Ok(())
}
