//! A kernel over real sockets with a scripted engine, and a client to talk to it.

use std::thread::JoinHandle;
use std::time::Duration;

use super::super::message::{Author, Request, Signer};
use super::super::zmtp::{PublisherSocket, RouterSocket};
use super::super::{server, sockets::Sockets};
use super::script::Script;
use crate::history::History;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::time::timeout;
use zeromq::{DealerSocket, ReqSocket, Socket, SocketOptions, SocketRecv, SocketSend, SubSocket};

pub(super) const KEY: &str = "a key";
/// Longer than anything takes on a busy machine.
pub(super) const LONG: Duration = Duration::from_secs(60);

pub(super) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Where a kernel listens: shell, control, iopub, stdin, heartbeat.
pub(super) type Endpoints = [String; 5];

pub(super) struct Kernel {
    pub(super) endpoints: Endpoints,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Kernel {
    pub(super) fn start(script: Script) -> Kernel {
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let (shell, a) = RouterSocket::bind_anywhere().await?;
                let (control, b) = RouterSocket::bind_anywhere().await?;
                let (iopub, c) = PublisherSocket::bind_anywhere().await?;
                let (stdin, d) = RouterSocket::bind_anywhere().await?;
                let (heartbeat, e) = RouterSocket::bind_anywhere().await?;
                sender.send([a, b, c, d, e]).unwrap();
                let sockets = Sockets { shell, control, iopub, stdin, heartbeat };
                server::serve(sockets, Signer::new(KEY), Arc::new(script), History::in_memory()).await
            })
        });
        Kernel { endpoints: receiver.recv_timeout(LONG).unwrap(), thread }
    }

    /// Waits for the kernel's end.
    pub(super) async fn ended(self) -> Outcome {
        let deadline = std::time::Instant::now() + LONG;
        while !self.thread.is_finished() {
            assert!(std::time::Instant::now() < deadline, "the kernel did not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(self.thread.join().map_err(|_| "the kernel's thread panicked")??)
    }
}

fn named_dealer(identity: &str) -> Result<DealerSocket, Box<dyn std::error::Error>> {
    let mut options = SocketOptions::default();
    options.peer_identity(identity.parse()?);
    Ok(DealerSocket::with_options(options))
}

pub(super) struct Client {
    pub(super) shell: DealerSocket,
    pub(super) control: DealerSocket,
    pub(super) iopub: SubSocket,
    pub(super) stdin: DealerSocket,
    pub(super) heartbeat: ReqSocket,
    signer: Signer,
    author: Author,
}

/// A message of the kernel's: its type, the request it answers, its content.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub(super) msg_type: String,
    pub(super) parent: Option<String>,
    pub(super) metadata: Value,
    pub(super) content: Value,
}

impl Client {
    /// Connects, and waits until iopub says welcome.
    pub(super) async fn connect(kernel: &Kernel) -> Result<Client, Box<dyn std::error::Error>> {
        let signer = Signer::new(KEY);
        // A question goes to the identity that the cell's request came from.
        let identity = uuid::Uuid::new_v4().to_string();
        let mut client = Client {
            shell: named_dealer(&identity)?,
            control: DealerSocket::new(),
            iopub: SubSocket::new(),
            stdin: named_dealer(&identity)?,
            heartbeat: ReqSocket::new(),
            author: Author::new(signer.clone()),
            signer,
        };
        let [shell, control, iopub, stdin, heartbeat] = &kernel.endpoints;
        client.shell.connect(shell).await?;
        client.control.connect(control).await?;
        client.iopub.connect(iopub).await?;
        client.stdin.connect(stdin).await?;
        client.heartbeat.connect(heartbeat).await?;
        client.iopub.subscribe("").await?;
        let welcome = client.heard().await?;
        assert_eq!((welcome.msg_type.as_str(), welcome.parent), ("iopub_welcome", None));
        assert_eq!(welcome.content, json!({"subscription": ""}));
        Ok(client)
    }

    /// The frames of a request, and its id.
    pub(super) fn request(&self, msg_type: &str, content: &Value) -> (Vec<Bytes>, String) {
        let frames = self.author.encode(&[], msg_type, &Map::new(), &json!({}), content);
        let header: Value = serde_json::from_slice(&frames[2]).unwrap();
        (frames, header["msg_id"].as_str().unwrap().to_owned())
    }

    /// Sends a request on shell and returns its id.
    pub(super) async fn ask(&mut self, msg_type: &str, content: Value) -> zeromq::ZmqResult<String> {
        let (frames, id) = self.request(msg_type, &content);
        self.shell.send(frames.try_into().unwrap()).await?;
        Ok(id)
    }

    /// Sends a request on control and returns its id.
    pub(super) async fn ask_control(&mut self, msg_type: &str, content: Value) -> zeromq::ZmqResult<String> {
        let (frames, id) = self.request(msg_type, &content);
        self.control.send(frames.try_into().unwrap()).await?;
        Ok(id)
    }

    pub(super) async fn execute(&mut self, code: &str) -> zeromq::ZmqResult<String> {
        self.ask("execute_request", json!({"code": code})).await
    }

    /// The next reply on shell.
    pub(super) async fn reply(&mut self) -> Result<Message, Box<dyn std::error::Error>> {
        read(timeout(LONG, self.shell.recv()).await??, &self.signer)
    }

    /// The next reply on control.
    pub(super) async fn control_reply(&mut self) -> Result<Message, Box<dyn std::error::Error>> {
        read(timeout(LONG, self.control.recv()).await??, &self.signer)
    }

    /// The next question on stdin.
    pub(super) async fn asked(&mut self) -> Result<Message, Box<dyn std::error::Error>> {
        read(timeout(LONG, self.stdin.recv()).await??, &self.signer)
    }

    /// Answers on stdin.
    pub(super) async fn answer(&mut self, msg_type: &str, content: Value) -> Outcome {
        let (frames, _) = self.request(msg_type, &content);
        Ok(self.stdin.send(frames.try_into().unwrap()).await?)
    }

    /// The next message on iopub.
    pub(super) async fn heard(&mut self) -> Result<Message, Box<dyn std::error::Error>> {
        read(timeout(LONG, self.iopub.recv()).await??, &self.signer)
    }

    /// Everything on iopub up to the `idle` of the request `id`: type and content, all with that parent.
    pub(super) async fn heard_until_idle(
        &mut self,
        id: &str,
    ) -> Result<Vec<(String, Value)>, Box<dyn std::error::Error>> {
        let mut heard = Vec::new();
        loop {
            let Message { msg_type, parent, content, .. } = self.heard().await?;
            assert_eq!(parent.as_deref(), Some(id), "{msg_type} {content}");
            let idle = content == json!({"execution_state": "idle"});
            heard.push((msg_type, content));
            if idle {
                return Ok(heard);
            }
        }
    }

    /// Asks for the end and waits for it.
    pub(super) async fn shut_down(mut self, kernel: Kernel) -> Outcome {
        let id = self.ask_control("shutdown_request", json!({"restart": false})).await?;
        let reply = self.control_reply().await?;
        assert_eq!((reply.msg_type.as_str(), reply.parent), ("shutdown_reply", Some(id)));
        assert_eq!(reply.content, json!({"status": "ok", "restart": false}));
        kernel.ended().await
    }
}

fn read(message: zeromq::ZmqMessage, signer: &Signer) -> Result<Message, Box<dyn std::error::Error>> {
    let frames = message.into_vec();
    let delimiter = frames.iter().position(|frame| &frame[..] == b"<IDS|MSG>").ok_or("no delimiter")?;
    let parent: Value = serde_json::from_slice(&frames[delimiter + 3])?;
    let metadata = serde_json::from_slice(&frames[delimiter + 4])?;
    let decoded = Request::decode(frames, signer)?;
    Ok(Message {
        metadata,
        msg_type: decoded.msg_type,
        parent: parent["msg_id"].as_str().map(str::to_owned),
        content: Value::Object(decoded.content),
    })
}
