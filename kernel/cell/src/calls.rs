//! The calls that are open when something panics, as far as they are in cells: addresses only. The kernel
//! finds out what stands there, should anybody want to know.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{c_int, c_void};
use std::sync::{PoisonError, RwLock};

use sconce_display::wire::{Call, Calls};

/// How many of the innermost calls are listed: a megabyte of them.
const INNER: usize = 1 << 16;

/// How many of the outermost ones.
const OUTER: usize = 64;

/// The libraries of cells by the address that they were loaded to. They are never unloaded.
static LIBRARIES: RwLock<BTreeMap<usize, u32>> = RwLock::new(BTreeMap::new());

/// Says which cell the library belongs to that holds this function.
pub(crate) fn loaded(function: *const c_void, cell: u32) {
    if let Some(base) = library_of(function) {
        LIBRARIES.write().unwrap_or_else(PoisonError::into_inner).insert(base, cell);
    }
}

/// The calls of cells that are open on this thread.
pub(crate) fn open_calls() -> Calls {
    let mut open = Open::default();
    // SAFETY: `see` is called for one frame after the other with the address of `open`, which nobody else
    // uses until that is over.
    unsafe { _Unwind_Backtrace(see, (&raw mut open).cast()) };
    Calls { outer: open.outer.into(), ..open.calls }
}

#[derive(Default)]
struct Open {
    calls: Calls,
    outer: VecDeque<Call>,
}

impl Open {
    fn add(&mut self, call: Call) {
        if self.calls.inner.len() < INNER {
            self.calls.inner.push(call);
            return;
        }
        self.outer.push_back(call);
        if self.outer.len() > OUTER {
            self.outer.pop_front();
            self.calls.unlisted += 1;
        }
    }
}

/// What the unwinder knows of a frame.
#[repr(C)]
struct Context {
    _opaque: [u8; 0],
}

type See = extern "C" fn(*mut Context, *mut c_void) -> c_int;

// The unwinder's own interface, in every program that can panic.
unsafe extern "C" {
    fn _Unwind_Backtrace(see: See, open: *mut c_void) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut Context, before: *mut c_int) -> usize;
}

extern "C" fn see(context: *mut Context, open: *mut c_void) -> c_int {
    const GO_ON: c_int = 0;
    let mut before = 0;
    // SAFETY: the context is the unwinder's and alive during this call; `open` is what `open_calls` gave.
    let (address, open) = unsafe { (_Unwind_GetIPInfo(context, &raw mut before), &mut *open.cast::<Open>()) };
    // A call returns to the instruction behind it, which may belong to the next line.
    let address = if before == 0 { address.wrapping_sub(1) } else { address };
    if let Some(base) = library_of(address as *const c_void)
        && let Some(cell) = LIBRARIES.read().unwrap_or_else(PoisonError::into_inner).get(&base)
    {
        open.add(Call { cell: *cell, offset: (address - base) as u64 });
    }
    GO_ON
}

/// Where the library was loaded to that holds this address.
fn library_of(address: *const c_void) -> Option<usize> {
    // SAFETY: the struct is plain data, for which all zero is a value; `dladdr` takes any address and fills
    // the struct where it knows it.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        (libc::dladdr(address, &raw mut info) != 0).then_some(info.dli_fbase as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn deep(levels: u64) -> Calls {
        if levels == 0 {
            return open_calls();
        }
        // Not the last thing it does, so that the frame stays.
        std::hint::black_box(deep(levels - 1))
    }

    #[test]
    fn calls_are_listed_from_both_ends() {
        // The program of the tests stands for a library.
        loaded(deep as fn(u64) -> Calls as *const c_void, 7);
        let few = deep(10);
        assert!(few.inner.len() > 10 && few.unlisted == 0 && few.outer.is_empty(), "{few:?}");
        assert!(few.inner.iter().all(|call| call.cell == 7));
        let thread = std::thread::Builder::new().stack_size(1 << 28).spawn(|| deep(100_000));
        let many = thread.map(std::thread::JoinHandle::join).expect("a thread").expect("no panic");
        assert_eq!((many.inner.len(), many.outer.len()), (INNER, OUTER));
        assert!(many.unlisted > 100_000 - (INNER + OUTER) as u64 && many.unlisted < 100_000);
    }
}
