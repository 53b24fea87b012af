//! The iopub socket: status and whatever cells emit, in order, to every client that listens.
//!
//! The socket is an XPUB, for two reasons: a client that subscribes is greeted with `iopub_welcome` (JEP 65),
//! and sending waits until the subscribers' connections take the bytes. With the bounded channel behind it
//! that wait reaches the cell, so that a flood of output slows the cell and never fills the kernel. (The
//! `zeromq` crate's PUB socket queues 100,000 messages for each subscriber and then drops new ones.)

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, timeout, timeout_at};
use zeromq::{SocketRecv, SocketSend, XPubSocket, ZmqMessage};

use super::message::Author;
use super::replies;
use super::runner::Event;
use crate::engine::Output;

/// How long a client may take nothing before messages are dropped until it does. Long enough for a busy one,
/// short enough that a training run goes on when its client hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long each message waits for a client that was given up.
const PATIENCE_SPENT: Duration = Duration::from_millis(5);

/// Streams are sent at most this often: text that comes faster is collected in between.
const STREAM_INTERVAL: Duration = Duration::from_millis(20);
/// Collected text is sent when it reaches this many bytes.
const STREAM_CHUNK: usize = 1 << 16;

/// Sends `statuses` and what `events` bring, until `statuses` closes. Events that end a cell come out at
/// `finished` when everything before them is sent.
pub(super) async fn publish(
    socket: XPubSocket,
    author: Author,
    mut statuses: UnboundedReceiver<Vec<Bytes>>,
    mut events: Receiver<Event>,
    finished: UnboundedSender<Event>,
) {
    let mut publisher = Publisher { socket, author, gave_up: false, streamed: None };
    let mut next: Option<Event> = None;
    loop {
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
            Some(event) = take(&mut next, &mut events) => match event {
                Event::Output(cell, output) => {
                    let (output, rest) = publisher.collect(output, &mut events).await;
                    next = rest;
                    for (msg_type, content) in replies::output(&output, cell.count) {
                        publisher.say(msg_type, &cell.request.header, &content).await;
                    }
                    if is_stream(&output) {
                        publisher.streamed = Some(Instant::now());
                    }
                }
                ended @ Event::Finished(..) => drop(finished.send(ended)),
            },
        }
    }
}

/// The event that was already taken, else the next one.
async fn take(next: &mut Option<Event>, events: &mut Receiver<Event>) -> Option<Event> {
    match next.take() {
        Some(event) => Some(event),
        None => events.recv().await,
    }
}

struct Publisher {
    socket: XPubSocket,
    author: Author,
    gave_up: bool,
    streamed: Option<Instant>,
}

impl Publisher {
    async fn say(&mut self, msg_type: &'static str, parent: &Map<String, Value>, content: &Value) {
        let topic = [Bytes::from_static(msg_type.as_bytes())];
        let frames = self.author.encode(&topic, msg_type, parent, &json!({}), content);
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

    /// Adds what follows an output where the two can be one message: text of the same stream, the newer
    /// state of the same display. Returns also the event that could not be added.
    async fn collect(&self, mut output: Output, events: &mut Receiver<Event>) -> (Output, Option<Event>) {
        let until = match self.streamed {
            Some(streamed) if is_stream(&output) => streamed + STREAM_INTERVAL,
            _ => Instant::now(),
        };
        while !is_full(&output) {
            // What is there already counts, even when the time is up.
            let event = match events.try_recv() {
                Ok(event) => event,
                Err(_) => match timeout_at(until, events.recv()).await {
                    Ok(Some(event)) => event,
                    Ok(None) | Err(_) => break,
                },
            };
            match event {
                Event::Output(cell, newer) => match merge(output, newer) {
                    Ok(both) => output = both,
                    Err((first, second)) => return (first, Some(Event::Output(cell, second))),
                },
                ended @ Event::Finished(..) => return (output, Some(ended)),
            }
        }
        (output, None)
    }
}

fn is_stream(output: &Output) -> bool {
    matches!(output, Output::Stdout(_) | Output::Stderr(_))
}

fn is_full(output: &Output) -> bool {
    matches!(output, Output::Stdout(text) | Output::Stderr(text) if text.len() >= STREAM_CHUNK)
}

/// One output in place of two neighbours, or both back.
#[allow(clippy::result_large_err)]
fn merge(first: Output, second: Output) -> Result<Output, (Output, Output)> {
    match (first, second) {
        (Output::Stdout(text), Output::Stdout(more)) => Ok(Output::Stdout(text + &more)),
        (Output::Stderr(text), Output::Stderr(more)) => Ok(Output::Stderr(text + &more)),
        (Output::Update { id, .. }, Output::Update { id: same, bundle }) if id == same => {
            Ok(Output::Update { id, bundle })
        }
        pair => Err(pair),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sconce_display::Bundle;

    #[test]
    fn neighbours_merge_only_where_nothing_is_lost() {
        let out = |text: &str| Output::Stdout(text.into());
        let update = |id: &str, text: &str| Output::Update { id: id.into(), bundle: Bundle::text(text) };
        let display = |text: &str| Output::Display { id: Some("a".into()), bundle: Bundle::text(text) };
        assert_eq!(merge(out("a\r"), out("b")), Ok(out("a\rb")));
        assert_eq!(merge(update("a", "1"), update("a", "2")), Ok(update("a", "2")));
        for (first, second) in [
            (out("a"), Output::Stderr("b".into())),
            (update("a", "1"), update("b", "2")),
            (display("1"), update("a", "2")),
            (display("1"), display("2")),
            (Output::Clear { wait: true }, out("a")),
        ] {
            assert_eq!(merge(first.clone(), second.clone()), Err((first, second)));
        }
    }
}
