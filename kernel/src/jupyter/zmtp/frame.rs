//! Frames and messages on a stream of bytes.

use std::io::{Error, ErrorKind, Result};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Message;

/// The largest message that is taken, all frames together, in bytes.
pub(super) const LARGEST_MESSAGE: u64 = 256 << 20;
/// The largest command that is taken.
const LARGEST_COMMAND: u64 = 1 << 16;
/// The largest number of frames of a message.
const MOST_FRAMES: usize = 1 << 16;

const MORE: u8 = 0b001;
const LONG: u8 = 0b010;
const COMMAND: u8 = 0b100;

/// What a peer sends, and is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unit {
    /// A multipart message.
    Message(Message),
    /// A command of the protocol itself: its name and what follows it.
    Command(String, Bytes),
}

/// Reads the next message or command. Errors of the kind `InvalidData` say what is wrong with it.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Unit> {
    let mut frames = Vec::new();
    let mut room = LARGEST_MESSAGE;
    loop {
        let flags = stream.read_u8().await?;
        if flags & !(MORE | LONG | COMMAND) != 0 {
            return Err(invalid(format!("a frame begins with the flags {flags:#04x}")));
        }
        let size = match flags & LONG {
            0 => u64::from(stream.read_u8().await?),
            _ => stream.read_u64().await?,
        };
        if flags & COMMAND != 0 {
            if size > LARGEST_COMMAND || flags & MORE != 0 || !frames.is_empty() {
                return Err(invalid(format!("a command is inside of a message, or large: {size} bytes")));
            }
            return command(&body(stream, size).await?);
        }
        if frames.len() == MOST_FRAMES {
            return Err(invalid(format!("a message has more than {MOST_FRAMES} frames")));
        }
        room = room.checked_sub(size).ok_or_else(|| {
            invalid(format!("a message with a frame of {size} bytes is larger than {LARGEST_MESSAGE} bytes"))
        })?;
        frames.push(body(stream, size).await?);
        if flags & MORE == 0 {
            return Ok(Unit::Message(frames));
        }
    }
}

async fn body(stream: &mut (impl AsyncRead + Unpin), size: u64) -> Result<Bytes> {
    let mut bytes = Vec::new();
    // Grows with what arrives.
    stream.take(size).read_to_end(&mut bytes).await?;
    match bytes.len() as u64 == size {
        true => Ok(bytes.into()),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn command(body: &Bytes) -> Result<Unit> {
    let name = body.split_first().and_then(|(length, rest)| rest.get(..usize::from(*length)));
    let name = name.and_then(|name| std::str::from_utf8(name).ok()).filter(|name| name.is_ascii());
    let name = name.ok_or_else(|| invalid("a command without a name".to_owned()))?;
    Ok(Unit::Command(name.to_owned(), body.slice(1 + name.len()..)))
}

/// Writes a message or a command; what is buffered is still to be flushed.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), unit: &Unit) -> Result<()> {
    match unit {
        Unit::Message(frames) => {
            for (index, frame) in frames.iter().enumerate() {
                let more = if index + 1 < frames.len() { MORE } else { 0 };
                write_frame(stream, more, frame).await?;
            }
            Ok(())
        }
        Unit::Command(name, rest) => {
            let length = u8::try_from(name.len()).map_err(|_| invalid(format!("the command {name}")))?;
            write_frame(stream, COMMAND, &[&[length], name.as_bytes(), rest].concat()).await
        }
    }
}

async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), flags: u8, body: &[u8]) -> Result<()> {
    match u8::try_from(body.len()) {
        Ok(size) => stream.write_all(&[flags, size]).await?,
        Err(_) => {
            stream.write_u8(flags | LONG).await?;
            stream.write_u64(body.len() as u64).await?;
        }
    }
    stream.write_all(body).await
}

pub(super) fn invalid(what: String) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}
