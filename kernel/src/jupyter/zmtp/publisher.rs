//! A socket for messages to all who want them, which learns who wants what.

use std::collections::HashMap;
use std::io::Result;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout_at};

use super::Message;
use super::frame::Unit;
use super::handshake::Role;
use super::listener::Listener;
use super::peer::{News, Peers};

/// How many messages may be on their way to one subscriber.
const QUEUE: usize = 4;

/// How long a subscriber may take nothing before messages to it are dropped until it does. Long enough for a
/// busy one, short enough that a training run goes on when its client hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A bound XPUB socket.
#[derive(Debug)]
pub(in super::super) struct PublisherSocket {
    peers: Peers,
    subscribers: HashMap<Bytes, Subscriber>,
}

#[derive(Debug)]
struct Subscriber {
    outgoing: Sender<Unit>,
    /// Beginnings of first frames; one that was subscribed to twice stands here twice.
    topics: Vec<Bytes>,
    /// It has taken nothing for too long: nobody waits for it any more.
    hangs: bool,
}

/// Somebody subscribed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Subscription {
    subscriber: Bytes,
    /// What the first frame of a message must begin with.
    pub(in super::super) topic: Bytes,
}

impl PublisherSocket {
    /// Binds to an endpoint, inside a runtime.
    pub(in super::super) async fn bind(endpoint: &str) -> Result<PublisherSocket> {
        Ok(PublisherSocket::listen(Listener::bind(endpoint).await?))
    }

    /// Binds to any free port; returns also where.
    #[cfg(test)]
    pub(in super::super) async fn bind_anywhere() -> Result<(PublisherSocket, String)> {
        let listener = Listener::bind("tcp://127.0.0.1:0").await?;
        let endpoint = listener.endpoint()?;
        Ok((PublisherSocket::listen(listener), endpoint))
    }

    fn listen(listener: Listener) -> PublisherSocket {
        PublisherSocket { peers: Peers::listen(listener, Role::XPub, QUEUE), subscribers: HashMap::new() }
    }

    /// The next subscription. It holds from the moment it is returned. May be dropped and called again
    /// without loss.
    pub(in super::super) async fn subscription(&mut self) -> Subscription {
        loop {
            match self.peers.news.recv().await {
                Some(news) => {
                    if let Some(subscription) = self.learn(news) {
                        return subscription;
                    }
                }
                // The accepting task holds the other side as long as this socket is there.
                None => std::future::pending().await,
            }
        }
    }

    /// Sends a message to all who subscribed to its first frame. Waits until there is room on the way to each
    /// of them, so that what makes messages is no faster than those who read them.
    pub(in super::super) async fn send(&mut self, message: Message) {
        let unit = Unit::Message(message);
        let deadline = Instant::now() + PATIENCE;
        for subscriber in self.subscribers.values_mut().filter(|subscriber| subscriber.wants(&unit)) {
            subscriber.send(unit.clone(), deadline).await;
        }
    }

    /// Sends a message to one who subscribed.
    pub(in super::super) async fn answer(&mut self, subscription: &Subscription, message: Message) {
        if let Some(subscriber) = self.subscribers.get_mut(&subscription.subscriber) {
            subscriber.send(Unit::Message(message), Instant::now() + PATIENCE).await;
        }
    }

    /// Ends when all that was sent is written.
    pub(in super::super) async fn close(self) {
        let PublisherSocket { peers, subscribers } = self;
        drop(subscribers);
        peers.close().await;
    }

    fn learn(&mut self, news: News) -> Option<Subscription> {
        match news {
            News::Joined { peer, outgoing } => {
                let subscriber = Subscriber { outgoing, topics: Vec::new(), hangs: false };
                self.subscribers.insert(peer, subscriber);
            }
            News::Sent { peer, unit } => {
                let (subscribes, topic) = request(unit)?;
                let topics = &mut self.subscribers.get_mut(&peer)?.topics;
                if subscribes {
                    topics.push(topic.clone());
                    return Some(Subscription { subscriber: peer, topic });
                }
                if let Some(at) = topics.iter().position(|known| *known == topic) {
                    topics.swap_remove(at);
                }
            }
            News::Left { peer } => {
                if self.subscribers.get(&peer).is_some_and(|subscriber| subscriber.outgoing.is_closed()) {
                    self.subscribers.remove(&peer);
                }
            }
        }
        None
    }
}

impl Subscriber {
    fn wants(&self, unit: &Unit) -> bool {
        let Unit::Message(frames) = unit else { return false };
        let Some(first) = frames.first() else { return false };
        self.topics.iter().any(|topic| first.starts_with(topic))
    }

    async fn send(&mut self, unit: Unit, deadline: Instant) {
        if self.hangs {
            self.hangs = self.outgoing.try_send(unit).is_err();
        } else if timeout_at(deadline, self.outgoing.send(unit)).await.is_err() {
            self.hangs = true;
            eprintln!("sconce: a client took no output for {PATIENCE:?}: dropping its output until it does");
        }
    }
}

/// Whether a topic is subscribed to or given up, and the topic: a message of one frame that begins with 1 or
/// 0, or a command.
fn request(unit: Unit) -> Option<(bool, Bytes)> {
    match unit {
        Unit::Message(frames) => {
            let [frame] = frames.as_slice() else { return None };
            match frame.first()? {
                0 => Some((false, frame.slice(1..))),
                1 => Some((true, frame.slice(1..))),
                _ => None,
            }
        }
        Unit::Command(name, topic) => match name.as_str() {
            "SUBSCRIBE" => Some((true, topic)),
            "CANCEL" => Some((false, topic)),
            _ => None,
        },
    }
}
