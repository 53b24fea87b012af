use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::time::Duration;

use sconce_display::interrupt;
use sconce_display::wire::{Ending, Panic};
use tokio::runtime::Runtime;

use crate::Failed;

/// Where `.await` at the top level of a cell runs, and what a cell spawns goes on running.
pub(crate) static RUNTIME: LazyLock<Option<Runtime>> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().ok());

thread_local! {
    /// What the panic hook saw last on this thread.
    pub(crate) static LAST_PANIC: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// One run of one cell: its steps, up to the first that stops it.
pub struct Run {
    ending: Ending,
}

/// A step did not come to its end; the cell hands its variables back and returns.
pub struct Stopped;

impl Run {
    pub(crate) fn new() -> Run {
        Run { ending: Ending::Done }
    }

    pub(crate) fn ending(self) -> Ending {
        self.ending
    }

    /// Runs one step of the cell: a `let`, or the statements between two of them. A panic, a failed `?` or
    /// an interrupt ends here, and the variables outside the closure live on.
    pub fn step<T>(&mut self, body: impl FnOnce() -> Result<T, Failed>) -> Result<T, Stopped> {
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(failed)) => Err(self.fail(failed)),
            Err(payload) => Err(self.unwind(payload)),
        }
    }

    /// A step with `.await` in it.
    pub fn step_async<T>(&mut self, body: impl Future<Output = Result<T, Failed>>) -> Result<T, Stopped> {
        self.step(|| {
            let Some(runtime) = RUNTIME.as_ref() else {
                return Err("the async runtime could not start: no thread or file handle is left".into());
            };
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = interrupted() => {
                        interrupt::check();
                        Err("interrupted".into())
                    }
                    result = body => result,
                }
            })
        })
    }

    // Not generic, so that they are compiled once and not in every cell.

    #[inline(never)]
    fn fail(&mut self, Failed { kind, chain, at }: Failed) -> Stopped {
        if !chain.is_empty() {
            self.ending = Ending::Failed { kind, chain, at };
        }
        Stopped
    }

    #[inline(never)]
    fn unwind(&mut self, payload: Box<dyn Any + Send>) -> Stopped {
        self.ending = unwound(payload.as_ref());
        Stopped
    }
}

/// Ready when somebody asks for a stop.
async fn interrupted() {
    while !interrupt::requested() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What an unwinding that was caught means.
pub(crate) fn unwound(payload: &(dyn Any + Send)) -> Ending {
    let seen = LAST_PANIC.take();
    if payload.is::<interrupt::Interrupted>() {
        return Ending::Interrupted;
    }
    let mut panic = seen.unwrap_or_default();
    // A payload that came from another thread has not passed this thread's hook.
    if let Some(text) = text_of(payload) {
        panic.message = text;
    }
    Ending::Panicked(panic)
}

/// The message that a panic carries, if it is text.
pub(crate) fn text_of(payload: &(dyn Any + Send)) -> Option<String> {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
}
