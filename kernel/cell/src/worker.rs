use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread::Thread;
use std::time::Duration;

use sconce_display::wire::{self, Ending, Frame, Panic, Reply, Request, Sent};
use sconce_display::{Answer, Question, Sink, interrupt};

use crate::run::{LAST_PANIC, RUNTIME, Run, text_of, unwound};
use crate::{calls, comms, stdin, store};

/// Deep recursion is common in unoptimised code; untouched pages of a stack cost nothing.
const STACK: usize = 256 << 20;

/// How long a partial line may wait in the buffer of `stdout` before it is shown.
const FLUSH: Duration = Duration::from_millis(25);

/// Whether a cell runs.
pub(crate) static RUNNING: AtomicBool = AtomicBool::new(false);
static FLUSHER: OnceLock<Thread> = OnceLock::new();

/// The worker process: runs cells until the kernel is gone. Its arguments are the paths of two sockets that
/// the kernel listens on, for control and for display.
pub fn worker_main() -> ExitCode {
    // Before there is a second thread. What is wrong with the variables is said by the first operator.
    let _ = sconce::threads::init();
    let mut paths = std::env::args_os().skip(1);
    let (Some(control), Some(display), None) = (paths.next(), paths.next(), paths.next()) else {
        return refuse("usage: sconce-worker CONTROL_SOCKET DISPLAY_SOCKET (the kernel starts it)");
    };
    let (control, display) = match (UnixStream::connect(control), UnixStream::connect(display)) {
        (Ok(control), Ok(display)) => (control, display),
        (Err(error), _) | (_, Err(error)) => return refuse(&format!("cannot reach the kernel: {error}")),
    };
    // The sink is the first: nothing has run yet that could have installed another.
    let _ = sconce_display::install(Box::new(Kernel(Mutex::new(display))));
    stdin::serve();
    catch_interrupts();
    std::panic::set_hook(Box::new(see_panic));
    match serve(control) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&format!("lost the kernel: {error}")),
    }
}

fn refuse(message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "sconce-worker: {message}");
    ExitCode::FAILURE
}

/// Reads requests here and runs them on a thread of their own, so that a kernel that is gone is noticed
/// while a cell runs.
fn serve(control: UnixStream) -> io::Result<()> {
    let mut requests = control.try_clone()?;
    let mut replies = control;
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().name("cells".into()).stack_size(STACK).spawn(move || {
        let _entered = RUNTIME.as_ref().map(tokio::runtime::Runtime::enter);
        for request in receiver {
            let ending = match request {
                Work::Run { library, entry } => run(&library, &entry),
                Work::Forget { names } => forget(&names),
            };
            // Not when the next begins: it may be interrupted before it begins to run.
            interrupt::reset();
            if wire::write(&mut replies, &Reply { ending, stored: store::keys() }).is_err() {
                break;
            }
        }
    })?;
    let messages = comms::start()?;
    let flusher = std::thread::Builder::new().name("flush".into()).spawn(flush_partial_lines)?;
    let _ = FLUSHER.set(flusher.thread().clone());
    loop {
        let work = match wire::read::<Request>(&mut requests) {
            Ok(Request::Answer { id, answer }) => {
                stdin::answered(id, answer);
                continue;
            }
            Ok(Request::Comm { number, packet }) => {
                // The thread takes messages as long as this one lives.
                let _ = messages.send((number, packet));
                continue;
            }
            Ok(Request::Run { library, entry }) => Ok(Work::Run { library, entry }),
            Ok(Request::Forget { names }) => Ok(Work::Forget { names }),
            Err(error) => Err(error),
        };
        if !work.is_ok_and(|work| sender.send(work).is_ok()) {
            // Not even destructors of cells run: whoever would see their effects is gone.
            std::process::exit(0);
        }
    }
}

/// What is done one after the other.
enum Work {
    Run { library: String, entry: String },
    Forget { names: Vec<String> },
}

fn run(library: &str, entry: &str) -> Ending {
    stdin::begin();
    RUNNING.store(true, Ordering::Release);
    if let Some(flusher) = FLUSHER.get() {
        flusher.unpark();
    }
    let ending = match load(library, entry) {
        Ok(cell) => {
            let mut run = Run::new();
            match catch_unwind(AssertUnwindSafe(|| cell(&mut run))) {
                Ok(()) => run.ending(),
                // Outside every step: a destructor of a variable that was not kept.
                Err(payload) => unwound(payload.as_ref()),
            }
        }
        Err(message) => Ending::NotLoaded { message },
    };
    sconce_display::flush();
    RUNNING.store(false, Ordering::Release);
    let _ = io::stdout().flush();
    stdin::explain(ending)
}

fn forget(names: &[String]) -> Ending {
    match catch_unwind(AssertUnwindSafe(|| store::forget(names))) {
        Ok(()) => Ending::Done,
        Err(payload) => unwound(payload.as_ref()),
    }
}

type Entry = fn(&mut Run);

/// Loads a cell's library for good: its code and statics are used by what the cell leaves behind.
fn load(library: &str, entry: &str) -> Result<Entry, String> {
    let (Ok(path), Ok(symbol)) = (std::ffi::CString::new(library), std::ffi::CString::new(entry)) else {
        return Err(format!("a path or symbol with a NUL byte: {library:?}, {entry:?}"));
    };
    // SAFETY: both strings end with NUL and live over the calls. Loading runs the library's initialisers:
    // it is the cell's own, which the kernel compiled to be run here. `dlerror` is read on the same
    // thread right after the failure.
    let address = unsafe {
        let handle = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL);
        if handle.is_null() { handle } else { libc::dlsym(handle, symbol.as_ptr()) }
    };
    if address.is_null() {
        // SAFETY: `dlerror` gives a NUL-ended string or null.
        let message = unsafe {
            let text = libc::dlerror();
            if text.is_null() {
                None
            } else {
                Some(std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned())
            }
        };
        return Err(message.unwrap_or_else(|| format!("no symbol {entry} in {library}")));
    }
    if let Some(cell) = entry.rsplit('_').next().and_then(|number| number.parse().ok()) {
        calls::loaded(address, cell);
    }
    // SAFETY: the kernel generates this symbol as `pub fn(&mut sconce_cell::Run)` and compiles it with the
    // very compiler, against the very build of this library.
    Ok(unsafe { std::mem::transmute::<*mut libc::c_void, Entry>(address) })
}

struct Kernel(Mutex<UnixStream>);

impl Sink for Kernel {
    fn send(&self, frame: Frame) {
        let _ = io::stdout().flush();
        let Ok(mut stream) = self.0.lock() else { return };
        // The answer comes when the kernel has taken up all that was printed before, so that text and
        // pictures keep their order. If it is gone, the reader of requests ends this process.
        let mut taken_up = [0];
        let _ = wire::write(&mut *stream, &Sent { cause: comms::cause(), frame })
            .and_then(|()| stream.read_exact(&mut taken_up));
    }

    fn ask(&self, question: Question) -> Answer {
        stdin::ask(question)
    }
}

fn see_panic(info: &std::panic::PanicHookInfo<'_>) {
    let panic = Panic {
        message: text_of(info.payload()).unwrap_or_else(|| "a value that is not text".into()),
        at: info.location().map(Into::into).unwrap_or_default(),
        calls: calls::open_calls(),
    };
    let thread = std::thread::current();
    if thread.name() == Some("cells") {
        LAST_PANIC.set(Some(panic));
    } else {
        sconce_display::send(Frame::ThreadPanic { thread: thread.name().unwrap_or("unnamed").into(), panic });
    }
}

/// `print!` without a newline stays in std's buffer; this brings it out while a cell runs, and sleeps
/// while none does.
fn flush_partial_lines() {
    loop {
        if RUNNING.load(Ordering::Acquire) {
            std::thread::sleep(FLUSH);
            let _ = io::stdout().flush();
        } else {
            std::thread::park();
        }
    }
}

extern "C" fn on_interrupt(_signal: libc::c_int) {
    interrupt::request();
}

fn catch_interrupts() {
    // SAFETY: the struct is plain data, for which all zero is a value; the handler does one atomic store,
    // which a signal handler may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_interrupt as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGINT, &action, std::ptr::null_mut());
    }
}
