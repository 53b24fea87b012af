//! Clipping against PyTorch's, and gradients of several passes added up.

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use sconce::nn::Parameter;
use sconce::optim::{Accumulation, clip_grad_norm, clip_grad_value};
use serde_json::Value;

use super::schedules::training;
use super::{Any, device, gradients, numbers, parameter};

/// Parameters of these values as gradients, given as nested lists.
fn store(values: &Value) -> Result<(Vec<Parameter>, GradStore), Box<dyn std::error::Error>> {
    let mut gradients = GradStore::default();
    let mut parameters = Vec::new();
    for (at, value) in values.as_array().expect("a list").iter().enumerate() {
        let rows = value.as_array().expect("a list");
        let tensor = match rows[0].is_array() {
            true => {
                let flat: Vec<f64> = rows.iter().flat_map(numbers).collect();
                Tensor::from_vec(flat.clone(), (rows.len(), flat.len() / rows.len()), &device())?
            }
            false => Tensor::new(numbers(value), &device())?,
        };
        let tensor = tensor.to_dtype(DType::F32)?;
        let parameter = Parameter::new(format!("p{at}"), Var::from_tensor(&tensor.zeros_like()?)?);
        gradients.insert(&parameter.var, tensor);
        parameters.push(parameter);
    }
    Ok((parameters, gradients))
}

fn values(gradients: &GradStore, parameter: &Parameter) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let gradient = gradients.get(&parameter.var).expect("a gradient");
    Ok(gradient.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}

#[test]
fn clipping_is_pytorchs() -> Any {
    let fixture = training();
    for case in fixture["clip"]["cases"].as_array().expect("cases") {
        let (parameters, mut gradients) = store(&fixture["clip"]["gradients"])?;
        let bound = case["bound"].as_f64().expect("a bound");
        if case["name"] == "norm" {
            let norm = clip_grad_norm(&mut gradients, &parameters, bound)?;
            let wanted = case["norm"].as_f64().expect("a norm");
            assert!((norm - wanted).abs() < 1e-6 * wanted, "{norm}, not {wanted}");
        } else {
            clip_grad_value(&mut gradients, &parameters, bound)?;
        }
        for (parameter, wanted) in parameters.iter().zip(case["after"].as_array().expect("values")) {
            for (got, wanted) in values(&gradients, parameter)?.into_iter().zip(numbers(wanted)) {
                assert!((got - wanted).abs() < 1e-6, "{case}: {got}, not {wanted}");
            }
        }
    }
    Ok(())
}

/// Large enough for several threads; views; f64.
#[test]
fn norms_of_all_kinds_of_gradients() -> Any {
    let large = parameter("large", &[300, 401])?;
    let double = Parameter::new("double", Var::zeros(3, DType::F64, &device())?);
    let parameters = [large, double];
    let mut store = GradStore::default();
    let view = Tensor::arange(0f32, 300.0 * 401.0, &device())?.reshape((401, 300))?.t()?;
    store.insert(&parameters[0].var, (view * 1e-3)?);
    store.insert(&parameters[1].var, Tensor::new(&[1.0f64, -200.0, 3.0], &device())?);
    let exact = (0..300 * 401).map(|i| f64::from(i as f32 * 1e-3).powi(2)).sum::<f64>();
    let exact = (exact + 1.0 + 40000.0 + 9.0).sqrt();
    let norm = clip_grad_norm(&mut store, &parameters, f64::INFINITY)?;
    assert!((norm - exact).abs() < 1e-6 * exact, "{norm}, not {exact}");
    // Untouched, then of norm 1.
    assert_eq!(values(&store, &parameters[1])?, [1.0, -200.0, 3.0]);
    clip_grad_norm(&mut store, &parameters, 1.0)?;
    let after = clip_grad_norm(&mut store, &parameters, 1.0)?;
    assert!((after - 1.0).abs() < 1e-5, "{after}");
    Ok(())
}

#[test]
fn gradients_that_are_not_finite_or_missing_are_named_and_nothing_changes() -> Any {
    let names = ["stem.weight", "block.weight", "head.weight"];
    let parameters = names.map(|name| parameter(name, &[2]).expect("a parameter"));
    let [stem, block, head] = &parameters;
    for bad in [f64::NAN, f64::INFINITY] {
        let mut store = gradients(&[(stem, 30.0), (block, bad), (head, bad)])?;
        let error = clip_grad_norm(&mut store, &parameters, 1.0).expect_err("not finite").to_string();
        assert!(error.contains("\"block.weight\"") && !error.contains("head"), "{error}");
        let error = clip_grad_value(&mut store, &parameters, 1.0).expect_err("not finite").to_string();
        assert!(error.contains("\"block.weight\""), "{error}");
        assert_eq!(values(&store, stem)?, [30.0, 30.0]);
    }
    let mut missing = gradients(&[(stem, 1.0), (block, 1.0)])?;
    let mut wrong = gradients(&[(stem, 1.0), (block, 1.0), (head, 1.0)])?;
    wrong.insert(&head.var, Tensor::zeros((2, 1), DType::F32, &device())?);
    let cases = [
        (clip_grad_norm(&mut missing, &parameters, 1.0).map(|_| ()), "none for \"head.weight\""),
        (clip_grad_value(&mut missing, &parameters, 1.0), "none for \"head.weight\""),
        (clip_grad_norm(&mut wrong, &parameters, 1.0).map(|_| ()), "parameter \"head.weight\""),
        (clip_grad_norm(&mut missing, &parameters[..2], 0.0).map(|_| ()), "max_norm above 0"),
        (clip_grad_norm(&mut missing, &parameters[..2], f64::NAN).map(|_| ()), "max_norm above 0"),
        (clip_grad_value(&mut missing, &parameters[..2], -1.0), "max_value above 0"),
        (Accumulation::new(&parameters).add(missing, 2), "none for \"head.weight\""),
        (Accumulation::new(&parameters).add(wrong, 2), "parameter \"head.weight\""),
        (Accumulation::new(&parameters).add(GradStore::default(), 0), "at least 1 image"),
        (Accumulation::new(&parameters).take().map(|_| ()), "add(gradients, images)"),
    ];
    for (outcome, named) in cases {
        let error = outcome.expect_err(named).to_string();
        assert!(error.contains(named), "{error} should name {named}");
    }
    assert_eq!(clip_grad_norm(&mut GradStore::default(), &[], 1.0)?, 0.0);
    Ok(())
}

/// Batches of 1, 2 and 5 images have the gradients of one batch of 8.
#[test]
fn small_batches_add_up_to_a_large_one() -> Any {
    let w = parameter("w", &[3])?;
    let x = Tensor::arange(0f32, 24.0, &device())?.sin()?.reshape((8, 3))?;
    let loss = |x: &Tensor| x.broadcast_mul(&w.var)?.sum(1)?.sqr()?.mean_all();
    let whole = loss(&x)?.backward()?;
    let parameters = std::slice::from_ref(&w);
    let mut sum = Accumulation::new(parameters);
    for round in 0..2 {
        for (start, images) in [(0, 1), (1, 2), (3, 5)] {
            sum.add(loss(&x.narrow(0, start, images)?)?.backward()?, images)?;
        }
        assert_eq!(sum.passes(), 3, "round {round}");
        let taken = sum.take()?;
        for (got, wanted) in values(&taken, &w)?.into_iter().zip(values(&whole, &w)?) {
            assert!((got - wanted).abs() < 1e-5, "{got}, not {wanted}");
        }
        assert_eq!(sum.passes(), 0);
    }
    Ok(())
}
