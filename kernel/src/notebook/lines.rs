//! Multi-line strings: one string in memory, a list of lines on disk, as Jupyter stores them.

use serde_json::{Map, Value};

/// Joins the lists of lines in a cell: its source, attachments and outputs.
pub fn join_cell(cell: &mut Map<String, Value>) {
    if let Some(source) = cell.get_mut("source") {
        join(source);
    }
    for_each_bundle(cell, join_bundle);
    for_each_output(cell, |output| {
        if let Some(text) = output.get_mut("text") {
            join(text);
        }
    });
}

/// Splits the multi-line strings of a cell into lists of lines.
pub fn split_cell(cell: &mut Map<String, Value>) {
    if let Some(source) = cell.get_mut("source") {
        split(source);
    }
    for_each_bundle(cell, split_bundle);
    for_each_output(cell, |output| {
        if let Some(text) = output.get_mut("text") {
            split(text);
        }
    });
}

fn for_each_output(cell: &mut Map<String, Value>, mut visit: impl FnMut(&mut Map<String, Value>)) {
    let outputs = cell.get_mut("outputs").and_then(Value::as_array_mut);
    outputs.into_iter().flatten().filter_map(Value::as_object_mut).for_each(&mut visit);
}

/// Visits what holds content by MIME type: each attachment, and the data of each output.
fn for_each_bundle(cell: &mut Map<String, Value>, mut visit: impl FnMut(&mut Map<String, Value>)) {
    let attachments = cell.get_mut("attachments").and_then(Value::as_object_mut);
    for attachment in attachments.into_iter().flat_map(|all| all.values_mut()) {
        attachment.as_object_mut().into_iter().for_each(&mut visit);
    }
    for_each_output(cell, |output| {
        output.get_mut("data").and_then(Value::as_object_mut).into_iter().for_each(&mut visit);
    });
}

fn join_bundle(bundle: &mut Map<String, Value>) {
    for (mime, content) in bundle {
        if !is_json(mime) {
            join(content);
        }
    }
}

fn split_bundle(bundle: &mut Map<String, Value>) {
    for (mime, content) in bundle {
        if mime.starts_with("text/") || mime == "image/svg+xml" || mime == "application/javascript" {
            split(content);
        }
    }
}

/// A list under a JSON MIME type is content, not lines.
pub fn is_json(mime: &str) -> bool {
    mime == "application/json" || (mime.starts_with("application/") && mime.ends_with("+json"))
}

fn join(value: &mut Value) {
    let Value::Array(lines) = value else { return };
    if let Some(lines) = lines.iter().map(Value::as_str).collect::<Option<Vec<_>>>() {
        *value = Value::String(lines.concat());
    }
}

fn split(value: &mut Value) {
    if let Value::String(text) = value {
        *value = Value::Array(split_lines(text).into_iter().map(Value::from).collect());
    }
}

/// Lines with their ends, broken where Python's `str.splitlines` breaks them: that is what wrote every
/// other notebook, and a file that Jupyter saves again must not change.
fn split_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((index, char)) = chars.next() {
        let ends_line = match char {
            '\r' => chars.peek().is_none_or(|&(_, next)| next != '\n'),
            '\n' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}' => true,
            _ => false,
        };
        if ends_line {
            let end = index + char.len_utf8();
            lines.push(&text[start..end]);
            start = end;
        }
    }
    if start < text.len() {
        lines.push(&text[start..]);
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_keep_their_ends() {
        assert_eq!(split_lines("a\nb"), ["a\n", "b"]);
        assert_eq!(split_lines("a\n\n"), ["a\n", "\n"]);
        assert_eq!(split_lines(""), [""; 0]);
        assert_eq!(split_lines("a\r\nb\rc"), ["a\r\n", "b\r", "c"]);
        assert_eq!(split_lines("ä\u{2028}ö\u{85}\u{1c}x"), ["ä\u{2028}", "ö\u{85}", "\u{1c}", "x"]);
    }

    #[test]
    fn a_cell_splits_and_joins_back() {
        let joined: Value = serde_json::from_str(
            r##"{"source": "a\nb", "attachments": {"x.png": {"image/png": "QUJD"}}, "outputs": [
                {"output_type": "stream", "name": "stdout", "text": "1\n2\n"},
                {"output_type": "display_data", "data": {
                    "image/png": "QUJD\nQUJD", "image/svg+xml": "<svg>\n</svg>", "text/plain": "one",
                    "application/json": ["stays", "a list"], "application/vnd.x+json": "a\nb"}},
                {"output_type": "error", "ename": "E", "evalue": "", "traceback": ["a\nb", "c"]}]}"##,
        )
        .unwrap();
        let mut cell = joined.as_object().unwrap().clone();
        split_cell(&mut cell);
        assert_eq!(cell["source"], serde_json::json!(["a\n", "b"]));
        let data = &cell["outputs"][1]["data"];
        assert_eq!(data["image/svg+xml"], serde_json::json!(["<svg>\n", "</svg>"]));
        assert_eq!(data["text/plain"], serde_json::json!(["one"]));
        assert_eq!(data["image/png"], "QUJD\nQUJD", "only text is split");
        assert_eq!(data["application/vnd.x+json"], "a\nb");
        assert_eq!(cell["outputs"][2]["traceback"], serde_json::json!(["a\nb", "c"]));
        join_cell(&mut cell);
        assert_eq!(Value::Object(cell), joined);
    }
}
