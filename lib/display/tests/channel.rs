//! What is shown reaches the installed sink, in order. One test: a process has one sink.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use sconce_display::wire::Frame;
use sconce_display::{Answer, Bundle, Question, Sink, Wait};

struct Kept(Arc<Mutex<Vec<Frame>>>);

impl Sink for Kept {
    fn send(&self, frame: Frame) {
        self.0.lock().unwrap().push(frame);
    }

    fn ask(&self, question: Question) -> Answer {
        Answer::Line(question.prompt.to_uppercase())
    }
}

#[test]
fn frames_reach_the_sink_in_order() {
    // Without a sink nobody sees these; they must not fail either.
    assert!(!sconce_display::in_notebook());
    sconce_display::display(Bundle::default());
    sconce_display::clear(Wait::No);
    let question = Question { prompt: "name".into(), password: false };
    assert_eq!(sconce_display::ask(question.clone()), None);
    sconce_display::display_with_id(Bundle::default()).update(Bundle::default());

    let frames = Arc::new(Mutex::new(Vec::new()));
    assert!(sconce_display::install(Box::new(Kept(Arc::clone(&frames)))).is_ok());
    assert!(sconce_display::in_notebook());
    assert_eq!(sconce_display::ask(question), Some(Answer::Line("NAME".into())));
    let refused = Arc::new(Mutex::new(Vec::new()));
    assert!(sconce_display::install(Box::new(Kept(Arc::clone(&refused)))).is_err());

    sconce_display::display(Bundle::text("a"));
    let first = sconce_display::display_with_id(Bundle::text("b"));
    let second = sconce_display::display_with_id(Bundle::text("c"));
    first.update(Bundle::text("d"));
    sconce_display::clear(Wait::ForNext);
    sconce_display::clear(Wait::No);

    assert_ne!(first.id(), second.id());
    let expected = [
        Frame::Display { id: None, bundle: Bundle::text("a") },
        Frame::Display { id: Some(first.id().to_owned()), bundle: Bundle::text("b") },
        Frame::Display { id: Some(second.id().to_owned()), bundle: Bundle::text("c") },
        Frame::Update { id: first.id().to_owned(), bundle: Bundle::text("d") },
        Frame::Clear { wait: true },
        Frame::Clear { wait: false },
    ];
    assert_eq!(*frames.lock().unwrap(), expected);
    assert!(refused.lock().unwrap().is_empty());
}
