//! Nothing that arrives stops the kernel.

use std::io::Write;
use std::net::TcpStream;

use super::super::message::{Author, Signer};
use super::client::{Client, Kernel, Outcome};
use super::script::Script;
use bytes::Bytes;
use serde_json::{Map, json};
use zeromq::SocketSend;

/// The kernel answers, and the answer is the next thing that it sends: nothing before was answered.
async fn alive(client: &mut Client) -> Outcome {
    let id = client.ask("kernel_info_request", json!({})).await?;
    assert_eq!(client.reply().await?.parent, Some(id.clone()));
    client.heard_until_idle(&id).await?;
    Ok(())
}

#[tokio::test]
async fn wrongly_signed_messages() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    for key in ["", "another key"] {
        let stranger = Author::new(Signer::new(key));
        let content = json!({"code": "out stolen"});
        let frames = stranger.encode(&[], "execute_request", &Map::new(), &json!({}), &content);
        client.shell.send(frames.clone().try_into().unwrap()).await?;
        client.control.send(frames.try_into().unwrap()).await?;
        alive(&mut client).await?;
    }
    client.shut_down(kernel).await
}

#[tokio::test]
async fn malformed_messages() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    let (good, _) = client.request("execute_request", &json!({"code": "out a"}));
    let mut messages: Vec<Vec<Bytes>> = (1..good.len()).map(|end| good[..end].to_vec()).collect();
    let mut wrong_delimiter = good.clone();
    wrong_delimiter[0] = Bytes::from_static(b"<IDS|MSG");
    messages.push(wrong_delimiter);
    for at in 1..good.len() {
        let mut garbled = good.clone();
        garbled[at] = Bytes::from_static(b"\xff\xfe\x00");
        messages.push(garbled);
    }
    messages.push(vec![Bytes::new()]);
    messages.push(vec![Bytes::from(vec![0xff; 1 << 20]); 50]);
    for message in messages {
        client.shell.send(message.clone().try_into().unwrap()).await?;
        client.control.send(message.try_into().unwrap()).await?;
    }
    alive(&mut client).await?;
    client.shut_down(kernel).await
}

#[tokio::test]
async fn unknown_requests() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    client.ask("no_such_request", json!({})).await?;
    client.ask("status", json!({})).await?;
    client.ask_control("execute_request", json!({"code": "out a"})).await?;
    alive(&mut client).await?;
    client.shut_down(kernel).await
}

#[tokio::test]
async fn bytes_that_are_not_zeromq() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    for endpoint in &kernel.endpoints {
        let address = endpoint.trim_start_matches("tcp://");
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 100_000], b"", &[0; 64]] {
            let mut stream = TcpStream::connect(address)?;
            // The kernel may close the connection before it has read everything.
            let _ = stream.write_all(bytes);
        }
    }
    alive(&mut client).await?;
    client.execute("out a").await?;
    assert_eq!(client.reply().await?.content["status"], "ok");
    client.shut_down(kernel).await
}

#[tokio::test]
async fn a_client_that_leaves() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut leaving = Client::connect(&kernel).await?;
    leaving.execute("flood 100000").await?;
    drop(leaving);
    let mut client = Client::connect(&kernel).await?;
    client.execute("out a").await?;
    assert_eq!(client.reply().await?.content["status"], "ok");
    client.shut_down(kernel).await
}
