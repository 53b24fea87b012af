//! What a worker and its kernel say to each other, as bytes.
//!
//! A message is a `u32` length (little endian) and that many bytes: a tag, then its fields in order.
//! A string or byte field is a `u32` length and the bytes; a list is a `u32` count and the items.

use std::io::{self, Read, Write};

use crate::{Bundle, Content};

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
}

/// A panic, as the hook saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Panic {
    /// The message.
    pub message: String,
    /// Where it was.
    pub at: Spot,
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
    let mut fields = Fields { rest: &bytes };
    let message = M::decode(&mut fields)?;
    // The two sides disagree about the message's fields, which no later message would show.
    if !fields.rest.is_empty() {
        return Err(bad(format!("{} bytes too many", fields.rest.len())));
    }
    Ok(message)
}

fn bad(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a worker's message: {what}"))
}

/// The fields of a message that are still to be read.
#[derive(Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields in `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Fields<'a> {
        Fields { rest: bytes }
    }

    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        if count > self.rest.len() {
            return Err(bad(format!("{count} bytes wanted, {} left", self.rest.len())));
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> io::Result<u32> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    fn string(&mut self) -> io::Result<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(bad)
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> io::Result<T>) -> io::Result<Vec<T>> {
        let count = self.u32()?;
        (0..count).map(|_| item(self)).collect()
    }
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, bytes.len() as u32);
    out.extend(bytes);
}

fn put_list<T>(out: &mut Vec<u8>, items: &[T], mut item: impl FnMut(&mut Vec<u8>, &T)) {
    put_u32(out, items.len() as u32);
    for value in items {
        item(out, value);
    }
}

fn put_string(out: &mut Vec<u8>, text: &String) {
    put_bytes(out, text.as_bytes());
}

impl Message for Bundle {
    fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, &self.forms, |out, (mime, content)| {
            put_string(out, mime);
            let (tag, bytes) = match content {
                Content::Text(text) => (0, text.as_bytes()),
                Content::Json(json) => (1, json.as_bytes()),
                Content::Bytes(bytes) => (2, bytes.as_slice()),
            };
            out.push(tag);
            put_bytes(out, bytes);
        });
        put_list(out, &self.metadata, |out, (mime, json)| {
            put_string(out, mime);
            put_string(out, json);
        });
    }

    fn decode(input: &mut Fields<'_>) -> io::Result<Bundle> {
        let forms = input.list(|input| {
            let mime = input.string()?;
            let content = match input.u8()? {
                0 => Content::Text(input.string()?),
                1 => Content::Json(input.string()?),
                2 => Content::Bytes(input.bytes()?.to_vec()),
                tag => return Err(bad(format!("content tag {tag}"))),
            };
            Ok((mime, content))
        })?;
        let metadata = input.list(|input| Ok((input.string()?, input.string()?)))?;
        Ok(Bundle { forms, metadata })
    }
}

impl Message for Panic {
    fn encode(&self, out: &mut Vec<u8>) {
        put_string(out, &self.message);
        self.at.encode(out);
    }

    fn decode(input: &mut Fields<'_>) -> io::Result<Panic> {
        Ok(Panic { message: input.string()?, at: Spot::decode(input)? })
    }
}

impl Message for Spot {
    fn encode(&self, out: &mut Vec<u8>) {
        put_string(out, &self.file);
        put_u32(out, self.line);
        put_u32(out, self.column);
    }

    fn decode(input: &mut Fields<'_>) -> io::Result<Spot> {
        Ok(Spot { file: input.string()?, line: input.u32()?, column: input.u32()? })
    }
}

impl Message for Frame {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Frame::Display { id: None, bundle } => {
                out.push(0);
                bundle.encode(out);
            }
            Frame::Display { id: Some(id), bundle } => {
                out.push(1);
                put_string(out, id);
                bundle.encode(out);
            }
            Frame::Update { id, bundle } => {
                out.push(2);
                put_string(out, id);
                bundle.encode(out);
            }
            Frame::Clear { wait } => out.extend([3, u8::from(*wait)]),
            Frame::Result { bundle } => {
                out.push(4);
                bundle.encode(out);
            }
            Frame::ThreadPanic { thread, panic } => {
                out.push(5);
                put_string(out, thread);
                panic.encode(out);
            }
        }
    }

    fn decode(input: &mut Fields<'_>) -> io::Result<Frame> {
        Ok(match input.u8()? {
            0 => Frame::Display { id: None, bundle: Bundle::decode(input)? },
            1 => Frame::Display { id: Some(input.string()?), bundle: Bundle::decode(input)? },
            2 => Frame::Update { id: input.string()?, bundle: Bundle::decode(input)? },
            3 => Frame::Clear { wait: input.u8()? != 0 },
            4 => Frame::Result { bundle: Bundle::decode(input)? },
            5 => Frame::ThreadPanic { thread: input.string()?, panic: Panic::decode(input)? },
            tag => return Err(bad(format!("frame tag {tag}"))),
        })
    }
}

impl Message for Request {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Request::Run { library, entry } => {
                out.push(0);
                put_string(out, library);
                put_string(out, entry);
            }
            Request::Forget { names } => {
                out.push(1);
                put_list(out, names, put_string);
            }
        }
    }

    fn decode(input: &mut Fields<'_>) -> io::Result<Request> {
        Ok(match input.u8()? {
            0 => Request::Run { library: input.string()?, entry: input.string()? },
            1 => Request::Forget { names: input.list(Fields::string)? },
            tag => return Err(bad(format!("request tag {tag}"))),
        })
    }
}

impl Message for Reply {
    fn encode(&self, out: &mut Vec<u8>) {
        match &self.ending {
            Ending::Done => out.push(0),
            Ending::Failed { kind, chain, at } => {
                out.push(1);
                put_string(out, kind);
                put_list(out, chain, put_string);
                at.encode(out);
            }
            Ending::Panicked(panic) => {
                out.push(2);
                panic.encode(out);
            }
            Ending::Interrupted => out.push(3),
            Ending::NotLoaded { message } => {
                out.push(4);
                put_string(out, message);
            }
        }
        put_list(out, &self.stored, put_string);
    }

    fn decode(input: &mut Fields<'_>) -> io::Result<Reply> {
        let ending = match input.u8()? {
            0 => Ending::Done,
            1 => Ending::Failed {
                kind: input.string()?,
                chain: input.list(Fields::string)?,
                at: Spot::decode(input)?,
            },
            2 => Ending::Panicked(Panic::decode(input)?),
            3 => Ending::Interrupted,
            4 => Ending::NotLoaded { message: input.string()? },
            tag => return Err(bad(format!("reply tag {tag}"))),
        };
        Ok(Reply { ending, stored: input.list(Fields::string)? })
    }
}
