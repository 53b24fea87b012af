//! Comms reach their handlers, and close when they should. One test: a process has one sink.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use sconce_display::Sink;
use sconce_display::comm::{self, Action, Comm, Packet, Payload};
use sconce_display::wire::Frame;

struct Kept(Arc<Mutex<Vec<Packet>>>);

impl Sink for Kept {
    fn send(&self, frame: Frame) {
        let Frame::Comm(packet) = frame else { panic!("{frame:?}") };
        self.0.lock().unwrap().push(packet);
    }
}

fn packet(comm: &str, action: Action, payload: impl Into<Payload>) -> Packet {
    Packet { comm: comm.into(), action, payload: payload.into() }
}

#[test]
fn both_ends_open_talk_and_close() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    assert!(sconce_display::install(Box::new(Kept(Arc::clone(&sent)))).is_ok());
    let taken = || std::mem::take(&mut *sent.lock().unwrap());

    // Opened here. A handler may send to its own comm, replace itself and close it.
    let ours = Comm::open("view", Payload::from("{}").with_metadata(r#"{"version": "2.1.0"}"#));
    let id = ours.id().to_owned();
    let opened =
        Payload { data: "{}".into(), metadata: r#"{"version": "2.1.0"}"#.into(), buffers: Vec::new() };
    assert_eq!(taken(), [packet(&id, Action::Open { target: "view".into() }, opened)]);
    ours.on_message(|comm, message| {
        comm.send(format!("[{}]", message.data));
        comm.on_message(|comm, _| comm.close());
    });
    comm::deliver(packet(&id, Action::Message, 1));
    assert_eq!(taken(), [packet(&id, Action::Message, "[1]")]);
    comm::deliver(packet(&id, Action::Message, 2));
    assert_eq!(taken(), [packet(&id, Action::Close, "{}")]);
    assert!(!ours.is_open());
    ours.send("nobody listens");
    drop(ours);
    assert_eq!(taken(), []);

    // A panic in a handler comes out, and the handler stays.
    let ours = Comm::open("view", 0);
    let id = ours.id().to_owned();
    ours.on_message(|comm, message| if message.data == "bad" { panic!("bad") } else { comm.send(message) });
    let panics = std::panic::catch_unwind(|| comm::deliver(packet(&id, Action::Message, "bad")));
    assert!(panics.is_err());
    taken();
    comm::deliver(packet(&id, Action::Message, "good"));
    assert_eq!(taken(), [packet(&id, Action::Message, "good")]);
    // The last clone closes it, and what the other side closed is not closed again.
    let clone = ours.clone();
    drop(ours);
    assert_eq!(taken(), []);
    drop(clone);
    assert_eq!(taken(), [packet(&id, Action::Close, "{}")]);
    let ours = Comm::open("view", 0);
    comm::deliver(packet(ours.id(), Action::Close, "{}"));
    assert!(!ours.is_open());
    taken();
    drop(ours);
    assert_eq!(taken(), []);

    // Opened by the front end: it stays without anybody holding it.
    comm::register_target("echo", |comm, opened| {
        comm.send(opened);
        comm.on_message(|comm, message| comm.send(message));
    });
    let open = |id| packet(id, Action::Open { target: "echo".into() }, "{}");
    comm::deliver(open("theirs"));
    comm::deliver(packet("theirs", Action::Message, Payload::from(3).with_buffer(vec![0, 255])));
    let expected = [
        packet("theirs", Action::Message, "{}"),
        packet("theirs", Action::Message, Payload::from(3).with_buffer(vec![0, 255])),
    ];
    assert_eq!(taken(), expected);
    comm::deliver(packet("theirs", Action::Close, "{}"));
    comm::deliver(packet("theirs", Action::Message, 4));
    comm::deliver(packet("unknown", Action::Open { target: "unknown".into() }, "{}"));
    assert_eq!(taken(), [packet("unknown", Action::Close, "{}")]);

    // A handler that registers its own target anew.
    comm::register_target("once", |_, _| comm::register_target("once", |comm, _| comm.close()));
    comm::deliver(packet("first", Action::Open { target: "once".into() }, "{}"));
    comm::deliver(packet("second", Action::Open { target: "once".into() }, "{}"));
    assert_eq!(taken(), [packet("second", Action::Close, "{}")]);
}
