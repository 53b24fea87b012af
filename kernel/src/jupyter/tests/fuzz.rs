//! Messages that were changed at random are taken or refused; nothing panics.

use bytes::Bytes;
use serde_json::{Map, json};

use super::super::message::{Author, DecodeError, Request, Signer};

const INPUTS: u64 = 1_000_000;

/// A small generator of numbers (splitmix64): the same seed gives the same messages.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// What breaks parsers, and what a message is made of.
const PIECES: &[&[u8]] = &[
    b"<IDS|MSG>",
    b"{}",
    b"[]",
    b"null",
    b"{\"msg_id\": 1}",
    b"{\"msg_id\": \"a\", \"msg_type\": \"execute_request\"}",
    b"\"\\ud800\"",
    b"1e999999",
    b"-0",
    b"\xff\xfe",
    b"\0",
    b"{\"a\":",
    b"}",
    b"\\u0000",
    b"\xf0\x9f\x92\xa9",
    b"",
];

fn change(frames: &mut Vec<Bytes>, random: &mut Random) {
    let at = random.below(frames.len());
    match random.below(9) {
        0 => drop((!frames.is_empty()).then(|| frames.remove(at))),
        1 => frames.insert(at, Bytes::from_static(random.pick(PIECES))),
        2 => {
            let other = random.below(frames.len());
            if !frames.is_empty() {
                frames.swap(at, other);
            }
        }
        3 => frames.truncate(at),
        4 => {
            // Deeper than a stack would take it.
            let deep = random.pick(&[&b"["[..], b"{\"a\":"]).repeat(1 + random.below(2000));
            if let Some(frame) = frames.get_mut(at) {
                *frame = deep.into();
            }
        }
        _ => {
            let Some(frame) = frames.get_mut(at) else { return };
            let mut bytes = frame.to_vec();
            let place = random.below(bytes.len() + 1);
            match random.below(3) {
                0 => drop(bytes.splice(place..place, random.pick(PIECES).iter().copied())),
                1 => bytes.truncate(place),
                _ => {
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte ^= 1 << random.below(8);
                    }
                }
            }
            *frame = bytes.into();
        }
    }
}

/// Signs what stands where the signed parts of a message stand, so that what is behind the check is reached.
fn sign(frames: &mut [Bytes], signer: &Signer) {
    let Some(at) = frames.iter().position(|frame| frame == "<IDS|MSG>") else { return };
    if let [signature, signed @ ..] = &mut frames[at + 1..]
        && let Some((signed, _)) = signed.split_at_checked(4)
    {
        *signature = signer.sign(signed).into();
    }
}

#[test]
fn changed_messages() {
    let signer = Signer::new("key");
    let content = json!({"code": "let é = 1;\n", "silent": false, "user_expressions": {"a": "1 + 1"}});
    let routing = [Bytes::from_static(b"client")];
    let parent = Map::from_iter([("msg_id".to_owned(), json!("earlier"))]);
    let whole =
        Author::new(signer.clone()).encode(&routing, "execute_request", &parent, &json!({}), &content);
    let mut random = Random(7);
    let (mut taken, mut forged, mut malformed) = (0_u64, 0_u64, 0_u64);
    for number in 0..INPUTS {
        let mut frames = whole.clone();
        for _ in 0..=random.below(4) {
            change(&mut frames, &mut random);
        }
        if number % 2 == 0 {
            sign(&mut frames, &signer);
        }
        match Request::decode(frames, &signer) {
            Ok(request) => {
                assert!(request.header["msg_id"].is_string());
                taken += 1;
            }
            Err(DecodeError::Signature) => forged += 1,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                malformed += 1;
            }
        }
    }
    // Each way out was taken often: the changes are neither too small nor too large.
    assert!(taken.min(forged).min(malformed) > INPUTS / 50, "{taken} {forged} {malformed}");
}
