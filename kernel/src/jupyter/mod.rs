//! The Jupyter messaging protocol 5.5 over ZeroMQ. Knows nothing of rustc.
//!
//! One thread runs the event loop (`server`) and the sockets; a second one runs cells (`runner`). What a cell
//! emits goes through a bounded channel and `flow` to iopub (`iopub`), its end from there back to the event
//! loop, so that everything it showed is sent before its reply. Messages that are none, or not signed with the
//! connection's key, are dropped with a line on stderr (`log`). `zmtp` is the transport below.

mod comms;
mod connection;
mod engine;
mod flow;
mod help;
mod history;
mod iopub;
mod log;
mod message;
mod reach;
mod replies;
mod runner;
mod rust;
mod server;
mod sockets;
mod stdin;
mod zmtp;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

pub use connection::{Connection, ConnectionError, Transport};

use crate::engine::CacheDir;
use crate::history::{History, place};
use message::Signer;
use rust::RustEngine;
use sockets::Sockets;

/// Why a kernel cannot serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The connection file is of no use.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A socket cannot be bound.
    #[error(
        "cannot bind the {channel} socket to {endpoint}: {source}. Is another kernel using this connection file?"
    )]
    Bind {
        /// `shell`, `control`, `iopub`, `stdin` or `heartbeat`.
        channel: &'static str,
        /// Where it was to be bound.
        endpoint: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The system refuses a thread, a signal handler or the event loop.
    #[error("cannot start the kernel's event loop: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Serves one session on the sockets that the connection file names, until a client asks for the end.
///
/// Requests are answered at once; the engine is prepared and started in the background meanwhile. If that
/// fails, each cell answers with the reason, and the next one tries again.
pub fn serve(connection_file: &Path, cache: &CacheDir) -> Result<(), ServeError> {
    let connection = Connection::read(connection_file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let engine = Arc::new(RustEngine::new(cache.clone()));
    let history = open_history();
    runtime.block_on(async {
        let sockets = Sockets::bind(&connection).await?;
        Ok(server::serve(sockets, Signer::new(&connection.key), engine, history).await?)
    })
}

/// What was executed in all sessions, or, where that cannot be kept, in this one.
fn open_history() -> History {
    let Some(path) = place("SCONCE_KERNEL_HISTORY", "history.jsonl") else {
        return History::in_memory();
    };
    History::open(&path).unwrap_or_else(|error| {
        let place = path.display();
        eprintln!("sconce: the history is kept for this session only: {place}: {error}");
        History::in_memory()
    })
}
