//! What a learner costs beside a loop by hand: `cargo bench -p sconce --bench learner`, on a machine that does nothing else.
//!
//! LeNet on batches of 128 images, in turns in one process, with somebody looking on as a notebook does. The loop does what
//! there is no way around: batches, forward, loss, backward, step, and the loss of the validation part. The learner has a
//! metric beside it, its history, the bar and the curves. Prints one JSON object a round, and the one that counts. On Linux
//! that has the ratio of the processor's time over all rounds, too, which the machine's other work changes least.

#![allow(clippy::print_stdout, reason = "the result of a benchmark is what it prints")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use sconce::Result;
use sconce::data::{DataSplit, Dataset};
use sconce::nn::{Conv2dConfig, Mode, Model, backward};
use sconce::prelude::{Learner, Seed, accuracy, cross_entropy, sgd};
use sconce_display::Sink;
use sconce_display::wire::Frame;
use serde_json::json;

const BATCH: usize = 128;
const STEPS: usize = 40;
const EPOCHS: usize = 2;
const ROUNDS: usize = 24;

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
    let conv = Conv2dConfig { kernel: [5, 5], ..Conv2dConfig::default() };
    Model::build([3, 32, 32], |x| {
        let x = x.conv2d_with(6, conv).relu().max_pool2d(2);
        let x = x.conv2d_with(16, conv).relu().max_pool2d(2);
        x.flatten().linear(120).relu().linear(84).relu().linear(10)
    })?
    .init(Seed(1), &Device::Cpu)
}

/// So many batches of images of noise.
fn images(batches: usize, seed: u64) -> Result<Dataset> {
    let mut random = Seed(seed).rng();
    let count = batches * BATCH;
    let values: Vec<f32> = (0..count * 3 * 32 * 32).map(|_| random.uniform() as f32).collect();
    let labels: Vec<u32> = (0..count).map(|at| (at % 10) as u32).collect();
    let images = Tensor::from_vec(values, (count, 3, 32, 32), &Device::Cpu)?;
    Dataset::new(images, &labels, &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])
}

/// Seconds by the clock, and hundredths of a second that processors worked for this process.
#[derive(Clone, Copy)]
struct Cost {
    clock: f64,
    processors: Option<u64>,
}

struct Start(Instant, Option<u64>);

impl Start {
    fn now() -> Start {
        Start(Instant::now(), processor_time())
    }

    fn cost(&self) -> Cost {
        let processors = processor_time().zip(self.1).map(|(now, then)| now - then);
        Cost { clock: self.0.elapsed().as_secs_f64(), processors }
    }
}

/// Of all threads, those that have ended among them, where the system says it.
fn processor_time() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let [user, system] = [fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?];
    Some(user + system)
}

fn by_hand(data: &DataSplit) -> Result<Cost> {
    let net = net()?;
    let mut optimizer = sgd(1e-3).momentum(0.9).build(&net.parameters())?;
    let start = Start::now();
    for epoch in 1..=EPOCHS {
        for (at, batch) in data.train.batches(BATCH).shuffle(Seed(1)).epoch(epoch).enumerate() {
            let batch = batch?;
            let mode = Mode::Train(Seed(1).derive(&format!("epoch {epoch}, step {}", at + 1)));
            let loss = cross_entropy().of(&net.forward(&batch.images, mode)?, &batch.labels)?;
            optimizer.step(&backward(&loss)?)?;
        }
        let mut sum = 0.0;
        for batch in data.valid.batches(BATCH) {
            let batch = batch?;
            let loss = cross_entropy().of(&net.forward(&batch.images, Mode::Eval)?, &batch.labels)?;
            sum += loss.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        }
        assert!(sum.is_finite());
    }
    Ok(start.cost())
}

fn learned(data: &DataSplit) -> Result<Cost> {
    let mut learner = Learner::new(net()?, data.clone())
        .optimizer(sgd(1e-3).momentum(0.9))
        .metric(accuracy())
        .batch_size(BATCH)
        .seed(Seed(1));
    let start = Start::now();
    learner.fit(EPOCHS)?;
    Ok(start.cost())
}

fn main() -> Result<()> {
    assert!(sconce_display::install(Box::new(Count)).is_ok());
    let data = DataSplit { train: images(STEPS, 1)?, valid: images(5, 2)?, test: images(1, 3)? };
    by_hand(&data)?;
    learned(&data)?;
    FRAMES.store(0, Ordering::Relaxed);
    let mut costs = Vec::new();
    for round in 0..ROUNDS {
        // Who comes first changes, so that neither always finds the machine warmer.
        let (hand, learner) = if round % 2 == 0 {
            let hand = by_hand(&data)?;
            (hand, learned(&data)?)
        } else {
            let learner = learned(&data)?;
            (by_hand(&data)?, learner)
        };
        let ratio = learner.clock / hand.clock;
        println!(
            "{}",
            json!({ "round": round + 1, "loop_s": hand.clock, "learner_s": learner.clock, "ratio": ratio })
        );
        costs.push([hand, learner]);
    }
    let steps = (EPOCHS * STEPS) as f64;
    let least = [0, 1].map(|who| costs.iter().map(|cost| cost[who].clock).fold(f64::INFINITY, f64::min));
    let mut ratios: Vec<f64> = costs.iter().map(|[hand, learner]| learner.clock / hand.clock).collect();
    ratios.sort_by(f64::total_cmp);
    let processors = [0, 1].map(|who| costs.iter().map(|cost| cost[who].processors).sum::<Option<u64>>());
    let processors = processors[1].zip(processors[0]).map(|(learner, hand)| learner as f64 / hand as f64);
    let row = json!({
        "name": format!("learner/lenet/{BATCH}x3x32x32"),
        "loop_ms_a_step": least[0] / steps * 1e3,
        "learner_ms_a_step": least[1] / steps * 1e3,
        "ratio_of_the_least": least[1] / least[0],
        "ratio_median": ratios[ratios.len() / 2],
        "ratio_of_processor_time": processors,
        "states_shown": FRAMES.load(Ordering::Relaxed) / ROUNDS,
    });
    println!("{row}");
    Ok(())
}
