//! Models, their files, and what they say of an image.

use sconce::checkpoint::Checkpoint;
use sconce::compress::{
    ComparedModel, Latency, LayerErrors, ModelComparison, PruneConfig, PruneReport, QuantizeConfig,
    QuantizeReport, Quantized, QuantizedModel, Sensitivity, SparsityConfig, SparsityReport, compare_layers,
    prune_channels, prune_weights, quantize,
};
use sconce::data::{Image, Pixels};
use sconce::export::{Check, Deviation, ExportReport};
use sconce::models::ModelList;
use sconce::nn::LoadReport;
use sconce::predict::{Classifier, DetectionConfig, Detections, Ranking};
use sconce::prelude::*;

/// Sets all numbers of a model to some whose sums are exact, so that every machine computes the same.
pub fn fill(model: &Model) -> Result<()> {
    for (tensor, Parameter { var, .. }) in model.parameters().iter().enumerate() {
        let value = |at: usize| ((at * 7 + tensor * 3) % 13) as f32 / 8.0 - 0.75;
        let values: Vec<f32> = (0..var.elem_count()).map(value).collect();
        var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu)?)?;
    }
    Ok(())
}

/// Two convolutions and a linear layer.
pub fn network() -> Result<Model> {
    let model = Model::build([1, 8, 8], |x| {
        let x = x.conv2d(4, 3).relu().named("low");
        let x = x.conv2d(6, 3).relu().named("high");
        x.max_pool2d(2).flatten().linear(3).named("scores")
    })?
    .init(Seed(0), &Device::Cpu)?;
    fill(&model)?;
    Ok(model)
}

/// An image for it, (1, 1, 8, 8): a bright square on a slope.
pub fn square() -> Result<Tensor> {
    let value = |at: usize| {
        let inside = (2..5).contains(&(at / 8)) && (3..6).contains(&(at % 8));
        if inside { 1.0 } else { (at / 8) as f32 / 32.0 }
    };
    Ok(Tensor::from_vec((0..64).map(value).collect::<Vec<f32>>(), (1, 1, 8, 8), &Device::Cpu)?)
}

/// A model.
pub fn model() -> Result<Model> {
    network()
}

/// What can become one.
pub fn architecture() -> Result<Architecture> {
    Model::build([3, 32, 32], |x| {
        let x = x.conv2d(16, 3).batch_norm().relu().named("stem");
        let y = x.conv2d(16, 3).batch_norm();
        (x + y).relu().global_avg_pool().linear(10).named("head")
    })
}

/// Its layers.
pub fn summary() -> Result<Summary> {
    Ok(architecture()?.summary())
}

/// What its layers give out for an image.
pub fn feature_maps() -> Result<FeatureMaps> {
    network()?.feature_maps(&square()?, "low")
}

/// The models there are.
pub fn model_list() -> Result<ModelList> {
    Ok(models::list().matching("resnet"))
}

/// The network's weights in a file of this name, which is taken away again.
fn with_file<T>(name: &str, read: impl FnOnce(&std::path::Path) -> Result<T>) -> Result<T> {
    let folder = std::env::temp_dir().join(format!("sconce-forms-{}", std::process::id()));
    let io = |op, source| Error::Io { op, path: folder.clone(), source };
    std::fs::create_dir_all(&folder).map_err(|source| io("create", source))?;
    let path = folder.join(name);
    network()?.save(&path)?;
    let value = read(&path)?;
    std::fs::remove_file(&path).map_err(|source| io("remove", source))?;
    Ok(value)
}

/// What goes when half of the channels go.
pub fn prune_report() -> Result<PruneReport> {
    Ok(prune_channels(&network()?, &PruneConfig::ratio(0.5))?.report)
}

fn quantized() -> Result<Quantized> {
    quantize(&network()?, &[square()?], &QuantizeConfig::default())
}

/// What the layers of the network compute with on integers.
pub fn quantize_report() -> Result<QuantizeReport> {
    Ok(quantized()?.report)
}

/// The network on integers.
pub fn quantized_model() -> Result<QuantizedModel> {
    Ok(quantized()?.model)
}

/// How far its layers are from those in floats.
pub fn layer_errors() -> Result<LayerErrors> {
    compare_layers(&network()?, &quantized()?.model, &[square()?])
}

/// What is held at 0 when most weights of all layers together are.
pub fn sparsity_report() -> Result<SparsityReport> {
    Ok(prune_weights(&network()?, &SparsityConfig::unstructured(0.75).global())?.report)
}

/// What an export wrote.
pub fn export_report() -> Result<ExportReport> {
    let deviation = |images: &str, largest: f64| Deviation { images: images.into(), largest, scale: 6.25 };
    let deviations =
        vec![deviation("random images (2, 1, 8, 8)", 9.5e-7), deviation("64 images that were given", 1.9e-6)];
    Ok(ExportReport {
        format: "ONNX, opset 17".into(),
        path: "digits.onnx".into(),
        bytes: 12_345,
        inputs: vec!["input f32 (batch, 1, 8, 8)".into()],
        outputs: vec!["scores f32 (batch, 3)".into()],
        operators: [("Conv", 2), ("Relu", 2), ("Flatten", 1), ("Gemm", 1), ("MaxPool", 1)]
            .map(|(name, count)| (name.to_owned(), count))
            .to_vec(),
        check: Check::Ran { runtime: "onnxruntime".into(), deviations },
    })
}

/// A file of weights.
pub fn checkpoint() -> Result<Checkpoint> {
    with_file("checkpoint.safetensors", |path| Checkpoint::open(path))
}

/// What of a file fits a model with other classes.
pub fn load_report() -> Result<LoadReport> {
    let other = Model::build([1, 8, 8], |x| {
        let x = x.conv2d(4, 3).relu().named("low");
        x.max_pool2d(2).flatten().linear(5).named("scores").linear(2).named("extra")
    })?
    .init(Seed(0), &Device::Cpu)?;
    with_file("load_report.safetensors", |path| other.load(path, Loading::Partial))
}

/// An RGB slope with a dark part, of 48 x 72 pixels.
fn photo() -> Result<Image> {
    let (height, width) = (48, 72);
    let pixel = |at: usize| {
        let (row, column) = (at / width, at % width);
        let dark = (10..34).contains(&row) && (8..40).contains(&column);
        if dark { [70, 40, 30] } else { [90 + row as u8, 140, 120 + column as u8] }
    };
    Image::new([height, width, 3], Pixels::U8((0..height * width).flat_map(pixel).collect()))
}

/// The classes of an image, the likeliest first.
pub fn ranking() -> Result<Ranking> {
    let net = Model::build([3, 224, 224], |x| x.global_avg_pool().linear(4).named("head"))?;
    let net = net.init(Seed(0), &Device::Cpu)?;
    for Parameter { name, var, .. } in net.parameters() {
        let bias = Tensor::new(&[0_f32, 1.0, 2.0, 0.5], &Device::Cpu)?;
        var.set(&if name == "head.bias" { bias } else { var.zeros_like()? })?;
    }
    let preprocessing = models::entry("resnet18")?.weights[0].preprocessing;
    Classifier::new(net, preprocessing, &["ant", "bee", "cat", "dog"])?.rank(&photo()?, 3)
}

/// What was found in an image.
pub fn detections() -> Result<Detections> {
    let logits = Tensor::new(&[[4_f32, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 5.0]], &Device::Cpu)?;
    let boxes = [[0.33_f32, 0.46, 0.44, 0.5], [0.78, 0.7, 0.25, 0.4], [0.5, 0.5, 1.0, 1.0]];
    let boxes = Tensor::new(&boxes, &Device::Cpu)?;
    Detections::of_set(&photo()?, &logits, &boxes, &["bear", "bush"], DetectionConfig::default())
}

/// What its layers bear.
pub fn sensitivity() -> Result<Sensitivity> {
    let image = square()?;
    compress::sensitivity(&network()?, &[0.25, 0.5, 0.75], &PruneConfig::default(), |net| {
        Ok(f64::from(net.forward(&image, Mode::Eval)?.flatten_all()?.max(0)?.to_scalar::<f32>()?))
    })
}

/// Models side by side, with latencies that are the same everywhere.
pub fn model_comparison() -> Result<ModelComparison> {
    let model = |name: &str, wrong: usize, size: u64, milliseconds: f64| {
        let latency = |times: f64| {
            let median = 1e-3 * times * milliseconds;
            Latency { median, p95: 1.25 * median, runs: 50 }
        };
        ComparedModel {
            name: name.into(),
            // Those that are wrong are spread over all, each model's in its own way.
            right: (0..500).map(|at| (at * 7 + 13 * wrong) % 500 >= wrong).collect(),
            parameters: 270_000 * size as usize / 16,
            multiply_adds: Some(2_500_000 * size / 16),
            file_bytes: 68_000 * size,
            peak_bytes: Some(75_000 * size),
            latency_1: latency(1.0),
            latency_32: latency(12.0),
        }
    };
    ModelComparison::new(vec![
        model("whole", 7, 16, 0.9),
        model("pruned", 9, 8, 0.61),
        model("pruned further", 31, 4, 0.6),
        model("student", 14, 4, 0.35),
    ])
}
