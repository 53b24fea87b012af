//! The one dynamic library that every notebook cell links to.
//!
//! All cells of a session share it, so that candle, the library and their statics exist once: tensor ids
//! stay unique and gradients flow over cells. It also holds the variables between cells ([`put`],
//! [`take`]) and is the worker process that loads and runs each cell ([`worker_main`]).

mod calls;
mod comms;
mod counted;
mod failed;
mod run;
pub mod show;
mod stdin;
mod store;
mod worker;

pub use counted::{blocks, counted};
pub use failed::Failed;
pub use run::Run;
pub use sconce_display::interrupt::check;
pub use store::{put, take};
pub use worker::worker_main;

// The crates that a cell can name; the kernel points each cell at the copies inside this library.
#[cfg(feature = "transformers")]
pub use candle_transformers;
pub use {
    anyhow, candle_core, candle_nn, image, plotters, rand, sconce, sconce_display, serde, serde_json, tokio,
};
