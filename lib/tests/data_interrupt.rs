//! An interrupt stops the loader. In a process of its own: the flag belongs to the whole process.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use sconce::data::care::ScanConfig;
use sconce::data::{Dataset, Image, Pixels, Sample, Source, Target, datasets};
use sconce::{Error, Result};
use sconce_display::interrupt;

/// A source whose samples never come while nobody interrupts.
#[derive(Debug)]
struct Stuck;

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
        while index >= 4 && !interrupt::requested() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let image = Image::new([1, 1, 1], Pixels::U8(vec![index as u8]))?;
        Ok(Sample { id: self.id(index), image, target: Target::default() })
    }
    fn class_names(&self) -> &[String] {
        &[]
    }
}

#[test]
fn an_interrupt_ends_every_kind_of_walk() {
    let data = Dataset::from_source(Stuck);
    let later = || {
        interrupt::reset();
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            interrupt::request();
        })
    };
    for workers in [0, 1, 3] {
        let timer = later();
        let mut batches = data.batches(2).workers(workers).prefetch(2);
        assert_eq!(batches.next().unwrap().unwrap().indices, [0, 1]);
        assert_eq!(batches.next().unwrap().unwrap().indices, [2, 3]);
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
    let timer = later();
    let error = data.scan(ScanConfig::default()).unwrap_err();
    assert!(matches!(&error, Error::Interrupted { at } if at.contains("in scan, after image")), "{error}");
    timer.join().unwrap();
    // Images of a tensor need no threads, and stop too.
    let mut batches = datasets::digits().unwrap().batches(10);
    assert!(matches!(batches.next().unwrap(), Err(Error::Interrupted { .. })));
    assert!(batches.next().is_none());
    interrupt::reset();
    assert_eq!(datasets::digits().unwrap().batches(1000).count(), 2);
}
