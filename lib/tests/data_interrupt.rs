//! An interrupt stops the loader. In a process of its own: the flag belongs to the whole process.
#![allow(clippy::unwrap_used)]

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use sconce::data::care::{Problem, ScanConfig};
use sconce::data::{Coco, DataSplit, Dataset, Image, Pixels, Sample, Source, Target, datasets};
use sconce::rich::Rich;
use sconce::{Error, Result};
use sconce_display::interrupt;

/// A source of which so many samples come, and the others when somebody interrupts.
#[derive(Debug)]
struct Stuck {
    comes: usize,
}

impl Source for Stuck {
    fn len(&self) -> usize {
        100
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
        while index >= self.comes && !interrupt::requested() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let image = Image::new([1, 1, 1], Pixels::U8(vec![index as u8]))?;
        Ok(Sample { id: self.id(index), image, target: Target::default() })
    }
    fn class_names(&self) -> &[String] {
        &[]
    }
}

/// The flag belongs to the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An interrupt when all that comes by itself has long come.
fn later(milliseconds: u64) -> JoinHandle<()> {
    interrupt::reset();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(milliseconds));
        interrupt::request();
    })
}

#[test]
fn an_interrupt_ends_every_kind_of_walk() {
    let data = Dataset::from_source(Stuck { comes: 4 });
    let _alone = alone();
    for workers in [0, 1, 3] {
        interrupt::reset();
        let mut batches = data.batches(2).workers(workers).prefetch(2);
        assert_eq!(batches.next().unwrap().unwrap().indices, [0, 1]);
        assert_eq!(batches.next().unwrap().unwrap().indices, [2, 3]);
        let timer = later(50);
        // The third one is waited for until the interrupt comes.
        let error = loop {
            match batches.next().unwrap() {
                Ok(_) => assert!(interrupt::requested()),
                Err(error) => break error,
            }
        };
        assert!(matches!(&error, Error::Interrupted { at } if at.contains("after batch")), "{error}");
        assert!(batches.next().is_none(), "nothing comes after it");
        timer.join().unwrap();
    }
    // Images of a tensor need no threads, and stop too.
    let mut batches = datasets::digits().unwrap().batches(10);
    assert!(matches!(batches.next().unwrap(), Err(Error::Interrupted { .. })));
    assert!(batches.next().is_none());
    interrupt::reset();
    assert_eq!(datasets::digits().unwrap().batches(1000).count(), 2);
}

/// Which classes are rare is not told from a part of the images, nor is anything said of images that were not seen.
#[test]
fn an_interrupted_scan_keeps_what_it_has_found() {
    let _alone = alone();
    // Two pieces of work of 32 images come, and maybe a third one together with the interrupt.
    let data = Dataset::from_source(Stuck { comes: 70 });
    let timer = later(1000);
    let scan = data.scan(ScanConfig::default()).unwrap();
    timer.join().unwrap();
    let seen = scan.measured.len();
    assert!([64, 96].contains(&seen) && !scan.is_complete(), "{seen}");
    assert_eq!(scan.of(Problem::Tiny).len(), seen);
    assert!(scan.findings.iter().all(|finding| finding.index < seen));
    assert!(scan.rare_classes.is_empty());
    let text = scan.rich().plain().unwrap().to_owned();
    let headline =
        format!("scan: interrupted after {seen} of 100 images: {seen} of {seen} images with findings");
    assert!(text.starts_with(&headline), "{text}");
    assert_eq!(data.without(&scan.to_drop()).unwrap().len(), 100 - seen, "what was not seen stays");

    let whole = Dataset::from_source(Stuck { comes: 100 });
    let split = DataSplit { train: whole.clone(), valid: data, test: whole };
    let timer = later(1000);
    let leaks = split.leaks(ScanConfig::default()).unwrap();
    timer.join().unwrap();
    assert!([164, 196].contains(&leaks.seen) && !leaks.is_complete(), "{}", leaks.seen);
    assert_eq!(leaks.leaks.len(), leaks.seen - 100, "each of the second part is in the first");
    let text = leaks.rich().plain().unwrap().to_owned();
    assert!(text.starts_with(&format!("leaks: interrupted after {} of 300 images: ", leaks.seen)), "{text}");
    interrupt::reset();
    assert!(split.train.scan(ScanConfig::default()).unwrap().is_complete());
}

#[test]
fn a_large_annotation_file_can_be_stopped() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.json");
    let annotation = r#"{"id": 1, "image_id": 1, "caption": "a"}"#;
    let annotations = vec![annotation; 10_000].join(",");
    let images = r#"[{"id": 1, "file_name": "a.png", "height": 2, "width": 3}]"#;
    std::fs::write(&path, format!(r#"{{"images": {images}, "annotations": [{annotations}]}}"#)).unwrap();
    interrupt::request();
    let error = Coco::open(folder.path(), &path).unwrap_err();
    assert!(matches!(&error, Error::Interrupted { at } if at.contains("many.json")), "{error}");
    interrupt::reset();
    assert_eq!(Coco::open(folder.path(), &path).unwrap().target(0).unwrap().captions.len(), 10_000);
}
