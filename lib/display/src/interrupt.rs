//! The flag that an interrupt sets. Long loops look at it and stop in an orderly way.

use std::sync::atomic::{AtomicBool, Ordering};

static FLAG: AtomicBool = AtomicBool::new(false);

/// What an interrupted cell unwinds with.
#[derive(Debug, Clone, Copy)]
pub struct Interrupted;

/// Asks whatever runs to stop. Safe in a signal handler: one atomic store.
pub fn request() {
    FLAG.store(true, Ordering::Relaxed);
}

/// Forgets an earlier request, when the next cell starts.
pub fn reset() {
    FLAG.store(false, Ordering::Relaxed);
}

/// Whether somebody asked for a stop.
#[inline]
#[must_use]
pub fn requested() -> bool {
    FLAG.load(Ordering::Relaxed)
}

/// Unwinds with [`Interrupted`] if somebody asked for a stop. Without a panic message.
#[inline]
pub fn check() {
    if requested() {
        unwind();
    }
}

#[cold]
#[inline(never)]
fn unwind() {
    // A destructor that runs because of a panic comes to its end: to unwind from it would end the process.
    if !std::thread::panicking() {
        std::panic::resume_unwind(Box::new(Interrupted));
    }
}
