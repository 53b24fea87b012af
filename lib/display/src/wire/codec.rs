//! The byte form of each message.

use std::io;

use super::fields::{Fields, bad, put_bytes, put_list, put_string, put_u32, put_u64};
use super::{Call, Calls, Ending, Frame, Message, Panic, Reply, Request, Sent, Spot};
use crate::comm::{Action, Packet, Payload};
use crate::{Answer, Bundle, Content, Question};

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
        self.calls.encode(out);
    }

    fn decode(input: &mut Fields<'_>) -> io::Result<Panic> {
        Ok(Panic { message: input.string()?, at: Spot::decode(input)?, calls: Calls::decode(input)? })
    }
}

impl Message for Calls {
    fn encode(&self, out: &mut Vec<u8>) {
        let put_call = |out: &mut Vec<u8>, call: &Call| {
            put_u32(out, call.cell);
            put_u64(out, call.offset);
        };
        put_list(out, &self.inner, put_call);
        put_u64(out, self.unlisted);
        put_list(out, &self.outer, put_call);
    }

    fn decode(input: &mut Fields<'_>) -> io::Result<Calls> {
        fn call(input: &mut Fields<'_>) -> io::Result<Call> {
            Ok(Call { cell: input.u32()?, offset: input.u64()? })
        }
        Ok(Calls { inner: input.list(call)?, unlisted: input.u64()?, outer: input.list(call)? })
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
            Frame::Question { id, question } => {
                out.push(6);
                put_u64(out, *id);
                question.encode(out);
            }
            Frame::Comm(packet) => {
                out.push(7);
                packet.encode(out);
            }
            Frame::Handled { number } => {
                out.push(8);
                put_u64(out, *number);
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
            6 => Frame::Question { id: input.u64()?, question: Question::decode(input)? },
            7 => Frame::Comm(Packet::decode(input)?),
            8 => Frame::Handled { number: input.u64()? },
            tag => return Err(bad(format!("frame tag {tag}"))),
        })
    }
}

impl Message for Sent {
    fn encode(&self, out: &mut Vec<u8>) {
        match self.cause {
            None => out.push(0),
            Some(number) => {
                out.push(1);
                put_u64(out, number);
            }
        }
        self.frame.encode(out);
    }

    fn decode(input: &mut Fields<'_>) -> io::Result<Sent> {
        let cause = match input.u8()? {
            0 => None,
            1 => Some(input.u64()?),
            tag => return Err(bad(format!("cause tag {tag}"))),
        };
        Ok(Sent { cause, frame: Frame::decode(input)? })
    }
}

impl Message for Packet {
    fn encode(&self, out: &mut Vec<u8>) {
        put_string(out, &self.comm);
        match &self.action {
            Action::Open { target } => {
                out.push(0);
                put_string(out, target);
            }
            Action::Message => out.push(1),
            Action::Close => out.push(2),
        }
        put_string(out, &self.payload.data);
        put_string(out, &self.payload.metadata);
        put_list(out, &self.payload.buffers, |out, buffer| put_bytes(out, buffer));
    }

    fn decode(input: &mut Fields<'_>) -> io::Result<Packet> {
        let comm = input.string()?;
        let action = match input.u8()? {
            0 => Action::Open { target: input.string()? },
            1 => Action::Message,
            2 => Action::Close,
            tag => return Err(bad(format!("comm tag {tag}"))),
        };
        let (data, metadata) = (input.string()?, input.string()?);
        let buffers = input.list(|input| Ok(input.bytes()?.to_vec()))?;
        Ok(Packet { comm, action, payload: Payload { data, metadata, buffers } })
    }
}

impl Message for Question {
    fn encode(&self, out: &mut Vec<u8>) {
        put_string(out, &self.prompt);
        out.push(u8::from(self.password));
    }

    fn decode(input: &mut Fields<'_>) -> io::Result<Question> {
        Ok(Question { prompt: input.string()?, password: input.u8()? != 0 })
    }
}

impl Message for Answer {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Answer::Line(line) => {
                out.push(0);
                put_string(out, line);
            }
            Answer::End => out.push(1),
            Answer::Nobody { why } => {
                out.push(2);
                put_string(out, why);
            }
            Answer::Interrupted => out.push(3),
        }
    }

    fn decode(input: &mut Fields<'_>) -> io::Result<Answer> {
        Ok(match input.u8()? {
            0 => Answer::Line(input.string()?),
            1 => Answer::End,
            2 => Answer::Nobody { why: input.string()? },
            3 => Answer::Interrupted,
            tag => return Err(bad(format!("answer tag {tag}"))),
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
            Request::Answer { id, answer } => {
                out.push(2);
                put_u64(out, *id);
                answer.encode(out);
            }
            Request::Comm { number, packet } => {
                out.push(3);
                put_u64(out, *number);
                packet.encode(out);
            }
        }
    }

    fn decode(input: &mut Fields<'_>) -> io::Result<Request> {
        Ok(match input.u8()? {
            0 => Request::Run { library: input.string()?, entry: input.string()? },
            1 => Request::Forget { names: input.list(Fields::string)? },
            2 => Request::Answer { id: input.u64()?, answer: Answer::decode(input)? },
            3 => Request::Comm { number: input.u64()?, packet: Packet::decode(input)? },
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
