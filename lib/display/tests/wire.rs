//! Every message comes back as it was sent, and nothing that comes in breaks the reader.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{self, Read};

use proptest::prelude::*;
use sconce_display::comm::{Action, Packet, Payload};
use sconce_display::wire::{
    self, Call, Calls, Ending, Fields, Frame, MAX_MESSAGE, Message, Panic, Reply, Request, Sent, Spot,
};
use sconce_display::{Answer, Bundle, Content, Question};

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        any::<String>().prop_map(Content::Text),
        any::<String>().prop_map(Content::Json),
        any::<Vec<u8>>().prop_map(Content::Bytes),
    ]
}

fn bundle() -> impl Strategy<Value = Bundle> {
    let forms = prop::collection::vec((any::<String>(), content()), 0..4);
    let metadata = prop::collection::vec(any::<(String, String)>(), 0..3);
    (forms, metadata).prop_map(|(forms, metadata)| Bundle { forms, metadata })
}

fn panic() -> impl Strategy<Value = Panic> {
    (any::<String>(), spot(), calls()).prop_map(|(message, at, calls)| Panic { message, at, calls })
}

fn calls() -> impl Strategy<Value = Calls> {
    let call = || any::<(u32, u64)>().prop_map(|(cell, offset)| Call { cell, offset });
    let list = move || prop::collection::vec(call(), 0..4);
    (list(), any::<u64>(), list()).prop_map(|(inner, unlisted, outer)| Calls { inner, unlisted, outer })
}

fn spot() -> impl Strategy<Value = Spot> {
    any::<(String, u32, u32)>().prop_map(|(file, line, column)| Spot { file, line, column })
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        (any::<Option<String>>(), bundle()).prop_map(|(id, bundle)| Frame::Display { id, bundle }),
        (any::<String>(), bundle()).prop_map(|(id, bundle)| Frame::Update { id, bundle }),
        any::<bool>().prop_map(|wait| Frame::Clear { wait }),
        bundle().prop_map(|bundle| Frame::Result { bundle }),
        (any::<String>(), panic()).prop_map(|(thread, panic)| Frame::ThreadPanic { thread, panic }),
        any::<(u64, String, bool)>().prop_map(|(id, prompt, password)| Frame::Question {
            id,
            question: Question { prompt, password }
        }),
        packet().prop_map(Frame::Comm),
        any::<u64>().prop_map(|number| Frame::Handled { number }),
    ]
}

fn sent_frame() -> impl Strategy<Value = Sent> {
    (any::<Option<u64>>(), frame()).prop_map(|(cause, frame)| Sent { cause, frame })
}

fn packet() -> impl Strategy<Value = Packet> {
    let action = prop_oneof![
        any::<String>().prop_map(|target| Action::Open { target }),
        Just(Action::Message),
        Just(Action::Close),
    ];
    let payload = any::<(String, String)>();
    let buffers = prop::collection::vec(any::<Vec<u8>>(), 0..3);
    (any::<String>(), action, payload, buffers).prop_map(|(comm, action, (data, metadata), buffers)| Packet {
        comm,
        action,
        payload: Payload { data, metadata, buffers },
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        any::<String>().prop_map(Answer::Line),
        Just(Answer::End),
        any::<String>().prop_map(|why| Answer::Nobody { why }),
        Just(Answer::Interrupted),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        any::<(String, String)>().prop_map(|(library, entry)| Request::Run { library, entry }),
        any::<Vec<String>>().prop_map(|names| Request::Forget { names }),
        (any::<u64>(), answer()).prop_map(|(id, answer)| Request::Answer { id, answer }),
        (any::<u64>(), packet()).prop_map(|(number, packet)| Request::Comm { number, packet }),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    let ending = prop_oneof![
        Just(Ending::Done),
        Just(Ending::Interrupted),
        (any::<(String, Vec<String>)>(), spot()).prop_map(|((kind, chain), at)| Ending::Failed {
            kind,
            chain,
            at
        }),
        panic().prop_map(Ending::Panicked),
        any::<String>().prop_map(|message| Ending::NotLoaded { message }),
    ];
    (ending, any::<Vec<String>>()).prop_map(|(ending, stored)| Reply { ending, stored })
}

/// Gives a byte at a time, as a slow pipe may.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = into.len().min(1);
        self.0.read(&mut into[..count])
    }
}

fn sent<M: Message>(message: &M) -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::write(&mut bytes, message).unwrap();
    bytes
}

fn comes_back<M: Message + PartialEq + std::fmt::Debug>(message: &M) -> Result<(), TestCaseError> {
    let bytes = sent(message);
    prop_assert_eq!(&wire::read::<M>(&mut bytes.as_slice()).unwrap(), message);
    prop_assert_eq!(&wire::read::<M>(&mut Trickle(&bytes)).unwrap(), message);

    // Cut off anywhere, the stream ends too early and says so.
    for length in 0..bytes.len() {
        let error = wire::read::<M>(&mut &bytes[..length]).unwrap_err();
        prop_assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
    // Cut off with a length that fits, fields are missing.
    for length in 4..bytes.len() {
        let mut shorter = bytes[..length].to_vec();
        shorter[..4].copy_from_slice(&((length - 4) as u32).to_le_bytes());
        let error = wire::read::<M>(&mut shorter.as_slice()).unwrap_err();
        prop_assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
    // With bytes that belong to no field, the two sides do not speak the same language.
    let mut longer = bytes.clone();
    longer.push(0);
    longer[..4].copy_from_slice(&((bytes.len() - 3) as u32).to_le_bytes());
    let error = wire::read::<M>(&mut longer.as_slice()).unwrap_err();
    prop_assert!(error.to_string().contains("1 bytes too many"), "{}", error);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_come_back(frame in frame()) {
        comes_back(&frame)?;
    }

    #[test]
    fn sent_frames_come_back(sent in sent_frame()) {
        comes_back(&sent)?;
    }

    #[test]
    fn requests_come_back(request in request()) {
        comes_back(&request)?;
    }

    #[test]
    fn replies_come_back(reply in reply()) {
        comes_back(&reply)?;
    }

    #[test]
    fn messages_follow_each_other(frames in prop::collection::vec(frame(), 0..5)) {
        let bytes: Vec<u8> = frames.iter().flat_map(sent).collect();
        let mut stream = bytes.as_slice();
        for frame in &frames {
            prop_assert_eq!(&wire::read::<Frame>(&mut stream).unwrap(), frame);
        }
        prop_assert_eq!(wire::read::<Frame>(&mut stream).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn one_changed_byte_breaks_nothing(frame in frame(), at in any::<prop::sample::Index>(), change in 1..=255_u8) {
        let mut bytes = sent(&frame);
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        // Another frame or an error, never a panic or the frame that was sent.
        if let Ok(read) = wire::read::<Frame>(&mut bytes.as_slice()) {
            let clear = matches!((&read, &frame), (Frame::Clear { .. }, Frame::Clear { .. }));
            prop_assert!(read != frame || clear);
        }
    }

    #[test]
    fn garbage_takes_no_more_memory_than_a_few_times_its_length(garbage in any::<Vec<u8>>()) {
        for decode in [decode::<Frame>, decode::<Request>, decode::<Reply>, decode::<Bundle>, decode::<Panic>] {
            let (_, most) = peak(|| decode(&garbage));
            prop_assert!(most <= 1024 + 128 * garbage.len(), "{} bytes for {}", most, garbage.len());
        }
    }
}

fn decode<M: Message>(bytes: &[u8]) -> Option<io::Error> {
    M::decode(&mut Fields::new(bytes)).err()
}

#[test]
fn a_huge_count_is_an_error_and_not_an_allocation() {
    let huge = u32::MAX.to_le_bytes();
    type Decode = fn(&[u8]) -> Option<io::Error>;
    let cases: [(&str, Vec<u8>, Decode); 5] = [
        ("forms of a bundle", huge.to_vec(), decode::<Bundle>),
        ("names to forget", [&[1], &huge[..]].concat(), decode::<Request>),
        ("the chain of an error", [&[1, 0, 0, 0, 0], &huge[..]].concat(), decode::<Reply>),
        ("stored variables", [&[0], &huge[..]].concat(), decode::<Reply>),
        ("the length of a string", [&[0], &huge[..]].concat(), decode::<Request>),
    ];
    for (what, bytes, decode) in cases {
        let (error, most) = peak(|| decode(&bytes));
        assert!(error.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData), "{what}");
        assert!(most < 4096, "{what}: {most} bytes");
    }
}

#[test]
fn a_length_that_never_comes_is_not_allocated() {
    let claimed = (MAX_MESSAGE as u32).to_le_bytes();
    let stream = [&claimed[..], &[0; 100]].concat();
    let (error, most) = peak(|| wire::read::<Frame>(&mut stream.as_slice()).unwrap_err());
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(most < 1 << 20, "{most} bytes");
}

#[test]
fn a_length_beyond_the_limit_is_refused() {
    let stream = (MAX_MESSAGE as u32 + 1).to_le_bytes();
    let error = wire::read::<Frame>(&mut stream.as_slice()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("1073741825 bytes"), "{error}");
}

#[test]
fn unknown_tags_and_broken_text_are_named() {
    let named = |error: Option<io::Error>, complaint: &str| {
        let error = error.unwrap().to_string();
        assert!(error.contains(complaint), "{error}");
    };
    named(decode::<Frame>(&[9]), "frame tag 9");
    named(decode::<Request>(&[9]), "request tag 9");
    named(decode::<Reply>(&[9]), "reply tag 9");
    named(decode::<Bundle>(&[1, 0, 0, 0, 0, 0, 0, 0, 7]), "content tag 7");
    named(decode::<Request>(&[1, 1, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff]), "utf-8");
    named(decode::<Frame>(&[]), "1 bytes wanted, 0 left");
}

/// Counts what each thread holds, so that a test can see how much a call took at most.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn note(change: isize) {
    let held = HELD.get() + change;
    HELD.set(held);
    MOST.set(MOST.get().max(held));
}

// SAFETY: everything is handed to the system's allocator; the counters are plain cells of the thread, made
// without allocation and without destructors.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `dealloc`, and `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What `work` returns, and the bytes it held at most beyond what was held before.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    MOST.set(before);
    let result = work();
    (result, MOST.get().saturating_sub(before).unsigned_abs())
}
