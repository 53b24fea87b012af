//! The sockets against another implementation of ZeroMQ, and against bytes that are none.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeromq::util::PeerIdentity;
use zeromq::{DealerSocket, Socket, SocketOptions, SocketRecv, SocketSend, SubSocket, ZmqMessage};

use super::frame::{self, LARGEST_MESSAGE, Unit};
use super::handshake::{Role, handshake};
use super::{Message, PublisherSocket, RouterSocket};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

fn message(frames: &[&'static [u8]]) -> Message {
    frames.iter().map(|frame| Bytes::from_static(frame)).collect()
}

async fn received(socket: &mut RouterSocket) -> Result<Message, Box<dyn std::error::Error>> {
    Ok(timeout(LONG, socket.recv()).await?)
}

async fn heard(socket: &mut impl SocketRecv) -> Result<Message, Box<dyn std::error::Error>> {
    Ok(timeout(LONG, socket.recv()).await??.into_vec())
}

/// A connection that has shaken hands: a ROUTER may talk to a ROUTER.
async fn raw(endpoint: &str) -> Result<TcpStream, Box<dyn std::error::Error>> {
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).await?;
    timeout(LONG, handshake(&mut stream, Role::Router)).await??;
    Ok(stream)
}

/// Returns when the other side has closed the connection.
async fn closed(stream: &mut TcpStream) -> Outcome {
    let mut rest = Vec::new();
    // A reset is an end, too.
    let _ = timeout(LONG, stream.read_to_end(&mut rest)).await?;
    Ok(())
}

#[tokio::test]
async fn requests_and_replies_find_their_way() -> Outcome {
    let (mut router, endpoint) = RouterSocket::bind_anywhere().await?;
    let mut clients = [DealerSocket::new(), DealerSocket::new()];
    for (client, text) in clients.iter_mut().zip(["one", "two"]) {
        client.connect(&endpoint).await?;
        client.send(text.into()).await?;
    }
    let large = Bytes::from(vec![7; 3 << 20]);
    for _ in 0..2 {
        let mut request = received(&mut router).await?;
        request.push(large.clone());
        router.send(request)?;
    }
    for (client, text) in clients.iter_mut().zip(["one", "two"]) {
        assert_eq!(heard(client).await?, [Bytes::from(text), large.clone()]);
    }
    // To nobody, and nothing.
    assert!(router.send(message(&[b"stranger", b"x"])).is_err());
    assert!(router.send(Vec::new()).is_err());
    Ok(())
}

#[tokio::test]
async fn a_client_that_comes_again_gets_its_replies() -> Outcome {
    let (mut router, endpoint) = RouterSocket::bind_anywhere().await?;
    let mut connect = async || -> Result<DealerSocket, Box<dyn std::error::Error>> {
        let mut options = SocketOptions::default();
        options.peer_identity(PeerIdentity::try_from(b"me".to_vec())?);
        let mut client = DealerSocket::with_options(options);
        client.connect(&endpoint).await?;
        client.send("hello".into()).await?;
        assert_eq!(received(&mut router).await?, message(&[b"me", b"hello"]));
        Ok(client)
    };
    let first = connect().await?;
    let mut second = connect().await?;
    drop(first);
    router.send(message(&[b"me", b"a"]))?;
    assert_eq!(heard(&mut second).await?, message(&[b"a"]));
    // The news of the first one's end does not take the second one away.
    second.send("more".into()).await?;
    assert_eq!(received(&mut router).await?, message(&[b"me", b"more"]));
    router.send(message(&[b"me", b"b"]))?;
    assert_eq!(heard(&mut second).await?, message(&[b"b"]));
    Ok(())
}

#[tokio::test]
async fn subscribers_get_what_they_subscribed_to() -> Outcome {
    let (mut publisher, endpoint) = PublisherSocket::bind_anywhere().await?;
    let (mut all, mut some) = (SubSocket::new(), SubSocket::new());
    for (client, topics) in [(&mut all, &[""][..]), (&mut some, &["stream", "sta"])] {
        client.connect(&endpoint).await?;
        for topic in topics {
            client.subscribe(topic).await?;
            let subscription = timeout(LONG, publisher.subscription()).await?;
            assert_eq!(subscription.topic, topic.as_bytes());
            publisher.answer(&subscription, vec![subscription.topic.clone(), "welcome".into()]).await;
            assert_eq!(heard(client).await?[1], "welcome");
        }
    }
    for topic in ["stream.stdout", "error", "status"] {
        publisher.send(vec![topic.into(), "1".into()]).await;
    }
    for topic in ["stream.stdout", "error", "status"] {
        assert_eq!(heard(&mut all).await?[0], topic);
    }
    assert_eq!(heard(&mut some).await?[0], "stream.stdout");
    assert_eq!(heard(&mut some).await?[0], "status");
    some.unsubscribe("stream").await?;
    // Behind a later subscription, the earlier news was taken in.
    some.subscribe("last").await?;
    timeout(LONG, publisher.subscription()).await?;
    publisher.send(message(&[b"stream.stdout"])).await;
    publisher.send(message(&[b"last"])).await;
    assert_eq!(heard(&mut some).await?, message(&[b"last"]));
    Ok(())
}

#[tokio::test]
async fn what_was_sent_is_written_before_the_end() -> Outcome {
    let (mut router, endpoint) = RouterSocket::bind_anywhere().await?;
    let mut client = DealerSocket::new();
    client.connect(&endpoint).await?;
    client.send("hello".into()).await?;
    let mut request = received(&mut router).await?;
    // Unread bytes of a client must not cost it its reply.
    client.send("never read".into()).await?;
    let large = Bytes::from(vec![1; 20 << 20]);
    request.push(large.clone());
    router.send(request)?;
    let closing = tokio::spawn(router.close());
    assert_eq!(heard(&mut client).await?, [Bytes::from("hello"), large]);
    drop(client);
    timeout(LONG, closing).await??;
    Ok(())
}

#[tokio::test]
async fn claims_of_endless_frames_and_messages_end_their_connection_only() -> Outcome {
    let (mut router, endpoint) = RouterSocket::bind_anywhere().await?;
    let first_message = tokio::spawn(async move { router.recv().await });
    let long = |flags: u8, size: u64| [&[flags], &size.to_be_bytes()[..]].concat();
    for header in [
        long(2, 1 << 40),
        long(2, u64::MAX),
        long(2, LARGEST_MESSAGE + 1),
        long(6, 1 << 20),
        vec![0xf0, 0],
        vec![5, 0],
        vec![4, 0],
        vec![4, 2, 9, b'x'],
        vec![1, 1, b'a', 4, 5, 4, b'P', b'I', b'N', b'G'],
    ] {
        let mut stream = raw(&endpoint).await?;
        stream.write_all(&header).await?;
        closed(&mut stream).await?;
    }
    // A message of ever more frames comes to its end, too.
    let mut stream = raw(&endpoint).await?;
    let empty_frames = [1, 0].repeat(1 << 16);
    while timeout(LONG, stream.write_all(&empty_frames)).await?.is_ok() {}
    // What is claimed takes no memory before it comes, and a connection that ends meanwhile is forgotten.
    let mut stream = raw(&endpoint).await?;
    stream.write_all(&long(2, LARGEST_MESSAGE / 2)).await?;
    drop(stream);
    let mut client = DealerSocket::new();
    client.connect(&endpoint).await?;
    client.send("still there?".into()).await?;
    assert_eq!(timeout(LONG, first_message).await??[1], "still there?");
    Ok(())
}

#[tokio::test]
async fn strangers_are_cut_off() -> Outcome {
    let (_router, endpoint) = RouterSocket::bind_anywhere().await?;
    let address = endpoint.trim_start_matches("tcp://");
    let mut old = [0; 64];
    (old[0], old[9], old[10]) = (0xff, 0x7f, 1);
    let mut curve = old;
    curve[10] = 3;
    curve[12..17].copy_from_slice(b"CURVE");
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 100], &old, &curve] {
        let mut stream = TcpStream::connect(address).await?;
        let _ = stream.write_all(bytes).await;
        closed(&mut stream).await?;
    }
    // A publisher and a router have nothing to say to each other.
    let mut stream = TcpStream::connect(address).await?;
    assert!(handshake(&mut stream, Role::XPub).await.is_err());
    closed(&mut stream).await
}

#[tokio::test]
async fn a_ping_is_answered() -> Outcome {
    let (_router, endpoint) = RouterSocket::bind_anywhere().await?;
    let mut stream = raw(&endpoint).await?;
    frame::write(&mut stream, &Unit::Command("PING".into(), Bytes::from_static(b"\0\x0acontext"))).await?;
    let answer = timeout(LONG, frame::read(&mut stream)).await??;
    assert_eq!(answer, Unit::Command("PONG".into(), Bytes::from_static(b"context")));
    Ok(())
}

#[tokio::test]
async fn paths_as_addresses() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("kernel-1");
    let endpoint = format!("ipc://{}", path.display());
    // What a killed kernel leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path)?);
    let mut router = RouterSocket::bind(&endpoint).await?;
    let taken = RouterSocket::bind(&endpoint).await.unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    let mut client = DealerSocket::new();
    client.connect(&endpoint).await?;
    client.send(ZmqMessage::from("hello")).await?;
    let request = received(&mut router).await?;
    router.send(request)?;
    assert_eq!(heard(&mut client).await?, message(&[b"hello"]));
    drop(client);
    timeout(LONG, router.close()).await?;
    assert!(!path.exists());
    let wrong = RouterSocket::bind("udp://1.2.3.4:5").await.unwrap_err().to_string();
    assert!(wrong.contains("tcp://"), "{wrong}");
    Ok(())
}
