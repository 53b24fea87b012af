//! Ctrl-C while notebooks run: the first interrupts the running cell, the next one kills it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::engine::Interrupter;

/// Listens for SIGINT and SIGTERM for as long as the process lives.
#[derive(Clone, Default)]
pub struct Interrupts {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    session: Mutex<Option<Interrupter>>,
}

impl Interrupts {
    /// Starts to listen. From here on the signals do not end the process any more.
    pub fn listen() -> std::io::Result<Interrupts> {
        let interrupts = Interrupts::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (listening, ready) = std::sync::mpsc::channel();
        let shared = Arc::clone(&interrupts.shared);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                match Signals::new() {
                    Ok(mut signals) => {
                        let _ = listening.send(Ok(()));
                        loop {
                            signals.next().await;
                            shared.signalled();
                        }
                    }
                    Err(error) => drop(listening.send(Err(error))),
                }
            });
        })?;
        ready.recv().map_err(std::io::Error::other)??;
        Ok(interrupts)
    }

    /// The session that runs from now on, which a signal interrupts.
    pub fn set_session(&self, session: Option<Interrupter>) {
        *self.shared.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
    }

    /// Set by the first signal.
    pub fn stop(&self) -> &AtomicBool {
        &self.shared.stop
    }
}

impl Shared {
    fn signalled(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(session) = &*self.session.lock().unwrap_or_else(PoisonError::into_inner) {
            session.interrupt();
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
}

#[cfg(windows)]
impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    async fn next(&mut self) {
        self.interrupt.recv().await;
    }
}
