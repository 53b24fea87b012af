//! What a cell has shown.

use serde_json::{Map, Value};

use super::files::{self, Files};
use super::{colours, escaped, markdown};
use crate::notebook::document::Cell;

/// The forms of a value that a page can show, the richest first.
const RICHEST: [&str; 10] = [
    "text/html",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "text/markdown",
    "text/latex",
    "application/json",
    "text/plain",
];

/// What stands for a picture that says nothing of itself is cut to so many characters.
const LONGEST_ALT: usize = 200;

/// JSON of more lines is folded.
const OPEN_LINES: usize = 20;

/// The outputs of a cell; nothing for one that has shown nothing.
pub(super) fn render(cell: &Cell, files: &mut Files) -> String {
    let outputs: String = cell.outputs().iter().map(|output| one(output, files)).collect();
    if outputs.is_empty() {
        return outputs;
    }
    let label = match cell.execution_count() {
        Some(number) => format!("output of cell {number}"),
        None => "output".to_owned(),
    };
    format!("<div class=\"nb-outputs\" role=\"group\" aria-label=\"{label}\">\n{outputs}</div>\n")
}

fn one(output: &Value, files: &mut Files) -> String {
    let text = |name: &str| output.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("output_type") {
        "stream" => {
            let class = if text("name") == "stderr" { "nb-stderr" } else { "nb-stdout" };
            pre(class, &colours::to_html(text("text")))
        }
        "error" => error(output),
        _ => match output.get("data").and_then(Value::as_object) {
            Some(data) => shown(data, output.get("metadata"), files),
            None => String::new(),
        },
    }
}

fn error(output: &Value) -> String {
    let text = |name: &str| output.get(name).and_then(Value::as_str).unwrap_or_default();
    let lines = output.get("traceback").and_then(Value::as_array).into_iter().flatten();
    let traceback: Vec<&str> = lines.filter_map(Value::as_str).collect();
    let told = match traceback.is_empty() {
        true => format!("{}: {}", text("ename"), text("evalue")),
        false => traceback.join("\n"),
    };
    pre("nb-error", &colours::to_html(&told))
}

fn pre(class: &str, html: &str) -> String {
    if html.is_empty() {
        return String::new();
    }
    // A long line or text scrolls, for which it must be reachable without a mouse.
    format!("<pre class=\"nb-output {class}\" tabindex=\"0\">{html}</pre>\n")
}

fn shown(data: &Map<String, Value>, metadata: Option<&Value>, files: &mut Files) -> String {
    let plain = data.get("text/plain").and_then(Value::as_str).unwrap_or_default();
    let found = RICHEST.iter().find_map(|mime| Some((*mime, data.get(*mime)?)));
    let Some((mime, content)) = found else {
        let mimes: Vec<&str> = data.keys().map(String::as_str).collect();
        return match mimes.is_empty() {
            true => String::new(),
            false => pre("nb-stdout", &format!("({} cannot be shown on a page)", escaped(&mimes.join(", ")))),
        };
    };
    match (mime, content) {
        ("application/json", json) => json_tree(json),
        ("text/html", Value::String(html)) => format!("<div class=\"nb-output nb-html\">{html}</div>\n"),
        ("text/markdown", Value::String(text)) => {
            format!("<div class=\"nb-output nb-markdown\">{}</div>\n", markdown::shown(text, files))
        }
        ("text/latex", Value::String(text)) => pre("nb-math", &escaped(text)),
        ("text/plain", Value::String(text)) => pre("nb-stdout", &colours::to_html(text)),
        ("image/svg+xml", Value::String(svg)) => {
            picture(&files::data(mime, svg.as_bytes()), plain, size(metadata, mime))
        }
        (_, Value::String(base64)) => {
            let dense: String = base64.split_ascii_whitespace().collect();
            picture(&format!("data:{mime};base64,{}", escaped(&dense)), plain, size(metadata, mime))
        }
        (_, other) => pre("nb-stdout", &escaped(&other.to_string())),
    }
}

/// A picture, which the plain text of the same value describes for those who cannot see it.
fn picture(address: &str, plain: &str, size: String) -> String {
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut alt: String = words.chars().take(LONGEST_ALT).collect();
    if alt.len() < words.len() {
        alt.push('…');
    }
    if alt.is_empty() {
        alt.push_str("a picture that the cell shows");
    }
    format!(
        "<div class=\"nb-output nb-picture\"><img src=\"{address}\" alt=\"{}\"{size}></div>\n",
        escaped(&alt)
    )
}

/// The width and height that the metadata of a picture asks for, as attributes.
fn size(metadata: Option<&Value>, mime: &str) -> String {
    let of = |name: &str| metadata?.get(mime)?.get(name)?.as_f64().filter(|size| *size >= 1.0);
    ["width", "height"]
        .into_iter()
        .filter_map(|name| Some(format!(" {name}=\"{}\"", of(name)?.round())))
        .collect()
}

fn json_tree(json: &Value) -> String {
    let text = format!("{json:#}");
    let lines = text.lines().count();
    let block = pre("nb-json", &escaped(&text));
    match lines > OPEN_LINES {
        true => format!(
            "<details class=\"nb-output\"><summary>JSON, {lines} lines</summary>\n{block}</details>\n"
        ),
        false => block,
    }
}
