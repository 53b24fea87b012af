//! What a learner costs beside a loop by hand, with somebody looking on. A measurement, so it runs only when
//! asked for, on a machine that does nothing else:
//! `cargo test --release -p sconce --test train_overhead -- --ignored --nocapture`.

#![allow(clippy::print_stdout)] // A measurement is for reading.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use candle_core::Device;
use sconce::Result;
use sconce::data::{DataSplit, datasets};
use sconce::nn::{Mode, Model};
use sconce::prelude::{Learner, Seed, accuracy, adamw, cross_entropy};
use sconce_display::Sink;
use sconce_display::wire::Frame;

const EPOCHS: usize = 100;
const ROUNDS: usize = 3;

static FRAMES: AtomicUsize = AtomicUsize::new(0);

/// Takes what a kernel's channel would take: the bytes of each frame.
struct Count;

impl Sink for Count {
    fn send(&self, frame: Frame) {
        FRAMES.fetch_add(1, Ordering::Relaxed);
        // A sink of a vector can't fail.
        let _ = sconce_display::wire::write(&mut Vec::new(), &frame);
    }
}

fn net() -> Result<Model> {
    Model::build([1, 8, 8], |x| {
        let x = x.conv2d(6, 5).relu().max_pool2d(2).conv2d(16, 5).relu().max_pool2d(2);
        x.flatten().linear(120).relu().linear(84).relu().linear(10)
    })?
    .init(Seed(1), &Device::Cpu)
}

fn by_hand(data: &DataSplit) -> Result<f64> {
    let net = net()?;
    let mut optimizer = adamw(1e-3).build(&net.parameters())?;
    let start = Instant::now();
    for epoch in 1..=EPOCHS {
        for (at, batch) in data.train.batches(128).shuffle(Seed(1)).epoch(epoch).enumerate() {
            let batch = batch?;
            let mode = Mode::Train(Seed(1).derive(&format!("epoch {epoch}, step {}", at + 1)));
            let loss = cross_entropy().of(&net.forward(&batch.images, mode)?, &batch.labels)?;
            optimizer.step(&loss.backward()?)?;
        }
        for batch in data.valid.batches(128) {
            let batch = batch?;
            cross_entropy()
                .of(&net.forward(&batch.images, Mode::Eval)?, &batch.labels)?
                .to_scalar::<f32>()?;
        }
    }
    Ok(start.elapsed().as_secs_f64())
}

fn learned(data: &DataSplit) -> Result<f64> {
    let mut learner = Learner::new(net()?, data.clone()).metric(accuracy()).batch_size(128).seed(Seed(1));
    let start = Instant::now();
    learner.fit(EPOCHS)?;
    Ok(start.elapsed().as_secs_f64())
}

#[test]
#[ignore = "a measurement"]
fn a_learner_costs_at_most_three_percent_more_than_a_loop_by_hand() -> Result<()> {
    assert!(sconce_display::install(Box::new(Count)).is_ok());
    let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(1))?;
    by_hand(&data)?;
    // Side by side, the best of several rounds each: what is left is not the machine's other work.
    let (mut hand, mut learner) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        hand = hand.min(by_hand(&data)?);
        learner = learner.min(learned(&data)?);
    }
    let frames = FRAMES.load(Ordering::Relaxed) / ROUNDS;
    println!("by hand {hand:.3} s, learner {learner:.3} s with {frames} states shown: {:.4}", learner / hand);
    assert!(learner / hand < 1.03);
    Ok(())
}
