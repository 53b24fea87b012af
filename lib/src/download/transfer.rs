//! One HTTP request, in a thread of its own, so that whoever waits for it can stop waiting.

use std::io::Read as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::Result;

/// Longer than any healthy server is silent.
const SILENCE: Duration = Duration::from_secs(30);
/// Between two looks at the interrupt flag.
const LOOK: Duration = Duration::from_millis(100);
const PIECE: usize = 256 * 1024;

/// What a server does.
pub(super) enum Event {
    /// Bytes from `start` on are coming; so many of them, if it says so.
    Begin { start: u64, length: Option<u64> },
    /// Bytes.
    Piece(Vec<u8>),
    /// There are no more bytes.
    End,
    /// There is nothing behind the bytes that are there already.
    NothingBehind,
    /// Why nothing more comes.
    Failed(String),
}

/// A request that is under way. Dropping it ends the thread with its next piece.
pub(super) struct Transfer {
    events: Receiver<Event>,
}

impl Transfer {
    /// Asks for the file at `url` from byte `start` on.
    pub(super) fn start(url: &str, start: u64) -> Transfer {
        // Few pieces in flight: whoever is gone is noticed soon.
        let (sender, events) = sync_channel(4);
        let url = url.to_owned();
        thread::spawn(move || {
            let last = match run(&url, start, &sender) {
                Ok(last) => last,
                Err(problem) => Event::Failed(problem),
            };
            // An error is that nobody waits any more.
            let _ = sender.send(last);
        });
        Transfer { events }
    }

    /// The next event. While there is none, `waiting` is called every now and then.
    pub(super) fn next(&self, waiting: &mut dyn FnMut() -> Result<()>) -> Result<Event> {
        loop {
            match self.events.recv_timeout(LOOK) {
                Ok(event) => return Ok(event),
                Err(RecvTimeoutError::Timeout) => waiting()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok(Event::Failed("the request ended without a word".into()));
                }
            }
        }
    }
}

fn run(url: &str, start: u64, events: &SyncSender<Event>) -> Result<Event, String> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(SILENCE))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .user_agent(concat!("sconce/", env!("CARGO_PKG_VERSION")))
        // A file must come as its checksum knows it.
        .accept_encoding("identity")
        .build()
        .into();
    let mut request = agent.get(url);
    if start > 0 {
        request = request.header("Range", format!("bytes={start}-"));
    }
    let mut response = request.call().map_err(|error| error.to_string())?;
    let begin = match response.status() {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT if range_start(&response) == Some(start) => start,
        StatusCode::PARTIAL_CONTENT => return Err("another range came than was asked for".into()),
        StatusCode::RANGE_NOT_SATISFIABLE if start > 0 => return Ok(Event::NothingBehind),
        status => return Err(format!("the server answered {status}")),
    };
    let length = response.body().content_length();
    if events.send(Event::Begin { start: begin, length }).is_err() {
        return Ok(Event::End);
    }
    let mut body = response.body_mut().as_reader();
    loop {
        let mut piece = vec![0; PIECE];
        let read = body.read(&mut piece).map_err(|error| error.to_string())?;
        piece.truncate(read);
        if read == 0 || events.send(Event::Piece(piece)).is_err() {
            return Ok(Event::End);
        }
    }
}

/// Where the range begins that a response holds: `bytes 100-199/200`.
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get("content-range")?.to_str().ok()?;
    range.trim().strip_prefix("bytes")?.trim().split('-').next()?.parse().ok()
}
