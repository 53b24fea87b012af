//! A small DETR learns from scratch to find circles, squares and triangles.
//!
//! `cargo run --release -p sconce --example detection [-- FOLDER]` trains for some minutes, writes pictures of what was
//! found into the folder if one is given, and fails if the AP at an IoU of 0.5 is below 0.5.

#![allow(clippy::print_stdout)] // A program for the terminal: its results go to stdout.

use std::path::{Path, PathBuf};
use std::time::Instant;

use sconce::metrics::{CocoScores, FoundBox};
use sconce::nn::{Conv2dConfig, SinePositionConfig, Value};
use sconce::prelude::*;
use sconce::transforms::{Compose, RandomHorizontalFlip, Resize};

/// Rows and columns of an image.
const SIDE: usize = 64;
/// What a token is made of.
const EMBED_DIM: usize = 64;
const NUM_HEADS: usize = 4;
/// Guesses for an image; there are four things in one at most.
const NUM_QUERIES: usize = 10;
const BATCH: usize = 32;
const LEARNING_RATE: f64 = 1e-3;
/// Steps in which the learning rate grows to its full size.
const WARM_UP: usize = 100;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let (model, scores) = learn(4000, 8)?;
    println!("\n{}", scores.rich().plain().unwrap_or_default());
    if let Some(folder) = folder {
        draw(&model, &folder)?;
    }
    at_least(&scores, 0.5)
}

fn at_least(scores: &CocoScores, bar: f64) -> Result<()> {
    let ap50 = scores.ap50().unwrap_or_default();
    if ap50 >= bar {
        return Ok(());
    }
    Err(Error::Argument {
        op: "detection".into(),
        expected: format!("an AP of at least {bar} at an IoU of 0.5"),
        got: format!("{ap50:.3}"),
        hint: "The last change to the library made it learn worse.".into(),
    })
}

fn test_set() -> Dataset {
    datasets::shapes(300, Seed(2)).transform(Resize::new(SIDE))
}

/// Trains on so many drawings and tells how it goes.
fn learn(images: usize, epochs: usize) -> Result<(Model, CocoScores)> {
    let train = datasets::shapes(images, Seed(1))
        .transform(Compose::new().then(Resize::new(SIDE)).then(RandomHorizontalFlip::new(0.5)));
    let test = test_set();
    let model = detr(test.num_classes())?.init(Seed(42), &Device::Cpu)?;
    println!("{} parameters", model.num_parameters());
    let criterion = set_loss(test.num_classes());
    let mut optimizer = adamw(LEARNING_RATE).build(&model.parameters())?;
    let steps = epochs * train.len().div_ceil(BATCH);
    let start = Instant::now();
    let mut step = 0;
    let mut scores = evaluate(&model, &test)?;
    for epoch in 0..epochs {
        let (mut sum, mut seen) = ([0.0; 3], 0.0);
        for batch in train.batches(BATCH).shuffle(Seed(3)).epoch(epoch) {
            let batch = batch?;
            optimizer.set_learning_rate(LEARNING_RATE * rate(step, steps))?;
            let targets = batch.box_targets()?;
            let output = model.forward(&batch.images, Mode::Train(Seed(step as u64)))?;
            let loss = criterion.of(&layers(&output)?, &targets.labels, &targets.boxes)?;
            optimizer.step(&backward(&loss.total)?)?;
            for (sum, part) in sum.iter_mut().zip([loss.class, loss.l1, loss.giou]) {
                *sum += part;
            }
            seen += 1.0;
            step += 1;
        }
        scores = evaluate(&model, &test)?;
        let [class, l1, giou] = sum.map(|sum| sum / seen);
        println!(
            "epoch {:>2} of {epochs}: class {class:.3}, L1 {l1:.3}, 1 - GIoU {giou:.3}, AP50 {:.3}, {:.0} s",
            epoch + 1,
            scores.ap50().unwrap_or_default(),
            start.elapsed().as_secs_f64(),
        );
    }
    Ok((model, scores))
}

/// The share of the full learning rate: up in a line, then down along a half cosine.
fn rate(step: usize, steps: usize) -> f64 {
    let warm = (step + 1) as f64 / WARM_UP as f64;
    let done = step as f64 / steps as f64;
    warm.min(1.0) * (0.02 + 0.98 * (0.5 + 0.5 * (std::f64::consts::PI * done).cos()))
}

/// What each of two decoder layers says, one after the other along the queries: logits, "no object" the last, and a box.
fn detr(num_classes: usize) -> Result<Architecture> {
    Model::build([3, SIDE, SIDE], |image| {
        let features = features(&image);
        let sines = SinePositionConfig { embed_dim: EMBED_DIM, ..SinePositionConfig::default() };
        let places = features.sine_position_embedding(sines).image_to_tokens(); // (64, D)
        let tokens = features.image_to_tokens();
        let placed = &tokens + &places;
        let memory = thought(&looked(&tokens, &placed, &placed, &tokens));
        let keys = &memory + &places;

        // In the first layer the queries have nothing to tell each other yet.
        let queries = memory.queries([NUM_QUERIES, EMBED_DIM]);
        let first = thought(&queries.multi_head_attention(&keys, &memory, NUM_HEADS).layer_norm());
        let asked = &first + &queries;
        let second = looked(&first, &asked, &asked, &first);
        let second = thought(&looked(&second, &(&second + &queries), &keys, &memory));

        let said = first.concat(&[&second], 0).layer_norm(); // (2 · N, D)
        let boxes = said.linear(EMBED_DIM).relu().linear(EMBED_DIM).relu().linear(4).sigmoid();
        said.linear(num_classes + 1).concat(&[&boxes], 1) // (2 · N, C + 1 + 4)
    })
}

/// (3, 64, 64) to (D, 8, 8).
fn features(image: &Value) -> Value {
    let block = |x: &Value, channels: usize, stride: usize| {
        let config =
            Conv2dConfig { stride: [stride; 2], padding: 1.into(), bias: false, ..Conv2dConfig::default() };
        x.conv2d_with(channels, config).batch_norm().relu()
    };
    let x = block(&block(image, 24, 2), 48, 2);
    let x = block(&block(&x, 48, 1), 96, 2);
    block(&x, 96, 1).conv2d(EMBED_DIM, 1)
}

/// Tokens, after those of `asked` have looked at `keys` and taken what they want of `values`.
fn looked(tokens: &Value, asked: &Value, keys: &Value, values: &Value) -> Value {
    (asked.multi_head_attention(keys, values, NUM_HEADS) + tokens).layer_norm()
}

/// Tokens, each of which has thought by itself.
fn thought(tokens: &Value) -> Value {
    (tokens.linear(2 * EMBED_DIM).relu().linear(EMBED_DIM) + tokens).layer_norm()
}

/// The output of [`detr`], taken apart.
fn layers(output: &Tensor) -> Result<Vec<SetPrediction>> {
    let classes = output.dim(2)? - 4;
    let layer = |at: usize| -> Result<SetPrediction> {
        let said = output.narrow(1, at * NUM_QUERIES, NUM_QUERIES)?; // (B, N, C + 1 + 4)
        Ok(SetPrediction { logits: said.narrow(2, 0, classes)?, boxes: said.narrow(2, classes, 4)? })
    };
    Ok(vec![layer(0)?, layer(1)?])
}

/// What the model finds in each image.
fn find(model: &Model, batch: &Batch) -> Result<Vec<Vec<FoundBox>>> {
    let layers = layers(&model.forward(&batch.images, Mode::Eval)?)?;
    found_boxes(&layers[1].logits, &layers[1].boxes, [SIDE; 2])
}

fn evaluate(model: &Model, data: &Dataset) -> Result<CocoScores> {
    let mut evaluation = BoxEvaluation::new(data.class_names());
    for batch in data.batches(50) {
        let batch = batch?;
        for (truths, found) in batch.true_boxes().iter().zip(find(model, &batch)?) {
            evaluation.record(truths, &found)?;
        }
    }
    Ok(evaluation.coco())
}

/// Writes what is found in twelve images, and all guesses for the first.
fn draw(model: &Model, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Io {
        op: "create",
        path: folder.to_owned(),
        source,
    })?;
    let test = test_set();
    for batch in test.batches(12).take(1) {
        let batch = batch?;
        let found = find(model, &batch)?;
        batch.show_found(&found, test.class_names(), 0.5)?.save(folder.join("found.png"))?;
        found_on(&batch.images.i(0)?, &found[0], test.class_names())?.save(folder.join("guesses.svg"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation")]
    fn a_short_training_finds_some_shapes() -> Result<()> {
        // Long enough that the bar is passed however a CPU rounds: after five epochs it was 0.23 on one and above on another.
        let (_, scores) = learn(2400, 8)?;
        at_least(&scores, 0.25)
    }
}
