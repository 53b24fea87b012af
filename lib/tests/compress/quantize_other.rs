//! Layers compared, dynamic quantization, weights of 16 bits.

use candle_core::{Device, Tensor};
use sconce::compress::{
    Computes, HalfType, QuantizeConfig, QuantizedModel, compare_layers, half_weights, quantize,
    quantize_dynamic,
};
use sconce::nn::{Mode, Model};
use sconce::rich::Rich;
use sconce::{Result, Seed};

use super::quantize_models::{batch, branching, far, resnet, size, transformer};

/// The ratio of a layer is that of its values by hand, and a layer that was made coarse is the worst.
#[test]
fn the_layer_that_hurts_is_found() -> Result<()> {
    let model = branching()?;
    let x = batch(&model, 8, 1)?;
    let quantized = quantize(&model, std::slice::from_ref(&x), &QuantizeConfig::default())?.model;
    let errors = compare_layers(&model, &quantized, std::slice::from_ref(&x))?;
    let last = &errors.layers().iter().find(|layer| layer.name == "linear_2").unwrap().sqnr;
    let wanted = model.forward(&x, Mode::Eval)?;
    let noise = (quantized.forward(&x)? - &wanted)?.sqr()?.sum_all()?.to_scalar::<f32>()?;
    let by_hand = 10.0 * f64::from(wanted.sqr()?.sum_all()?.to_scalar::<f32>()? / noise).log10();
    assert!((last - by_hand).abs() < 0.05, "{last}, by hand {by_hand}");
    assert!(errors.layers().windows(2).all(|pair| pair[0].sqnr <= pair[1].sqnr));
    assert!(errors.layers().iter().all(|layer| layer.sqnr > 15.0), "{errors:?}");
    // One weight of the first layer is so large that the others of its channel round to nothing.
    let mut state = model.state()?;
    let values: Vec<f32> = state[0].1.flatten_all()?.to_vec1()?;
    let coarse = values.iter().enumerate().map(|(at, value)| if at % 27 == 4 { 300.0 } else { *value });
    state[0].1 = Tensor::from_vec(coarse.collect::<Vec<_>>(), state[0].1.shape(), &Device::Cpu)?;
    model.set_state(&state)?;
    // The images are 0 in that place, so that the float model does not notice.
    let mask = Tensor::zeros((8, 1, 12, 12), candle_core::DType::F32, &Device::Cpu)?;
    let x = Tensor::cat(&[mask, x.narrow(1, 1, 2)?], 1)?;
    let quantized = quantize(&model, std::slice::from_ref(&x), &QuantizeConfig::default())?.model;
    let errors = compare_layers(&model, &quantized, std::slice::from_ref(&x))?;
    let first = errors.layers().iter().find(|layer| layer.name == "conv2d_1").unwrap();
    assert!(first.sqnr < 5.0, "{errors:?}");
    let text = errors.rich();
    assert!(format!("{text:?}").contains("conv2d_1"));
    let other = resnet()?;
    assert!(compare_layers(&other, &quantized, &[batch(&other, 1, 1)?]).is_err());
    assert!(compare_layers(&model, &quantized, &[]).unwrap_err().to_string().contains("at least one batch"));
    Ok(())
}

#[test]
fn linear_layers_without_calibration() -> Result<()> {
    let model = transformer()?;
    let dynamic = quantize_dynamic(&model, &[])?;
    let integers = dynamic.report.layers().iter().filter(|layer| layer.computes == Computes::Int8).count();
    // Two of attention and two of the MLP in each of two blocks, and the head.
    assert_eq!(integers, 9);
    for seed in 0..3 {
        let x = (batch(&model, 4, seed)? * 10_f64.powi(seed as i32 - 1))?;
        let (wanted, got) = (model.forward(&x, Mode::Eval)?, dynamic.model.forward(&x)?);
        assert!(far(&wanted, &got)? < 0.05 * size(&wanted)?, "{} of {}", far(&wanted, &got)?, size(&wanted)?);
    }
    let x = batch(&model, 4, 1)?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dynamic.safetensors");
    dynamic.model.save(&path)?;
    let opened = QuantizedModel::open(&path)?;
    assert_eq!(far(&opened.forward(&x)?, &dynamic.model.forward(&x)?)?, 0.0);
    let burst = dynamic.model.forward(&(&x * f64::NAN)?)?.flatten_all()?.to_vec1::<f32>()?;
    assert!(burst.iter().all(|value| value.is_nan()));
    let fewer = quantize_dynamic(&model, &["attention0"])?;
    assert_eq!(fewer.report.layers().iter().filter(|layer| layer.computes == Computes::Int8).count(), 7);
    let conv = Model::build([1, 4, 4], |x| x.conv2d(2, 3))?.init(Seed(1), &Device::Cpu)?;
    assert!(quantize_dynamic(&conv, &[]).unwrap_err().to_string().contains("a linear layer"));
    assert!(quantize_dynamic(&model, &["nothing"]).unwrap_err().to_string().contains("attention0"));
    // By hand: one value of 127 steps, and a weight that is exact.
    let net = Model::build([1, 1, 2], |x| x.flatten().linear(1).named("fc"))?.init(Seed(1), &Device::Cpu)?;
    net.set_state(&[
        ("fc.weight".into(), Tensor::new(&[[127_f32, 1.0]], &Device::Cpu)?),
        ("fc.bias".into(), Tensor::new(&[0.5_f32], &Device::Cpu)?),
    ])?;
    let x = Tensor::new(&[1.27_f32, 0.014], &Device::Cpu)?.reshape((1, 1, 1, 2))?;
    let y = quantize_dynamic(&net, &[])?.model.forward(&x)?.flatten_all()?.to_vec1::<f32>()?;
    // 0.014 is 1.4 steps of 0.01.
    assert!((y[0] - (127.0 * 1.27 + 0.01 + 0.5)).abs() < 1e-4, "{y:?}");
    Ok(())
}

#[test]
fn weights_of_16_bits() -> Result<()> {
    let model = resnet()?;
    let x = batch(&model, 2, 1)?;
    let wanted = model.forward(&x, Mode::Eval)?;
    let folder = tempfile::tempdir().unwrap();
    let (path, whole) = (folder.path().join("half.safetensors"), folder.path().join("whole.safetensors"));
    model.save(&whole)?;
    for (half, most) in [(HalfType::BFloat16, 3e-2), (HalfType::Float16, 4e-3)] {
        let halved = half_weights(&model, half)?;
        let got = halved.model().forward(&x, Mode::Eval)?;
        let error = far(&wanted, &got)? / size(&wanted)?;
        assert!(error > 0.0 && error < most, "{half:?}: {error}");
        halved.save(&path)?;
        let opened = Model::open(&path, &Device::Cpu)?;
        assert_eq!(far(&opened.forward(&x, Mode::Eval)?, &got)?, 0.0);
        let ratio =
            std::fs::metadata(&path).unwrap().len() as f64 / std::fs::metadata(&whole).unwrap().len() as f64;
        assert!(ratio < 0.55, "{ratio}");
    }
    let mut state = model.state()?;
    state[0].1 = (&state[0].1 + 1e5)?;
    model.set_state(&state)?;
    let error = half_weights(&model, HalfType::Float16).unwrap_err().to_string();
    assert!(error.contains(&state[0].0) && error.contains("BFloat16"), "{error}");
    half_weights(&model, HalfType::BFloat16)?;
    Ok(())
}

/// A learner evaluates a model on integers as any net, and does not train it.
#[test]
fn a_learner_evaluates_integers() -> Result<()> {
    use sconce::prelude::*;

    let data = datasets::digits()?.split([0.5, 0.25, 0.25], Seed(1))?;
    let model = Model::build([1, 8, 8], |x| x.conv2d(4, 3).relu().flatten().linear(10))?
        .init(Seed(1), &Device::Cpu)?;
    let batch = data.test.batches(data.test.len()).next().unwrap()?;
    let int8 = quantize(&model, std::slice::from_ref(&batch.images), &QuantizeConfig::default())?.model;
    let mut learner = Learner::new(int8.clone(), data).metric(accuracy());
    let got = learner.evaluate(Split::Test)?.metric("accuracy")?;
    let mut by_hand = accuracy();
    by_hand.update(&int8.forward(&batch.images)?, &batch.labels)?;
    assert!((got - by_hand.value()?).abs() < 1e-9);
    assert!(learner.fit(1).is_err());
    Ok(())
}
