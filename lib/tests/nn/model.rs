//! Models at work: forward, gradients, running statistics, looking inside.

use candle_core::{DType, Device, Tensor, Var};
use sconce::nn::{Mode, Model, Value};
use sconce::rich::Rich;
use sconce::{Result, Seed, ops};

fn layers(x: Value) -> Value {
    let x = x.conv2d(4, 3).named("stem").batch_norm().relu();
    let y = x.conv2d(4, 3).batch_norm().relu();
    (x + y).max_pool2d(2).dropout(0.25).flatten().linear(3).named("head")
}

fn model(seed: u64) -> Result<Model> {
    Model::build([2, 6, 6], layers)?.init(Seed(seed), &Device::Cpu)
}

/// Values in [-1, 1) that follow from the seed.
fn images(dims: &[usize], seed: u64) -> Result<Tensor> {
    let mut rng = Seed(seed).rng();
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| 2.0 * rng.uniform_f32() - 1.0).collect();
    Ok(Tensor::from_vec(values, dims, &Device::Cpu)?)
}

fn bits(t: &Tensor) -> Result<Vec<u32>> {
    Ok(t.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
}

fn state_bits(model: &Model) -> Result<Vec<(String, Vec<u32>)>> {
    model.state()?.into_iter().map(|(name, tensor)| Ok((name, bits(&tensor)?))).collect()
}

#[test]
fn the_same_seed_gives_the_same_weights() -> Result<()> {
    assert_eq!(state_bits(&model(1)?)?, state_bits(&model(1)?)?);
    assert_ne!(state_bits(&model(1)?)?, state_bits(&model(2)?)?);
    // A layer's weights depend on its name, not on what stands before it.
    let lone =
        Model::build([2, 6, 6], |x| x.relu().conv2d(4, 3).named("stem"))?.init(Seed(1), &Device::Cpu)?;
    assert_eq!(state_bits(&lone)?[0], state_bits(&model(1)?)?[0]);
    Ok(())
}

#[test]
fn weights_start_as_pytorchs_do() -> Result<()> {
    let net = Model::build([16, 8, 8], |x| x.conv2d(64, 3).batch_norm().global_avg_pool().linear(1000))?
        .init(Seed(3), &Device::Cpu)?;
    let parameters = net.parameters();
    let values = |name: &str| -> Vec<f32> {
        let parameter = parameters.iter().find(|parameter| parameter.name == name).unwrap();
        parameter.var.flatten_all().unwrap().to_vec1().unwrap()
    };
    for (layer, fan_in) in [("conv2d_1", 144.0_f32), ("linear_1", 64.0)] {
        let bound = 1.0 / fan_in.sqrt();
        for name in ["weight", "bias"] {
            let values = values(&format!("{layer}.{name}"));
            let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            assert!(largest <= bound && largest > 0.9 * bound, "{layer}.{name}: {largest} of {bound}");
        }
        let weight = values(&format!("{layer}.weight"));
        let variance = weight.iter().map(|value| value * value).sum::<f32>() / weight.len() as f32;
        assert!((variance / (bound * bound / 3.0) - 1.0).abs() < 0.05, "{layer}: variance {variance}");
    }
    assert_eq!(values("batch_norm_1.weight"), [1.0; 64]);
    assert_eq!(values("batch_norm_1.bias"), [0.0; 64]);
    Ok(())
}

#[test]
fn a_gradient_reaches_every_parameter_and_the_input() -> Result<()> {
    let net = model(1)?;
    let x = Var::from_tensor(&images(&[5, 2, 6, 6], 2)?)?;
    let targets = Tensor::new(&[0_u32, 1, 2, 0, 1], &Device::Cpu)?;
    let logits = net.forward(&x, Mode::Train(Seed(7)))?;
    let gradients = ops::softmax_cross_entropy(&logits, &targets, 0.0)?.backward()?;
    let largest = |var: &Var| -> Result<f32> {
        Ok(gradients.get(var).unwrap().abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?)
    };
    assert!(largest(&x)? > 1e-4);
    for parameter in net.parameters() {
        assert_eq!(gradients.get(&parameter.var).unwrap().dims(), parameter.var.dims(), "{}", parameter.name);
        // A bias before a batch norm is taken away again with the mean.
        let vanishes = parameter.name == "stem.bias" || parameter.name == "conv2d_1.bias";
        let largest = largest(&parameter.var)?;
        assert_eq!(largest < 1e-6, vanishes, "{}: {largest}", parameter.name);
    }
    Ok(())
}

#[test]
fn in_use_the_weights_are_constants_and_nothing_changes() -> Result<()> {
    let net = model(1)?;
    let x = Var::from_tensor(&images(&[3, 2, 6, 6], 2)?)?;
    let before = state_bits(&net)?;
    let logits = net.forward(&x, Mode::Eval)?;
    assert_eq!(state_bits(&net)?, before);
    assert_eq!(bits(&logits)?, bits(&net.forward(&x, Mode::Eval)?)?);
    let gradients = logits.sum_all()?.backward()?;
    assert!(gradients.get(&x).is_some());
    assert!(net.parameters().iter().all(|parameter| gradients.get(&parameter.var).is_none()));
    assert!(!net.forward(&x.as_detached_tensor(), Mode::Eval)?.track_op());
    Ok(())
}

#[test]
fn training_repeats_with_its_seed() -> Result<()> {
    let x = images(&[3, 2, 6, 6], 2)?;
    let run = |seed: u64| -> Result<Vec<u32>> { bits(&model(1)?.forward(&x, Mode::Train(Seed(seed)))?) };
    assert_eq!(run(5)?, run(5)?);
    assert_ne!(run(5)?, run(6)?);
    Ok(())
}

/// Large enough that every loop over threads is cut into several parts.
#[test]
fn the_number_of_threads_changes_no_bit() -> Result<()> {
    let step = || -> Result<Vec<Vec<u32>>> {
        let net = Model::build([3, 20, 20], |x| {
            let x = x.conv2d(40, 3).batch_norm().relu().max_pool2d(2).dropout(0.1).conv2d(70, 3).batch_norm();
            x.relu().global_avg_pool().linear(10)
        })?;
        let net = net.init(Seed(1), &Device::Cpu)?;
        let targets = Tensor::from_vec((0..64_u32).map(|i| i % 10).collect(), 64, &Device::Cpu)?;
        let logits = net.forward(&images(&[64, 3, 20, 20], 2)?, Mode::Train(Seed(3)))?;
        let gradients = ops::softmax_cross_entropy(&logits, &targets, 0.0)?.backward()?;
        let parameters = net.parameters();
        let gradients = parameters.iter().map(|parameter| bits(gradients.get(&parameter.var).unwrap()));
        gradients.chain([bits(&logits)]).chain(net.buffers().iter().map(|buffer| bits(&buffer.var))).collect()
    };
    let with_threads =
        |count: usize| rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap().install(step);
    let one = with_threads(1)?;
    for count in [2, 3, 16] {
        assert!(with_threads(count)? == one, "{count} threads");
    }
    Ok(())
}

#[test]
fn running_statistics_move_towards_the_batchs() -> Result<()> {
    let net = Model::build([2, 3, 3], |x| x.batch_norm())?.init(Seed(1), &Device::Cpu)?;
    let x = images(&[4, 2, 3, 3], 9)?;
    let mut wanted = [[0.0_f64; 2], [1.0_f64; 2]];
    for _ in 0..3 {
        net.forward(&x, Mode::Train(Seed(0)))?;
        let [wanted_mean, wanted_var] = &mut wanted;
        for (channel, (wanted_mean, wanted_var)) in wanted_mean.iter_mut().zip(wanted_var).enumerate() {
            let values: Vec<f32> = x.narrow(1, channel, 1)?.flatten_all()?.to_vec1()?;
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let mean = values.iter().sum::<f64>() / 36.0;
            // The running variance is the unbiased one.
            let var = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 35.0;
            *wanted_mean = 0.9 * *wanted_mean + 0.1 * mean;
            *wanted_var = 0.9 * *wanted_var + 0.1 * var;
        }
    }
    let buffers = net.buffers();
    assert_eq!(buffers[0].name, "batch_norm_1.running_mean");
    assert_eq!(buffers[1].name, "batch_norm_1.running_var");
    for (buffer, wanted) in buffers.iter().zip(wanted) {
        for (got, wanted) in buffer.var.to_vec1::<f32>()?.into_iter().zip(wanted) {
            assert!((f64::from(got) - wanted).abs() < 1e-6, "{}: {got}, not {wanted}", buffer.name);
        }
    }
    Ok(())
}

#[test]
fn dropout_keeps_the_mean_and_drops_its_share() -> Result<()> {
    let net = Model::build([1, 100, 100], |x| x.dropout(0.3))?.init(Seed(1), &Device::Cpu)?;
    let x = Tensor::ones((4, 1, 100, 100), DType::F32, &Device::Cpu)?;
    let y = net.forward(&x, Mode::Train(Seed(4)))?.flatten_all()?.to_vec1::<f32>()?;
    let dropped = y.iter().filter(|value| **value == 0.0).count() as f64 / y.len() as f64;
    assert!((dropped - 0.3).abs() < 0.01, "{dropped}");
    assert!(y.iter().all(|value| *value == 0.0 || (*value - 1.0 / 0.7).abs() < 1e-6));
    assert_eq!(bits(&net.forward(&x, Mode::Eval)?)?, bits(&x)?);
    Ok(())
}

#[test]
fn an_input_that_does_not_fit_is_refused_by_name() -> Result<()> {
    let net = model(1)?;
    let refusal = |x: &Tensor, mode: Mode| net.forward(x, mode).unwrap_err().to_string();
    let train = Mode::Train(Seed(0));
    assert_eq!(
        refusal(&images(&[2, 6, 6], 1)?, Mode::Eval),
        "Model::forward: expected a batch (B, 2, 6, 6), got (2, 6, 6). \
         For a single image add the batch dimension with `unsqueeze(0)?`."
    );
    let error = refusal(&images(&[1, 3, 6, 6], 1)?, Mode::Eval);
    assert!(error.starts_with("Model::forward: expected a batch (B, 2, 6, 6), got (1, 3, 6, 6)"), "{error}");
    let error = refusal(&images(&[1, 2, 8, 8], 1)?, Mode::Eval);
    assert!(error.starts_with("linear \"head\": expected 36 features, got (64)"), "{error}");
    let error = refusal(&images(&[1, 2, 6, 6], 1)?.to_dtype(DType::F64)?, Mode::Eval);
    assert!(error.starts_with("Model::forward: expected images of dtype f32, got f64"), "{error}");
    let empty = images(&[1, 2, 6, 6], 1)?.narrow(0, 0, 0)?;
    assert!(refusal(&empty, train).contains("got (0, 2, 6, 6)"));

    let lone = Model::build([2, 1, 1], |x| x.batch_norm().named("norm"))?.init(Seed(0), &Device::Cpu)?;
    let error = lone.forward(&images(&[1, 2, 1, 1], 1)?, train).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "batch_norm \"norm\": expected more than one value per channel in training, got (1, 2, 1, 1)"
        ),
        "{error}"
    );
    Ok(())
}

#[test]
fn other_image_sizes_run_where_the_layers_allow_it() -> Result<()> {
    let net = Model::build([2, 6, 6], |x| x.conv2d(4, 3).relu().global_avg_pool().linear(3))?
        .init(Seed(1), &Device::Cpu)?;
    assert_eq!(net.forward(&images(&[2, 2, 11, 5], 1)?, Mode::Eval)?.dims(), [2, 3]);
    Ok(())
}

#[test]
fn images_of_any_strides_give_the_same_output() -> Result<()> {
    let net = model(1)?;
    let x = images(&[3, 6, 6, 2], 1)?.permute((0, 3, 1, 2))?;
    assert!(!x.is_contiguous());
    let strided = net.forward(&x, Mode::Eval)?;
    assert_eq!(bits(&strided)?, bits(&net.forward(&x.contiguous()?, Mode::Eval)?)?);
    Ok(())
}

#[test]
fn feature_maps_are_what_the_layer_gives() -> Result<()> {
    let net = model(1)?;
    let image = images(&[2, 6, 6], 3)?;
    let maps = net.feature_maps(&image, "stem")?;
    assert_eq!((maps.layer(), maps.shape()), ("stem", [4, 6, 6]));
    let parameters = net.parameters();
    let wanted = ops::conv2d(
        &image.unsqueeze(0)?,
        &parameters[0].var.as_detached_tensor(),
        Some(&parameters[1].var.as_detached_tensor()),
        ops::Sliding { padding: 1.into(), ..ops::Sliding::default() },
        1,
    )?;
    for (got, wanted) in maps.values().iter().zip(wanted.flatten_all()?.to_vec1::<f32>()?) {
        assert!((got - wanted).abs() < 1e-6, "{got}, not {wanted}");
    }
    assert_eq!(net.feature_maps(&image.unsqueeze(0)?, "stem")?, maps);

    let bundle = maps.rich();
    let forms: Vec<&str> = bundle.forms.iter().map(|(mime, _)| mime.as_str()).collect();
    assert_eq!(forms, ["text/plain", "text/html", "image/png"]);
    let text = bundle.plain().unwrap();
    assert!(text.starts_with("stem: 4 maps of 6 x 6\nchannel  "), "{text}");
    assert_eq!(text.lines().count(), 3 + 4);

    let error = net.feature_maps(&image, "steam").unwrap_err().to_string();
    assert!(error.contains("one of the layers input, stem, batch_norm_1,"), "{error}");
    let error = net.feature_maps(&image, "head").unwrap_err().to_string();
    assert!(error.contains("linear \"head\"") && error.contains("got (1, 3)"), "{error}");
    let error = net.feature_maps(&images(&[2, 2, 6, 6], 3)?, "stem").unwrap_err().to_string();
    assert!(error.contains("got (2, 4, 6, 6)"), "{error}");
    Ok(())
}

#[test]
fn a_summary_lists_layers_shapes_parameters_and_multiply_adds() -> Result<()> {
    let net = model(1)?;
    let summary = net.summary();
    assert_eq!(
        summary.text(),
        "\
layer         operator                         output     parameters  multiply-adds     memory
------------  -------------------------------  ---------  ----------  -------------  ---------
input         input                            (2, 6, 6)                             288 bytes
stem          conv2d 2 -> 4, 3 x 3, padding 1  (4, 6, 6)          76          2,592  576 bytes
batch_norm_1  batch_norm                       (4, 6, 6)           8                 576 bytes
relu_1        relu                             (4, 6, 6)                             576 bytes
conv2d_1      conv2d 4 -> 4, 3 x 3, padding 1  (4, 6, 6)         148          5,184  576 bytes
batch_norm_2  batch_norm                       (4, 6, 6)           8                 576 bytes
relu_2        relu                             (4, 6, 6)                             576 bytes
add_1         add of relu_1, relu_2            (4, 6, 6)                             576 bytes
max_pool2d_1  max_pool2d 2 x 2, stride 2       (4, 3, 3)                             144 bytes
dropout_1     dropout 0.25                     (4, 3, 3)                             144 bytes
flatten_1     flatten                          (36)                                  144 bytes
head          linear 36 -> 3                   (3)               111            108   12 bytes
351 parameters, 7,884 multiply-adds per image; 1.5 kB of weights, 4.8 kB of outputs per image
"
    );
    assert_eq!(net.num_parameters(), 351);
    assert_eq!((summary.num_parameters(), summary.multiply_adds()), (351, 7884));
    let bundle = net.rich();
    assert_eq!(bundle.plain(), Some(summary.text().as_str()));
    assert!(bundle.forms.iter().any(|(mime, content)| {
        mime == "text/html"
            && matches!(content, sconce_display::Content::Text(html) if html.contains("7,884 multiply-adds"))
    }));
    Ok(())
}
