//! Fake quantization against PyTorch's (`tests/fixtures/quantize/make.py`), and what ranges do.

use candle_core::{Device, Tensor, Var};
use sconce::nn::{LinearConfig, Mode, Model, WeightPrecision};
use sconce::ops::int8::Quantization;
use sconce::ops::{fake_quantize, fake_quantize_weight};
use sconce::{Result, Seed};
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/quantize/fake_quantize.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

/// The output for `x` and its gradient, where the output's is `dy`.
fn both(
    x: &[f32],
    dims: &[usize],
    dy: &[f32],
    f: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<[Vec<f32>; 2]> {
    let x = Var::from_tensor(&Tensor::from_slice(x, dims, &Device::Cpu)?)?;
    let dy = Tensor::from_slice(dy, dims, &Device::Cpu)?;
    let y = f(x.as_tensor())?;
    let gradients = (&y * dy)?.sum_all()?.backward()?;
    let dx = gradients.get(&x).unwrap();
    Ok([y.flatten_all()?.to_vec1()?, dx.flatten_all()?.to_vec1()?])
}

#[test]
fn values_and_gradients_are_pytorchs() -> Result<()> {
    let fixture = fixture();
    for case in fixture["tensors"].as_array().unwrap() {
        let bytes = Quantization::of_range(
            case["low"].as_f64().unwrap() as f32,
            case["high"].as_f64().unwrap() as f32,
        );
        assert_eq!(bytes.scale, case["scale"].as_f64().unwrap() as f32);
        assert_eq!(u64::from(bytes.zero_point), case["zero_point"].as_u64().unwrap());
        let (x, dy) = (numbers(&case["x"]), numbers(&case["dy"]));
        let [y, dx] = both(&x, &[x.len()], &dy, |x| fake_quantize(x, bytes))?;
        assert_eq!(y, numbers(&case["y"]), "{bytes:?}");
        assert_eq!(dx, numbers(&case["dx"]), "{bytes:?}");
    }
    let weight = &fixture["weight"];
    let [y, dw] = both(&numbers(&weight["w"]), &[4, 3, 2, 2], &numbers(&weight["dy"]), fake_quantize_weight)?;
    assert_eq!(y, numbers(&weight["y"]));
    assert_eq!(dw, numbers(&weight["dw"]));
    Ok(())
}

/// In a model, on the engine and node by node, the values and the gradients are those of the operators alone.
#[test]
fn a_model_rounds_as_the_operators_do() -> Result<()> {
    let config = LinearConfig { weights: WeightPrecision::Int8, ..LinearConfig::default() };
    let net = Model::build([2, 2, 2], |x| x.flatten().fake_quantize(0.5).linear_with(3, config).named("fc"))?
        .init(Seed(3), &Device::Cpu)?;
    let x = Tensor::randn(0_f32, 1.0, (5, 2, 2, 2), &Device::Cpu)?;
    // Nothing was seen yet.
    let unseen = net.forward(&x, Mode::Eval)?;
    let y = net.forward(&x, Mode::Train(Seed(1)))?;
    let flat = x.flatten_from(1)?;
    let [low, high] = [flat.min_all()?.to_scalar()?, flat.max_all()?.to_scalar()?];
    let bytes = Quantization::of_range(low, high);
    let parameters = net.parameters();
    let [weight, bias] = [parameters[0].var.as_tensor(), parameters[1].var.as_tensor()];
    let by_hand = |x: &Tensor| -> Result<Tensor> {
        Ok(x.matmul(&fake_quantize_weight(weight)?.t()?)?.broadcast_add(bias)?)
    };
    let far = |a: &Tensor, b: &Tensor| -> Result<f32> { Ok((a - b)?.abs()?.max_all()?.to_scalar()?) };
    let wanted = by_hand(&fake_quantize(&flat, bytes)?)?;
    assert!(far(&y, &wanted)? < 1e-5);
    assert!(far(&unseen, &by_hand(&flat)?)? < 1e-5);
    assert!(far(&unseen, &y)? > 1e-4);
    let (got, hand) = (y.sqr()?.sum_all()?.backward()?, wanted.sqr()?.sum_all()?.backward()?);
    assert!(far(got.get(weight).unwrap(), hand.get(weight).unwrap())? < 1e-4);
    Ok(())
}

#[test]
fn ranges_follow_batches_until_they_are_frozen() -> Result<()> {
    let net = Model::build([1, 1, 2], |x| x.fake_quantize(0.25))?.init(Seed(1), &Device::Cpu)?;
    let range = || -> Result<Vec<f32>> { Ok(net.buffers()[0].var.to_vec1()?) };
    let batch = |values: [f32; 2]| Tensor::from_slice(&values, (1, 1, 1, 2), &Device::Cpu);
    net.forward(&batch([-1.0, 3.0])?, Mode::Train(Seed(1)))?;
    assert_eq!(range()?, [-1.0, 3.0]);
    net.forward(&batch([1.0, 7.0])?, Mode::Train(Seed(1)))?;
    assert_eq!(range()?, [-0.75, 4.0]);
    // What is not finite moves nothing, nor does a run that is no training.
    net.forward(&batch([f32::NAN, 7.0])?, Mode::Train(Seed(1)))?;
    net.forward(&batch([f32::INFINITY, 7.0])?, Mode::Train(Seed(1)))?;
    net.forward(&batch([0.0, 100.0])?, Mode::Eval)?;
    assert_eq!(range()?, [-0.75, 4.0]);
    net.freeze_observers()?;
    let y = net.forward(&batch([-50.0, 50.0])?, Mode::Train(Seed(1)))?;
    assert_eq!(range()?, [-0.75, 4.0]);
    // Clamped to what is nearest to the range.
    let y = y.flatten_all()?.to_vec1::<f32>()?;
    assert!((y[0] + 0.75).abs() < 0.02 && (y[1] - 4.0).abs() < 0.02, "{y:?}");
    net.unfreeze_observers()?;
    net.forward(&batch([0.0, 8.0])?, Mode::Train(Seed(1)))?;
    assert_eq!(range()?, [-0.5625, 5.0]);
    let plain = Model::build([1, 1, 2], |x| x.relu())?.init(Seed(1), &Device::Cpu)?;
    assert!(plain.freeze_observers().unwrap_err().to_string().contains("fake quantization"));
    Ok(())
}

#[test]
fn ranges_that_are_none() {
    for (low, high) in
        [(0.0, 0.0), (f32::NAN, f32::NAN), (0.0, f32::INFINITY), (f32::MIN, f32::MAX), (0.0, 1e-30)]
    {
        let bytes = Quantization::of_range(low, high);
        assert!(bytes.scale.is_normal() && (1.0 / bytes.scale).is_normal(), "{low} {high}: {bytes:?}");
    }
    let bytes = Quantization::of_range(2.0, 5.0);
    assert_eq!((bytes.zero_point, bytes.step(5.0), bytes.step(0.0)), (0, 255, 0));
    let bytes = Quantization::of_range(-5.0, -2.0);
    assert_eq!((bytes.zero_point, bytes.step(-5.0), bytes.step(9.0)), (255, 0, 255));
}
