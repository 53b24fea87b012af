//! Comms, and what goes on between cells, through a real worker.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod notebook;

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use notebook::Notebook;
use sconce_display::comm::{Action, Packet, Payload};
use sconce_kernel::engine::{Beside, Mailbox, Output};

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

fn packet(comm: &str, action: Action, data: &str) -> Packet {
    Packet { comm: comm.into(), action, payload: data.into() }
}

fn open(comm: &str, target: &str) -> Packet {
    packet(comm, Action::Open { target: target.into() }, "{}")
}

/// What comes of comm messages.
fn listen(notebook: &mut Notebook) -> Receiver<Beside> {
    let (sender, heard) = channel();
    notebook.0.listen_with(Box::new(move |beside| drop(sender.send(beside))));
    heard
}

/// Delivers these and attends until the last is handled; everything that came of each, in order.
fn deliver(notebook: &mut Notebook, packets: Vec<Packet>) -> Vec<(u64, Output)> {
    let mailbox = notebook.0.mailbox();
    let last = packets.len() as u64 - 1;
    let (sender, heard) = channel();
    let bell = mailbox.clone();
    notebook.0.listen_with(Box::new(move |beside| match beside {
        Beside::Output { cause, output } => drop(sender.send((cause, output))),
        Beside::Handled { number } if number == last => bell.ring(),
        Beside::Handled { .. } => {}
    }));
    for (number, packet) in (0..).zip(packets) {
        assert!(mailbox.deliver(number, packet));
    }
    notebook.0.attend(&mut |output| panic!("not of a message: {output:?}"));
    heard.try_iter().collect()
}

const ECHO: &str = r#"use sconce_display::comm;
comm::register_target("echo", |comm, opened| {
    comm.send(format!("{{\"opened\": {}}}", opened.data));
    comm.on_message(|comm, message| {
        println!("got {}", message.data);
        let mut reply = comm::Payload::from(message.data);
        reply.buffers = message.buffers.into_iter().rev().collect();
        comm.send(reply);
    });
});"#;

#[test]
fn the_front_end_opens_a_comm_and_talks() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing(ECHO);
    let message = Payload::from("[1, 2]").with_buffer(vec![1]).with_buffer(vec![0, 255]);
    let packets = vec![
        open("a", "echo"),
        Packet { comm: "a".into(), action: Action::Message, payload: message },
        open("b", "unknown"),
        packet("nobody's", Action::Message, "{}"),
    ];
    let reply = Payload::from("[1, 2]").with_buffer(vec![0, 255]).with_buffer(vec![1]);
    let expected = [
        (0, Output::Comm(packet("a", Action::Message, r#"{"opened": {}}"#))),
        (1, Output::Stdout("got [1, 2]\n".into())),
        (1, Output::Comm(Packet { comm: "a".into(), action: Action::Message, payload: reply })),
        (2, Output::Comm(packet("b", Action::Close, "{}"))),
    ];
    assert_eq!(deliver(&mut notebook, packets), expected);
    assert_eq!(notebook.0.mailbox().comms(), [("a".to_owned(), "echo".to_owned())]);
    assert_eq!(deliver(&mut notebook, vec![packet("a", Action::Close, "{}")]), []);
    assert_eq!(notebook.0.mailbox().comms(), []);
}

#[test]
fn a_cell_opens_a_comm_and_its_last_clone_closes_it() {
    let mut notebook = Notebook::start();
    let ran = notebook.run(
        "use std::sync::{Arc, Mutex};\nuse sconce_display::comm::Comm;\n\
         let seen = Arc::new(Mutex::new(Vec::new()));\n\
         let comm = Comm::open(\"view\", serde_json::json!({\"x\": 1}));\n\
         let into = Arc::clone(&seen); comm.on_message(move |_, message| into.lock().unwrap().push(message.data));\n\
         comm.send(\"{\\\"x\\\": 2}\");",
    );
    assert_eq!(ran.log, "<open view {\"x\":1}><message {\"x\": 2}>");
    let id = notebook.0.mailbox().comms()[0].0.clone();
    assert_eq!(deliver(&mut notebook, vec![packet(&id, Action::Message, "\"hello\"")]), []);
    notebook.gives("seen.lock().unwrap().clone()", r#"["\"hello\""]"#);
    let ran = notebook.run("let other = comm.clone(); drop(comm); other.send(3); drop(other);");
    assert_eq!(ran.log, "<message 3><close {}>");
    assert_eq!(notebook.0.mailbox().comms(), []);
}

/// Runs a cell, and delivers a message when it has printed `running`.
fn run_and_deliver(notebook: &mut Notebook, code: &str, mailbox: Mailbox, packet: Packet) -> String {
    let mut printed = String::new();
    let mut packet = Some(packet);
    let result = notebook.0.execute(code, &mut |output| {
        if let Output::Stdout(text) = output {
            printed.push_str(&text);
        }
        if printed.contains("running")
            && let Some(packet) = packet.take()
        {
            assert!(mailbox.deliver(7, packet));
        }
    });
    assert_eq!(result, Ok(()), "{printed}");
    printed
}

#[test]
fn messages_are_handled_while_a_cell_runs() {
    let mut notebook = Notebook::start();
    let heard = listen(&mut notebook);
    notebook.shows_nothing(
        "use std::sync::atomic::{AtomicI64, Ordering};\nstatic VALUE: AtomicI64 = AtomicI64::new(0);",
    );
    notebook.shows_nothing(
        "sconce_display::comm::register_target(\"value\", |comm, opened| {\n\
         VALUE.store(opened.data.parse().unwrap(), Ordering::SeqCst); sconce_display::display(sconce_display::Bundle::text(\"set\")); comm.close(); });",
    );
    let code = "println!(\"running\"); while VALUE.load(Ordering::SeqCst) == 0 { std::thread::sleep(std::time::Duration::from_millis(5)); }\n\
                println!(\"{}\", VALUE.load(Ordering::SeqCst));";
    let mailbox = notebook.0.mailbox();
    let open = packet("v", Action::Open { target: "value".into() }, "42");
    assert_eq!(run_and_deliver(&mut notebook, code, mailbox, open), "running\n42\n");
    // What the handler shows is its own and not the cell's. It may end after the cell has.
    let mut besides: Vec<Beside> = heard.try_iter().collect();
    if !besides.contains(&Beside::Handled { number: 7 }) {
        let mailbox = notebook.0.mailbox();
        let waits = std::thread::spawn(move || {
            let mut more = Vec::new();
            while !more.contains(&Beside::Handled { number: 7 }) {
                more.push(heard.recv_timeout(LONG).unwrap());
            }
            mailbox.ring();
            more
        });
        notebook.0.attend(&mut |_| {});
        besides.extend(waits.join().unwrap());
    }
    assert!(
        matches!(
            &besides[..],
            [
                Beside::Output { cause: 7, output: Output::Display { .. } },
                Beside::Output { cause: 7, output: Output::Comm(_) },
                Beside::Handled { number: 7 },
            ]
        ),
        "{besides:?}"
    );
}

#[test]
fn threads_that_outlive_their_cell_are_heard() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing(
        "let (sender, receiver) = std::sync::mpsc::channel::<()>();\n\
         let thread = std::thread::spawn(move || { receiver.recv().unwrap(); println!(\"late\"); \
         sconce_display::display(sconce_display::Bundle::text(\"later\")); });",
    );
    notebook.shows_nothing("std::thread::spawn(move || { std::thread::sleep(std::time::Duration::from_millis(100)); sender.send(()).unwrap(); });");
    let mailbox = notebook.0.mailbox();
    let mut heard = Vec::new();
    notebook.0.attend(&mut |output| {
        if matches!(output, Output::Display { .. }) {
            mailbox.ring();
        }
        heard.push(output);
    });
    assert!(
        matches!(&heard[..], [Output::Stdout(text), Output::Display { .. }] if text == "late\n"),
        "{heard:?}"
    );
    // A ring before it is not lost.
    notebook.0.mailbox().ring();
    notebook.0.attend(&mut |_| {});
    notebook.gives("thread.join().is_ok()", "true");
}

#[test]
fn a_handler_that_panics_or_is_interrupted_leaves_the_next_one_be() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing(
        "sconce_display::comm::register_target(\"bad\", |comm, _| comm.on_message(|_, message| match message.data.as_str() {\n\
         \"1\" => panic!(\"not this\"),\n\"2\" => loop { std::thread::sleep(std::time::Duration::from_millis(1)); },\n_ => println!(\"fine\"), }));",
    );
    let bad = |data| packet("c", Action::Message, data);
    let outputs = deliver(&mut notebook, vec![open("c", "bad"), bad("1"), bad("3")]);
    let [(1, Output::Stderr(panic)), (2, Output::Stdout(fine))] = &outputs[..] else { panic!("{outputs:?}") };
    assert!(panic.contains("thread `comm handlers` panicked") && panic.contains("not this"), "{panic}");
    assert_eq!(fine, "fine\n");

    let interrupter = notebook.0.interrupter();
    let stops = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        interrupter.interrupt();
    });
    let outputs = deliver(&mut notebook, vec![bad("2"), bad("3")]);
    stops.join().unwrap();
    let interrupted = "a handler of comm messages was interrupted\n";
    assert_eq!(outputs, [(0, Output::Stderr(interrupted.into())), (1, Output::Stdout("fine\n".into()))]);
}

#[test]
fn with_a_worker_its_comms_end() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing(ECHO);
    let heard = listen(&mut notebook);
    notebook.shows_nothing("sconce_display::comm::register_target(\"exit\", |_, _| std::process::exit(3));");
    let ran = notebook.run("let comm = sconce_display::comm::Comm::open(\"view\", 1);");
    assert_eq!(ran.log, "<open view 1>");
    assert!(notebook.0.mailbox().deliver(0, open("x", "exit")));
    let mut outputs = Vec::new();
    // It ends the attending, and the worker that comes after it is attended the next time.
    notebook.0.attend(&mut |output| outputs.push(output));
    let closed =
        outputs.iter().filter(|output| matches!(output, Output::Comm(Packet { action: Action::Close, .. })));
    assert_eq!(closed.count(), 2, "{outputs:?}");
    let said =
        |output: &Output| matches!(output, Output::Stderr(text) if text.contains("exited with code 3"));
    assert!(outputs.iter().any(said), "{outputs:?}");
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [Beside::Handled { number: 0 }]);
    assert_eq!(notebook.0.mailbox().comms(), []);
    notebook.gives("1 + 1", "2");
}
