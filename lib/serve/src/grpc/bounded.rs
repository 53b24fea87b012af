//! Messages that are held to a number of parts before they are read: two bytes of a message are a part of hundreds of
//! bytes in memory.

use std::marker::PhantomData;

use bytes::Buf as _;
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// Parts of a message at most, at its top; no sound one has more.
const MANY: usize = 4096;

/// Writes `R` as prost does, and reads `Q` where it has not too many parts.
pub struct Bounded<R, Q>(PhantomData<(R, Q)>);

impl<R, Q> Default for Bounded<R, Q> {
    fn default() -> Bounded<R, Q> {
        Bounded(PhantomData)
    }
}

impl<R: Message + Default + 'static, Q: Message + Default + 'static> Codec for Bounded<R, Q> {
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

impl<Q: Message + Default> Decoder for Reader<Q> {
    type Item = Q;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Q>, Status> {
        let wrong = |error: prost::DecodeError| Status::invalid_argument(format!("no message: {error}"));
        let message = buffer.copy_to_bytes(buffer.remaining());
        let (mut rest, mut parts) = (message.clone(), 0);
        while rest.has_remaining() {
            let (field, kind) = decode_key(&mut rest).map_err(wrong)?;
            skip_field(kind, field, &mut rest, DecodeContext::default()).map_err(wrong)?;
            parts += 1;
            if parts > MANY {
                return Err(Status::invalid_argument(format!(
                    "a message: expected {MANY} parts at most, got more"
                )));
            }
        }
        Q::decode(message).map(Some).map_err(wrong)
    }
}
