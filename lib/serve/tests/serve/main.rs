//! The server over its sockets: the protocols, what goes wrong, batches, and versions that come and go.

#![allow(clippy::unwrap_used)]

mod batching;
mod client;
mod encrypted;
mod grpc;
mod inference;
mod inputs;
mod limits;
mod models;
mod pictures;
mod program;
mod tensorflow;
mod versions;
