//! A kernel process and a client of it, over the real protocol, unsigned.

use std::collections::VecDeque;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::timeout_at;
use zeromq::{DealerSocket, Socket, SocketRecv, SocketSend, SubSocket};

use super::Failed;

/// A running kernel. It is killed when this is dropped.
pub struct Kernel {
    process: Child,
    shell: DealerSocket,
    iopub: SubSocket,
    /// Keeps the connection file.
    _folder: tempfile::TempDir,
    started: Instant,
}

/// How a cell went.
pub struct Run {
    /// From the request to idle.
    pub time: Duration,
    /// When its first text came, as text on stdout or as a result.
    pub first_text: Option<Instant>,
}

impl Kernel {
    /// Starts a kernel and waits until it answers. `command` gets the connection file as its last argument.
    pub async fn start(command: &mut Command, until: Instant) -> Result<Kernel, Failed> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("kernel.json");
        let ports = free_ports()?;
        std::fs::write(&file, connection(ports).to_string())?;
        let started = Instant::now();
        let process =
            command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let (mut shell, mut iopub) = (DealerSocket::new(), SubSocket::new());
        let [shell_port, iopub_port, ..] = ports;
        connect(&mut shell, shell_port, until).await?;
        connect(&mut iopub, iopub_port, until).await?;
        iopub.subscribe("").await?;
        let mut kernel = Kernel { process, shell, iopub, _folder: folder, started };
        // Not every kernel greets a subscriber, so status messages have to show that the subscription stands.
        loop {
            let id = kernel.ask("kernel_info_request", &json!({})).await?;
            if kernel.idle(&id, (Instant::now() + Duration::from_millis(100)).min(until)).await.is_ok() {
                return Ok(kernel);
            }
            if Instant::now() > until {
                return Err("the kernel does not answer".into());
            }
        }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// When the process was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Runs a cell to its end. A cell that fails is an error, with its traceback.
    pub async fn run(&mut self, code: &str, until: Instant) -> Result<Run, Failed> {
        let content = json!({
            "code": code, "silent": false, "store_history": true, "user_expressions": {},
            "allow_stdin": false, "stop_on_error": true,
        });
        let sent = Instant::now();
        let id = self.ask("execute_request", &content).await?;
        let (heard, first_text) = self.idle(&id, until).await?;
        let time = sent.elapsed();
        match heard.iter().find(|(msg_type, _)| msg_type == "error") {
            None => Ok(Run { time, first_text }),
            Some((_, error)) => {
                let lines = error["traceback"].as_array().into_iter().flatten().filter_map(Value::as_str);
                Err(format!("cell failed:\n{code}\n{}", lines.collect::<Vec<_>>().join("\n")).into())
            }
        }
    }

    /// The content of the reply to a request, and how long it took.
    pub async fn reply(
        &mut self,
        msg_type: &str,
        content: &Value,
        until: Instant,
    ) -> Result<(Value, Duration), Failed> {
        let sent = Instant::now();
        let id = self.ask(msg_type, content).await?;
        loop {
            let message = timeout_at(until.into(), self.shell.recv())
                .await
                .map_err(|_| Failed::from("the time is up"))??
                .into_vec();
            if part(&message, 3)?["msg_id"] == id {
                return Ok((part(&message, 5)?, sent.elapsed()));
            }
        }
    }

    async fn ask(&mut self, msg_type: &str, content: &Value) -> Result<String, Failed> {
        let id = uuid::Uuid::new_v4().to_string();
        let header = json!({
            "msg_id": id, "session": "bench", "username": "bench", "msg_type": msg_type, "version": "5.3",
            "date": "2024-01-01T00:00:00.000000Z",
        });
        let mut frames: VecDeque<Bytes> = [&b"<IDS|MSG>"[..], b""].map(Bytes::from_static).into();
        frames.extend([&header, &json!({}), &json!({}), content].map(|part| Bytes::from(part.to_string())));
        let message = frames.try_into().map_err(|_| "a message without frames")?;
        self.shell.send(message).await?;
        Ok(id)
    }

    /// What iopub says for a request up to its idle, and when the first text came.
    async fn idle(
        &mut self,
        id: &str,
        until: Instant,
    ) -> Result<(Vec<(String, Value)>, Option<Instant>), Failed> {
        let (mut heard, mut first_text) = (Vec::new(), None);
        loop {
            let message = timeout_at(until.into(), self.iopub.recv())
                .await
                .map_err(|_| Failed::from("the time is up"))??
                .into_vec();
            if part(&message, 3)?["msg_id"] != id {
                continue;
            }
            let msg_type = part(&message, 2)?["msg_type"].as_str().unwrap_or_default().to_owned();
            let content = part(&message, 5)?;
            if matches!(msg_type.as_str(), "stream" | "execute_result") && content["name"] != "stderr" {
                first_text.get_or_insert_with(Instant::now);
            }
            let idle = msg_type == "status" && content["execution_state"] == "idle";
            heard.push((msg_type, content));
            if idle {
                return Ok((heard, first_text));
            }
        }
    }

    /// What the kernel process itself holds in memory, in MiB, where the system says (Linux).
    pub fn resident_mib(&self) -> Option<f64> {
        resident_mib(self.process.id())
    }
}

/// What a process holds in memory, in MiB, where the system says (Linux).
pub fn resident_mib(process: u32) -> Option<f64> {
    let status = Path::new("/proc").join(process.to_string()).join("status");
    let status = std::fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// A part of a message, counted from the delimiter: 2 is the header, 3 the parent's, 5 the content.
fn part(message: &[Bytes], at: usize) -> Result<Value, Failed> {
    let delimiter = message.iter().position(|frame| &frame[..] == b"<IDS|MSG>");
    let bytes = message.get(delimiter.ok_or("no delimiter")? + at).ok_or("truncated message")?;
    Ok(serde_json::from_slice(bytes)?)
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_ports() -> std::io::Result<[u16; 5]> {
    // All are held before the first is let go, so that they differ.
    let mut listeners = Vec::new();
    for _ in 0..5 {
        listeners.push(std::net::TcpListener::bind("127.0.0.1:0")?);
    }
    let mut ports = [0; 5];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

fn connection([shell, iopub, stdin, control, heartbeat]: [u16; 5]) -> Value {
    json!({
        "transport": "tcp", "ip": "127.0.0.1", "key": "", "signature_scheme": "hmac-sha256",
        "shell_port": shell, "iopub_port": iopub, "stdin_port": stdin, "control_port": control,
        "hb_port": heartbeat,
    })
}

/// Connects as soon as the kernel has bound the port.
async fn connect(socket: &mut impl Socket, port: u16, until: Instant) -> Result<(), Failed> {
    loop {
        match std::net::TcpStream::connect(("127.0.0.1", port)) {
            Ok(_) => return Ok(socket.connect(&format!("tcp://127.0.0.1:{port}")).await?),
            Err(error) if Instant::now() > until => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}
