//! The process that runs cells, seen from the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use sconce_display::Question;
use sconce_display::wire::{self, Frame, Panic, Reply, Request, Sent};

use super::prepare::Prepared;
use super::stream::{ContentBlocks, Decoder};
use super::{Mailbox, Output};

/// A worker that has not said anything by then will not.
const START: Duration = Duration::from_secs(20);

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    mailbox: Mailbox,
    control: UnixStream,
    display: UnixStream,
    stdout: Pipe<ChildStdout>,
    stderr: Pipe<ChildStderr>,
    blocks: ContentBlocks,
}

#[derive(Debug)]
struct Pipe<S> {
    stream: S,
    decoder: Decoder,
    open: bool,
}

/// A worker that ended while it was needed.
#[derive(Debug)]
pub struct Death {
    /// How it ended, in words.
    pub how: String,
}

/// What a worker emits: outputs, panics of its other threads, questions, and news of comm messages.
pub enum Emitted {
    /// An output.
    Output(Output),
    /// A thread that is not the cell's panicked.
    ThreadPanic {
        /// Its name.
        thread: String,
        /// What happened.
        panic: Panic,
    },
    /// The worker waits for an answer.
    Question {
        /// What the answer must carry.
        id: u64,
        /// What is asked.
        question: Question,
    },
    /// The handler of this comm message has ended.
    Handled(u64),
}

/// Takes what a worker emits, and the number of the comm message whose handler emits it, if one does.
pub type Emit<'a> = dyn FnMut(Option<u64>, Emitted) + 'a;

/// What of a worker has something to read.
#[derive(Debug, Default)]
struct Ready {
    printed: bool,
    display: bool,
    control: bool,
    bell: bool,
}

impl Worker {
    /// Starts a worker to which `mailbox` leads from now on; its sockets are made in `folder`.
    pub fn start(
        prepared: &Prepared,
        folder: &Path,
        mailbox: &Mailbox,
        environment: &BTreeMap<String, String>,
    ) -> io::Result<Worker> {
        let paths = [folder.join("control"), folder.join("display")];
        for path in &paths {
            let _ = fs::remove_file(path);
        }
        let listeners = [UnixListener::bind(&paths[0])?, UnixListener::bind(&paths[1])?];
        let mut child = Command::new(&prepared.worker)
            .args(&paths)
            .envs(environment)
            // An error's text should be its message; panics have backtraces of their own.
            .env("RUST_LIB_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A terminal's Ctrl-C is for the kernel, which decides what becomes of it.
            .process_group(0)
            .spawn()?;
        let streams = accept(&listeners, &mut child);
        let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("the worker has no output"));
        };
        let [control, display] = match streams {
            Ok(streams) => streams,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let mut said = String::new();
                let _ = stderr.read_to_string(&mut said);
                return Err(io::Error::new(error.kind(), format!("{error} {}", said.trim())));
            }
        };
        for path in &paths {
            let _ = fs::remove_file(path);
        }
        unblock(&stdout)?;
        unblock(&stderr)?;
        mailbox.connect(control.try_clone()?)?;
        Ok(Worker {
            child,
            mailbox: mailbox.clone(),
            control,
            display,
            stdout: Pipe { stream: stdout, decoder: Decoder::default(), open: true },
            stderr: Pipe { stream: stderr, decoder: Decoder::default(), open: true },
            blocks: ContentBlocks::default(),
        })
    }

    /// The worker's process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Makes a request and hands on what the worker emits until it answers; looks in a few times a second
    /// while it waits.
    pub fn request(
        &mut self,
        request: Request,
        emit: &mut Emit<'_>,
        look_in: &mut dyn FnMut(&mut Emit<'_>),
    ) -> Result<Reply, Death> {
        if !self.mailbox.send(request) {
            return Err(self.death(emit));
        }
        loop {
            let ready = self.wait(None);
            look_in(emit);
            let ready = self.take_up(ready, emit)?;
            if ready.control && !ready.display {
                let reply = wire::read::<Reply>(&mut self.control);
                self.drain(emit);
                self.blocks.finish(&mut |output| emit(None, Emitted::Output(output)));
                return reply.map_err(|_| self.death(emit));
            }
        }
    }

    /// Hands on what the worker emits between requests, until `bell` can be read.
    pub fn attend(&mut self, bell: &UnixStream, emit: &mut Emit<'_>) -> Result<(), Death> {
        loop {
            let ready = self.wait(Some(bell));
            let ready = self.take_up(ready, emit)?;
            // Nothing was asked of it: this is its end.
            if ready.control && !ready.display {
                return Err(self.death(emit));
            }
            if ready.bell {
                self.blocks.finish(&mut |output| emit(None, Emitted::Output(output)));
                return Ok(());
            }
        }
    }

    /// Takes up what was printed and one frame.
    fn take_up(&mut self, ready: io::Result<Ready>, emit: &mut Emit<'_>) -> Result<Ready, Death> {
        let Ok(ready) = ready else { return Err(self.death(emit)) };
        if ready.printed {
            self.drain(emit);
        }
        if ready.display {
            let Ok(Sent { cause, frame }) = wire::read::<Sent>(&mut self.display) else {
                return Err(self.death(emit));
            };
            // Everything printed before the frame was sent is in the pipes by now.
            self.drain(emit);
            emit(cause, emitted(frame));
            // A worker that died in between is noticed at the next round.
            let _ = self.display.write_all(&[1]);
        }
        Ok(ready)
    }

    /// Waits until there is something to read: a quarter of a second at the most, or as long as it takes for `bell`.
    fn wait(&self, bell: Option<&UnixStream>) -> io::Result<Ready> {
        let mut fds = vec![
            PollFd::new(&self.display, PollFlags::IN),
            PollFd::new(&self.control, PollFlags::IN),
            PollFd::new(bell.unwrap_or(&self.control), PollFlags::IN),
        ];
        let named = fds.len();
        // A stream at its end is always ready: it is not waited for.
        fds.extend(self.stdout.open.then(|| PollFd::new(&self.stdout.stream, PollFlags::IN)));
        fds.extend(self.stderr.open.then(|| PollFd::new(&self.stderr.stream, PollFlags::IN)));
        let moment = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
        let limit = bell.is_none().then_some(&moment);
        loop {
            match poll(&mut fds, limit) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        Ok(Ready {
            printed: fds[named..].iter().any(ready),
            display: ready(&fds[0]),
            control: ready(&fds[1]),
            bell: bell.is_some() && ready(&fds[2]),
        })
    }

    fn drain(&mut self, emit: &mut Emit<'_>) {
        let blocks = &mut self.blocks;
        self.stdout.drain(|text| blocks.push(&text, &mut |output| emit(None, Emitted::Output(output))));
        self.stderr.drain(|text| emit(None, Emitted::Output(Output::Stderr(text))));
    }

    /// Takes up what a worker that has ended left behind.
    fn death(&mut self, emit: &mut Emit<'_>) -> Death {
        let status = self.end();
        self.drain(emit);
        self.blocks.finish(&mut |output| emit(None, Emitted::Output(output)));
        for text in [self.stdout.decoder.finish(), self.stderr.decoder.finish()] {
            if !text.is_empty() {
                emit(None, Emitted::Output(Output::Stderr(text)));
            }
        }
        Death { how: status.map_or_else(|error| format!("was lost: {error}"), describe) }
    }

    /// Waits a moment for the worker's own end, then makes one.
    fn end(&mut self) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + Duration::from_millis(500);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.mailbox.disconnect();
        // It may have ended already; there is nobody left to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<S: Read> Pipe<S> {
    /// Reads all that is there.
    fn drain(&mut self, mut take: impl FnMut(String)) {
        let mut bytes = [0; 1 << 16];
        while self.open {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.open = false,
                Ok(count) => {
                    let text = self.decoder.decode(&bytes[..count]);
                    if !text.is_empty() {
                        take(text);
                    }
                    if count < bytes.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.open = false,
            }
        }
    }
}

fn emitted(frame: Frame) -> Emitted {
    Emitted::Output(match frame {
        Frame::Display { id, bundle } => Output::Display { id, bundle },
        Frame::Update { id, bundle } => Output::Update { id, bundle },
        Frame::Clear { wait } => Output::Clear { wait },
        Frame::Result { bundle } => Output::Result(bundle),
        Frame::ThreadPanic { thread, panic } => return Emitted::ThreadPanic { thread, panic },
        Frame::Question { id, question } => return Emitted::Question { id, question },
        Frame::Handled { number } => return Emitted::Handled(number),
        Frame::Comm(packet) => Output::Comm(packet),
    })
}

fn accept(listeners: &[UnixListener; 2], child: &mut Child) -> io::Result<[UnixStream; 2]> {
    let deadline = Instant::now() + START;
    let mut streams = Vec::new();
    for listener in listeners {
        listener.set_nonblocking(true)?;
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if let Some(status) = child.try_wait()? {
                return Err(io::Error::other(format!(
                    "the worker {} before it was ready.",
                    describe(status)
                )));
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(ErrorKind::TimedOut, "the worker did not get ready in 20 s."));
            }
            let wait = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            let mut fds = [PollFd::new(listener, PollFlags::IN)];
            // Whatever ends the wait, the next round looks.
            let _ = poll(&mut fds, Some(&wait));
        };
        stream.set_nonblocking(false)?;
        streams.push(stream);
    }
    <[UnixStream; 2]>::try_from(streams).map_err(|_| io::Error::other("the worker has no sockets"))
}

fn unblock(stream: impl AsFd) -> io::Result<()> {
    let flags = fcntl_getfl(&stream)?;
    Ok(fcntl_setfl(&stream, flags | OFlags::NONBLOCK)?)
}

/// How a process ended, as the end of a sentence that begins with its name.
fn describe(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        return match status.code() {
            Some(code) => format!("exited with code {code}: something called `exit`"),
            None => "ended".to_owned(),
        };
    };
    let (name, why) = match signal {
        4 => ("SIGILL", "an instruction that this CPU does not have"),
        6 => ("SIGABRT", "`abort`, a panic while panicking, or a stack overflow"),
        7 => ("SIGBUS", "a bad memory access"),
        8 => ("SIGFPE", "a bad arithmetic operation"),
        9 => ("SIGKILL", "it was killed from outside; the system does that when memory runs out"),
        11 => ("SIGSEGV", "an invalid memory access in unsafe or foreign code"),
        15 => ("SIGTERM", "it was told to end from outside"),
        _ => return format!("was ended by signal {signal}"),
    };
    format!("was ended by {name}: {why}")
}
