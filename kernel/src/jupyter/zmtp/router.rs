//! A socket for requests and replies: each message that comes begins with who sent it, each that goes with
//! who gets it.

use std::collections::{HashMap, VecDeque};
use std::io;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::super::log;
use super::Message;
use super::frame::Unit;
use super::handshake::Role;
use super::listener::Listener;
use super::peer::{News, Peers};

/// How many replies may be on their way to one peer.
const QUEUE: usize = 1000;

/// What comes from the peers of a ROUTER socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Arrival {
    /// A message, its sender's identity first.
    Message(Message),
    /// The peer of this identity is gone.
    Left(Bytes),
}

/// No peer of that identity is connected.
#[derive(Debug, thiserror::Error)]
#[error("no client of that identity is connected")]
pub(in super::super) struct NotConnected;

/// A bound ROUTER socket.
#[derive(Debug)]
pub(in super::super) struct RouterSocket {
    peers: Peers,
    outgoing: HashMap<Bytes, Sender<Unit>>,
    /// What came while something was sent.
    received: VecDeque<Arrival>,
}

impl RouterSocket {
    /// Binds to an endpoint, inside a runtime.
    pub(in super::super) async fn bind(endpoint: &str) -> io::Result<RouterSocket> {
        Ok(RouterSocket::listen(Listener::bind(endpoint).await?))
    }

    /// Binds to any free port; returns also where.
    #[cfg(test)]
    pub(in super::super) async fn bind_anywhere() -> io::Result<(RouterSocket, String)> {
        let listener = Listener::bind("tcp://127.0.0.1:0").await?;
        let endpoint = listener.endpoint()?;
        Ok((RouterSocket::listen(listener), endpoint))
    }

    fn listen(listener: Listener) -> RouterSocket {
        let peers = Peers::listen(listener, Role::Router, QUEUE);
        RouterSocket { peers, outgoing: HashMap::new(), received: VecDeque::new() }
    }

    /// The next message, its sender's identity first. May be dropped and called again without loss.
    pub(in super::super) async fn recv(&mut self) -> Message {
        loop {
            if let Arrival::Message(message) = self.next().await {
                return message;
            }
        }
    }

    /// The next message, or the next peer that left. May be dropped and called again without loss.
    pub(in super::super) async fn next(&mut self) -> Arrival {
        loop {
            if let Some(arrival) = self.received.pop_front() {
                return arrival;
            }
            match self.peers.news.recv().await {
                Some(news) => self.learn(news),
                // The accepting task holds the other side as long as this socket is there.
                None => std::future::pending().await,
            }
        }
    }

    /// Sends a message to the peer that its first frame names.
    pub(in super::super) fn send(&mut self, mut message: Message) -> Result<(), NotConnected> {
        while let Ok(news) = self.peers.news.try_recv() {
            self.learn(news);
        }
        if message.is_empty() {
            return Err(NotConnected);
        }
        let peer = message.remove(0);
        let outgoing = self.outgoing.get(&peer).ok_or(NotConnected)?;
        match outgoing.try_send(Unit::Message(message)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(NotConnected),
            Err(TrySendError::Full(_)) => {
                log::dropped(format_args!("dropped a message: {QUEUE} wait for their client to read them"));
                Ok(())
            }
        }
    }

    /// Takes no more messages, and ends when all that was sent is written.
    pub(in super::super) async fn close(self) {
        let RouterSocket { peers, outgoing, received: _ } = self;
        drop(outgoing);
        peers.close().await;
    }

    fn learn(&mut self, news: News) {
        match news {
            // A client that connects again with the same identity takes the place of its old connection.
            News::Joined { peer, outgoing } => drop(self.outgoing.insert(peer, outgoing)),
            News::Sent { peer, unit: Unit::Message(mut message) } => {
                message.insert(0, peer);
                self.received.push_back(Arrival::Message(message));
            }
            News::Sent { unit: Unit::Command(..), .. } => {}
            News::Left { peer } => {
                if self.outgoing.get(&peer).is_some_and(Sender::is_closed) {
                    self.outgoing.remove(&peer);
                    self.received.push_back(Arrival::Left(peer));
                }
            }
        }
    }
}
