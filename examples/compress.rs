//! A ResNet-20 made smaller: half of its multiply-adds pruned, at once and in steps, and half of its weights held at 0 as 2 of 4, each
//! trained on a little, on digits and on single shapes.
//!
//! `cargo run --release -p sconce --example compress [-- --epochs N]` trains for N epochs, 12 unless told, and half as many after pruning.
//! It fails if half of the multiply-adds cost more than a point of accuracy on the test part.

#![allow(clippy::print_stdout)] // A program for the terminal: its results go to stdout.

use sconce::compress::{PruneConfig, SparsityConfig, prune_channels, prune_weights};
use sconce::data::{DataSplit, Dataset, Image, Sample, Target};
use sconce::plot::percent;
use sconce::prelude::*;
use sconce::transforms::{Affine, Filter, Resize};

const SIDE: usize = 32;
/// Steps in which channels go, and training between them.
const STEPS: usize = 3;

fn main() -> Result<()> {
    let epochs = epochs()?;
    let digits = datasets::digits()?;
    let mut costs = Vec::new();
    for (name, data, channels) in [("digits", digits, 1), ("shapes", shapes()?, 3)] {
        costs.push(compress(name, data, channels, epochs)?);
    }
    match costs.into_iter().find(|cost| *cost > 0.01) {
        None => Ok(()),
        Some(cost) => Err(Error::Argument {
            op: "compress".into(),
            expected: "at most a point of accuracy for half of the multiply-adds".into(),
            got: format!("{:.2} points", 100.0 * cost),
            hint: "With few epochs the network had not learnt enough; or the last change to the library made pruning worse.".into(),
        }),
    }
}

fn epochs() -> Result<usize> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let wrong = |got: String| Error::Argument {
        op: "compress".into(),
        expected: "nothing, or --epochs and a whole number above 1".into(),
        got,
        hint: "For example: compress --epochs 20.".into(),
    };
    match words.as_slice() {
        [] => Ok(12),
        [flag, number] if flag == "--epochs" => {
            let epochs = number.parse().ok().filter(|&epochs: &usize| epochs > 1);
            epochs.ok_or_else(|| wrong(number.clone()))
        }
        others => Err(wrong(others.join(" "))),
    }
}

/// Single shapes, cut out of drawings with a little of what is around them.
fn shapes() -> Result<Dataset> {
    let drawings = datasets::shapes(1000, Seed(42));
    let mut samples = Vec::new();
    for at in 0..drawings.len() {
        let sample = drawings.sample(at)?;
        let image = sample.image.to_tensor()?;
        let (_, height, width) = image.dims3()?;
        for object in &sample.target.objects {
            let span = |from: f32, to: f32, most: usize| {
                let from = (from - 2.0).max(0.0) as usize;
                (from, ((to + 2.0).ceil() as usize).min(most) - from)
            };
            let (top, rows) = span(object.bbox.y0, object.bbox.y1, height);
            let (left, columns) = span(object.bbox.x0, object.bbox.x1, width);
            let cut = image.narrow(1, top, rows)?.narrow(2, left, columns)?.contiguous()?;
            // The background is the first of the drawings' classes.
            let target = Target { labels: vec![object.label - 1], ..Target::default() };
            samples.push(Sample { id: samples.len().to_string(), image: Image::from_tensor(&cut)?, target });
        }
    }
    Dataset::in_memory(samples, &["circle", "square", "triangle"])
}

/// Trains a model for so many epochs.
fn train(model: &Model, data: &DataSplit, epochs: usize, rate: f64) -> Result<f64> {
    let learner = Learner::new(model.clone(), data.clone()).loss(cross_entropy());
    let learner = learner.optimizer(adamw(rate).weight_decay(0.05)).schedule(cosine().warmup(20));
    let mut learner = learner.clip_norm(1.0).ema(0.99).metric(accuracy()).seed(Seed(42)).batch_size(64);
    learner.fit(epochs)?;
    tested(model, data)
}

/// The share of the test part that a model gets right.
fn tested(model: &Model, data: &DataSplit) -> Result<f64> {
    let learner = Learner::new(model.clone(), data.clone()).metric(accuracy());
    learner.evaluate(Split::Test)?.metric("accuracy")
}

/// Makes a network smaller in several ways; gives what half of the multiply-adds cost at best.
fn compress(name: &str, data: Dataset, channels: usize, epochs: usize) -> Result<f64> {
    let classes = data.class_names().len();
    let mut data = data.transform(Resize::new([SIDE, SIDE])).split([0.6, 0.1, 0.3], Seed(42))?;
    let shaken = Affine::new().translate_x(-0.1..=0.1).translate_y(-0.1..=0.1).scale(0.9..=1.1);
    data.train = data.train.transform(shaken.filter(Filter::Bilinear));
    println!("{name}: {} images to train, {} to test", data.train.len(), data.test.len());

    let config = models::ModelConfig::default().num_classes(classes).image([channels, SIDE, SIDE]);
    let model = models::create("resnet20", config)?.init(Seed(42), &Device::Cpu)?;
    let before = train(&model, &data, epochs, 3e-3)?;
    println!("  ResNet-20: {} right", percent(before));
    let tell = |how: &str, pruned: f64, after: f64| {
        println!(
            "  {how}: {} right, trained on {}, {:+.2} points",
            percent(pruned),
            percent(after),
            100.0 * (after - before)
        );
    };
    // As long a training after it, however the channels go.
    let more = (epochs / 2).max(STEPS);

    let half = PruneConfig::multiply_adds(0.5);
    let pruned = prune_channels(&model, &half)?;
    let share = |after: u64, before: u64| percent(1.0 - after as f64 / before as f64);
    println!(
        "  {} of the multiply-adds pruned, {} of {} parameters left",
        share(pruned.report.multiply_adds_after(), pruned.report.multiply_adds_before()),
        pruned.report.parameters_after(),
        pruned.report.parameters_before()
    );
    let at_once = tested(&pruned.model, &data)?;
    let once = train(&pruned.model, &data, more, 1e-3)?;
    tell("pruned at once", at_once, once);

    let step = half.in_steps(STEPS);
    let (mut smaller, mut untrained, mut stepped) = (model.clone(), 0.0, 0.0);
    for _ in 0..STEPS {
        smaller = prune_channels(&smaller, &step)?.model;
        untrained = tested(&smaller, &data)?;
        stepped = train(&smaller, &data, more / STEPS, 1e-3)?;
    }
    tell(&format!("pruned in {STEPS} steps"), untrained, stepped);

    let sparse = prune_weights(&model, &SparsityConfig::two_of_four())?;
    let zeroed = tested(&sparse.model, &data)?;
    tell("2 of 4 weights", zeroed, train(&sparse.model, &data, more, 1e-3)?);
    println!("  on disk {} bytes, compact {}", sparse.report.bytes_dense(), sparse.report.bytes_compact());
    Ok(before - once.max(stepped))
}
