//! Ctrl-C while cells run: the first interrupts the running cell, the next one kills it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::engine::Interrupter;

/// How long a session may go on after its terminal is gone.
const HANGUP: Duration = Duration::from_secs(2);

/// Listens for SIGINT and SIGTERM for as long as the process lives.
#[derive(Clone, Default)]
pub struct Interrupts {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    ended: Arc<AtomicBool>,
    count: Arc<AtomicU32>,
    session: Mutex<Option<Interrupter>>,
}

impl Interrupts {
    /// Starts to listen. From here on the signals do not end the process any more.
    pub fn listen() -> std::io::Result<Interrupts> {
        Interrupts::listen_with(Signals::new)
    }

    /// The same for a session in a terminal, which also ends with it.
    pub fn listen_until_hangup() -> std::io::Result<Interrupts> {
        Interrupts::listen_with(Signals::with_hangup)
    }

    fn listen_with(signals: fn() -> std::io::Result<Signals>) -> std::io::Result<Interrupts> {
        let interrupts = Interrupts::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (listening, ready) = std::sync::mpsc::channel();
        let shared = Arc::clone(&interrupts.shared);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                match signals() {
                    Ok(mut signals) => {
                        let _ = listening.send(Ok(()));
                        loop {
                            let signal = signals.next().await;
                            shared.signalled(signal);
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

    /// Set by the first signal that is not Ctrl-C: whoever sent it wants the process to end.
    pub fn ended(&self) -> &Arc<AtomicBool> {
        &self.shared.ended
    }

    /// How many signals came.
    pub fn count(&self) -> &Arc<AtomicU32> {
        &self.shared.count
    }

    /// Set by the first signal.
    pub fn stop(&self) -> &AtomicBool {
        &self.shared.stop
    }
}

impl Shared {
    fn signalled(&self, signal: Signal) {
        self.stop.store(true, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        if signal != Signal::Interrupt {
            self.ended.store(true, Ordering::Relaxed);
        }
        if signal == Signal::Hangup {
            // The line editor reads the end of a terminal that is gone again and again. The worker ends with us.
            thread::spawn(|| {
                thread::sleep(HANGUP);
                std::process::exit(130);
            });
        }
        if let Some(session) = &*self.session.lock().unwrap_or_else(PoisonError::into_inner) {
            session.interrupt();
        }
    }
}

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    /// The cell is to stop.
    Interrupt,
    /// The process is to end.
    End,
    /// Its terminal is gone.
    Hangup,
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: None,
        })
    }

    fn with_hangup() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { hangup: Some(signal(SignalKind::hangup())?), ..Signals::new()? })
    }

    async fn next(&mut self) -> Signal {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::End,
            _ = hangup => Signal::Hangup,
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

    fn with_hangup() -> std::io::Result<Signals> {
        Signals::new()
    }

    async fn next(&mut self) -> Signal {
        self.interrupt.recv().await;
        Signal::Interrupt
    }
}
