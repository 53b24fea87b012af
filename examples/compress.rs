//! A ResNet-20 made smaller, on digits and on single shapes: half of its multiply-adds pruned, at once and in steps, and half of its weights
//! held at 0 as 2 of 4, each trained on a little; on integers of 8 bits, as it is and trained for it; and a student of a quarter of its
//! size that sees 10 images of each class, with and without a teacher.
//!
//! `cargo run --release -p sconce --example compress [-- --epochs N] [--students N]` trains for N epochs, 12 unless told, and half as many
//! after pruning, students five times as many; of students it takes the mean over so many seeds, 5 unless told. It fails if something costs more accuracy on the test part
//! than it may: a point for half of the multiply-adds, half a point for integers, a fifth where they were trained for, and if the teacher
//! is of no use.

#![allow(clippy::print_stdout)] // A program for the terminal: its results go to stdout.

use sconce::compress::{
    PruneConfig, QatConfig, QuantizeConfig, SparsityConfig, prune_channels, prune_weights, qat, quantize,
    quantize_trained,
};
use sconce::data::{DataSplit, Dataset, Image, Sample, Target};
use sconce::plot::{count, percent};
use sconce::prelude::*;
use sconce::train::{Teacher, Term};
use sconce::transforms::{Affine, Filter, Resize};

const SIDE: usize = 32;
/// Steps in which channels go, and training between them.
const STEPS: usize = 3;
/// Images of each class that a student sees. From all of them it would learn as much as its teacher knows.
const FEW: usize = 10;

/// What a run is to do.
struct Flags {
    epochs: usize,
    students: u64,
}

fn main() -> Result<()> {
    let flags = flags()?;
    let mut failures = Vec::new();
    for (name, data, channels) in [("digits", datasets::digits()?, 1), ("shapes", shapes()?, 3)] {
        compress(name, data, channels, &flags, &mut failures)?;
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(Error::Argument {
        op: "compress".into(),
        expected: "no more accuracy to go than may".into(),
        got: failures.join("; "),
        hint: "With few epochs the network had not learnt enough; or the last change to the library made it worse.".into(),
    })
}

fn flags() -> Result<Flags> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut flags = Flags { epochs: 12, students: 5 };
    for pair in words.chunks(2) {
        match pair {
            [flag, number] if flag == "--epochs" => flags.epochs = whole(number)?,
            [flag, number] if flag == "--students" => flags.students = whole(number)? as u64,
            other => return Err(wrong(other.join(" "))),
        }
    }
    Ok(flags)
}

fn whole(number: &str) -> Result<usize> {
    number.parse().ok().filter(|&number: &usize| number > 0).ok_or_else(|| wrong(number.to_owned()))
}

fn wrong(got: String) -> Error {
    Error::Argument {
        op: "compress".into(),
        expected: "nothing, or --epochs or --students and a whole number above 0".into(),
        got,
        hint: "For example: compress --epochs 20 --students 3.".into(),
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

/// A learner as all of them are here.
fn learner(model: &Model, data: &DataSplit, rate: f64) -> Learner {
    let learner = Learner::new(model.clone(), data.clone()).loss(cross_entropy());
    let learner = learner.optimizer(adamw(rate).weight_decay(0.05)).schedule(cosine().warmup(20));
    learner.clip_norm(1.0).ema(0.99).seed(Seed(42)).batch_size(64)
}

/// Trains a model for so many epochs; gives the share of the test part that it then gets right.
fn train(model: &Model, data: &DataSplit, epochs: usize, rate: f64) -> Result<f64> {
    learner(model, data, rate).fit(epochs)?;
    tested(model.clone(), data)
}

/// The share of the test part that a model gets right.
fn tested(net: impl Net + 'static, data: &DataSplit) -> Result<f64> {
    Learner::new(net, data.clone()).metric(accuracy()).evaluate(Split::Test)?.metric("accuracy")
}

/// A network of the same plan with half of the channels: a quarter of the parameters.
fn student(channels: usize, classes: usize) -> Result<Architecture> {
    Model::build([channels, SIDE, SIDE], |x| {
        let mut x = x.conv2d_with(8, convolution(3, 1)).batch_norm().relu();
        for (width, first) in [(8, 1), (16, 2), (32, 2)] {
            for stride in [first, 1, 1] {
                let y = x.conv2d_with(width, convolution(3, stride)).batch_norm().relu();
                let y = y.conv2d_with(width, convolution(3, 1)).batch_norm();
                let short = match stride {
                    1 => x.clone(),
                    _ => x.conv2d_with(width, convolution(1, stride)).batch_norm(),
                };
                x = (short + y).relu();
            }
        }
        x.global_avg_pool().linear(classes)
    })
}

fn convolution(kernel: usize, stride: usize) -> Conv2dConfig {
    let (kernel, stride) = ([kernel, kernel], [stride, stride]);
    Conv2dConfig { kernel, stride, padding: (kernel[0] / 2).into(), bias: false, ..Conv2dConfig::default() }
}

/// Makes a network smaller in several ways, and takes note of what costs too much.
fn compress(
    name: &str,
    data: Dataset,
    channels: usize,
    flags: &Flags,
    failures: &mut Vec<String>,
) -> Result<()> {
    let classes = data.class_names().len();
    let mut data = data.transform(Resize::new([SIDE, SIDE])).split([0.6, 0.1, 0.3], Seed(42))?;
    let calm = data.train.clone();
    let shaken = Affine::new().translate_x(-0.1..=0.1).translate_y(-0.1..=0.1).scale(0.9..=1.1);
    data.train = data.train.transform(shaken.filter(Filter::Bilinear));
    println!("{name}: {} images to train, {} to test", data.train.len(), data.test.len());

    let config = models::ModelConfig::default().num_classes(classes).image([channels, SIDE, SIDE]);
    let model = models::create("resnet20", config)?.init(Seed(42), &Device::Cpu)?;
    let before = train(&model, &data, flags.epochs, 3e-3)?;
    println!("  ResNet-20 of {} parameters: {} right", count(model.num_parameters()), percent(before));
    let tell = |how: &str, after: f64| {
        println!("  {how}: {}, {:+.2} points", percent(after), 100.0 * (after - before));
    };
    let mut at_most = |how: &str, points: f64, after: f64| {
        let cost = 100.0 * (before - after);
        if cost > points {
            failures.push(format!("{name}, {how}: {cost:.2} points instead of at most {points}"));
        }
    };
    // As long a training after it, however the channels go.
    let more = (flags.epochs / 2).max(STEPS);

    let half = PruneConfig::multiply_adds(0.5);
    let pruned = prune_channels(&model, &half)?;
    let left = pruned.report.multiply_adds_after() as f64 / pruned.report.multiply_adds_before() as f64;
    println!(
        "  {} of the multiply-adds and {} of the parameters pruned",
        percent(1.0 - left),
        percent(1.0 - pruned.report.parameters_after() as f64 / pruned.report.parameters_before() as f64)
    );
    tell("pruned at once, not trained", tested(pruned.model.clone(), &data)?);
    let once = train(&pruned.model, &data, more, 1e-3)?;
    tell("pruned at once, trained on", once);
    let (mut smaller, mut stepped) = (model.clone(), 0.0);
    for step in half.steps(&model, STEPS) {
        smaller = prune_channels(&smaller, &step)?.model;
        stepped = train(&smaller, &data, more / STEPS, 1e-3)?;
    }
    tell(&format!("pruned in {STEPS} steps, trained on"), stepped);
    at_most("half of the multiply-adds", 1.0, once.max(stepped));

    let sparse = prune_weights(&model, &SparsityConfig::two_of_four())?;
    tell("2 of 4 weights, not trained", tested(sparse.model.clone(), &data)?);
    tell("2 of 4 weights, trained on", train(&sparse.model, &data, more, 1e-3)?);

    let images = calm.batches(64).shuffle(Seed(42)).take(4).map(|batch| Ok(batch?.images));
    let images = images.collect::<Result<Vec<_>>>()?;
    let int8 = tested(quantize(&model, &images, &QuantizeConfig::default())?.model, &data)?;
    tell("on integers", int8);
    at_most("integers", 0.5, int8);
    let aware = qat(&model, &images, &QatConfig::default())?;
    let mut training = Learner::new(aware.clone(), data.clone()).optimizer(adamw(1e-4)).batch_size(64);
    training.fit(2)?;
    aware.freeze_observers()?;
    training.fit(1)?;
    let trained = tested(quantize_trained(&aware)?.model, &data)?;
    tell("on integers, trained for it", trained);
    at_most("integers, trained for them", 0.2, trained);

    let architecture = student(channels, classes)?;
    let part = (FEW * classes) as f64 / data.train.len() as f64;
    let (mut alone, mut taught) = (0.0, 0.0);
    for seed in 1..=flags.students {
        let few = data.train.split([part, 0.1, 0.9 - part], Seed(seed))?.train;
        let few = DataSplit { train: few, ..data.clone() };
        let teacher = Teacher::new(model.clone()).term(Term::logits(4.0)).labels(0.1);
        for (teacher, sum) in [(None, &mut alone), (Some(teacher), &mut taught)] {
            let small = architecture.init(Seed(seed), &Device::Cpu)?;
            let mut learner = learner(&small, &few, 3e-3).batch_size(20);
            if let Some(teacher) = teacher {
                learner = learner.teacher(teacher);
            }
            learner.fit(5 * flags.epochs)?;
            *sum += tested(small, &data)? / flags.students as f64;
        }
    }
    tell(&format!("students of {} images, mean of {}", FEW * classes, flags.students), alone);
    tell("the same with a teacher", taught);
    if taught <= alone {
        failures.push(format!(
            "{name}: students {} with a teacher, {} alone",
            percent(taught),
            percent(alone)
        ));
    }
    Ok(())
}
