//! The event loop: requests in, replies and status out, one cell at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::comms;
use super::engine::Engine;
use super::help;
use super::history;
use super::message::{Author, Request, Signer};
use super::replies;
use super::runner::{Cell, Event, Runner};
use super::sockets::Sockets;
use super::stdin;
use super::zmtp::{Message, RouterSocket};
use super::{iopub, log};
use crate::history::History;

/// How long the end waits for the running cell, and for messages on their way.
const ENDING: Duration = Duration::from_secs(2);
/// How long requests that a client sent before it could know of an error are looked for.
const ABORT_QUIET: Duration = Duration::from_millis(2);
const ABORT_LIMIT: Duration = Duration::from_millis(50);
/// How often the kernel looks whether the process that started it is still there.
const PARENT_POLL: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Shell,
    Control,
}

/// Whether the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    End,
}

/// A request for help while typing, with the content of its reply.
struct Helped {
    request: Request,
    channel: Channel,
    content: Value,
}

struct Server {
    signer: Signer,
    author: Author,
    shell: RouterSocket,
    control: RouterSocket,
    iopub: UnboundedSender<Vec<Bytes>>,
    engine: Arc<dyn Engine>,
    helped: UnboundedSender<Helped>,
    runner: Runner,
    running: Option<(Arc<Cell>, jiff::Timestamp)>,
    waiting: VecDeque<Request>,
    history: History,
    /// The execution count of the next cell.
    count: u64,
}

/// Serves until a client asks for the end, SIGTERM comes, or the process that started the kernel is gone.
pub(super) async fn serve(
    sockets: Sockets,
    signer: Signer,
    engine: Arc<dyn Engine>,
    history: History,
) -> std::io::Result<()> {
    let Sockets { shell, control, iopub, stdin, heartbeat } = sockets;
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let (runner, events) = Runner::start(Arc::clone(&engine))?;
    let author = Author::new(signer.clone());
    let (statuses, to_publish) = unbounded_channel();
    let (finish, mut finished) = unbounded_channel();
    let (helped, mut answers) = unbounded_channel();
    let (ask, to_ask) = unbounded_channel();
    let publisher = tokio::spawn(iopub::publish(iopub, author.clone(), to_publish, events, ask, finish));
    tokio::spawn(echo(heartbeat));
    tokio::spawn(stdin::serve(stdin, author.clone(), signer.clone(), to_ask, runner.reach()));

    let waiting = VecDeque::new();
    let mut server = Server {
        signer,
        author,
        shell,
        control,
        iopub: statuses,
        engine,
        helped,
        runner,
        running: None,
        waiting,
        history,
        count: 1,
    };
    let parent_gone = parent_gone();
    tokio::pin!(parent_gone);
    let mut next = Next::GoOn;
    while next == Next::GoOn {
        tokio::select! {
            biased;
            // A signal is about what runs now, not about the cell whose request may wait beside it.
            Some(()) = interrupts.recv() => server.interrupt(),
            Some(()) = terminations.recv() => next = Next::End,
            message = server.control.recv() => next = server.receive(message, Channel::Control),
            Some(event) = finished.recv() => next = server.finish(event).await,
            Some(answer) = answers.recv() => server.give_help(answer),
            message = server.shell.recv() => next = server.receive(message, Channel::Shell),
            () = &mut parent_gone => next = Next::End,
        }
    }
    server.end(publisher).await;
    Ok(())
}

/// Sends every message back as it came.
async fn echo(mut heartbeat: RouterSocket) {
    loop {
        let message = heartbeat.recv().await;
        // A client that is gone meanwhile needs no echo.
        let _ = heartbeat.send(message);
    }
}

/// Returns when the process that started the kernel is gone, if it is one that says so: a client that dies
/// without a word must not leave kernels behind.
async fn parent_gone() {
    let named = std::env::var("JPY_PARENT_PID").is_ok_and(|pid| !pid.is_empty() && pid != "0");
    let parent = std::os::unix::process::parent_id();
    if !named || parent == 1 {
        return std::future::pending().await;
    }
    while std::os::unix::process::parent_id() == parent {
        tokio::time::sleep(PARENT_POLL).await;
    }
    eprintln!("sconce: the client that started this kernel is gone: ending");
}

impl Server {
    fn receive(&mut self, message: Message, channel: Channel) -> Next {
        match Request::decode(message, &self.signer) {
            Ok(request) => self.answer(request, channel),
            Err(error) => {
                log::dropped(format_args!("dropped a message on {channel:?}: {error}"));
                Next::GoOn
            }
        }
    }

    fn answer(&mut self, request: Request, channel: Channel) -> Next {
        let content = &request.content;
        let reply = match request.msg_type.as_str() {
            "execute_request" if channel == Channel::Shell => {
                self.waiting.push_back(request);
                self.start_next();
                return Next::GoOn;
            }
            "kernel_info_request" => replies::kernel_info(&self.engine.language_version()),
            "is_complete_request" => match content.get("code").and_then(Value::as_str) {
                Some(code) => replies::is_complete(&self.engine.completeness(code)),
                None => replies::refusal("BadRequest", "`code` must be a string"),
            },
            "complete_request" | "inspect_request" => {
                self.look_for_help(request, channel);
                return Next::GoOn;
            }
            "history_request" => history::reply(&self.history, content),
            "comm_info_request" => comms::info(content, self.runner.reach().comms()),
            "comm_open" | "comm_msg" | "comm_close" => {
                self.comm(request);
                return Next::GoOn;
            }
            "interrupt_request" => {
                self.interrupt();
                json!({"status": "ok"})
            }
            "shutdown_request" => {
                let restart = content.get("restart").and_then(Value::as_bool) == Some(true);
                let reply = json!({"status": "ok", "restart": restart});
                self.publish("shutdown_reply", &request.header, &reply);
                self.reply(channel, &request, &reply);
                return Next::End;
            }
            "debug_request" => replies::refusal("NotSupported", "this kernel has no debugger"),
            other => {
                log::dropped(format_args!(
                    "dropped a message on {channel:?}: no such request here: {other:?}"
                ));
                return Next::GoOn;
            }
        };
        self.reply(channel, &request, &reply);
        Next::GoOn
    }

    /// Delivers a comm message. Its `idle` follows when its handler has ended.
    fn comm(&mut self, request: Request) {
        let (header, opens) = (request.header.clone(), request.msg_type == "comm_open");
        self.status("busy", &header);
        let delivered = match comms::packet(request) {
            Ok(packet) => {
                let id = packet.comm.clone();
                let delivered = self.runner.reach().deliver(header.clone(), packet);
                if !delivered && opens {
                    // No target is registered before a cell has run; the protocol asks to close such a comm.
                    self.publish("comm_close", &header, &json!({"comm_id": id, "data": {}}));
                }
                delivered
            }
            Err(problem) => {
                log::dropped(format_args!("dropped a message on Shell: {problem}"));
                false
            }
        };
        if !delivered {
            self.handled(&header);
        }
    }

    /// What a comm message set off has ended.
    fn handled(&self, header: &Map<String, Value>) {
        self.status("idle", header);
        self.busy_again();
    }

    /// A reply between busy and idle.
    fn reply(&mut self, channel: Channel, request: &Request, content: &Value) {
        self.status("busy", &request.header);
        self.send(channel, request, &json!({}), content);
        self.status("idle", &request.header);
        self.busy_again();
    }

    /// Answers in the background: that may take a moment, and nothing else waits for it.
    fn look_for_help(&self, request: Request, channel: Channel) {
        self.status("busy", &request.header);
        let (engine, helped) = (Arc::clone(&self.engine), self.helped.clone());
        tokio::task::spawn_blocking(move || {
            let content = help::reply(&*engine, &request.msg_type, &request.content);
            // Nobody waits for it when the kernel has ended meanwhile.
            let _ = helped.send(Helped { request, channel, content });
        });
    }

    fn give_help(&mut self, answer: Helped) {
        let Helped { request, channel, content } = answer;
        self.send(channel, &request, &json!({}), &content);
        self.status("idle", &request.header);
        self.busy_again();
    }

    fn send(&mut self, channel: Channel, request: &Request, metadata: &Value, content: &Value) {
        let msg_type = request.reply_type();
        let frames = self.author.encode(&request.identities, &msg_type, &request.header, metadata, content);
        let socket = match channel {
            Channel::Shell => &mut self.shell,
            Channel::Control => &mut self.control,
        };
        // A client that is gone meanwhile needs no reply.
        let _ = socket.send(frames);
    }

    fn publish(&self, msg_type: &'static str, parent: &Map<String, Value>, content: &Value) {
        let topic = [Bytes::from_static(msg_type.as_bytes())];
        // The publisher listens as long as this sender lives.
        let _ = self.iopub.send(self.author.encode(&topic, msg_type, parent, &json!({}), content));
    }

    fn status(&self, state: &str, parent: &Map<String, Value>) {
        self.publish("status", parent, &json!({"execution_state": state}));
    }

    /// An answer given beside a running cell ends in idle; clients that show one state for the kernel would
    /// now show the wrong one.
    fn busy_again(&self) {
        if let Some((cell, _)) = &self.running {
            self.status("busy", &cell.request.header);
        }
    }

    fn interrupt(&self) {
        if self.running.is_some() || self.runner.reach().handles() {
            self.runner.reach().interrupt();
        }
    }

    fn start_next(&mut self) {
        while self.running.is_none() {
            let Some(request) = self.waiting.pop_front() else { return };
            let Some(code) = request.content.get("code").and_then(Value::as_str).map(str::to_owned) else {
                let refusal = replies::refusal("BadRequest", "`code` must be a string");
                self.reply(Channel::Shell, &request, &refusal);
                continue;
            };
            let silent = request.content.get("silent").and_then(Value::as_bool).unwrap_or(false);
            let stored =
                !silent && request.content.get("store_history").and_then(Value::as_bool) != Some(false);
            let cell = Arc::new(Cell { code, count: self.count, silent, request });
            self.status("busy", &cell.request.header);
            if !silent {
                let input = json!({"code": cell.code, "execution_count": cell.count});
                self.publish("execute_input", &cell.request.header, &input);
            }
            if stored {
                if let Err(error) = self.history.push(self.count, cell.code.clone()) {
                    log::dropped(format_args!("the history cannot be written: {error}"));
                }
                self.count += 1;
            }
            self.runner.run(Arc::clone(&cell));
            self.running = Some((cell, jiff::Timestamp::now()));
        }
    }

    /// Answers the cell that ended. After an error the cells that a client sent along are not run.
    async fn finish(&mut self, event: Event) -> Next {
        let (cell, ended) = match event {
            Event::Finished(cell, ended) => (cell, ended),
            Event::Handled(header) => {
                self.handled(&header);
                return Next::GoOn;
            }
            Event::Output(..) | Event::Asked(..) => return Next::GoOn,
        };
        let request = &cell.request;
        let mut reply = Map::from_iter([("execution_count".to_owned(), json!(cell.count))]);
        match &ended.result {
            Ok(()) => {
                reply.insert("status".into(), json!("ok"));
                reply.insert("user_expressions".into(), replies::expressions(&ended.expressions));
                reply.insert("payload".into(), replies::payload(&ended.pages));
            }
            Err(failure) => {
                let error = replies::error(failure);
                if !cell.silent {
                    self.publish("error", &request.header, &Value::Object(error.clone()));
                }
                reply.insert("status".into(), json!("error"));
                reply.extend(error);
            }
        }
        let stop = request.content.get("stop_on_error").and_then(Value::as_bool) != Some(false);
        let mut next = Next::GoOn;
        let mut aborted = VecDeque::new();
        if ended.result.is_err() && stop {
            next = self.gather().await;
            aborted = std::mem::take(&mut self.waiting);
        }
        let started = self.running.take().map(|(_, started)| timestamp(started));
        let mut metadata = json!({"started": started, "status": reply["status"]});
        if let Some((compiled, ran)) = ended.times {
            metadata["compile_seconds"] = json!(compiled.as_secs_f64());
            metadata["run_seconds"] = json!(ran.as_secs_f64());
        }
        self.send(Channel::Shell, request, &metadata, &Value::Object(reply));
        self.status("idle", &request.header);
        for request in aborted {
            self.reply(Channel::Shell, &request, &json!({"status": "aborted"}));
        }
        self.start_next();
        next
    }

    /// Takes in what clients sent before they could know of an error: only that may be aborted.
    async fn gather(&mut self) -> Next {
        let limit = Instant::now() + ABORT_LIMIT;
        while let Ok(Ok(message)) = timeout_at(limit, timeout(ABORT_QUIET, self.shell.recv())).await {
            if self.receive(message, Channel::Shell) == Next::End {
                return Next::End;
            }
        }
        Next::GoOn
    }

    /// Stops the running cell and sends what is still to be sent.
    async fn end(self, publisher: JoinHandle<()>) {
        if self.running.is_some() {
            // The first one asks, the second one kills.
            self.runner.reach().interrupt();
            self.runner.reach().interrupt();
        }
        self.runner.end(ENDING).await;
        drop(self.iopub);
        // Each ends when its clients have what was sent to them.
        let sent = async {
            let _ = publisher.await;
            tokio::join!(self.shell.close(), self.control.close());
        };
        if timeout(ENDING, sent).await.is_err() {
            eprintln!("sconce: a client did not take the last messages");
        }
    }
}

fn timestamp(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
