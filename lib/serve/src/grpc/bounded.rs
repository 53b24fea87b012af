//! Messages that are held to a number of parts before they are read: two bytes of a message are a part of hundreds of
//! bytes in memory.

use std::marker::PhantomData;

use bytes::{Buf as _, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{DecodeError, Message};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

use super::messages::*;

/// Parts of a message at most, with those of its parts; no sound one has more.
const MANY: usize = 4096;

/// A message that clients send.
pub trait Asked: Message + Default + 'static {
    /// The numbers of its fields that are messages of any number of parts.
    const OF_PARTS: &'static [u32] = &[];
}

impl Asked for ServerLiveRequest {}
impl Asked for ServerReadyRequest {}
impl Asked for ServerMetadataRequest {}
impl Asked for ModelReadyRequest {}
impl Asked for ModelMetadataRequest {}

impl Asked for ModelInferRequest {
    /// Inputs and outputs, which have parameters. The lists in an input's contents are numbers: nothing grows in them.
    const OF_PARTS: &'static [u32] = &[5, 6];
}

/// Writes `R` as prost does, and reads `Q` where it has not too many parts.
pub struct Bounded<R, Q>(PhantomData<(R, Q)>);

impl<R, Q> Default for Bounded<R, Q> {
    fn default() -> Bounded<R, Q> {
        Bounded(PhantomData)
    }
}

impl<R: Message + Default + 'static, Q: Asked> Codec for Bounded<R, Q> {
    type Encode = R;
    type Decode = Q;
    type Encoder = ProstEncoder<R>;
    type Decoder = Reader<Q>;

    fn encoder(&mut self) -> ProstEncoder<R> {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Reader<Q> {
        Reader(PhantomData)
    }
}

/// Reads messages of a kind.
pub struct Reader<Q>(PhantomData<Q>);

impl<Q: Asked> Decoder for Reader<Q> {
    type Item = Q;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Q>, Status> {
        let message = buffer.copy_to_bytes(buffer.remaining());
        count(message.clone(), Q::OF_PARTS, &mut 0)?;
        Q::decode(message).map(Some).map_err(wrong)
    }
}

/// Counts the parts of a message, and those of its fields that are `of_parts`.
fn count(mut rest: Bytes, of_parts: &[u32], parts: &mut usize) -> Result<(), Status> {
    while rest.has_remaining() {
        *parts += 1;
        if *parts > MANY {
            return Err(Status::invalid_argument(format!(
                "a message: expected {MANY} parts at most, got more"
            )));
        }
        let (field, kind) = decode_key(&mut rest).map_err(wrong)?;
        if kind != WireType::LengthDelimited || !of_parts.contains(&field) {
            skip_field(kind, field, &mut rest, DecodeContext::default()).map_err(wrong)?;
            continue;
        }
        let length = usize::try_from(decode_varint(&mut rest).map_err(wrong)?).unwrap_or(usize::MAX);
        if length > rest.len() {
            return Err(Status::invalid_argument("no message: it ends within a part"));
        }
        count(rest.split_to(length), &[], parts)?;
    }
    Ok(())
}

fn wrong(error: DecodeError) -> Status {
    Status::invalid_argument(format!("no message: {error}"))
}
