//! The thread that handles the front end's comm messages, one after the other, beside cells and between them.

use std::cell::Cell;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};

use sconce_display::comm::{self, Packet};
use sconce_display::interrupt::{self, Interrupted};
use sconce_display::wire::Frame;

use crate::run::RUNTIME;
use crate::worker::RUNNING;

thread_local! {
    /// The message that this thread handles.
    static CAUSE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The number of the message whose handler calls this.
pub(crate) fn cause() -> Option<u64> {
    CAUSE.get()
}

/// Starts the thread. It handles what is sent here.
pub(crate) fn start() -> io::Result<Sender<(u64, Packet)>> {
    let (sender, messages) = channel();
    std::thread::Builder::new().name("comm handlers".into()).spawn(move || {
        let _entered = RUNTIME.as_ref().map(tokio::runtime::Runtime::enter);
        for (number, packet) in messages {
            CAUSE.set(Some(number));
            handle(packet);
            let _ = io::stdout().flush();
            sconce_display::send(Frame::Handled { number });
            CAUSE.set(None);
        }
    })?;
    Ok(sender)
}

fn handle(packet: Packet) {
    // An interrupt of the last cell is not meant for this.
    if !RUNNING.load(Ordering::Acquire) {
        interrupt::reset();
    }
    // A panic was reported by the hook.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| comm::deliver(packet)))
        && payload.is::<Interrupted>()
    {
        let _ = writeln!(io::stderr(), "a handler of comm messages was interrupted");
    }
}
