//! What cells read from standard input: each line is a question to the person who runs the cell.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sconce_display::wire::{Ending, Frame};
use sconce_display::{Answer, Question, interrupt};

/// How often a question that waits looks for an interrupt.
const LOOK: Duration = Duration::from_millis(50);

/// The question that waits for its answer.
struct Asked {
    id: u64,
    answer: Option<Answer>,
}

static ASKED: Mutex<Asked> = Mutex::new(Asked { id: 0, answer: None });
static ANSWERED: Condvar = Condvar::new();
/// Held while a question waits: another thread's has to wait for that.
static TURN: Mutex<()> = Mutex::new(());
/// What is left of a line for the next read.
static LINE: Mutex<Vec<u8>> = Mutex::new(Vec::new());
/// What kept a read of the running cell from its line.
static TROUBLE: Mutex<Option<Answer>> = Mutex::new(None);
/// Set in the worker, once there is a kernel that can be asked.
static SERVED: AtomicBool = AtomicBool::new(false);
/// The file that standard input was at the start: device and inode. A cell may put another in its place.
static FILE: OnceLock<Option<(u64, u64)>> = OnceLock::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each value is whole after every line, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on reads of standard input ask.
pub(crate) fn serve() {
    FILE.get_or_init(standard_input);
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    c_stream::replace();
    SERVED.store(true, Ordering::Release);
}

/// Asks the kernel and waits for its answer or for an interrupt.
pub(crate) fn ask(question: Question) -> Answer {
    let _turn = lock(&TURN);
    let id = {
        let mut asked = lock(&ASKED);
        *asked = Asked { id: asked.id + 1, answer: None };
        asked.id
    };
    sconce_display::send(Frame::Question { id, question });
    let mut asked = lock(&ASKED);
    let answer = loop {
        if let Some(answer) = asked.answer.take() {
            break answer;
        }
        if interrupt::requested() {
            break Answer::Interrupted;
        }
        asked = ANSWERED.wait_timeout(asked, LOOK).unwrap_or_else(PoisonError::into_inner).0;
    };
    // An answer that comes later is to nothing.
    asked.id += 1;
    drop(asked);
    if answer == Answer::Interrupted {
        interrupt::request();
        *lock(&TROUBLE) = Some(Answer::Interrupted);
    }
    answer
}

/// Takes the kernel's answer to the question `id`.
pub(crate) fn answered(id: u64, answer: Answer) {
    let mut asked = lock(&ASKED);
    if asked.id == id {
        asked.answer = Some(answer);
        ANSWERED.notify_all();
    }
}

/// A cell begins. What an earlier one left of its line is not for this one.
pub(crate) fn begin() {
    *lock(&TROUBLE) = None;
    lock(&LINE).clear();
}

/// How the cell ended, with what its errors could not say: an error of the system carries no reason.
pub(crate) fn explain(ending: Ending) -> Ending {
    match (lock(&TROUBLE).take(), ending) {
        (Some(Answer::Interrupted), Ending::Failed { .. } | Ending::Panicked(_)) => Ending::Interrupted,
        (Some(Answer::Nobody { why }), Ending::Failed { kind, mut chain, at }) => {
            chain.push(unread(&why));
            Ending::Failed { kind, chain, at }
        }
        (Some(Answer::Nobody { why }), Ending::Panicked(mut panic)) => {
            panic.message = format!("{}\n{}", panic.message, unread(&why));
            Ending::Panicked(panic)
        }
        (_, ending) => ending,
    }
}

fn unread(why: &str) -> String {
    format!("the cell read from standard input, and nobody can answer: {why}")
}

/// The next bytes of standard input, or the system's number of an error.
fn next(into: &mut [u8]) -> Result<usize, c_int> {
    let mut line = lock(&LINE);
    if line.is_empty() && !into.is_empty() {
        match ask(Question::default()) {
            Answer::Line(text) => {
                line.extend(text.into_bytes());
                line.push(b'\n');
            }
            Answer::End => {}
            // Not EINTR, after which readers try again.
            Answer::Interrupted => return Err(libc::ECANCELED),
            nobody @ Answer::Nobody { .. } => {
                *lock(&TROUBLE) = Some(nobody);
                return Err(libc::EOPNOTSUPP);
            }
        }
    }
    let count = line.len().min(into.len());
    for (place, byte) in into.iter_mut().zip(line.drain(..count)) {
        *place = byte;
    }
    Ok(count)
}

/// Stands before the C library's `read` for all code in the process, std's included: a read of the worker's
/// standard input asks, every other one goes to the system.
///
/// # Safety
/// As for the system's: `count` bytes at `buffer` can be written.
#[cfg(target_os = "linux")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(file: c_int, buffer: *mut c_void, count: usize) -> isize {
    if file != libc::STDIN_FILENO || !SERVED.load(Ordering::Acquire) || replaced() {
        // SAFETY: the caller's arguments as they are, for the call that they are meant for.
        return unsafe { libc::syscall(libc::SYS_read, file, buffer, count) } as isize;
    }
    if buffer.is_null() {
        return failed(libc::EFAULT);
    }
    // SAFETY: the caller gives `count` bytes to write at `buffer`, which is not null. They may not have a
    // value yet; all that is done with them is to write whole bytes.
    let into = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), count) };
    match next(into) {
        Ok(count) => count as isize,
        Err(error) => failed(error),
    }
}

#[cfg(target_os = "linux")]
fn failed(error: c_int) -> isize {
    // SAFETY: the address is this thread's own `errno`.
    unsafe { *libc::__errno_location() = error };
    -1
}

/// Whether a cell has put another file in the place of standard input.
#[cfg(target_os = "linux")]
fn replaced() -> bool {
    FILE.get() != Some(&standard_input())
}

fn standard_input() -> Option<(u64, u64)> {
    // SAFETY: the struct is plain data, for which all zero is a value, and `fstat` only writes to it.
    unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        (libc::fstat(libc::STDIN_FILENO, &raw mut found) == 0).then_some((found.st_dev, found.st_ino))
    }
}

/// The stream that C code reads with `scanf` or `fgets`: the C library calls its own `read` for it, before which
/// nothing can stand.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod c_stream {
    use std::ffi::{c_char, c_int, c_void};
    use std::ptr;

    type Read = unsafe extern "C" fn(*mut c_void, *mut c_char, usize) -> isize;
    type Write = unsafe extern "C" fn(*mut c_void, *const c_char, usize) -> isize;
    type Seek = unsafe extern "C" fn(*mut c_void, *mut i64, c_int) -> c_int;
    type Close = unsafe extern "C" fn(*mut c_void) -> c_int;

    /// glibc's `cookie_io_functions_t`.
    #[repr(C)]
    struct Functions {
        read: Option<Read>,
        write: Option<Write>,
        seek: Option<Seek>,
        close: Option<Close>,
    }

    unsafe extern "C" {
        static mut stdin: *mut libc::FILE;
        fn fopencookie(cookie: *mut c_void, mode: *const c_char, functions: Functions) -> *mut libc::FILE;
    }

    /// Puts a stream that asks in the place of C's `stdin`, before any cell has run.
    pub(super) fn replace() {
        let functions = Functions { read: Some(read), write: None, seek: None, close: None };
        // SAFETY: the struct is laid out as glibc's, the mode ends with NUL, and `read` holds to the contract
        // below. The worker has started no thread yet that could use the stream which is replaced.
        unsafe {
            let stream = fopencookie(ptr::null_mut(), c"r".as_ptr(), functions);
            if !stream.is_null() {
                stdin = stream;
            }
        }
    }

    /// # Safety
    /// `count` bytes at `buffer` can be written, as the C library promises.
    unsafe extern "C" fn read(_cookie: *mut c_void, buffer: *mut c_char, count: usize) -> isize {
        // SAFETY: the caller's arguments as they are.
        unsafe { super::read(libc::STDIN_FILENO, buffer.cast(), count) }
    }
}
