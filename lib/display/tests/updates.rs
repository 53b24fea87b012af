//! A fast loop of updates does not flood, and its last state always comes. One test: a process has one sink.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use sconce_display::wire::Frame;
use sconce_display::{Bundle, Handle, Sink, Wait};

struct Kept(Arc<Mutex<Vec<Frame>>>);

impl Sink for Kept {
    fn send(&self, frame: Frame) {
        self.0.lock().unwrap().push(frame);
    }
}

#[test]
fn the_last_state_comes_and_few_before_it() {
    let frames = Arc::new(Mutex::new(Vec::new()));
    assert!(sconce_display::install(Box::new(Kept(Arc::clone(&frames)))).is_ok());
    let shown = |handle: &Handle| -> Vec<String> {
        let frames = frames.lock().unwrap();
        let texts = frames.iter().filter_map(|frame| match frame {
            Frame::Update { id, bundle } if id == handle.id() => bundle.plain().map(str::to_owned),
            _ => None,
        });
        texts.collect()
    };

    let fast = sconce_display::display_with_id(Bundle::text("fast"));
    for i in 0..100_000 {
        fast.update(Bundle::text(i.to_string()));
    }
    sconce_display::flush();
    let texts = shown(&fast);
    assert_eq!(texts.first().map(String::as_str), Some("0"), "the first is shown at once");
    assert_eq!(texts.last().map(String::as_str), Some("99999"));
    assert!(texts.len() < 10_000, "{} updates", texts.len());
    let numbers: Vec<u32> = texts.iter().map(|text| text.parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");

    // Nobody flushes: the last state comes all the same.
    let left = sconce_display::display_with_id(Bundle::text("left"));
    left.update(Bundle::text("a"));
    left.update(Bundle::text("b"));
    while shown(&left) != ["a", "b"] {
        std::thread::yield_now();
    }

    // Who shows less often than it changes is asked, as long as it lives.
    let late = fast.clone();
    let deliver: Arc<dyn Fn() + Send + Sync> = Arc::new(move || late.update(Bundle::text("asked")));
    sconce_display::before_flush(Arc::downgrade(&deliver));
    sconce_display::flush();
    assert_eq!(shown(&fast).last().map(String::as_str), Some("asked"));
    drop(deliver);
    let before = shown(&fast).len();
    sconce_display::flush();
    assert_eq!(shown(&fast).len(), before);

    // What is cleared has come before.
    let cleared = sconce_display::display_with_id(Bundle::text("cleared"));
    cleared.update(Bundle::text("1"));
    cleared.update(Bundle::text("2"));
    sconce_display::clear(Wait::No);
    let frames = frames.lock().unwrap();
    let update = Frame::Update { id: cleared.id().to_owned(), bundle: Bundle::text("2") };
    assert_eq!(frames[frames.len() - 2..], [update, Frame::Clear { wait: false }]);
}
