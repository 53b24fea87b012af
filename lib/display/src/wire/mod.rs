//! What a worker and its kernel say to each other, as bytes.
//!
//! A message is a `u32` length (little endian) and that many bytes: a tag, then its fields in order.
//! A string or byte field is a `u32` length and the bytes; a list is a `u32` count and the items.

mod codec;
mod fields;

use std::io::{self, Read, Write};

use crate::comm::Packet;
use crate::{Answer, Bundle, Question};
pub use fields::Fields;
use fields::bad;

/// Larger messages are refused: nothing that a person looks at is this large.
pub const MAX_MESSAGE: usize = 1 << 30;

/// What a cell shows, in the order it shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Show a bundle; with an id it can be updated.
    Display {
        /// Names the display for later updates.
        id: Option<String>,
        /// What to show.
        bundle: Bundle,
    },
    /// Replace what the display with this id shows.
    Update {
        /// The display's id.
        id: String,
        /// What to show now.
        bundle: Bundle,
    },
    /// Remove what the cell has shown.
    Clear {
        /// Only when the next display comes.
        wait: bool,
    },
    /// The value of the cell's last expression.
    Result {
        /// What to show.
        bundle: Bundle,
    },
    /// A thread other than the cell's own panicked.
    ThreadPanic {
        /// The thread's name, or `unnamed`.
        thread: String,
        /// What happened.
        panic: Panic,
    },
    /// Somebody is to answer this with [`Request::Answer`].
    Question {
        /// Tells its answer from a late one to an earlier question.
        id: u64,
        /// What is asked.
        question: Question,
    },
    /// For the front end's end of a comm.
    Comm(Packet),
    /// The worker is done with the message that [`Request::Comm`] brought.
    Handled {
        /// The message's number.
        number: u64,
    },
}

/// A frame, and why it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The number of the comm message whose handler sends it; none for cells and their threads.
    pub cause: Option<u64>,
    /// The frame.
    pub frame: Frame,
}

/// A panic, as the hook saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Panic {
    /// The message.
    pub message: String,
    /// Where it was.
    pub at: Spot,
    /// The calls that led to it.
    pub calls: Calls,
}

/// The calls that are open in the code of cells, innermost first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// The innermost of them.
    pub inner: Vec<Call>,
    /// How many come then, which are not listed: more than anybody reads.
    pub unlisted: u64,
    /// The outermost of them.
    pub outer: Vec<Call>,
}

/// A call, by the address of its instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The cell whose library holds it.
    pub cell: u32,
    /// Where it is in the library, from where that was loaded to.
    pub offset: u64,
}

/// A place in the running program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spot {
    /// The source file as the compiler knew it; empty where the place is not known.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl From<&std::panic::Location<'_>> for Spot {
    fn from(location: &std::panic::Location<'_>) -> Spot {
        Spot { file: location.file().to_owned(), line: location.line(), column: location.column() }
    }
}

/// What the kernel asks of the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Load this library and call its entry.
    Run {
        /// The dynamic library.
        library: String,
        /// The entry's symbol.
        entry: String,
    },
    /// Drop these variables.
    Forget {
        /// Their names.
        names: Vec<String>,
    },
    /// An answer to a question; it has no reply.
    Answer {
        /// The question's id.
        id: u64,
        /// What was answered.
        answer: Answer,
    },
    /// A message for the worker's end of a comm. It has no reply; [`Frame::Handled`] says when its handler has
    /// ended.
    Comm {
        /// Tells it from others.
        number: u64,
        /// The message.
        packet: Packet,
    },
}

/// How a cell ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It ran to its end.
    Done,
    /// A `?` at its top level met an error.
    Failed {
        /// The error's type, as Rust names it.
        kind: String,
        /// The error, with what caused it, outermost first.
        chain: Vec<String>,
        /// Where the `?` stands.
        at: Spot,
    },
    /// It panicked.
    Panicked(Panic),
    /// It was interrupted.
    Interrupted,
    /// Its library could not be loaded: the engine's own fault, or a missing symbol of a foreign library.
    NotLoaded {
        /// What the loader said.
        message: String,
    },
}

/// What the worker answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// How the cell ended.
    pub ending: Ending,
    /// The variables that are stored now: all of them, with their sizes on the stack.
    pub stored: Vec<String>,
}

/// A message that has a byte form.
pub trait Message: Sized {
    /// Appends the byte form to `out`.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads it back. Errors name the field that is off.
    fn decode(input: &mut Fields<'_>) -> io::Result<Self>;
}

/// Writes one message and flushes.
pub fn write(to: &mut impl Write, message: &impl Message) -> io::Result<()> {
    let mut bytes = vec![0; 4];
    message.encode(&mut bytes);
    let length = bytes.len() - 4;
    if length > MAX_MESSAGE {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("a message of {length} bytes")));
    }
    bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads one message. `UnexpectedEof` when the other side is gone.
pub fn read<M: Message>(from: &mut impl Read) -> io::Result<M> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_MESSAGE {
        return Err(bad(format!("a message of {length} bytes")));
    }
    let mut bytes = Vec::new();
    // `take` lets the buffer grow with what really comes, whatever the length claims.
    from.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut fields = Fields::new(&bytes);
    let message = M::decode(&mut fields)?;
    // The two sides disagree about the message's fields, which no later message would show.
    match fields.left() {
        0 => Ok(message),
        left => Err(bad(format!("{left} bytes too many"))),
    }
}
