//! What a notebook gets to see of a long walk over images. Alone in its process: the sink is the process's own.
#![allow(clippy::unwrap_used)]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sconce::Result;
use sconce::data::{Dataset, Image, Pixels, Sample, Source, Target};
use sconce_display::Sink;
use sconce_display::wire::Frame;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Record;

impl Sink for Record {
    fn send(&self, frame: Frame) {
        let (Frame::Display { bundle, .. } | Frame::Update { bundle, .. }) = frame else { return };
        let line = bundle.plain().unwrap_or_default().to_owned();
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

fn taken() -> Vec<String> {
    sconce_display::flush();
    std::mem::take(&mut LINES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A source that takes so long for a sample.
#[derive(Debug)]
struct Slow(Duration);

impl Source for Slow {
    fn len(&self) -> usize {
        60
    }
    fn id(&self, index: usize) -> String {
        index.to_string()
    }
    fn labels(&self, _: usize) -> Vec<u32> {
        Vec::new()
    }
    fn target(&self, _: usize) -> Result<Target> {
        Ok(Target::default())
    }
    fn sample(&self, index: usize) -> Result<Sample> {
        std::thread::sleep(self.0);
        let image = Image::new([1, 1, 1], Pixels::U8(vec![index as u8]))?;
        Ok(Sample { id: self.id(index), image, target: Target::default() })
    }
    fn class_names(&self) -> &[String] {
        &[]
    }
}

#[test]
fn a_long_walk_shows_how_far_it_is_and_a_short_one_does_not() {
    assert!(sconce_display::install(Box::new(Record)).is_ok());
    let quick = Dataset::from_source(Slow(Duration::ZERO));
    assert_eq!(quick.batches(4).progress().count(), 15);
    quick.statistics().unwrap();
    assert_eq!(taken(), [""; 0]);

    let slow = Dataset::from_source(Slow(Duration::from_millis(30)));
    assert_eq!(slow.batches(4).workers(1).epoch(3).count(), 15);
    assert_eq!(taken(), [""; 0], "nobody asked for it");
    assert_eq!(slow.batches(4).workers(1).epoch(3).progress().count(), 15);
    let lines = taken();
    assert!(lines.len() > 1, "{lines:?}");
    for line in &lines[..lines.len() - 1] {
        assert!(
            line.starts_with("[###") && line.contains("epoch 3: ") && line.contains(" of 60 images, "),
            "{line}"
        );
        assert!(line.contains("images/s") && line.ends_with(" left"), "{line}");
    }
    let last = &lines[lines.len() - 1];
    assert!(last.starts_with("[########################] epoch 3: 60 of 60 images, "), "{last}");
}
