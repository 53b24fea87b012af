//! One connection: what it sends goes to its socket, what the socket sends goes to it.

use std::io::{ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, BufReader, BufWriter, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc::{Receiver, Sender, WeakSender, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::log;
use super::frame::{self, Unit};
use super::handshake::{Role, handshake};
use super::listener::{Listener, Stream};

/// How long a connection may take to say what it is.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection that is closed here may take to read the rest.
const LINGER: Duration = Duration::from_millis(100);
/// How many messages of all peers wait for the socket; the senders wait too then.
const INCOMING: usize = 16;

/// What a socket learns of its peers.
#[derive(Debug)]
pub(super) enum News {
    /// A peer is there. What is sent to it goes into `outgoing`.
    Joined { peer: Bytes, outgoing: Sender<Unit> },
    /// A peer sent a message or a command.
    Sent { peer: Bytes, unit: Unit },
    /// A peer is gone.
    Left { peer: Bytes },
}

/// The connections of a socket.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) news: Receiver<News>,
    accepting: JoinHandle<()>,
    /// Closed when no connection is left.
    connected: Receiver<()>,
}

impl Peers {
    /// Accepts connections, each with room for `queue` units on their way to it.
    pub(super) fn listen(listener: Listener, role: Role, queue: usize) -> Peers {
        let (sender, news) = channel(INCOMING);
        let (alive, connected) = channel(1);
        let unnamed = Arc::new(AtomicU32::new(1));
        let accepting = tokio::spawn(async move {
            loop {
                let stream = listener.accept().await;
                let (news, alive, unnamed) = (sender.clone(), alive.clone(), Arc::clone(&unnamed));
                tokio::spawn(async move {
                    let connection = Connection { role, queue, unnamed, news };
                    if let Err(error) = connection.serve(stream).await {
                        log::dropped(format_args!("closed a connection to a {role:?} socket: {error}"));
                    }
                    drop(alive);
                });
            }
        });
        Peers { news, accepting, connected }
    }

    /// Ends when all that is in the queues is written. Its senders must be gone.
    pub(super) async fn close(self) {
        let Peers { news, accepting, mut connected } = self;
        accepting.abort();
        // Ends the task, and with it the listener, before connections could be waited for.
        let _ = accepting.await;
        drop(news);
        while connected.recv().await.is_some() {}
    }
}

struct Connection {
    role: Role,
    queue: usize,
    unnamed: Arc<AtomicU32>,
    news: Sender<News>,
}

impl Connection {
    /// Returns at the end of the connection; an error is one that is worth a line.
    async fn serve(self, mut stream: Box<dyn Stream>) -> Result<()> {
        let identity = match timeout(HANDSHAKE, handshake(&mut stream, self.role)).await {
            Ok(identity) => quiet(identity.map(Some))?,
            Err(_) => return Err(frame::invalid(format!("no greeting within {HANDSHAKE:?}"))),
        };
        let Some(identity) = identity else { return Ok(()) };
        // An identity that begins with zero is the socket's own choice, so that none can be taken twice.
        let peer = match identity.first() {
            None | Some(0) => {
                let number = self.unnamed.fetch_add(1, Ordering::Relaxed);
                [&[0], &number.to_be_bytes()[..]].concat().into()
            }
            Some(_) => identity,
        };
        let (outgoing, queue) = channel(self.queue);
        let joined = News::Joined { peer: peer.clone(), outgoing: outgoing.clone() };
        if self.news.send(joined).await.is_err() {
            return Ok(());
        }
        let (reader, writer) = split(stream);
        let mut reader = BufReader::new(reader);
        // The socket alone keeps the queue open.
        let queued = outgoing.downgrade();
        drop(outgoing);
        let ended = {
            let mut writing = std::pin::pin!(write(writer, queue));
            tokio::select! {
                ended = self.read(&mut reader, &peer, queued) => match ended {
                    Ok(SocketClosed) => writing.await,
                    Err(error) => Err(error),
                },
                ended = &mut writing => ended,
            }
        };
        if ended.is_ok() {
            // Closing over bytes that nobody has read would take back what was written.
            let _ = timeout(LINGER, tokio::io::copy(&mut reader, &mut tokio::io::sink())).await;
        }
        drop(reader);
        let _ = self.news.send(News::Left { peer }).await;
        quiet(ended.map(Some)).map(drop)
    }

    /// Hands on what arrives.
    async fn read(
        &self,
        reader: &mut BufReader<ReadHalf<Box<dyn Stream>>>,
        peer: &Bytes,
        queued: WeakSender<Unit>,
    ) -> Result<SocketClosed> {
        loop {
            let unit = frame::read(reader).await?;
            let Some(outgoing) = queued.upgrade() else { return Ok(SocketClosed) };
            // A peer that does not read replies is held up by not reading its requests.
            let Ok(room) = outgoing.reserve().await else { return Ok(SocketClosed) };
            match unit {
                Unit::Command(name, rest) if name == "PING" => {
                    // Behind the name stand two bytes of time to live, and a context to give back.
                    room.send(Unit::Command("PONG".to_owned(), rest.slice(rest.len().min(2)..)));
                }
                unit => {
                    drop(room);
                    drop(outgoing);
                    if self.news.send(News::Sent { peer: peer.clone(), unit }).await.is_err() {
                        return Ok(SocketClosed);
                    }
                }
            }
        }
    }
}

/// The socket that a connection belongs to is no more.
struct SocketClosed;

/// Writes until the queue's senders are gone and all is written.
async fn write(writer: WriteHalf<Box<dyn Stream>>, mut queue: Receiver<Unit>) -> Result<()> {
    let mut writer = BufWriter::with_capacity(1 << 16, writer);
    while let Some(unit) = queue.recv().await {
        frame::write(&mut writer, &unit).await?;
        if queue.is_empty() {
            writer.flush().await?;
        }
    }
    writer.shutdown().await
}

/// The end of a connection is nothing to speak of.
fn quiet<T>(result: Result<Option<T>>) -> Result<Option<T>> {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match result {
        Err(error)
            if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof) =>
        {
            Ok(None)
        }
        other => other,
    }
}
