//! `!command`: a line for the shell, run beside the session.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::super::session::{Session, failure, interrupted};
use super::super::stream::Decoder;
use super::super::{Failure, Output};

/// How often to look whether the shell has ended while something it started still holds its output.
const LOOK: Duration = Duration::from_millis(50);
/// How long output may follow the end of the shell.
const AFTER_END: Duration = Duration::from_millis(200);
/// What the shell exits with when there is no such program.
const NOT_FOUND: i32 = 127;

enum Said {
    Stdout(String),
    Stderr(String),
}

/// Runs a line to its end and hands on what it writes as it comes. A status other than 0 is a failure.
pub fn run(session: &mut Session, line: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    if line.is_empty() {
        let message = "a shell command is missing after `!`: `!ls`, say";
        return Err(failure("ShellError", message, &format!("\x1b[1;31mShellError\x1b[0m: {message}")));
    }
    let mut command = Command::new("sh");
    command.arg("-c").arg(line).envs(&session.environment);
    if let Some(folder) = session.folder_of_cells() {
        command.current_dir(folder);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that an interrupt reaches all of a pipeline and nothing else.
    command.process_group(0);
    let mut child =
        command.spawn().map_err(|error| refuse(line, &format!("could not be started: {error}")))?;
    session.interrupter.outside(child.id());
    let (sender, said) = mpsc::channel();
    if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
        listen(stdout, sender.clone(), Said::Stdout);
        listen(stderr, sender, Said::Stderr);
    }
    let mut ended: Option<(std::io::Result<ExitStatus>, Instant)> = None;
    loop {
        match said.recv_timeout(LOOK) {
            Ok(Said::Stdout(text)) => outputs(Output::Stdout(text)),
            Ok(Said::Stderr(text)) => outputs(Output::Stderr(text)),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if ended.is_none()
            && let Some(status) = child.try_wait().transpose()
        {
            ended = Some((status, Instant::now()));
        }
        // What runs on in the background keeps its output open.
        if ended.as_ref().is_some_and(|(_, at)| at.elapsed() > AFTER_END) {
            break;
        }
    }
    let status = ended.map_or_else(|| child.wait(), |(status, _)| status);
    if session.interrupter.compiled() {
        return Err(interrupted("the shell command was ended"));
    }
    let status = status.map_err(|error| refuse(line, &format!("was lost: {error}")))?;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(NOT_FOUND), _) => Err(refuse(
            line,
            "exited with status 127: there is no such program. (A line that begins with `!` goes to the shell; in \
             Rust, write the negation in parentheses)",
        )),
        (Some(code), _) => Err(refuse(line, &format!("exited with status {code}"))),
        (None, signal) => Err(refuse(line, &format!("was ended by signal {}", signal.unwrap_or_default()))),
    }
}

/// Sends what a stream gives as text, until it ends or nobody listens.
fn listen(mut stream: impl Read + Send + 'static, sender: Sender<Said>, said: fn(String) -> Said) {
    std::thread::spawn(move || {
        let mut decoder = Decoder::default();
        let mut bytes = [0; 1 << 14];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            let text = decoder.decode(&bytes[..count]);
            if !text.is_empty() && sender.send(said(text)).is_err() {
                return;
            }
        }
        let rest = decoder.finish();
        if !rest.is_empty() {
            let _ = sender.send(said(rest));
        }
    });
}

fn refuse(line: &str, how: &str) -> Failure {
    let message = format!("`{line}` {how}");
    failure("ShellError", &message, &format!("\x1b[1;31mShellError\x1b[0m: {message}"))
}

impl Session {
    /// The folder that cells run in: the worker's, which they can change.
    pub(in super::super) fn folder_of_cells(&self) -> Option<PathBuf> {
        let process = self.worker_process()?;
        std::fs::read_link(format!("/proc/{process}/cwd")).ok()
    }
}
