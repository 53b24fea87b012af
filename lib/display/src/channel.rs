use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::updates;
use crate::wire::Frame;
use crate::{Answer, Bundle, Question};

/// Where frames go. A worker installs one that writes to its kernel.
pub trait Sink: Send + Sync {
    /// Delivers one frame, and returns when everything shown before it has been taken up too.
    fn send(&self, frame: Frame);

    /// Asks the person who looks on, and waits for the answer.
    fn ask(&self, _question: Question) -> Answer {
        Answer::Nobody { why: "what shows the outputs takes no questions".into() }
    }
}

static SINK: OnceLock<Box<dyn Sink>> = OnceLock::new();
static IDS: AtomicU64 = AtomicU64::new(0);

/// Installs the sink of this process. The first one stays; a later one is refused and handed back.
pub fn install(sink: Box<dyn Sink>) -> Result<(), Box<dyn Sink>> {
    SINK.set(sink)
}

/// Sends a frame as it is. Nothing happens in a plain program.
pub fn send(frame: Frame) {
    if let Some(sink) = SINK.get() {
        sink.send(frame);
    }
}

/// Asks the person who looks on, and waits for the answer. `None` in a plain program, which has a terminal
/// of its own.
#[must_use]
pub fn ask(question: Question) -> Option<Answer> {
    SINK.get().map(|sink| sink.ask(question))
}

/// Whether somebody who can show pictures is listening.
#[must_use]
pub fn in_notebook() -> bool {
    SINK.get().is_some()
}

/// Whether [`clear`] waits for the next display, so that an animation does not flicker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Clear when the next display comes.
    ForNext,
    /// Clear at once.
    No,
}

/// Shows a bundle. In a plain program its text form goes to stdout.
pub fn display(bundle: Bundle) {
    show(None, bundle);
}

/// Shows a bundle that [`Handle::update`] can replace later.
#[must_use]
pub fn display_with_id(bundle: Bundle) -> Handle {
    // The process id keeps ids of a restarted worker apart from those of the one before.
    let id = format!("sconce-{}-{}", std::process::id(), IDS.fetch_add(1, Ordering::Relaxed));
    show(Some(id.clone()), bundle);
    Handle { id }
}

fn show(id: Option<String>, bundle: Bundle) {
    match SINK.get() {
        Some(sink) => sink.send(Frame::Display { id, bundle }),
        None => {
            if let Some(text) = bundle.plain() {
                // A closed stdout is no reason to fail a program that only wanted to show something.
                let _ = writeln!(std::io::stdout(), "{text}");
            }
        }
    }
}

/// Removes what the running cell has shown so far. Nothing in a plain program.
pub fn clear(wait: Wait) {
    updates::flush();
    send(Frame::Clear { wait: wait == Wait::ForNext });
}

/// Something that was shown and can change in place.
#[derive(Debug, Clone)]
pub struct Handle {
    id: String,
}

impl Handle {
    /// Replaces what is shown. Where that happens more often than a person can see, the latest state is sent
    /// when the display has rested for a moment. In a plain program the last line of the text form overwrites the terminal's
    /// current line; where there is no terminal nothing is written.
    pub fn update(&self, bundle: Bundle) {
        match SINK.get() {
            Some(_) => updates::update(&self.id, bundle),
            None => {
                let mut stderr = std::io::stderr();
                if let (true, Some(text)) = (stderr.is_terminal(), bundle.plain()) {
                    let line = text.lines().last().unwrap_or_default();
                    let _ = write!(stderr, "\r{line}\x1b[K");
                }
            }
        }
    }

    /// The id that frames carry.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}
