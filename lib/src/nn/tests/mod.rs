//! Every layer, one by one.
#![allow(clippy::unwrap_used)]

mod cases;

use candle_core::{DType, Device, Tensor, Var};

use self::cases::cases;
use super::{Mode, Model};
use crate::{Result, Seed};

/// Far enough from rounding, in f32, and not as far as the next value or the bend of a function.
const STEP: f32 = 0.01;
const BATCH: usize = 3;

/// A batch of images no two values of which are closer than two steps, nor any closer to 0 than one.
fn images(model: &Model) -> Result<Var> {
    let dims = [&[BATCH], model.graph().nodes()[0].shape.as_slice()].concat();
    let count: usize = dims.iter().product();
    assert!(2.0 / count as f32 > STEP, "{count} values are too many for the step");
    let mut values: Vec<f32> = (0..count).map(|i| ((i as f32 + 0.5) / count as f32 - 0.5) * 3.0).collect();
    Seed(1).rng().shuffle(&mut values);
    Ok(Var::from_vec(values, dims, &Device::Cpu)?)
}

/// The output weighted with numbers that differ, as one number in f64.
fn objective(y: &Tensor) -> Result<Tensor> {
    let mut rng = Seed(2).rng();
    let weights = (0..y.elem_count()).map(|_| 2.0 * rng.uniform() - 1.0).collect::<Vec<f64>>();
    let weights = Tensor::from_vec(weights, y.dims(), &Device::Cpu)?;
    Ok((y.to_dtype(DType::F64)? * weights)?.sum_all()?)
}

/// Difference quotients in every value of `var`.
fn quotients(var: &Var, f: impl Fn() -> Result<f64>) -> Result<Vec<f64>> {
    let values = var.as_detached_tensor().copy()?.flatten_all()?.to_vec1::<f32>()?;
    let at = |index: usize, shift: f32| -> Result<(f64, f64)> {
        let mut values = values.clone();
        values[index] += shift;
        let place = f64::from(values[index]);
        var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu)?)?;
        Ok((place, f()?))
    };
    let quotient = |index: usize| {
        let ((before, low), (after, high)) = (at(index, -STEP)?, at(index, STEP)?);
        Ok((high - low) / (after - before))
    };
    let quotients = (0..values.len()).map(quotient).collect::<Result<_>>()?;
    var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu)?)?;
    Ok(quotients)
}

fn check(what: &str, got: Option<&Tensor>, wanted: &[f64]) -> Result<()> {
    let got = got.unwrap_or_else(|| panic!("{what}: no gradient"));
    let got = got.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    let scale = wanted.iter().fold(0.0_f64, |scale, value| scale.max(value.abs()));
    assert!(scale > 1e-3, "{what}: the gradient is 0");
    for (index, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        // In f32 a difference quotient is no better.
        assert!(
            (got - wanted).abs() <= 5e-3 * scale.max(0.1),
            "{what}, value {index}: gradient {got}, difference quotient {wanted}, of {scale}"
        );
    }
    Ok(())
}

#[test]
fn a_right_gradient_reaches_every_parameter_and_the_input_of_every_layer() -> Result<()> {
    // Rounding has the gradient of what is not rounded, by design; PyTorch's is held to it among the tests of `compress`.
    for case in cases().into_iter().filter(|case| !case.what.starts_with("Operator::FakeQuantize")) {
        let architecture = case.architecture?;
        let there = architecture.graph().nodes().iter().any(|node| (case.is_there)(&node.operator));
        assert!(there, "{} is not in its own case", case.what);
        let model = architecture.init(Seed(3), &Device::Cpu)?;
        let x = images(&model)?;
        for mode in [Mode::Train(Seed(4)), Mode::Eval] {
            let what = |name: &str| format!("{} in {mode:?}, {name}", case.what);
            let run = || objective(&model.forward(&x, mode)?);
            let gradients = run()?.backward()?;
            let number = || Ok(run()?.to_scalar::<f64>()?);
            check(&what("input"), gradients.get(&x), &quotients(&x, number)?)?;
            for parameter in model.parameters() {
                let gradient = gradients.get(&parameter.var);
                match mode {
                    Mode::Train(_) => {
                        check(&what(&parameter.name), gradient, &quotients(&parameter.var, number)?)?;
                    }
                    Mode::Eval => assert!(gradient.is_none(), "{}", what(&parameter.name)),
                }
            }
        }
    }
    Ok(())
}

/// However a graph is run, node by node is what it means.
#[test]
fn every_layer_computes_what_its_operator_computes() -> Result<()> {
    for case in cases() {
        let model = case.architecture?.init(Seed(3), &Device::Cpu)?;
        let x = images(&model)?;
        let last = model.graph().nodes().len() - 1;
        for mode in [Mode::Train(Seed(4)), Mode::Eval] {
            let (y, wanted) = (model.forward(&x, mode)?, model.run_nodes(&[&x], mode, &[last])?.remove(0));
            assert_eq!(y.dims(), wanted.dims(), "{} in {mode:?}", case.what);
            assert_eq!(y.dims()[1..], model.graph().nodes()[last].shape, "{} in {mode:?}", case.what);
            let difference = (y - wanted)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
            assert!(difference < 1e-5, "{} in {mode:?}: {difference}", case.what);
        }
    }
    Ok(())
}

#[test]
fn every_layer_has_words() -> Result<()> {
    for case in cases() {
        let summary = case.architecture?.summary();
        for layer in summary.layers() {
            assert!(!layer.operator.is_empty());
            // A name and its options: nothing that only a program would write.
            assert!(!layer.operator.contains(['{', '"', '[']), "{}", layer.operator);
        }
    }
    Ok(())
}
