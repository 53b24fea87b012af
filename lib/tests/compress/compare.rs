//! Models side by side: what is counted, what is measured, and what is refused.

use std::path::Path;

use candle_core::{Device, Tensor};
use sconce::compress::{
    CompareConfig, Compared, ComparedModel, HalfType, Latency, ModelComparison, PruneConfig, QuantizeConfig,
    compare, half_weights, prune_channels, quantize,
};
use sconce::data::Dataset;
use sconce::nn::{Mode, Model, Outputs};
use sconce::prelude::{Rich, accuracy};
use sconce::{Error, Result, Seed};

fn net(seed: u64) -> Result<Model> {
    let net = Model::build([1, 8, 8], |x| {
        x.conv2d(8, 3).batch_norm().relu().conv2d(8, 3).relu().global_avg_pool().linear(3)
    })?;
    net.init(Seed(seed), &Device::Cpu)
}

/// 44 images of noise.
fn data() -> Result<Dataset> {
    let mut rng = Seed(2).rng();
    let pixels: Vec<f32> = (0..44 * 64).map(|_| rng.uniform_f32()).collect();
    let labels: Vec<u32> = (0..44).map(|at| at % 3).collect();
    Dataset::new(Tensor::from_vec(pixels, (44, 1, 8, 8), &Device::Cpu)?, &labels, &["a", "b", "c"])
}

fn quick() -> CompareConfig {
    CompareConfig { batch_size: 10, runs: 6, warmup: 1, ..CompareConfig::default() }
}

/// Something that is no graph.
struct Fixed(u32);

impl Compared for Fixed {
    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        let row: Vec<f32> = (0..3).map(|class| if class == self.0 { 1.0 } else { 0.0 }).collect();
        Ok(Tensor::from_vec(row, (1, 3), &Device::Cpu)?.repeat((images.dims()[0], 1))?)
    }

    fn num_parameters(&self) -> usize {
        0
    }

    fn multiply_adds(&self, _: [usize; 3]) -> Option<u64> {
        None
    }

    fn peak_bytes(&self, _: [usize; 3]) -> Option<u64> {
        None
    }

    fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, [0; 5]).map_err(|source| Error::Io { op: "write", path: path.into(), source })
    }

    fn device(&self) -> Device {
        Device::Cpu
    }
}

#[test]
fn what_is_told_is_what_is_there() -> Result<()> {
    let (data, whole) = (data()?, net(1)?);
    let pruned = prune_channels(&whole, &PruneConfig::ratio(0.5))?.model;
    let both = compare(&data, &[("whole", &whole), ("pruned", &pruned), ("always b", &Fixed(1))], &quick())?;
    for (net, found) in [&whole, &pruned].into_iter().zip(both.models()) {
        let mut right = accuracy();
        for batch in data.batches(44) {
            let batch = batch?;
            right.update(&net.forward(&batch.images, Mode::Eval)?, &batch.labels)?;
        }
        assert_eq!(found.accuracy(), right.value()?);
        let [low, high] = found.interval();
        assert!(low < found.accuracy() && found.accuracy() < high && high - low < 0.3);
        assert_eq!(found.parameters, net.num_parameters());
        let graph = net.graph();
        let counted: u64 = graph.nodes().iter().map(|node| graph.multiply_adds_of(node)).sum();
        assert_eq!(found.multiply_adds, Some(counted));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        net.save(&path)?;
        assert_eq!(found.file_bytes, path.metadata().unwrap().len());
        for latency in [found.latency_1, found.latency_32] {
            assert!(latency.runs == 6 && 0.0 < latency.median && latency.median <= latency.p95);
        }
    }
    let fixed = both.model("always b")?;
    assert_eq!((fixed.correct(), fixed.file_bytes, fixed.multiply_adds), (15, 5, None));
    let sentence = &both.sentences()[1];
    assert!(
        sentence.starts_with("always b beside whole: ") && sentence.contains("images lost"),
        "{sentence}"
    );
    assert!(!sentence.contains("multiply-adds"), "{sentence}");
    // No file stays behind.
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let ours = format!("sconce-compare-{}-", std::process::id());
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(&ours)));
    Ok(())
}

/// Models of other numbers, for as many runs as there is time for.
#[test]
fn models_of_fewer_bits_are_compared() -> Result<()> {
    let (data, whole) = (data()?, net(1)?);
    let images = data.batches(44).next().unwrap()?.images;
    let int8 = quantize(&whole, std::slice::from_ref(&images), &QuantizeConfig::default())?.model;
    let half = half_weights(&whole, HalfType::BFloat16)?;
    let config = CompareConfig { runs: usize::MAX, seconds: 0.0, ..quick() };
    let all = compare(&data, &[("whole", &whole), ("int8", &int8), ("half", &half)], &config)?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let [of_whole, of_int8, of_half] = all.models() else { panic!("{all:?}") };
    int8.save(&path)?;
    assert_eq!(of_int8.file_bytes, path.metadata().unwrap().len());
    half.save(&path)?;
    assert_eq!(of_half.file_bytes, path.metadata().unwrap().len());
    assert_eq!(
        (of_int8.multiply_adds, of_half.multiply_adds),
        (of_whole.multiply_adds, of_whole.multiply_adds)
    );
    // The batch norm, two parameters for each of 8 channels, is part of the layer before it.
    assert_eq!(of_int8.parameters, of_whole.parameters - 16);
    assert_eq!((of_half.parameters, of_half.peak_bytes), (of_whole.parameters, of_whole.peak_bytes));
    assert!(of_int8.peak_bytes.is_some_and(|bytes| bytes > int8.weight_bytes() as u64), "{of_int8:?}");
    let mut right = accuracy();
    right.update(&int8.forward(&images)?, &data.labels()?)?;
    assert_eq!(of_int8.accuracy(), right.value()?);
    assert!(of_int8.latency_1.runs >= 5 && of_int8.latency_1.median > 0.0);
    let bundle = all.rich();
    let text = bundle.plain().unwrap();
    assert!(text.contains("int8") && !text.contains('–') && !text.contains("NaN"), "{text}");
    // What cannot be written is named, and what cannot be counted is not.
    let mine =
        Model::build([1, 8, 8], |x| x.conv2d(2, 3).map("mine", |x| Ok(x.relu()?)).flatten().linear(3))?
            .init(Seed(1), &Device::Cpu)?;
    let int8 = quantize(&mine, &[images], &QuantizeConfig::default())?.model;
    assert_eq!(int8.multiply_adds([1, 8, 8]), None);
    let error = compare(&data, &[("mine in int8", &int8)], &quick()).unwrap_err().to_string();
    assert!(error.contains("mine in int8") && error.contains("code of your own"), "{error}");
    Ok(())
}

/// A head for training only is no part of what an image takes.
#[test]
fn heads_for_training_cost_nothing_in_use() -> Result<()> {
    let net = Model::build_outputs([1, 8, 8], |x| {
        let x = x.conv2d(4, 3);
        Outputs::new("main", x.global_avg_pool().linear(3)).training("aux", x.flatten().linear(3))
    })?
    .init(Seed(1), &Device::Cpu)?;
    assert_eq!(net.multiply_adds([1, 8, 8]), Some(64 * 4 * 9 + 4 * 3));
    Ok(())
}

#[test]
fn a_difference_of_few_images_may_be_chance() -> Result<()> {
    let latency = Latency { median: 1e-3, p95: 2e-3, runs: 5 };
    let model = |name: &str, wrong: std::ops::Range<usize>| ComparedModel {
        name: name.into(),
        right: (0..100).map(|at| !wrong.contains(&at)).collect(),
        parameters: 10,
        multiply_adds: Some(100),
        file_bytes: 1000,
        peak_bytes: Some(2000),
        latency_1: latency,
        latency_32: latency,
    };
    let all = ModelComparison::new(vec![
        model("first", 0..5),
        model("same", 0..5),
        model("near", 3..10),
        model("far", 0..30),
    ])?;
    let [same, near, far] = all.sentences().try_into().unwrap();
    assert!(
        same.contains("right and wrong on the same images") && same.contains("100.0 % of the parameters"),
        "{same}"
    );
    assert!(
        near.contains("2 points less accurate (5 images lost and 3 won; p 0.727, may be chance)"),
        "{near}"
    );
    assert!(
        far.contains("25 points less accurate (25 images lost and 0 won; p below 0.001, hardly chance)"),
        "{far}"
    );
    assert_eq!(all.p_value("first", "near")?, all.p_value("near", "first")?);
    let error = all.p_value("first", "other").unwrap_err().to_string();
    assert!(error.contains("first, same, near, far"), "{error}");
    let svg = all.scatter().svg()?;
    assert!(
        ["first", "same", "near", "far"].iter().all(|name| svg.contains(&format!(">\n{name}\n<"))),
        "{svg}"
    );
    assert!(all.rich().plain().unwrap().contains("on 100 images; latencies of 5 runs each"));
    let mut other = model("other", 0..1);
    other.right.pop();
    let error = ModelComparison::new(vec![model("first", 0..5), other]).unwrap_err().to_string();
    assert!(error.contains("100 images") && error.contains("99 of the model \"other\""), "{error}");
    Ok(())
}

#[test]
fn what_cannot_be_compared_is_named() -> Result<()> {
    let (data, net) = (data()?, net(1)?);
    let other = Model::build([1, 8, 8], |x| x.flatten().linear(5))?.init(Seed(1), &Device::Cpu)?;
    let broken = Model::build([1, 8, 8], |x| x.flatten().linear(3))?.init(Seed(1), &Device::Cpu)?;
    for parameter in broken.parameters() {
        parameter.var.set(&(parameter.var.as_tensor() * f64::NAN)?)?;
    }
    let colour = Model::build([3, 8, 8], |x| x.flatten().linear(3))?.init(Seed(1), &Device::Cpu)?;
    let empty = data.subset(&[])?;
    let none = CompareConfig { runs: 0, ..quick() };
    type Case<'a> = (&'a Dataset, Vec<(&'a str, &'a dyn Compared)>, CompareConfig, &'a [&'a str]);
    let cases: Vec<Case> = vec![
        (&data, vec![], quick(), &["at least one model", "none"]),
        (&data, vec![("a", &net), ("a", &net)], quick(), &["name of its own", "\"a\" twice"]),
        (&empty, vec![("a", &net)], quick(), &["images", "none"]),
        (&data, vec![("a", &net), ("b", &other)], quick(), &["\"b\"", "3 classes", "[10, 5]"]),
        (&data, vec![("a", &broken)], quick(), &["NaN of the model \"a\" for image 0"]),
        (&data, vec![("a", &colour)], quick(), &["model \"a\": Model::forward", "(B, 3, 8, 8)"]),
        (&data, vec![("a", &net)], none, &["at least 1", "runs: 0"]),
    ];
    for (data, models, config, named) in cases {
        let error = compare(data, &models, &config).unwrap_err().to_string();
        assert!(named.iter().all(|named| error.contains(named)), "{error} should name {named:?}");
    }
    Ok(())
}
