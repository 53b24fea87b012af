//! The server over real sockets.

#![allow(clippy::unwrap_used)]

mod client;
mod comms;
mod dropped;
mod execute;
mod fuzz;
mod requests;
mod script;
mod startup;
mod stdin;
