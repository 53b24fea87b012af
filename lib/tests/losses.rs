//! Losses against PyTorch's values and gradients, and what they refuse.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use sconce::losses::{CrossEntropy, Loss, cross_entropy};
use serde_json::Value;

type Any = Result<(), Box<dyn std::error::Error>>;

fn tensors() -> candle_core::Result<HashMap<String, Tensor>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/losses/losses.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu)
}

fn close(got: &[f32], wanted: &[f32], what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let largest = wanted.iter().fold(1.0f32, |largest, value| largest.max(value.abs()));
    for (got, wanted) in got.iter().zip(wanted) {
        assert!((got - wanted).abs() <= 1e-5 * largest, "{what}: {got}, not {wanted}");
    }
}

#[test]
fn cross_entropy_is_pytorchs() -> Any {
    // The cases of the fixture that this loss covers; class weights, an index to ignore, soft targets and
    // the other losses are still to come.
    let covered: [(&str, CrossEntropy); 2] = [
        ("cross_entropy", cross_entropy()),
        ("cross_entropy_smoothed", cross_entropy().label_smoothing(0.1)),
    ];
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../tests/fixtures/losses/losses.json"))?;
    let tensors = tensors()?;
    for (name, loss) in covered {
        let case = cases.iter().find(|case| case["name"] == name).ok_or(name)?;
        let targets: Vec<u32> = serde_json::from_value(case["params"]["targets"].clone())?;
        let targets = Tensor::new(targets, &Device::Cpu)?;
        let x = Var::from_tensor(&tensors[&format!("{name}/x")])?;
        let value = Loss::from(loss).of(&x, &targets)?;
        close(&[value.to_scalar::<f32>()?], &[case["loss"].as_f64().ok_or("loss")? as f32], name);
        let gradients = value.backward()?;
        let gradient = gradients.get(&x).ok_or("no gradient")?;
        let wanted = &tensors[&format!("{name}/dx")];
        close(&gradient.flatten_all()?.to_vec1()?, &wanted.flatten_all()?.to_vec1()?, name);
    }
    Ok(())
}

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

#[test]
fn shapes_that_do_not_fit_are_both_named() -> Any {
    let cpu = &Device::Cpu;
    let logits = Tensor::zeros((4, 3), candle_core::DType::F32, cpu)?;
    let cases = [
        (logits.clone(), Tensor::new(&[0u32, 1, 2], cpu)?, "[4, 3]", "U32 [3]"),
        (logits.clone(), Tensor::new(&[0i64, 1, 2, 0], cpu)?, "[4, 3]", "I64 [4]"),
        (logits.flatten_all()?, Tensor::new(&[0u32, 1, 2, 0], cpu)?, "[12]", "U32 [4]"),
        (logits.narrow(0, 0, 0)?, Tensor::zeros(0, candle_core::DType::U32, cpu)?, "[0, 3]", "U32 [0]"),
    ];
    for (logits, targets, first, second) in cases {
        let error = cross_entropy().of(&logits, &targets).expect_err("shapes that do not fit").to_string();
        assert!(error.contains(first) && error.contains(second), "{error}");
    }
    let error = cross_entropy().of(&logits, &Tensor::new(&[0u32, 1, 3, 0], cpu)?).expect_err("class 3 of 3");
    assert!(error.to_string().contains('3'), "{error}");
    assert!(cross_entropy().label_smoothing(1.5).of(&logits, &Tensor::new(&[0u32; 4], cpu)?).is_err());
    Ok(())
}
