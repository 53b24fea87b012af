//! Models that are hard to quantize: layers of three dimensions, without weights, used twice, that have burst; and files
//! that are damaged.

use std::fs;

use candle_core::{DType, Device, Tensor};
use sconce::compress::{
    BiasCorrection, Computes, QatConfig, QuantizeConfig, Quantized, QuantizedModel, compare_layers, qat,
    quantize, quantize_dynamic, quantize_trained,
};
use sconce::nn::{LayerNormConfig, LinearConfig, Mode, Model, Outputs};
use sconce::{Result, Seed};

use super::graphs;
use super::quantize_models::{batch, far, lived, size};
use super::saved::changed;

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// A ConvNeXt's way: linear layers of (H, W, C), here with as many channels as rows and columns.
#[test]
fn linear_layers_of_images() -> Result<()> {
    let plain = LinearConfig::default();
    for channels in [8, 12] {
        let net = Model::build([3, 8, 8], |x| {
            let x = x.conv2d(channels, 3);
            let y = x
                .permute([1, 2, 0])
                .layer_norm_with(LayerNormConfig::default())
                .linear_with(16, plain)
                .gelu()
                .linear_with(channels, plain)
                .relu()
                .linear_with(channels, plain);
            (x + y.permute([2, 0, 1])).global_avg_pool().linear(5)
        })?;
        let net = lived(net.init(Seed(1), &Device::Cpu)?, Seed(1))?;
        let x = batch(&net, 8, 1)?;
        let wanted = net.forward(&x, Mode::Eval)?;
        for bias_correction in [BiasCorrection::Off, BiasCorrection::Empirical] {
            let config = QuantizeConfig { bias_correction, ..QuantizeConfig::default() };
            let got = quantize(&net, std::slice::from_ref(&x), &config)?.model.forward(&x)?;
            let error = far(&wanted, &got)? / size(&wanted)?;
            assert!(error < 0.05, "{channels} channels, {bias_correction:?}: {error}");
        }
    }
    Ok(())
}

/// A channel that nothing but its bias is left of gives that bias, whatever the steps of what comes in.
#[test]
fn channels_without_weights_keep_their_bias() -> Result<()> {
    let net = Model::build([1, 4, 4], |x| x.conv2d(3, 3).named("c").conv2d(3, 1).named("d"))?
        .init(Seed(1), &Device::Cpu)?;
    let unit = Tensor::eye(3, DType::F32, &Device::Cpu)?.reshape((3, 3, 1, 1))?;
    let zeros = |name: &str, shape: &[usize]| -> Result<(String, Tensor)> {
        Ok((name.into(), Tensor::zeros(shape, DType::F32, &Device::Cpu)?))
    };
    net.set_state(&[
        zeros("c.weight", &[3, 1, 3, 3])?,
        ("c.bias".into(), Tensor::new(&[0.3_f32, -0.2, 0.0], &Device::Cpu)?),
        ("d.weight".into(), unit),
        zeros("d.bias", &[3])?,
    ])?;
    // Steps of 1.
    let x = (batch(&net, 4, 1)?.clamp(-1.0, 1.0)? * 127.0)?;
    let quantized = quantize(&net, std::slice::from_ref(&x), &QuantizeConfig::default())?.model;
    let got = numbers(&quantized.forward(&x)?)?;
    for (place, got) in got.iter().enumerate() {
        let wanted = [0.3, -0.2, 0.0][place / 16 % 3];
        assert!((got - wanted).abs() < 0.0021, "{got}, not {wanted}");
    }
    Ok(())
}

#[test]
fn weights_that_are_no_numbers_are_refused() -> Result<()> {
    for burst in [f32::NAN, f32::INFINITY] {
        for tensor in ["last.weight", "last.bias"] {
            // What the last layer gives is never rounded, and is not looked at.
            let net = Model::build([1, 4, 4], |x| x.conv2d(2, 3).flatten().linear(3).named("last").gelu())?
                .init(Seed(1), &Device::Cpu)?;
            let x = batch(&net, 2, 1)?;
            let mut state = net.state()?;
            let (_, values) = state.iter_mut().find(|(name, _)| name == tensor).unwrap();
            let mut all = numbers(values)?;
            all[1] = burst;
            *values = Tensor::from_vec(all, values.shape(), &Device::Cpu)?;
            net.set_state(&state)?;
            let by_dynamic = quantize_dynamic(&net, &[]).unwrap_err().to_string();
            let by_static = quantize(&net, &[x], &QuantizeConfig::default()).unwrap_err().to_string();
            for error in [by_dynamic, by_static] {
                assert!(error.contains("linear \"last\"") && error.contains(tensor), "{error}");
            }
        }
    }
    Ok(())
}

/// A name given behind the function of a layer, as one writes it, means the layer.
#[test]
fn a_name_behind_a_function_excludes_its_layer() -> Result<()> {
    let net = Model::build([1, 4, 4], |x| {
        let x = x.conv2d(2, 3).batch_norm().relu().named("stem").conv2d(4, 3);
        x.flatten().linear(8).gelu().named("hidden").linear(3).named("head")
    })?
    .init(Seed(1), &Device::Cpu)?;
    let config = QuantizeConfig { exclude: vec!["stem".into(), "hid*".into()], ..QuantizeConfig::default() };
    let int8 = quantize(&net, &[batch(&net, 4, 1)?], &config)?;
    let whole = |quantized: &Quantized| -> Vec<String> {
        let layers = quantized.report.layers().iter().filter(|layer| layer.computes == Computes::Int8);
        layers.map(|layer| layer.name.clone()).collect()
    };
    assert_eq!(whole(&int8), ["conv2d_2", "head"]);
    assert_eq!(whole(&quantize_dynamic(&net, &["hidden"])?), ["head"]);
    Ok(())
}

/// One layer, used twice: one weight, one bias, one kind of numbers, before and after it was in a file.
#[test]
fn layers_that_share_weights() -> Result<()> {
    let plain = LinearConfig { bias: false, ..LinearConfig::default() };
    for config in [plain, LinearConfig::default()] {
        let net = Model::build([1, 4, 4], |x| {
            let x = x.flatten().linear(16).relu();
            let once = x.linear_with(16, config).named("once");
            let twice = once.relu().linear_with(16, config).shares("once").named("twice");
            (once + twice).linear(4).named("head")
        })?;
        let net = lived(net.init(Seed(2), &Device::Cpu)?, Seed(2))?;
        let batches = [batch(&net, 32, 1)?, batch(&net, 7, 2)?];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shared.safetensors");
        for (bias_correction, exclude) in [
            (BiasCorrection::Off, vec![]),
            (BiasCorrection::Empirical, vec![]),
            (BiasCorrection::Off, vec!["twice".to_owned()]),
        ] {
            let excluded = exclude.len();
            let config = QuantizeConfig { bias_correction, exclude, ..QuantizeConfig::default() };
            let quantized = quantize(&net, &batches, &config)?;
            quantized.model.save(&path)?;
            let opened = QuantizedModel::open(&path)?;
            let got = quantized.model.forward(&batches[0])?;
            assert_eq!(numbers(&opened.forward(&batches[0])?)?, numbers(&got)?);
            let wanted = net.forward(&batches[0], Mode::Eval)?;
            assert!(far(&got, &wanted)? < 0.05 * size(&wanted)?);
            let floats = quantized.report.layers().iter();
            let floats = floats.filter(|layer| layer.computes == Computes::Float);
            let floats: Vec<&str> = floats.map(|layer| layer.name.as_str()).collect();
            assert!(
                ["once", "twice"].iter().all(|name| floats.contains(name) == (excluded > 0)),
                "{floats:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn all_outputs_are_there() -> Result<()> {
    let net = Model::build_outputs([1, 6, 6], |x| {
        let x = x.conv2d(8, 3).relu();
        let boxes = x.conv2d(4, 1).sigmoid();
        Outputs::new("logits", x.global_avg_pool().linear(3))
            .output("boxes", boxes)
            .training("aux", x.flatten())
    })?
    .init(Seed(3), &Device::Cpu)?;
    let x = batch(&net, 4, 1)?;
    let quantized = quantize(&net, std::slice::from_ref(&x), &QuantizeConfig::default())?.model;
    let (wanted, got) = (net.forward_outputs(&x, Mode::Eval)?, quantized.forward_outputs(&x)?);
    assert_eq!(got.names(), ["logits", "boxes"]);
    for name in got.names() {
        assert!(far(wanted.get(name)?, got.get(name)?)? < 0.05, "{name}");
    }
    assert_eq!(numbers(got.get("logits")?)?, numbers(&quantized.forward(&x)?)?);
    Ok(())
}

/// Nor is a model that rounds quantized again, nor what is no number taken for exact.
#[test]
fn what_would_mislead_is_refused() -> Result<()> {
    let net = Model::build([1, 4, 4], |x| x.conv2d(2, 3).named("stem").relu().flatten().linear(2))?
        .init(Seed(1), &Device::Cpu)?;
    let x = batch(&net, 4, 1)?;
    let batches = std::slice::from_ref(&x);
    let aware = qat(&net, batches, &QatConfig::default())?;
    let again = [
        quantize(&aware, batches, &QuantizeConfig::default()).map(|_| ()),
        quantize_dynamic(&aware, &[]).map(|_| ()),
        qat(&aware, batches, &QatConfig::default()).map(|_| ()),
    ];
    for again in again {
        let error = again.unwrap_err().to_string();
        assert!(error.contains("input.int8") && error.contains("quantize_trained"), "{error}");
    }
    let int8 = quantize_trained(&aware)?.model;
    compare_layers(&net, &int8, batches)?;
    let error = compare_layers(&net, &int8, &[x.clone(), (&x * f64::NAN)?]).unwrap_err().to_string();
    assert!(error.contains("conv2d \"stem\"") && error.contains("batch 2"), "{error}");
    Ok(())
}

/// Whatever digits of the graph or bytes of the values are others: an error, or a model that gives numbers or an error.
#[test]
fn damaged_files_never_panic() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("int8.safetensors");
    let mut files = Vec::new();
    for seed in 0..6 {
        let model = graphs::random(Seed(seed))?;
        let x = batch(&model, 2, seed)?;
        quantize(&model, &[x], &QuantizeConfig::default())?.model.save(&path)?;
        files.push(fs::read(&path).unwrap());
    }
    let mut opened = [0, 0];
    for case in 0..150_usize {
        let mut rng = Seed(case as u64).derive("damage").rng();
        let (bytes, of_values) = (&files[case % files.len()], case % 3 == 0);
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let mut broken = if of_values {
            bytes.clone()
        } else {
            let place = rng.below(usize::MAX >> 1);
            changed(bytes, |header| {
                let mut bytes = header.as_bytes().to_vec();
                let digits: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at].is_ascii_digit()).collect();
                bytes[digits[place % digits.len()]] = b'0' + (place % 10) as u8;
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        for _ in 0..if of_values { 2 } else { 0 } {
            let place = header + rng.below(broken.len() - header);
            broken[place] = [0x00, 0x7f, 0x80, 0xff, 0x55][rng.below(5)];
        }
        fs::write(&path, broken).unwrap();
        if let Ok(model) = QuantizedModel::open(&path) {
            let shape = model.graph().nodes()[0].shape.clone();
            if shape.iter().product::<usize>() < 10_000 {
                let x = Tensor::ones([&[1], shape.as_slice()].concat(), DType::F32, &Device::Cpu)?;
                let _ = (model.forward(&x), model.simulated().map(|model| model.forward(&x, Mode::Eval)));
                opened[usize::from(of_values)] += 1;
            }
        }
    }
    assert!(opened.iter().all(|&opened| opened > 5), "{opened:?} got past the reader");
    Ok(())
}
