//! Trainings, what they came to, and errors.

use sconce::data::{BBox, Image, Object, Pixels, Sample, Target};
use sconce::losses::SetLosses;
use sconce::metrics::{BoxErrorConfig, FoundBox, TrueBox};
use sconce::optim::Optimizer;
use sconce::prelude::*;
use sconce::train::{
    BoxErrorGrid, Comparison, GapReport, Histograms, LrSearch, Misclassified, MisclassifiedConfig, OneBatch,
    TopLosses, compare,
};

use super::models::network;

/// Images of 8 x 8 whose top or bottom half is bright, or neither; 24 of 3 classes.
fn halves() -> Result<DataSplit> {
    let value = |at: usize| {
        let (image, row, column) = (at / 64, at / 8 % 8, at % 8);
        let bright = match image % 3 {
            0 => row < 4,
            1 => row >= 4,
            _ => false,
        };
        if bright { 1.0 - (image + column) as f32 / 64.0 } else { column as f32 / 32.0 }
    };
    let images =
        Tensor::from_vec((0..24 * 64).map(value).collect::<Vec<f32>>(), (24, 1, 8, 8), &Device::Cpu)?;
    let labels: Vec<u32> = (0..24).map(|image| image % 3).collect();
    Dataset::new(images, &labels, &["top", "bottom", "none"])?.split([0.5, 0.25, 0.25], Seed(1))
}

/// All that a training needs.
pub fn learner() -> Result<Learner> {
    let learner = Learner::new(network()?, halves()?).loss(cross_entropy()).optimizer(sgd(0.125));
    Ok(learner.metric(accuracy()).batch_size(6).seed(Seed(3)))
}

/// What moves the weights, with two groups.
pub fn optimizer() -> Result<Optimizer> {
    let config = adamw(1e-3).group(vectors().weight_decay(0.0)).group(param_group("scores.*").lr(1e-2));
    config.build(&network()?.parameters())
}

/// A history of eight epochs, as one reads it from a file.
fn past(learning_rate: f64) -> Result<History> {
    let slow = if learning_rate < 0.002 { 1.0 } else { 1.5 };
    let epochs = (1..=8).map(|epoch| {
        let (loss, at) = (2.4 / slow / f64::from(epoch), f64::from(epoch));
        let valid = loss + 0.04 * slow * at;
        let accuracy = [0.5, 0.625, 0.75, 0.8125, 0.875, 0.875, 0.9375, 0.9375][epoch as usize - 1];
        format!(
            r#"{{"epoch":{epoch},"train_loss":{loss},"train_metrics":{{"accuracy":{accuracy}}},"valid_loss":{valid},"valid_metrics":{{"accuracy":{}}},"learning_rate":{learning_rate},"skipped":0,"seconds":1.5,"images_per_second":800.0}}"#,
            accuracy - 0.0625
        )
    });
    let epochs = epochs.collect::<Vec<_>>().join(",");
    let steps: Vec<f64> = (1..=32).map(|step| f64::from(step) / 4.0).collect();
    let losses: Vec<f64> = steps.iter().map(|at| 2.4 / (at + 0.5)).collect();
    let rates = vec![learning_rate; steps.len()];
    History::from_json(&format!(
        r#"{{"sconce":"history","version":1,"epochs":[{epochs}],"steps":{{"at":{steps:?},"loss":{losses:?},"learning_rate":{rates:?}}},"skipped":{{"train":[],"valid":[]}}}}"#
    ))
}

/// What happened in a training.
pub fn history() -> Result<History> {
    past(0.001)
}

/// What to make of it.
pub fn gap_report() -> Result<GapReport> {
    Ok(history()?.gap())
}

/// A run as it was kept in a folder, which is taken away again.
fn kept(name: &str, learning_rate: f64) -> Result<Run> {
    let folder = std::env::temp_dir().join(format!("sconce-forms-{}", std::process::id())).join(name);
    let io = |op, source| Error::Io { op, path: folder.clone(), source };
    std::fs::create_dir_all(&folder).map_err(|source| io("create", source))?;
    past(learning_rate)?.save_json(folder.join("history.json"))?;
    let text = format!(
        r#"{{"sconce":"run","version":1,"begun":"2026-01-02T03:04:05Z","settings":{{"optimizer":{{"name":"adamw","lr":"{learning_rate}"}},"training":{{"batch_size":"32","seed":"42"}}}},"fits":[{{"begun":"2026-01-02T03:04:05Z","from":0,"until":8,"ending":"complete","seconds":12.0,"changed":{{}}}}]}}"#
    );
    std::fs::write(folder.join("run.json"), text).map_err(|source| io("write", source))?;
    let run = Run::open(&folder)?;
    std::fs::remove_dir_all(&folder).map_err(|source| io("remove", source))?;
    Ok(run)
}

/// A training that was kept.
pub fn run() -> Result<Run> {
    kept("alone", 0.001)
}

/// Two of them.
pub fn comparison() -> Result<Comparison> {
    compare(&[kept("slow", 0.001)?, kept("fast", 0.01)?])
}

/// Whether more images would help.
pub fn learning_curve() -> Result<LearningCurve> {
    let config = LearningCurveConfig { fractions: vec![0.25, 0.5, 1.0], ..LearningCurveConfig::default() };
    LearningCurve::new(halves()?, config)?.run(|data, seed| {
        let mut learner = Learner::new(network()?, data).optimizer(sgd(0.125)).metric(accuracy()).seed(seed);
        learner.fit(1)?;
        Ok(learner)
    })
}

/// How good the model is on a part of the data.
pub fn evaluation() -> Result<Evaluation> {
    learner()?.evaluate(Split::Test)
}

/// The images that it has most wrong.
pub fn top_losses() -> Result<TopLosses> {
    evaluation()?.top_losses(3)
}

/// Those that it has wrong.
pub fn misclassified() -> Result<Misclassified> {
    evaluation()?.misclassified(MisclassifiedConfig::default())
}

/// What a loop of one's own has pushed.
pub fn live_plot() -> Result<LivePlot> {
    let plot = LivePlot::new("loss of my loop").logarithmic_y();
    for step in 1..=20 {
        plot.push(step, 3.0 / f64::from(step));
        if step % 5 == 0 {
            plot.push_to("valid", step, 4.0 / f64::from(step));
        }
    }
    Ok(plot)
}

/// How weights and gradients lay while it learnt.
pub fn histograms() -> Result<Histograms> {
    let histograms = Histograms::every(1).only("scores.*");
    learner()?.callback(histograms.clone()).fit(2)?;
    Ok(histograms)
}

/// Things in images, and boxes that were found beside them.
pub fn box_error_grid() -> Result<BoxErrorGrid> {
    let (height, width) = (64, 96);
    let pixels = (0..height * width).map(|at| (70 + at / width + at % width / 2) as u8).collect();
    let image = Image::new([height, width, 1], Pixels::U8(pixels))?;
    let bbox = BBox { x0: 10.0, y0: 10.0, x1: 50.0, y1: 40.0 };
    let car = Object { label: 0, bbox, mask: None, keypoints: Vec::new(), area: None, ignore: false };
    let target = Target { objects: vec![car], ..Target::default() };
    let data = Dataset::in_memory(vec![Sample { id: "street".into(), image, target }], &["car", "tree"])?;
    let mut boxes = BoxEvaluation::new(&["car", "tree"]);
    let truth = TrueBox { label: 0, corners: [10.0, 10.0, 50.0, 40.0], area: None, ignore: false };
    let found = |label, corners, score| FoundBox { label, corners, score };
    boxes.record(
        &[truth],
        &[found(1, [12.0, 11.0, 51.0, 41.0], 0.9), found(0, [60.0, 30.0, 90.0, 60.0], 0.6)],
    )?;
    data.show_box_errors(&boxes.errors(BoxErrorConfig::default())?, 2)
}

/// What it says of images.
pub fn predictions() -> Result<Predictions> {
    let learner = learner()?;
    let images = learner.data().test.images()?;
    learner.predict(&images.narrow(0, 0, 4)?)
}

/// Whether it can learn at all.
pub fn one_batch() -> Result<OneBatch> {
    learner()?.overfit_one_batch(8)
}

/// Which learning rate to take.
pub fn lr_search() -> Result<LrSearch> {
    learner()?.lr_find(LrFindConfig { start: 1e-4, end: 1.0, steps: 16, ..LrFindConfig::default() })
}

/// The parts of a loss over sets of boxes.
pub fn set_losses() -> Result<SetLosses> {
    let logits = Tensor::new(&[[[2_f32, 0.0, 0.0], [0.0, 0.0, 2.0]]], &Device::Cpu)?;
    let boxes = Tensor::new(&[[[0.5_f32, 0.5, 0.5, 0.5], [0.25, 0.25, 0.25, 0.25]]], &Device::Cpu)?;
    set_loss(2).of(&[SetPrediction { logits, boxes }], &[vec![0]], &[vec![[0.5, 0.5, 0.25, 0.5]]])
}

/// What is said of a mistake.
pub fn error() -> Result<Error> {
    Ok(Error::Shape {
        op: "conv2d \"stem\"".into(),
        expected: "(B, 3, H, W)".into(),
        got: "(1, 1, 8, 8)".into(),
        hint: "Repeat the grey channel: `x.repeat((1, 3, 1, 1))?`.".into(),
    })
}
