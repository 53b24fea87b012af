//! How a connection begins: both sides greet, and say which kind of socket they are.

use std::io::Result;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::frame::{self, Unit, invalid};

/// The beginning of every greeting: a signature of ten bytes, of which eight may be anything.
const SIGNATURE: [u8; 10] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];
/// Signature, version, mechanism, role, and zeros.
const GREETING: usize = 64;
const VERSION: [u8; 2] = [3, 0];
/// No encryption and no passwords: messages are signed.
const MECHANISM: &[u8; 20] = b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// What kind of socket this side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Requests and replies.
    Router,
    /// Messages for all who want them.
    XPub,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Router => "ROUTER",
            Role::XPub => "XPUB",
        }
    }

    fn talks_to(self, other: &str) -> bool {
        match self {
            Role::Router => ["DEALER", "REQ", "ROUTER"].contains(&other),
            Role::XPub => ["SUB", "XSUB"].contains(&other),
        }
    }
}

/// Greets, and returns the identity that the other side chose: mostly none.
pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    role: Role,
) -> Result<Bytes> {
    let mut greeting = [0; GREETING];
    greeting[..10].copy_from_slice(&SIGNATURE);
    greeting[10..12].copy_from_slice(&VERSION);
    greeting[12..32].copy_from_slice(MECHANISM);
    stream.write_all(&greeting).await?;
    stream.flush().await?;

    let mut theirs = [0; GREETING];
    // A stranger shows at the first byte and need not send more.
    for (from, to) in [(0, 1), (1, 10), (10, 11), (11, GREETING)] {
        stream.read_exact(&mut theirs[from..to]).await?;
        match to {
            1 if theirs[0] != SIGNATURE[0] => return Err(invalid("it does not speak ZeroMQ".into())),
            10 if theirs[9] != SIGNATURE[9] => return Err(invalid("it does not speak ZeroMQ".into())),
            11 if theirs[10] < VERSION[0] => {
                return Err(invalid("it speaks ZMTP 2 or older, 3 is needed (ZeroMQ 4)".into()));
            }
            _ => {}
        }
    }
    if &theirs[12..32] != MECHANISM {
        return Err(invalid(
            "it asks for a security mechanism, and connections to a kernel have none".into(),
        ));
    }

    let properties = [property("Socket-Type", role.name()), property("Identity", "")].concat();
    frame::write(stream, &Unit::Command("READY".to_owned(), properties.into())).await?;
    stream.flush().await?;
    match frame::read(stream).await? {
        Unit::Command(name, properties) if name == "READY" => ready(properties, role),
        _ => Err(invalid("it does not say READY".into())),
    }
}

fn property(name: &str, value: &str) -> Vec<u8> {
    // Both are short and known.
    let [name_size, value_size] = [name.len() as u8, value.len() as u8];
    [&[name_size], name.as_bytes(), &[0, 0, 0, value_size], value.as_bytes()].concat()
}

fn ready(mut properties: Bytes, role: Role) -> Result<Bytes> {
    let (mut identity, mut fits) = (Bytes::new(), false);
    while properties.has_remaining() {
        let name_size = usize::from(properties.get_u8());
        let (name, value) =
            split(&mut properties, name_size).ok_or_else(|| invalid("READY is cut off".into()))?;
        match name.to_ascii_lowercase().as_slice() {
            b"socket-type" => {
                let other = String::from_utf8_lossy(&value);
                if !role.talks_to(&other) {
                    return Err(invalid(format!(
                        "a {other:?} socket does not talk to a {} socket",
                        role.name()
                    )));
                }
                fits = true;
            }
            b"identity" => identity = value,
            _ => {}
        }
    }
    match fits {
        true => Ok(identity),
        false => Err(invalid("READY names no Socket-Type".into())),
    }
}

/// A name and its value, taken off the front.
fn split(properties: &mut Bytes, name_size: usize) -> Option<(Bytes, Bytes)> {
    let mut take = |size: usize| (size <= properties.len()).then(|| properties.split_to(size));
    let name = take(name_size)?;
    let mut size = take(4)?;
    let value = take(usize::try_from(size.get_u32()).ok()?)?;
    Some((name, value))
}
