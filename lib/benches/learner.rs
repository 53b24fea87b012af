//! What a learner and a live plot cost beside a loop by hand: `cargo bench -p sconce --bench learner`, on a machine that
//! does nothing else.
//!
//! LeNet on batches of 128 images, in turns in one process, with somebody looking on as a notebook does. The loop does what
//! there is no way around: batches, forward, loss, backward, step, and the loss of the validation part. With a live plot it
//! reads the loss of each step and pushes it; beside that stands the same loop that reads it and shows nothing. The learner
//! has a metric beside it, its history, the bar and the curves. Prints one JSON object a round, and the ones that count. On
//! Linux these have the ratio of the processor's time over all rounds, too, which the machine's other work changes least.

#![allow(clippy::print_stdout, reason = "the result of a benchmark is what it prints")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use sconce::Result;
use sconce::data::{DataSplit, Dataset};
use sconce::nn::{Conv2dConfig, Mode, Model, backward};
use sconce::prelude::{Learner, LivePlot, Seed, accuracy, cross_entropy, sgd};
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

/// A loop by hand, and what becomes of the loss of each step.
fn by_hand(data: &DataSplit, mut see: impl FnMut(usize, &Tensor) -> Result<()>) -> Result<Cost> {
    let net = net()?;
    let mut optimizer = sgd(1e-3).momentum(0.9).build(&net.parameters())?;
    let start = Start::now();
    for epoch in 1..=EPOCHS {
        for (at, batch) in data.train.batches(BATCH).shuffle(Seed(1)).epoch(epoch).enumerate() {
            let batch = batch?;
            let mode = Mode::Train(Seed(1).derive(&format!("epoch {epoch}, step {}", at + 1)));
            let loss = cross_entropy().of(&net.forward(&batch.images, mode)?, &batch.labels)?;
            optimizer.step(&backward(&loss)?)?;
            see((epoch - 1) * STEPS + at, &loss)?;
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

fn loop_alone(data: &DataSplit) -> Result<Cost> {
    by_hand(data, |_, _| Ok(()))
}

fn loop_that_reads(data: &DataSplit) -> Result<Cost> {
    let mut sum = 0.0;
    let cost = by_hand(data, |_, loss| {
        sum += loss.to_scalar::<f32>()?;
        Ok(())
    });
    assert!(sum.is_finite());
    cost
}

fn loop_with_plot(data: &DataSplit) -> Result<Cost> {
    let plot = LivePlot::new("loss");
    let cost = by_hand(data, |step, loss| {
        plot.push(step, loss.to_scalar::<f32>()?);
        Ok(())
    });
    assert_eq!(plot.len(), EPOCHS * STEPS);
    cost
}

/// Two that do the same work, and how often one of them shows something.
struct Pair {
    name: &'static str,
    run: [fn(&DataSplit) -> Result<Cost>; 2],
    costs: Vec<[Cost; 2]>,
    shown: usize,
}

impl Pair {
    fn round(&mut self, data: &DataSplit, round: usize) -> Result<()> {
        FRAMES.store(0, Ordering::Relaxed);
        // Who comes first changes, so that neither always finds the machine warmer.
        let [plain, other] = self.run;
        let costs = if round.is_multiple_of(2) {
            [plain(data)?, other(data)?]
        } else {
            let other = other(data)?;
            [plain(data)?, other]
        };
        self.shown += FRAMES.load(Ordering::Relaxed);
        let [plain, other] = costs.map(|cost| cost.clock);
        let ratio = other / plain;
        println!(
            "{}",
            json!({ "round": round + 1, self.name: { "loop_s": plain, "s": other, "ratio": ratio } })
        );
        self.costs.push(costs);
        Ok(())
    }

    fn report(&self) {
        let steps = (EPOCHS * STEPS) as f64;
        let least =
            [0, 1].map(|who| self.costs.iter().map(|cost| cost[who].clock).fold(f64::INFINITY, f64::min));
        let mut ratios: Vec<f64> =
            self.costs.iter().map(|[plain, other]| other.clock / plain.clock).collect();
        ratios.sort_by(f64::total_cmp);
        let processors =
            [0, 1].map(|who| self.costs.iter().map(|cost| cost[who].processors).sum::<Option<u64>>());
        let processors = processors[1].zip(processors[0]).map(|(other, plain)| other as f64 / plain as f64);
        let row = json!({
            "name": format!("{}/lenet/{BATCH}x3x32x32", self.name),
            "loop_ms_a_step": least[0] / steps * 1e3,
            "ms_a_step": least[1] / steps * 1e3,
            "ratio_of_the_least": least[1] / least[0],
            "ratio_median": ratios[ratios.len() / 2],
            "ratio_of_processor_time": processors,
            "states_shown": self.shown / ROUNDS,
        });
        println!("{row}");
    }
}

fn main() -> Result<()> {
    assert!(sconce_display::install(Box::new(Count)).is_ok());
    let data = DataSplit { train: images(STEPS, 1)?, valid: images(5, 2)?, test: images(1, 3)? };
    let pair = |name, run| Pair { name, run, costs: Vec::new(), shown: 0 };
    let mut pairs =
        [pair("learner", [loop_alone, learned]), pair("live_plot", [loop_that_reads, loop_with_plot])];
    for run in pairs.iter().flat_map(|pair| pair.run) {
        run(&data)?;
    }
    for round in 0..ROUNDS {
        for pair in &mut pairs {
            pair.round(&data, round)?;
        }
    }
    pairs.iter().for_each(Pair::report);
    Ok(())
}
