//! Models on integers against their float simulation.

use candle_core::{DType, Device, Tensor};
use sconce::compress::{
    BiasCorrection, Calibration, QatConfig, QuantizeConfig, Quantized, fold_batch_norm, qat, quantize,
    quantize_trained,
};
use sconce::models::{self, ModelConfig};
use sconce::nn::{Conv2dConfig, Mode, Model, Operator, Outputs, Pool2dConfig, backward};
use sconce::{Result, Rng, Seed};

use super::graphs;

/// Weights and running statistics as if trained: nothing at 0 or 1 by default.
pub fn lived(model: Model, seed: Seed) -> Result<Model> {
    let mut rng = seed.derive("lived").rng();
    let mut state = model.state()?;
    for (name, tensor) in &mut state {
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        let norm = name.contains("bn") || name.contains("norm") || name.contains("downsample.1");
        let changed: Vec<f32> = values
            .iter()
            .map(|&value| match name.rsplit('.').next() {
                Some("running_mean") => 0.2 * rng.normal() as f32,
                Some("running_var") => 0.5 + rng.uniform() as f32,
                Some("weight") if norm => 0.5 + rng.uniform() as f32,
                Some("bias") => 0.2 * rng.normal() as f32,
                _ => value,
            })
            .collect();
        *tensor = Tensor::from_vec(changed, tensor.shape(), &Device::Cpu)?;
    }
    model.set_state(&state)?;
    Ok(model)
}

pub fn batch(model: &Model, images: usize, seed: u64) -> Result<Tensor> {
    let dims = [&[images], model.graph().nodes()[0].shape.as_slice()].concat();
    let mut rng: Rng = Seed(seed).rng();
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| rng.normal() as f32).collect();
    Ok(Tensor::from_vec(values, dims, &Device::Cpu)?)
}

pub fn far(a: &Tensor, b: &Tensor) -> Result<f32> {
    Ok((a - b)?.abs()?.max_all()?.to_scalar()?)
}

pub fn size(a: &Tensor) -> Result<f32> {
    Ok(a.abs()?.max_all()?.to_scalar()?)
}

pub fn resnet() -> Result<Model> {
    let config = ModelConfig::default().num_classes(10).image([1, 16, 16]);
    lived(models::create("resnet20", config)?.init(Seed(1), &Device::Cpu)?, Seed(1))
}

/// Depthwise, concatenation, residual, pools, ReLU6, a squeeze that stays in f32.
pub fn branching() -> Result<Model> {
    let depthwise = Conv2dConfig { padding: 1.into(), groups: 8, bias: false, ..Conv2dConfig::default() };
    let strided = Conv2dConfig { padding: 1.into(), stride: [2, 2], groups: 2, ..Conv2dConfig::default() };
    let net = Model::build([3, 12, 12], |x| {
        let x = x.conv2d(8, 3).batch_norm().relu();
        let y =
            x.conv2d_with(8, depthwise).batch_norm().activation(sconce::nn::Activation::Relu6).conv2d(8, 1);
        let x = (&x + &y).relu();
        let x = x.concat(
            &[
                &y,
                &x.max_pool2d_with(Pool2dConfig {
                    kernel: [3, 3],
                    stride: [1, 1],
                    padding: 1.into(),
                    ..Pool2dConfig::default()
                }),
            ],
            0,
        );
        let x = x.conv2d_with(12, strided).batch_norm().hardswish().named("squeezed");
        let gate = x.adaptive_avg_pool2d([1, 1]).conv2d(12, 1).sigmoid();
        let x = (&x * &gate).conv2d(6, 1).avg_pool2d(2).slice(0, 1..5);
        x.flatten().linear(7).relu().dropout(0.5).linear(5)
    })?;
    lived(net.init(Seed(2), &Device::Cpu)?, Seed(2))
}

pub fn transformer() -> Result<Model> {
    let net = Model::build([3, 16, 16], |x| {
        let patches = Conv2dConfig { kernel: [4, 4], stride: [4, 4], ..Conv2dConfig::default() };
        let mut x = x.conv2d_with(16, patches).image_to_tokens().class_token().position_embedding();
        for block in 0..2 {
            x = &x + x.layer_norm().self_attention(4).named(format!("attention{block}"));
            x = &x + x.layer_norm().linear(32).gelu().linear(16);
        }
        x.layer_norm().slice(0, 0..1).flatten().linear(5)
    })?;
    lived(net.init(Seed(3), &Device::Cpu)?, Seed(3))
}

fn all() -> Result<Vec<(&'static str, Model)>> {
    Ok(vec![("resnet20", resnet()?), ("branching", branching()?), ("transformer", transformer()?)])
}

#[test]
fn folding_changes_nothing_in_use() -> Result<()> {
    for (name, model) in all()? {
        let folded = fold_batch_norm(&model)?;
        let norms = |model: &Model| {
            let nodes = model.graph().nodes().iter();
            nodes.filter(|node| matches!(node.operator, Operator::BatchNorm { .. })).count()
        };
        assert_eq!(norms(&folded), 0, "{name}");
        let x = batch(&model, 3, 7)?;
        let (wanted, got) = (model.forward(&x, Mode::Eval)?, folded.forward(&x, Mode::Eval)?);
        assert!(far(&wanted, &got)? <= 1e-5 * size(&wanted)?.max(1.0), "{name}");
    }
    Ok(())
}

/// Norms that the layer before them cannot take over stay, and whatever the graph, its outputs stay.
#[test]
fn folding_leaves_what_it_cannot_fold() -> Result<()> {
    let net = Model::build_outputs([2, 6, 6], |x| {
        let x = x.batch_norm();
        let shared = x.conv2d(4, 3).named("shared");
        let norm = shared.batch_norm();
        let again = norm.conv2d(2, 1).conv2d(4, 3).batch_norm();
        let tokens = again.image_to_tokens().linear(3).batch_norm();
        Outputs::new("main", tokens).output("other", shared)
    })?;
    let net = lived(net.init(Seed(4), &Device::Cpu)?, Seed(4))?;
    let folded = fold_batch_norm(&net)?;
    assert_eq!(folded.graph().nodes().len() + 1, net.graph().nodes().len());
    let x = batch(&net, 2, 3)?;
    for name in ["main", "other"] {
        let (a, b) = (net.forward_outputs(&x, Mode::Eval)?, folded.forward_outputs(&x, Mode::Eval)?);
        assert!(far(a.get(name)?, b.get(name)?)? < 1e-4);
    }
    for seed in 0..20 {
        let model = lived(graphs::random(Seed(seed))?, Seed(seed))?;
        let x = batch(&model, 2, seed)?;
        let (wanted, got) =
            (model.forward(&x, Mode::Eval)?, fold_batch_norm(&model)?.forward(&x, Mode::Eval)?);
        assert!(far(&wanted, &got)? <= 1e-4 * size(&wanted)?.max(1.0), "graph {seed}");
    }
    Ok(())
}

/// A sum that lies between two steps may be rounded to the other one in floats, whose last bits are not exact, and
/// what follows makes more of it, in a deep model of random weights much more: so many steps of the output at most,
/// and in the mean. Layer by layer nothing is further away than a step (`compress::quantize::tests`).
fn check(what: &str, quantized: &Quantized, x: &Tensor, [most, usual]: [f32; 2]) -> Result<()> {
    let simulation = quantized.model.simulated()?;
    let (wanted, got) = (simulation.forward(x, Mode::Eval)?, quantized.model.forward(x)?);
    assert_eq!(wanted.dims(), got.dims(), "{what}");
    let step = size(&wanted)? / 255.0;
    let (error, mean) =
        (far(&wanted, &got)? / step, (&wanted - &got)?.sqr()?.mean_all()?.to_scalar::<f32>()?.sqrt() / step);
    assert!(mean <= usual && error <= most, "{what}: {error} steps, {mean} in the mean");
    Ok(())
}

#[test]
fn integers_give_what_the_simulation_gives() -> Result<()> {
    for (name, model) in all()? {
        let calibration = [batch(&model, 16, 1)?, batch(&model, 16, 2)?];
        for calibration_by in [Calibration::MinMax, Calibration::Percentile(99.9), Calibration::Entropy] {
            let config = QuantizeConfig { calibration: calibration_by, ..QuantizeConfig::default() };
            let quantized = quantize(&model, &calibration, &config)?;
            let allowed = if name == "resnet20" { [12.0, 4.0] } else { [4.0, 0.5] };
            check(&format!("{name}, {calibration_by:?}"), &quantized, &batch(&model, 8, 3)?, allowed)?;
        }
    }
    Ok(())
}

#[test]
fn whatever_the_graph_integers_give_what_the_simulation_gives() -> Result<()> {
    for seed in 0..20 {
        let model = lived(graphs::random(Seed(seed))?, Seed(seed))?;
        let quantized = quantize(&model, &[batch(&model, 8, 1)?], &QuantizeConfig::default())?;
        check(&format!("graph {seed}"), &quantized, &batch(&model, 4, 2)?, [4.0, 0.5])?;
    }
    Ok(())
}

/// 8 bits are close to the float model, and closer where layers are left out.
#[test]
fn quantized_models_are_near_the_float_model() -> Result<()> {
    for (name, model) in all()? {
        let x = batch(&model, 32, 3)?;
        let wanted = model.forward(&x, Mode::Eval)?;
        let noise = |exclude: Vec<String>| -> Result<f32> {
            let config = QuantizeConfig { exclude, ..QuantizeConfig::default() };
            let got = quantize(&model, std::slice::from_ref(&x), &config)?.model.forward(&x)?;
            let error = (got - &wanted)?.sqr()?.sum_all()?.to_scalar::<f32>()?;
            Ok(error / wanted.sqr()?.sum_all()?.to_scalar::<f32>()?)
        };
        let all = noise(Vec::new())?;
        assert!(all < 0.02, "{name}: {all}");
        let first = model.graph().nodes()[1].name.clone();
        let rest = noise(vec![first])?;
        assert!(rest < 0.02 && rest != all, "{name}: {rest}");
    }
    Ok(())
}

#[test]
fn the_resnet_is_all_integers() -> Result<()> {
    let model = resnet()?;
    let quantized = quantize(&model, &[batch(&model, 4, 1)?], &QuantizeConfig::default())?;
    let floats =
        quantized.report.layers().iter().filter(|layer| layer.computes == sconce::compress::Computes::Float);
    let names: Vec<&str> = floats.map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["input"]);
    let ratio = quantized.report.float_bytes() as f64 / quantized.report.weight_bytes() as f64;
    assert!(ratio > 3.8, "{ratio}");
    Ok(())
}

#[test]
fn a_bias_gives_back_what_rounding_took() -> Result<()> {
    let model = branching()?;
    let batches = [batch(&model, 32, 1)?];
    let mean_error = |bias_correction| -> Result<f32> {
        let config = QuantizeConfig { bias_correction, ..QuantizeConfig::default() };
        let quantized = quantize(&model, &batches, &config)?;
        let error = (quantized.model.forward(&batches[0])? - model.forward(&batches[0], Mode::Eval)?)?;
        Ok(error.mean(0)?.abs()?.mean_all()?.to_scalar()?)
    };
    let (off, on) = (mean_error(BiasCorrection::Off)?, mean_error(BiasCorrection::Empirical)?);
    assert!(on < 0.3 * off, "{on} with, {off} without");
    Ok(())
}

#[test]
fn files_give_the_same_bits() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    for (name, model) in all()? {
        let x = batch(&model, 4, 3)?;
        let quantized = quantize(&model, std::slice::from_ref(&x), &QuantizeConfig::default())?;
        let path = folder.path().join(format!("{name}.safetensors"));
        quantized.model.save(&path)?;
        let opened = sconce::compress::QuantizedModel::open(&path)?;
        let bits = |y: Tensor| -> Result<Vec<u32>> {
            Ok(y.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
        };
        assert_eq!(bits(quantized.model.forward(&x)?)?, bits(opened.forward(&x)?)?, "{name}");
        assert_eq!(opened.summary(), quantized.report, "{name}");
        let (float, int8) = (folder.path().join("float"), std::fs::metadata(&path).unwrap().len());
        model.save(&float)?;
        let ratio = std::fs::metadata(&float).unwrap().len() as f64 / int8 as f64;
        // The graph itself has its size beside so few weights.
        assert!(name != "resnet20" || ratio > 3.0, "{name}: {ratio}");
        // Cut off or of another kind: an error, whatever is missing.
        let bytes = std::fs::read(&path).unwrap();
        for cut in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert!(sconce::compress::QuantizedModel::open(&path).is_err(), "{name} cut at {cut}");
        }
        assert!(
            sconce::compress::QuantizedModel::open(&float).unwrap_err().to_string().contains("Model::open")
        );
    }
    Ok(())
}

/// A few steps of training that knows of the rounding make its loss smaller; what comes out of it computes the same
/// on integers.
#[test]
fn training_aware_of_the_rounding() -> Result<()> {
    let model = branching()?;
    let x = batch(&model, 16, 1)?;
    let targets = (model.forward(&x, Mode::Eval)? + 1.0)?;
    let aware = qat(&model, std::slice::from_ref(&x), &QatConfig::default())?;
    let loss = |mode| -> Result<Tensor> { Ok((aware.forward(&x, mode)? - &targets)?.sqr()?.mean_all()?) };
    let before = loss(Mode::Eval)?.to_scalar::<f32>()?;
    for step in 0..30 {
        if step == 20 {
            aware.freeze_observers()?;
        }
        let gradients = backward(&loss(Mode::Train(Seed(step)))?)?;
        for parameter in aware.parameters() {
            let gradient = gradients.get(parameter.var.as_tensor()).unwrap();
            parameter.var.set(&(parameter.var.as_detached_tensor() - (gradient * 0.3)?)?)?;
        }
    }
    let after = loss(Mode::Eval)?.to_scalar::<f32>()?;
    assert!(after < 0.1 * before, "{before}, then {after}");
    let quantized = quantize_trained(&aware)?;
    let (wanted, got) = (aware.forward(&x, Mode::Eval)?, quantized.model.forward(&x)?);
    assert!(far(&wanted, &got)? <= size(&wanted)? / 255.0);
    // Saved and opened as any model, ranges and all.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aware.safetensors");
    aware.save(&path)?;
    let opened = Model::open(&path, &Device::Cpu)?;
    assert_eq!(far(&opened.forward(&x, Mode::Eval)?, &wanted)?, 0.0);
    assert!(quantize_trained(&model).unwrap_err().to_string().contains("compress::qat"));
    Ok(())
}

#[test]
fn what_cannot_be_quantized() -> Result<()> {
    let model = branching()?;
    let refused = |model: &Model, batches: &[Tensor], config: QuantizeConfig, words: &[&str]| {
        let error = quantize(model, batches, &config).unwrap_err().to_string();
        words.iter().for_each(|word| assert!(error.contains(word), "{word:?} is not in {error:?}"));
    };
    let x = batch(&model, 2, 1)?;
    refused(&model, &[], QuantizeConfig::default(), &["calibration", "at least one batch"]);
    let nan = (&x * f64::NAN)?;
    refused(&model, &[x.clone(), nan], QuantizeConfig::default(), &["input", "NaN", "batch 2"]);
    let config = QuantizeConfig { exclude: vec!["layer9*".into()], ..QuantizeConfig::default() };
    refused(&model, std::slice::from_ref(&x), config, &["layer9*", "conv2d_1"]);
    let config = QuantizeConfig { exclude: vec!["*".into()], ..QuantizeConfig::default() };
    refused(&model, std::slice::from_ref(&x), config, &["a convolution or a linear layer", "none"]);
    let config =
        QuantizeConfig { calibration: Calibration::Percentile(f64::NAN), ..QuantizeConfig::default() };
    refused(&model, std::slice::from_ref(&x), config, &["percentile", "NaN"]);
    // A layer that bursts is named.
    let mut state = model.state()?;
    let place = state.iter().position(|(name, _)| name == "linear_1.bias").unwrap();
    state[place].1 = (&state[place].1 + f64::INFINITY)?;
    model.set_state(&state)?;
    refused(&model, &[x], QuantizeConfig::default(), &["finite", "calibration"]);
    Ok(())
}

/// Code of one's own runs in f32, between integers; no file can hold it.
#[test]
fn code_of_ones_own_stays_in_f32() -> Result<()> {
    let net = Model::build([2, 6, 6], |x| {
        x.conv2d(4, 3).map("mine", |x| Ok(x.sqr()?)).conv2d(4, 3).relu().flatten().linear(3)
    })?
    .init(Seed(5), &Device::Cpu)?;
    let x = batch(&net, 4, 1)?;
    let quantized = quantize(&net, std::slice::from_ref(&x), &QuantizeConfig::default())?;
    check("map", &quantized, &x, [4.0, 0.5])?;
    let folder = tempfile::tempdir().unwrap();
    let error = quantized.model.save(folder.path().join("a.safetensors")).unwrap_err().to_string();
    assert!(error.contains("mine"), "{error}");
    Ok(())
}

/// Where nothing but 0 comes, and where a channel has a huge bias beside no weights.
#[test]
fn dead_layers_and_huge_biases() -> Result<()> {
    let net = Model::build([1, 4, 4], |x| x.conv2d(3, 3).relu().conv2d(2, 3).flatten().linear(2))?
        .init(Seed(6), &Device::Cpu)?;
    let mut state = net.state()?;
    for (name, tensor) in &mut state {
        let values = match name.as_str() {
            "conv2d_1.weight" => (tensor.zeros_like()? + 1e-12)?,
            "conv2d_1.bias" => Tensor::new(&[-1.0_f32, 300.0, 0.0], &Device::Cpu)?,
            _ => continue,
        };
        *tensor = values;
    }
    net.set_state(&state)?;
    let x = batch(&net, 4, 1)?;
    let quantized = quantize(&net, std::slice::from_ref(&x), &QuantizeConfig::default())?;
    check("huge biases", &quantized, &x, [4.0, 0.5])?;
    let wanted = net.forward(&x, Mode::Eval)?;
    assert!(far(&quantized.model.forward(&x)?, &wanted)? < 0.02 * size(&wanted)?);
    let dead = quantize(&net, &[x.zeros_like()?], &QuantizeConfig::default())?;
    assert!(size(&dead.model.forward(&x.zeros_like()?)?)?.is_finite());
    assert_eq!(x.dtype(), DType::F32);
    Ok(())
}
