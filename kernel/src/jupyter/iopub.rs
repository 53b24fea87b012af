//! The iopub socket: status and whatever cells emit, in order, to every client that listens.
//!
//! A client that subscribes is greeted with `iopub_welcome` (JEP 65). Sending waits until the subscribers take
//! the messages, and with the bounded space of `flow` that wait reaches the cell: a flood of output slows the
//! cell and never fills the kernel.

use std::sync::Arc;

use bytes::Bytes;
use sconce_display::Question;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until};

use super::flow::Flow;
use super::message::Author;
use super::replies::{self, Said};
use super::runner::{Cell, Event};
use super::zmtp::{PublisherSocket, Subscription};

/// Sends `statuses` and what `events` bring, until `statuses` closes. Questions come out at `asked` and events
/// that end a cell at `finished`, when everything before them is sent.
pub(super) async fn publish(
    socket: PublisherSocket,
    author: Author,
    mut statuses: UnboundedReceiver<Vec<Bytes>>,
    mut events: Receiver<Event>,
    asked: UnboundedSender<(Arc<Cell>, Question)>,
    finished: UnboundedSender<Event>,
) {
    let mut publisher = Publisher { socket, author };
    let mut flow = Flow::default();
    loop {
        let round = flow.due();
        // What the event loop says comes first: a cell's `busy` is queued before the cell starts.
        tokio::select! {
            biased;
            status = statuses.recv() => match status {
                Some(frames) => publisher.socket.send(frames).await,
                None => return publisher.socket.close().await,
            },
            subscription = publisher.socket.subscription() => publisher.welcome(&subscription).await,
            () = sleep_until(round.unwrap_or_else(Instant::now)), if round.is_some() => {
                publisher.send_round(&mut flow).await;
            }
            Some(event) = events.recv(), if flow.has_room() => match event {
                Event::Output(parent, output) => flow.push(parent, output),
                Event::Asked(cell, question) => {
                    // Whoever answers has seen what was printed before.
                    publisher.send_round(&mut flow).await;
                    drop(asked.send((cell, question)));
                }
                ended @ (Event::Finished(..) | Event::Handled(_)) => {
                    publisher.send_round(&mut flow).await;
                    flow.at_rest();
                    drop(finished.send(ended));
                }
            },
        }
    }
}

struct Publisher {
    socket: PublisherSocket,
    author: Author,
}

impl Publisher {
    async fn send_round(&mut self, flow: &mut Flow) {
        for (parent, output) in flow.take() {
            for said in replies::output(&output, parent.count()) {
                self.say(said, parent.header()).await;
            }
        }
    }

    async fn say(&mut self, said: Said, parent: &Map<String, Value>) {
        let Said { msg_type, metadata, content, buffers } = said;
        let topic = [Bytes::from_static(msg_type.as_bytes())];
        let mut frames = self.author.encode(&topic, msg_type, parent, &metadata, &content);
        frames.extend(buffers);
        self.socket.send(frames).await;
    }

    /// Greets a new subscriber.
    async fn welcome(&mut self, subscription: &Subscription) {
        let topic = String::from_utf8_lossy(&subscription.topic);
        let (routing, content) = ([subscription.topic.clone()], json!({"subscription": topic}));
        let frames = self.author.encode(&routing, "iopub_welcome", &Map::new(), &json!({}), &content);
        self.socket.answer(subscription, frames).await;
    }
}
