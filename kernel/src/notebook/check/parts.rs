//! The outputs of a cell in a form that can be compared.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::image::Pixels;
use super::text::{self, Line};
use super::{Difference, image};
use crate::notebook::ansi;
use crate::notebook::document::Cell;
use crate::notebook::lines::is_json;

/// One output, masked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Part {
    Stream { name: String, text: String },
    Shown { result: bool, forms: BTreeMap<String, Form> },
    Error { name: String, message: String },
}

/// One form of a shown value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Form {
    Text(String),
    Pixels(Pixels),
    Bytes(Vec<u8>),
}

/// The parts of `outputs`; the tags of `cell` say which streams do not count.
pub(super) fn of(outputs: &[Value], cell: &Cell, mask: &dyn Fn(&str) -> String) -> Vec<Part> {
    let mut parts = Vec::new();
    // Stdout and stderr come through two pipes, so their order is a matter of chance.
    let mut streams: BTreeMap<&str, String> = BTreeMap::new();
    for output in outputs {
        let text = |name: &str| output.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("output_type") == "stream" {
            if !cell.ignores_stream(text("name")) {
                streams.entry(text("name")).or_default().push_str(text("text"));
            }
            continue;
        }
        flush(&mut streams, &mut parts, mask);
        parts.push(match text("output_type") {
            "error" => {
                Part::Error { name: mask(text("ename")), message: mask(&ansi::stripped(text("evalue"))) }
            }
            kind => Part::Shown {
                result: kind == "execute_result",
                forms: forms(output.get("data").and_then(Value::as_object), mask),
            },
        });
    }
    flush(&mut streams, &mut parts, mask);
    parts
}

fn flush(streams: &mut BTreeMap<&str, String>, parts: &mut Vec<Part>, mask: &dyn Fn(&str) -> String) {
    for (name, text) in std::mem::take(streams) {
        // Masked as a whole: a match may lie over the border between two writes.
        parts.push(Part::Stream { name: name.to_owned(), text: mask(&ansi::stripped(&text)) });
    }
}

fn forms(data: Option<&Map<String, Value>>, mask: &dyn Fn(&str) -> String) -> BTreeMap<String, Form> {
    let forms = data.into_iter().flatten().map(|(mime, content)| (mime.clone(), form(mime, content, mask)));
    forms.collect()
}

fn form(mime: &str, content: &Value, mask: &dyn Fn(&str) -> String) -> Form {
    match content {
        Value::String(text) if !is_json(mime) => {
            let is_text = mime.starts_with("text/") || mime == "image/svg+xml";
            match (!is_text).then(|| decode_base64(text)).flatten() {
                Some(bytes) => image::decode(mime, &bytes).map_or(Form::Bytes(bytes), Form::Pixels),
                None => Form::Text(mask(&ansi::stripped(text))),
            }
        }
        json => {
            let mut sorted = json.clone();
            sorted.sort_all_objects();
            Form::Text(mask(&format!("{sorted:#}")))
        }
    }
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let dense: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(dense).ok()
}

impl Part {
    /// What it is called in a report.
    pub(super) fn name(&self) -> String {
        match self {
            Part::Stream { name, .. } => name.clone(),
            Part::Shown { result: true, .. } => "the result".to_owned(),
            Part::Shown { result: false, .. } => "a display".to_owned(),
            Part::Error { .. } => "the error".to_owned(),
        }
    }

    /// A text that stands for all of it.
    pub(super) fn summary(&self) -> String {
        match self {
            Part::Stream { text, .. } => text.clone(),
            Part::Error { name, message } => format!("{name}: {message}"),
            Part::Shown { forms, .. } => match forms.get("text/plain") {
                Some(Form::Text(text)) => text.clone(),
                _ => forms.keys().cloned().collect::<Vec<_>>().join(", "),
            },
        }
    }

    /// How `fresh`, which stands in its place now, differs from it.
    pub(super) fn differences(&self, fresh: &Part) -> Vec<Difference> {
        match (self, fresh) {
            (Part::Stream { name, text: old }, Part::Stream { name: new_name, text: new })
                if name == new_name =>
            {
                vec![Difference { what: name.clone(), lines: text::diff(old, new) }]
            }
            (Part::Error { .. }, Part::Error { .. }) => {
                vec![Difference { what: self.name(), lines: text::diff(&self.summary(), &fresh.summary()) }]
            }
            (Part::Shown { result, forms: old }, Part::Shown { result: now, forms: new })
                if result == now =>
            {
                form_differences(&self.name(), old, new)
            }
            _ => vec![self.alone("is not shown any more", Line::Stored), fresh.alone("is new", Line::Fresh)],
        }
    }
}

fn form_differences(
    name: &str,
    old: &BTreeMap<String, Form>,
    new: &BTreeMap<String, Form>,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (mime, old) in old {
        let lines = match new.get(mime) {
            Some(new) if new == old => continue,
            Some(new) => old.diff(new),
            None => vec![Line::Note("this form is not there any more".to_owned())],
        };
        differences.push(Difference { what: format!("{name}, {mime}"), lines });
    }
    for mime in new.keys().filter(|mime| !old.contains_key(*mime)) {
        let lines = vec![Line::Note("this form is new".to_owned())];
        differences.push(Difference { what: format!("{name}, {mime}"), lines });
    }
    differences
}

impl Form {
    fn diff(&self, fresh: &Form) -> Vec<Line> {
        match (self, fresh) {
            (Form::Text(old), Form::Text(new)) => text::diff(old, new),
            (Form::Pixels(old), Form::Pixels(new)) => vec![Line::Note(old.difference(new))],
            _ => vec![Line::Note(format!("{} stored, {} now", self.size(), fresh.size()))],
        }
    }

    fn size(&self) -> String {
        match self {
            Form::Text(text) => format!("{} characters", text.chars().count()),
            Form::Bytes(bytes) => format!("other bytes ({} of them)", bytes.len()),
            Form::Pixels(pixels) => format!("a picture of {}", pixels.size()),
        }
    }
}
