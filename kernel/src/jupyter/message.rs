//! Messages and their signed multipart form.
//!
//! On the wire a message is: routing identities, the delimiter `<IDS|MSG>`, the signature in hex, header,
//! parent header, metadata and content as JSON objects, then any binary buffers.

use bytes::Bytes;
use hmac::digest::common::Key;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The version of the protocol that headers and `kernel_info_reply` claim.
pub const PROTOCOL_VERSION: &str = "5.5";

const DELIMITER: &[u8] = b"<IDS|MSG>";
const PARTS: [&str; 4] = ["header", "parent_header", "metadata", "content"];

/// A multipart message that is none of ours. Such messages are logged and dropped.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// No frame is the delimiter.
    #[error("no <IDS|MSG> delimiter among {frames} frames")]
    NoDelimiter {
        /// How many frames there are.
        frames: usize,
    },
    /// Frames are missing behind the delimiter.
    #[error("{frames} frames behind the delimiter, expected at least 5")]
    Truncated {
        /// How many frames there are.
        frames: usize,
    },
    /// The signature is not the one that the key gives.
    #[error("wrong signature")]
    Signature,
    /// A part is not a JSON object in UTF-8.
    #[error("the {part} is not a JSON object: {problem}")]
    Part {
        /// `header`, `parent_header`, `metadata` or `content`.
        part: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The header lacks a string field.
    #[error("the header's `{0}` is not a string")]
    Header(&'static str),
}

/// Signs and checks messages with the connection's key.
#[derive(Clone)]
pub struct Signer {
    mac: Option<Hmac<Sha256>>,
}

impl Signer {
    /// With an empty key nothing is signed and every message is taken.
    #[must_use]
    pub fn new(key: &str) -> Signer {
        if key.is_empty() {
            return Signer { mac: None };
        }
        // A key is filled up with zeros to the hash's block; a longer one is hashed first (RFC 2104).
        let mut block = Key::<Hmac<Sha256>>::default();
        if key.len() <= block.len() {
            block[..key.len()].copy_from_slice(key.as_bytes());
        } else {
            let hash = Sha256::digest(key.as_bytes());
            block[..hash.len()].copy_from_slice(&hash);
        }
        Signer { mac: Some(Hmac::new(&block)) }
    }

    pub(super) fn sign(&self, parts: &[Bytes]) -> String {
        use std::fmt::Write;

        let Some(mut mac) = self.mac.clone() else { return String::new() };
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    fn verify(&self, parts: &[Bytes], signature: &[u8]) -> Result<(), DecodeError> {
        let Some(mut mac) = self.mac.clone() else { return Ok(()) };
        let signature = from_hex(signature).ok_or(DecodeError::Signature)?;
        parts.iter().for_each(|part| mac.update(part));
        // `verify_slice` compares in constant time.
        mac.verify_slice(&signature).map_err(|_| DecodeError::Signature)
    }
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some((digit(*high)? << 4 | digit(*low)?) as u8)).collect()
}

/// A message as a client sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Who gets the reply: the routing frames before the delimiter.
    pub identities: Vec<Bytes>,
    /// The header, which becomes the parent header of everything that answers the message.
    pub header: Map<String, Value>,
    /// The header's `msg_type`.
    pub msg_type: String,
    /// The header's `session`, or nothing.
    pub session: String,
    /// The metadata.
    pub metadata: Map<String, Value>,
    /// The content.
    pub content: Map<String, Value>,
    /// Binary buffers.
    pub buffers: Vec<Bytes>,
}

impl Request {
    /// Checks and parses the frames of a multipart message.
    pub fn decode(frames: Vec<Bytes>, signer: &Signer) -> Result<Request, DecodeError> {
        let Some(at) = frames.iter().position(|frame| frame == DELIMITER) else {
            return Err(DecodeError::NoDelimiter { frames: frames.len() });
        };
        let (identities, rest) = (&frames[..at], &frames[at + 1..]);
        let [signature, signed @ ..] = rest else { return Err(DecodeError::Truncated { frames: 0 }) };
        let Some((signed, buffers)) = signed.split_at_checked(PARTS.len()) else {
            return Err(DecodeError::Truncated { frames: rest.len() });
        };
        signer.verify(signed, signature)?;
        let mut parsed = Vec::with_capacity(PARTS.len());
        for (part, bytes) in PARTS.into_iter().zip(signed) {
            let fields: Map<String, Value> = serde_json::from_slice(bytes)
                .map_err(|error| DecodeError::Part { part, problem: error.to_string() })?;
            parsed.push(fields);
        }
        let content = parsed.pop().unwrap_or_default();
        let metadata = parsed.pop().unwrap_or_default();
        let header = parsed.swap_remove(0);
        let text = |name| match header.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            _ => Err(DecodeError::Header(name)),
        };
        // A reply cannot be told from another without the id, so a header that lacks it is no use.
        text("msg_id")?;
        Ok(Request {
            identities: identities.to_vec(),
            msg_type: text("msg_type")?,
            session: text("session").unwrap_or_default(),
            header,
            metadata,
            content,
            buffers: buffers.to_vec(),
        })
    }

    /// The `msg_type` of the reply: `execute_reply` for `execute_request`.
    #[must_use]
    pub fn reply_type(&self) -> String {
        format!("{}_reply", self.msg_type.strip_suffix("_request").unwrap_or(&self.msg_type))
    }
}

/// Who sends: signs what the kernel says and puts its session into the headers.
#[derive(Clone)]
pub struct Author {
    signer: Signer,
    session: String,
}

impl Author {
    /// A new session of its own.
    #[must_use]
    pub fn new(signer: Signer) -> Author {
        Author { signer, session: uuid::Uuid::new_v4().to_string() }
    }

    /// The frames of a message. `routing` are the identities of a reply, or the topic on iopub; `parent` is
    /// the header of the request that the message answers, empty if there is none.
    #[must_use]
    pub fn encode(
        &self,
        routing: &[Bytes],
        msg_type: &str,
        parent: &Map<String, Value>,
        metadata: &Value,
        content: &Value,
    ) -> Vec<Bytes> {
        let header = json!({
            "msg_id": uuid::Uuid::new_v4().to_string(),
            "session": self.session,
            "username": "kernel",
            // Clients read at most six digits of the second.
            "date": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            "msg_type": msg_type,
            "version": PROTOCOL_VERSION,
        });
        let bytes = |value: &Value| Bytes::from(value.to_string());
        let parent = serde_json::to_vec(parent).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from);
        let parts = [bytes(&header), parent, bytes(metadata), bytes(content)];
        let mut frames = routing.to_vec();
        frames.push(Bytes::from_static(DELIMITER));
        frames.push(self.signer.sign(&parts).into());
        frames.extend(parts);
        frames
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn frames(key: &str, content: &Value) -> Vec<Bytes> {
        let parent = Map::new();
        let routing = [Bytes::from_static(b"client"), Bytes::from_static(b"\x00\xff")];
        Author::new(Signer::new(key)).encode(&routing, "execute_request", &parent, &json!({}), content)
    }

    #[test]
    fn round_trip() {
        for key in ["", "a0436f6c-1916-498b-8eb9-e81ab9368e84"] {
            let mut sent = frames(key, &json!({"code": "é\n1"}));
            sent.push(Bytes::from_static(b"\x00buffer"));
            let request = Request::decode(sent, &Signer::new(key)).unwrap();
            assert_eq!(request.identities, [&b"client"[..], b"\x00\xff"]);
            assert_eq!(request.msg_type, "execute_request");
            assert_eq!(request.reply_type(), "execute_reply");
            assert_eq!(request.content["code"], "é\n1");
            assert_eq!(request.buffers, [&b"\x00buffer"[..]]);
            assert_eq!(request.header["version"], PROTOCOL_VERSION);
            assert!(!request.session.is_empty());
        }
    }

    #[test]
    fn signatures_agree_with_pythons_hmac() {
        // hmac.new(key, b"{}{}{}{}", hashlib.sha256).hexdigest()
        let parts = [const { Bytes::from_static(b"{}") }; 4];
        for (key, expected) in [
            ("key".to_owned(), "ca767b02c5bc061ed184a9a029e7f93a7f2f7ed4e8fe74120fc1212f0b008fa3"),
            ("k".repeat(100), "acb7c36a4eb0cee0357b9e8606ddc1b965fbec53e360c336b4ec13e544e1a1ed"),
        ] {
            let signer = Signer::new(&key);
            assert_eq!(signer.sign(&parts), expected);
            assert_eq!(signer.verify(&parts, expected.to_uppercase().as_bytes()), Ok(()));
        }
    }

    #[test]
    fn the_date_is_iso_8601_with_microseconds() {
        let request = Request::decode(frames("", &json!({})), &Signer::new("")).unwrap();
        let date = request.header["date"].as_str().unwrap();
        assert_eq!((date.len(), &date[10..11], &date[19..20], &date[26..]), (27, "T", ".", "Z"), "{date}");
    }

    #[test]
    fn a_changed_message_is_refused() {
        let signer = Signer::new("key");
        let sent = frames("key", &json!({"code": "1"}));
        let signature_at = 3;
        for changed in signature_at..sent.len() {
            let mut forged = sent.clone();
            let mut bytes = forged[changed].to_vec();
            bytes[0] ^= 1;
            forged[changed] = bytes.into();
            assert_eq!(Request::decode(forged, &signer), Err(DecodeError::Signature), "frame {changed}");
        }
        for signature in ["", "abc", "zz", "é"] {
            let mut forged = sent.clone();
            forged[signature_at] = Bytes::from_static(signature.as_bytes());
            assert_eq!(Request::decode(forged, &signer), Err(DecodeError::Signature), "{signature:?}");
        }
        assert_eq!(Request::decode(sent, &Signer::new("other")), Err(DecodeError::Signature));
    }

    #[test]
    fn malformed_messages_are_errors() {
        let signer = Signer::new("");
        let sent = frames("", &json!({}));
        for end in 0..sent.len() {
            let error = Request::decode(sent[..end].to_vec(), &signer).unwrap_err();
            let expected = if end < 3 {
                DecodeError::NoDelimiter { frames: end }
            } else {
                DecodeError::Truncated { frames: end - 3 }
            };
            assert_eq!(error, expected);
        }
        for (at, part) in (4..).zip(PARTS) {
            for bytes in [&b"\xff\xfe"[..], b"[]", b"{", b"", b"null"] {
                let mut wrong = sent.clone();
                wrong[at] = Bytes::from_static(bytes);
                let error = Request::decode(wrong, &signer).unwrap_err();
                assert!(matches!(&error, DecodeError::Part { part: named, .. } if *named == part), "{error}");
            }
        }
        for (header, field) in [(r#"{"msg_id": "1"}"#, "msg_type"), (r#"{"msg_type": "x"}"#, "msg_id")] {
            let mut wrong = sent.clone();
            wrong[4] = Bytes::from_static(header.as_bytes());
            assert_eq!(Request::decode(wrong, &signer), Err(DecodeError::Header(field)));
        }
    }
}
