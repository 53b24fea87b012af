//! The ZeroMQ transport, ZMTP 3.0, as far as a kernel needs it: ROUTER and XPUB sockets that others connect to.
//!
//! It is written here because the kernel must outlive whatever a connection brings. A frame takes memory as
//! its bytes arrive, never what its header claims; messages have a largest size; a peer that does not speak
//! the protocol is cut off; a peer that does not read holds up its own requests and nobody else's replies;
//! and closing a socket waits until what was sent is written.

mod frame;
mod handshake;
mod listener;
mod peer;
mod publisher;
mod router;

#[cfg(test)]
mod tests;

use bytes::Bytes;

pub(super) use publisher::{PublisherSocket, Subscription};
pub(super) use router::{Arrival, RouterSocket};

/// The frames of a multipart message.
pub(super) type Message = Vec<Bytes>;
