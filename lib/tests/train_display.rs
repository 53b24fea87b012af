//! What a notebook gets to see while a learner trains, or a loop of one's own. Alone in its process: the sink is the
//! process's own.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use sconce::data::{DataSplit, Dataset};
use sconce::nn::Model;
use sconce::prelude::{Learner, LivePlot, Loss, Rich, Seed, accuracy, cross_entropy};
use sconce::{Error, Result};
use sconce_display::wire::Frame;
use sconce_display::{Bundle, Content, Sink};

static FRAMES: Mutex<Vec<Frame>> = Mutex::new(Vec::new());

struct Record;

impl Sink for Record {
    fn send(&self, frame: Frame) {
        FRAMES.lock().unwrap_or_else(PoisonError::into_inner).push(frame);
    }
}

fn taken() -> Vec<Frame> {
    // As at the end of a cell: the last state may still rest.
    sconce_display::flush();
    std::mem::take(&mut FRAMES.lock().unwrap_or_else(PoisonError::into_inner))
}

fn html(bundle: &Bundle) -> &str {
    bundle
        .forms
        .iter()
        .find_map(|(mime, content)| match content {
            Content::Text(html) if mime == "text/html" => Some(html.as_str()),
            _ => None,
        })
        .unwrap_or_default()
}

/// Each frame's bundle; there must be one display, and updates of it.
fn bundles(frames: &[Frame]) -> Vec<&Bundle> {
    let Some(Frame::Display { id: Some(shown), .. }) = frames.first() else {
        panic!("the first frame should be a display with an id")
    };
    frames
        .iter()
        .enumerate()
        .map(|(at, frame)| match frame {
            Frame::Display { bundle, .. } if at == 0 => bundle,
            Frame::Update { id, bundle } if id == shown => bundle,
            other => panic!("frame {at} is {other:?}"),
        })
        .collect()
}

#[test]
fn one_display_moves_a_few_times_a_second_and_ends_in_the_final_state() -> Result<()> {
    assert!(sconce_display::install(Box::new(Record)).is_ok());
    let images = Tensor::rand(0f32, 1.0, (40, 1, 4, 4), &Device::Cpu)?;
    let labels: Vec<u32> = (0..40).map(|at| at % 2).collect();
    let data = Dataset::new(images, &labels, &["a", "b"])?;
    let data = DataSplit { train: data.clone(), valid: data.clone(), test: data };
    let net = Model::build([1, 4, 4], |x| x.flatten().linear(2))?.init(Seed(1), &Device::Cpu)?;
    // A step takes 20 ms, most of them asleep.
    let slow = Loss::new("slow", |logits, targets| {
        std::thread::sleep(Duration::from_millis(20));
        cross_entropy().of(logits, targets)
    });
    let mut learner = Learner::new(net, data).loss(slow).metric(accuracy()).batch_size(4);

    let start = Instant::now();
    learner.fit(5)?;
    let took = start.elapsed();
    let frames = taken();
    let shown = bundles(&frames);
    let most = 2 + took.as_millis() / 250;
    assert!((3..=most as usize).contains(&shown.len()), "{} states in {took:?}", shown.len());
    for bundle in &shown {
        assert!(bundle.plain().is_some_and(|text| text.starts_with('[')), "{bundle:?}");
        assert!(html(bundle).contains("<progress"));
    }
    assert!(shown[0].plain().is_some_and(|text| text.contains("epoch 1/5")));
    let middle = shown[shown.len() / 2];
    let line = middle.plain().unwrap_or_default();
    assert!(line.contains("/5, ") && line.contains("loss ") && line.contains("images/s"), "{line}");
    assert!(line.contains("left") && html(middle).contains("data:image/svg+xml;base64,"), "{line}");
    let last = shown[shown.len() - 1];
    let line = last.plain().unwrap_or_default();
    assert!(
        line.starts_with("[########################] 5 epochs") && line.contains("valid accuracy"),
        "{line}"
    );
    assert!(html(last).contains("data:image/svg+xml;base64,"));

    // The next fit has a display of its own, which starts with the curves so far.
    learner.fit(1)?;
    let frames = taken();
    assert!(html(bundles(&frames)[0]).contains("data:image/svg+xml;base64,"));

    // An interrupt and an error are final states too.
    sconce_display::interrupt::request();
    let Err(Error::Interrupted { at }) = learner.fit(1) else { panic!("it was not interrupted") };
    sconce_display::interrupt::reset();
    let frames = taken();
    let line = bundles(&frames)[1].plain().unwrap_or_default().to_owned();
    assert_eq!(at, "in epoch 7, after step 0 of 10");
    assert!(line.contains(&format!("interrupted {at}: ")), "{line}");
    let mut learner = learner.loss(Loss::new("lost", |logits, _| Ok((logits.sum_all()? * f64::NAN)?)));
    assert!(learner.fit(1).is_err());
    let frames = taken();
    assert!(bundles(&frames)[1].plain().is_some_and(|line| line.contains("stopped by an error in epoch 7")));
    a_live_plot_is_one_display_over_cells()
}

fn a_live_plot_is_one_display_over_cells() -> Result<()> {
    let plot = LivePlot::new("loss").smoothed(0.9);
    assert_eq!(taken().len(), 0, "nothing is shown before the first point");
    assert!(plot.rich().plain().is_some_and(|text| text.contains("no points yet")));
    let start = Instant::now();
    let mut steps = 0_usize;
    while start.elapsed() < Duration::from_millis(1200) {
        plot.push(steps, 1.0 / (1 + steps) as f32);
        steps += 1;
    }
    plot.push_to("valid", steps, f64::NAN);
    plot.push_to("valid", steps + 1, 3_u8);
    plot.push(f32::INFINITY, 1);
    let took = start.elapsed();
    assert_eq!(plot.len(), steps + 2);
    // The end of a cell brings the last state.
    let frames = taken();
    let shown = bundles(&frames);
    let most = 2 + took.as_millis() / 250;
    assert!((3..=most as usize).contains(&shown.len()), "{} states in {took:?}", shown.len());
    assert!(shown[0].plain().is_some_and(|text| text.contains("   0     1\n")), "{:?}", shown[0]);
    let last = shown[shown.len() - 1];
    let text = last.plain().unwrap_or_default();
    for words in [
        "in a row the first, least, greatest and last are kept; 1 NaN or infinite, a gap; 1 left out whose step",
        "smoothed: the exponential average with weight 0.9",
        "valid",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(html(last).contains("data:image/svg+xml;base64,") && html(last).len() < 100_000);
    // Nothing new, nothing to show; the next cell goes on in the same place, and a drop is an end, too.
    assert_eq!(taken().len(), 0);
    let Some(Frame::Display { id: Some(shown), .. }) = frames.first() else { panic!("no display") };
    plot.push(steps + 2, 0.25);
    plot.push(steps + 3, 0.125);
    drop(plot);
    let frames = taken();
    assert!(!frames.is_empty());
    for frame in &frames {
        assert!(matches!(frame, Frame::Update { id, .. } if id == shown), "{frame:?}");
    }
    let Some(Frame::Update { bundle, .. }) = frames.last() else { panic!("no update") };
    assert!(bundle.plain().is_some_and(|text| text.trim_end().ends_with("0.125")), "{bundle:?}");

    let folder = std::env::temp_dir().join(format!("sconce-live-{}", std::process::id()));
    let path = folder.with_extension("svg");
    let plot = LivePlot::new("a").logarithmic_y();
    let losses = [0.5_f32];
    for (step, loss) in losses.iter().enumerate() {
        plot.push(step, loss);
    }
    plot.save(&path)?;
    assert!(std::fs::read_to_string(&path).is_ok_and(|svg| svg == plot.curves().svg().unwrap_or_default()));
    assert!(std::fs::remove_file(path).is_ok());
    assert!(plot.save(folder.with_extension("bmp")).is_err());
    Ok(())
}
