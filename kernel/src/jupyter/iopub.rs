//! The iopub socket: status and whatever cells emit, in order, to every client that listens.
//!
//! The socket is an XPUB, for two reasons: a client that subscribes is greeted with `iopub_welcome` (JEP 65),
//! and sending waits until the subscribers' connections take the bytes. With the bounded channel behind it
//! that wait reaches the cell, so that a flood of output slows the cell and never fills the kernel. (The
//! `zeromq` crate's PUB socket queues 100,000 messages for each subscriber and then drops new ones.)

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sconce_display::Question;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until, timeout};
use zeromq::{SocketRecv, SocketSend, XPubSocket, ZmqMessage};

use super::flow::Flow;
use super::message::Author;
use super::replies::{self, Said};
use super::runner::{Cell, Event};

/// How long a client may take nothing before messages are dropped until it does. Long enough for a busy one,
/// short enough that a training run goes on when its client hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long each message waits for a client that was given up.
const PATIENCE_SPENT: Duration = Duration::from_millis(5);

/// Sends `statuses` and what `events` bring, until `statuses` closes. Questions come out at `asked` and events
/// that end a cell at `finished`, when everything before them is sent.
pub(super) async fn publish(
    socket: XPubSocket,
    author: Author,
    mut statuses: UnboundedReceiver<Vec<Bytes>>,
    mut events: Receiver<Event>,
    asked: UnboundedSender<(Arc<Cell>, Question)>,
    finished: UnboundedSender<Event>,
) {
    let mut publisher = Publisher { socket, author, gave_up: false };
    let mut flow = Flow::default();
    loop {
        let round = flow.due();
        // What the event loop says comes first: a cell's `busy` is queued before the cell starts.
        tokio::select! {
            biased;
            status = statuses.recv() => match status {
                Some(frames) => publisher.send(frames).await,
                None => return,
            },
            received = publisher.socket.recv() => match received {
                Ok(message) => publisher.welcome(&message).await,
                Err(error) => eprintln!("sconce: iopub: {error}"),
            },
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
    socket: XPubSocket,
    author: Author,
    gave_up: bool,
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
        self.send(frames).await;
    }

    async fn send(&mut self, frames: Vec<Bytes>) {
        let Ok(message) = ZmqMessage::try_from(frames) else { return };
        // A cut-off send is safe: the connection keeps a frame that it has begun, and none is begun twice.
        let patience = if self.gave_up { PATIENCE_SPENT } else { PATIENCE };
        match timeout(patience, self.socket.send(message)).await {
            Ok(Ok(())) => self.gave_up = false,
            Ok(Err(error)) => eprintln!("sconce: iopub: {error}"),
            Err(_) if self.gave_up => {}
            Err(_) => {
                self.gave_up = true;
                eprintln!("sconce: a client took no output for {PATIENCE:?}: dropping output until it does");
            }
        }
    }

    /// Greets a new subscriber. The message is one byte, 1 for a subscription, and the topic.
    async fn welcome(&mut self, message: &ZmqMessage) {
        let Some([1, topic @ ..]) = message.get(0).map(|frame| &frame[..]) else { return };
        let Ok(subscription) = std::str::from_utf8(topic) else { return };
        let (routing, content) = ([Bytes::copy_from_slice(topic)], json!({"subscription": subscription}));
        let frames = self.author.encode(&routing, "iopub_welcome", &Map::new(), &json!({}), &content);
        self.send(frames).await;
    }
}
