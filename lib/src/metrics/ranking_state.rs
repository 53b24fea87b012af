//! Scores and targets as text, and back, bit for bit.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::reading::{Answers, Logits};

#[derive(Serialize, Deserialize)]
struct State {
    classes: usize,
    /// f32, little-endian, in base64.
    logits: String,
    targets: Targets,
}

#[derive(Serialize, Deserialize)]
enum Targets {
    /// u32, little-endian, in base64.
    Classes(String),
    /// A byte each, 0 or 1, in base64.
    Tags(String),
}

/// What was taken in, as text.
pub(super) fn written(taken: Option<&(Logits, Answers)>) -> Option<String> {
    let state = taken.map(|(logits, answers)| State {
        classes: logits.classes(),
        logits: BASE64_STANDARD.encode(bytes(logits.values().iter().map(|value| value.to_le_bytes()))),
        targets: match answers {
            Answers::Classes(labels) => Targets::Classes(
                BASE64_STANDARD.encode(bytes(labels.iter().map(|label| label.to_le_bytes()))),
            ),
            Answers::Tags(tags) => {
                Targets::Tags(BASE64_STANDARD.encode(bytes(tags.iter().map(|&tag| [u8::from(tag)]))))
            }
        },
    });
    serde_json::to_string(&state).ok()
}

/// What [`written`] wrote, which may be that nothing was taken in; `None` for anything else.
pub(super) fn read(state: &str) -> Option<Option<(Logits, Answers)>> {
    let Some(State { classes, logits, targets }) = serde_json::from_str(state).ok()? else {
        return Some(None);
    };
    let logits = numbers(&logits)?.into_iter().map(f32::from_le_bytes).collect();
    let logits = Logits::of(logits, classes)?;
    let answers = match targets {
        Targets::Classes(labels) => {
            let labels: Vec<u32> = numbers(&labels)?.into_iter().map(u32::from_le_bytes).collect();
            let known = labels.iter().all(|&label| (label as usize) < classes);
            (known && labels.len() == logits.len()).then_some(Answers::Classes(labels))?
        }
        Targets::Tags(tags) => {
            let tags = BASE64_STANDARD.decode(tags).ok()?;
            let known = tags.iter().all(|&tag| tag <= 1);
            let tags: Vec<bool> = tags.into_iter().map(|tag| tag == 1).collect();
            (known && tags.len() == logits.len() * classes).then_some(Answers::Tags(tags))?
        }
    };
    Some(Some((logits, answers)))
}

fn bytes<const N: usize>(numbers: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
    numbers.flatten().collect()
}

/// Numbers of four bytes each.
fn numbers(text: &str) -> Option<Vec<[u8; 4]>> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| numbers.to_vec())
}
