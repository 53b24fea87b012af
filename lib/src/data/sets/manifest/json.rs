//! Rows that are JSON objects.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

use super::{List, Row, Thing};
use crate::Result;

#[derive(Deserialize)]
struct Line {
    #[serde(alias = "path", alias = "file", alias = "filename", alias = "file_name")]
    image: String,
    #[serde(alias = "class", default)]
    label: Option<Name>,
    #[serde(default)]
    labels: Vec<Name>,
    #[serde(default)]
    caption: Option<String>,
    #[serde(default)]
    captions: Vec<String>,
    #[serde(default)]
    objects: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    label: Name,
    bbox: [f64; 4],
    #[serde(default)]
    area: Option<f64>,
    #[serde(default)]
    ignore: bool,
}

/// The name of a class, which may be a whole number.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        // Through a value, since its numbers are the same whatever features serde_json is built with.
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Name(text)),
            Value::Number(number) if number.is_u64() => Ok(Name(number.to_string())),
            other => Err(D::Error::custom(format!("a label that is {other}, not a text or a whole number"))),
        }
    }
}

pub(super) fn rows(list: &List<'_>, text: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = at + 1;
        let read: Line = serde_json::from_str(line).map_err(|error| {
            list.wrong("an object with an `image` a line", format!("line {number}: {error}"))
        })?;
        let mut objects = Vec::with_capacity(read.objects.len());
        for entry in read.objects {
            let bbox = list.bbox(entry.bbox, number)?;
            objects.push(Thing { label: entry.label.0, bbox, area: entry.area, ignore: entry.ignore });
        }
        rows.push(Row {
            line: number,
            image: read.image,
            labels: read.label.into_iter().chain(read.labels).map(|name| name.0).collect(),
            captions: read.caption.into_iter().chain(read.captions).collect(),
            objects,
        });
    }
    Ok(rows)
}
