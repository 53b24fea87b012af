//! JSON whose numbers come back bit for bit, those that are not finite among them, and whose maps keep their order; and how
//! what a text says of itself is checked.

use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::path::Path;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::Error;

/// A number as JSON writes it: the shortest text that reads back as the same, and a string (`"inf"`, `"-inf"`, `"NaN"`)
/// where JSON has no number.
pub(super) fn written(value: f64) -> String {
    if value.is_finite() { format!("{value:?}") } else { format!("\"{value}\"") }
}

/// A number that [`written`] wrote. It goes over a `Value`, as with the feature `arbitrary_precision`, which a program
/// may turn on, numbers come to a visitor as maps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(pub(super) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = match &value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => match text.as_str() {
                "inf" => Some(f64::INFINITY),
                "-inf" => Some(f64::NEG_INFINITY),
                "NaN" => Some(f64::NAN),
                _ => None,
            },
            _ => None,
        };
        let wanted = "a number, \"inf\", \"-inf\" or \"NaN\"";
        number
            .map(Number)
            .ok_or_else(|| serde::de::Error::custom(format!("{value} in the place of {wanted}")))
    }
}

/// A text as JSON writes it.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A map of texts that are JSON already.
pub(super) fn map<'a>(entries: impl Iterator<Item = (&'a str, String)>) -> String {
    let entries = entries.map(|(name, value)| format!("{}:{value}", quoted(name)));
    format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
}

/// A list with a line for each item.
pub(super) fn lines(items: &[String]) -> String {
    if items.is_empty() { "[]".to_owned() } else { format!("[\n{}\n]", items.join(",\n")) }
}

/// What [`map`] wrote, in the order of the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pairs<T>(pub(super) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs<T>, D::Error> {
        struct InOrder<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Pairs<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

/// What a text says of itself, so that no other JSON is taken for it: `"sconce"` with a name, and `"version"`.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Versions of the format that can be read; the last is written.
    pub(super) versions: RangeInclusive<u64>,
    /// A larger file is none.
    pub(super) most_bytes: u64,
    /// Who wrote it, for errors.
    pub(super) writer: &'static str,
}

/// In what way a text is not of its kind, and what to do.
pub(super) struct Wrong {
    pub(super) got: String,
    pub(super) hint: &'static str,
}

const DAMAGED: &str = "It is damaged, was cut off, or is of another program; save it again.";

/// A text that is damaged in this way.
pub(super) fn wrong(got: impl Into<String>) -> Wrong {
    Wrong { got: got.into(), hint: DAMAGED }
}

#[derive(Deserialize)]
struct Head {
    sconce: String,
    version: u64,
}

impl Kind {
    /// What a text of this kind holds, and the version of its format.
    pub(super) fn read<T: DeserializeOwned>(&self, text: &str) -> Result<(u64, T), Wrong> {
        let head: Head =
            serde_json::from_str(text).map_err(|error| wrong(format!("text with a fault: {error}")))?;
        if head.sconce != self.name {
            return Err(wrong(format!("a {:?} of Sconce", head.sconce)));
        }
        if !self.versions.contains(&head.version) {
            let [first, last] = [self.versions.start(), self.versions.end()];
            let known = if first == last { last.to_string() } else { format!("{first} to {last}") };
            return Err(Wrong {
                got: format!("a {} of format {}, not {known}", self.name, head.version),
                hint: "Read it with the release that wrote it, or a later one.",
            });
        }
        let whole = serde_json::from_str(text)
            .map_err(|error| wrong(format!("a {} with a fault: {error}", self.name)))?;
        Ok((head.version, whole))
    }

    /// The text of a file, if it is no larger than one of this kind can be.
    pub(super) fn text_of(&self, path: &Path) -> crate::Result<String> {
        let io = |source| Error::Io { op: "read", path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(io)?.len();
        if size > self.most_bytes {
            return Err(self.refused(path, wrong(format!("a file of {size} bytes"))));
        }
        let bytes = std::fs::read(path).map_err(io)?;
        String::from_utf8(bytes)
            .map_err(|error| self.refused(path, wrong(format!("bytes that are no text ({error})"))))
    }

    /// The error of a file that is not of this kind.
    pub(super) fn refused(&self, path: &Path, Wrong { got, hint }: Wrong) -> Error {
        Error::Format {
            path: path.to_owned(),
            expected: format!("the {} that {} wrote", self.name, self.writer),
            got,
            hint: hint.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Seed;

    #[test]
    fn every_number_comes_back_bit_for_bit() {
        let mut rng = Seed(3).rng();
        let any = (0..20_000).map(|_| f64::from_bits(rng.next_u64())).filter(|value| !value.is_nan());
        let small =
            [0.0, -0.0, 1.0, 5e-324, 2.2250738585072014e-308, f64::MAX, f64::INFINITY, -f64::INFINITY];
        for value in any.chain(small).collect::<Vec<_>>() {
            let text = written(value);
            let Number(back) = serde_json::from_str(&text).unwrap();
            assert_eq!(back.to_bits(), value.to_bits(), "{text}");
        }
        assert!(serde_json::from_str::<Number>(&written(f64::NAN)).unwrap().0.is_nan());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["\"one\"", "null", "true", "[1]", "{\"a\": 1}", "1e999"] {
            assert!(serde_json::from_str::<Number>(text).is_err(), "{text}");
        }
    }
}
