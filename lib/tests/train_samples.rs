//! What a model says of some images while it trains. Alone in its process: the sink is the process's own.
#![allow(clippy::unwrap_used)]

#[path = "small/mod.rs"]
mod small;

use std::sync::Mutex;

use sconce::Result;
use sconce::train::SamplePredictions;
use sconce_display::Sink;
use sconce_display::wire::Frame;

static FRAMES: Mutex<Vec<Frame>> = Mutex::new(Vec::new());

struct Record;

impl Sink for Record {
    fn send(&self, frame: Frame) {
        FRAMES.lock().unwrap().push(frame);
    }
}

#[test]
fn the_predictions_of_some_images_change_in_one_picture() -> Result<()> {
    assert!(sconce_display::install(Box::new(Record)).is_ok());
    small::learner()?.callback(SamplePredictions::new(6)).fit(3)?;
    sconce_display::flush();
    let frames = std::mem::take(&mut *FRAMES.lock().unwrap());
    let grids = frames.iter().filter_map(|frame| match frame {
        Frame::Display { id: Some(id), bundle } | Frame::Update { id, bundle } => {
            let text = bundle.plain().unwrap_or_default().to_owned();
            text.contains("true → said").then(|| (id.clone(), text))
        }
        _ => None,
    });
    let grids: Vec<(String, String)> = grids.collect();
    // The one in the middle may have rested too short a time to be sent.
    assert!((2..=3).contains(&grids.len()), "{grids:?}");
    assert!(grids.iter().all(|(id, _)| *id == grids[0].0), "one display");
    assert!(grids[0].1.contains("epoch 1") && grids.last().unwrap().1.contains("epoch 3"), "{grids:?}");
    // Six of 18 images: classes a, b and c in turn.
    assert_eq!(grids.last().unwrap().1.matches('%').count(), 6, "{grids:?}");

    let error = small::learner()?.callback(SamplePredictions::new(0)).fit(1).unwrap_err().to_string();
    assert!(error.contains("at least 1 image"), "{error}");
    Ok(())
}
