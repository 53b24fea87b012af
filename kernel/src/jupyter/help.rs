//! Replies to `complete_request` and `inspect_request`. The protocol counts in code points, the engine in bytes.

use serde_json::{Map, Value, json};

use super::engine::Engine;
use super::replies;
use crate::assist::{Completions, Inspection};

/// The content of the reply to `request`, a `complete_request` or an `inspect_request`.
pub(super) fn reply(engine: &dyn Engine, msg_type: &str, request: &Map<String, Value>) -> Value {
    let Some(code) = request.get("code").and_then(Value::as_str) else {
        return replies::refusal("BadRequest", "`code` must be a string");
    };
    let cursor = match request.get("cursor_pos") {
        None => code.len(),
        Some(position) => match position.as_u64() {
            Some(position) => byte_of(code, position),
            None => {
                return replies::refusal(
                    "BadRequest",
                    "`cursor_pos` must be a number of code points, from 0",
                );
            }
        },
    };
    if msg_type == "complete_request" {
        completions(code, &engine.complete(code, cursor))
    } else {
        let detailed = request.get("detail_level").and_then(Value::as_u64) == Some(1);
        inspection(engine.inspect(code, cursor).as_ref(), detailed)
    }
}

fn completions(code: &str, found: &Completions) -> Value {
    let (start, end) = (code_points(code, found.range.start), code_points(code, found.range.end));
    let matches: Vec<&str> = found.items.iter().map(|item| item.text.as_str()).collect();
    let types: Vec<Value> = found
        .items
        .iter()
        .map(|item| {
            json!({"text": item.text, "type": item.kind, "signature": item.signature, "start": start, "end": end})
        })
        .collect();
    json!({
        "status": "ok",
        "matches": matches,
        "cursor_start": start,
        "cursor_end": end,
        "metadata": {"_jupyter_types_experimental": types},
    })
}

/// Level 0 has the first paragraph of the documentation, level 1 all of it.
fn inspection(found: Option<&Inspection>, detailed: bool) -> Value {
    let Some(found) = found else {
        return json!({"status": "ok", "found": false, "data": {}, "metadata": {}});
    };
    let docs = if detailed { found.docs.as_str() } else { first_paragraph(&found.docs) };
    let mut plain = found.signature.clone();
    let mut markdown = format!("```rust\n{}\n```", found.signature);
    if !docs.is_empty() {
        plain.push_str(&format!("\n\n{docs}"));
        markdown.push_str(&format!("\n\n{docs}"));
    }
    let data = json!({"text/plain": plain, "text/markdown": markdown});
    json!({"status": "ok", "found": true, "data": data, "metadata": {}})
}

fn first_paragraph(docs: &str) -> &str {
    docs.split("\n\n").next().unwrap_or(docs).trim_end()
}

/// Where the code point at `position` begins; the end of the text for what is beyond.
fn byte_of(code: &str, position: u64) -> usize {
    let position = usize::try_from(position).unwrap_or(usize::MAX);
    code.char_indices().nth(position).map_or(code.len(), |(byte, _)| byte)
}

fn code_points(code: &str, byte: usize) -> usize {
    code.get(..byte).map_or(0, |before| before.chars().count())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::assist::Completion;

    #[test]
    fn places_are_counted_in_code_points() {
        let code = "größe = 🕯 + grö";
        let start = code.rfind("grö").unwrap();
        let item = Completion { text: "größe".into(), kind: "variable".into(), signature: "f32".into() };
        let reply = completions(code, &Completions { range: start..code.len(), items: vec![item] });
        assert_eq!((&reply["cursor_start"], &reply["cursor_end"]), (&json!(12), &json!(15)));
        assert_eq!(reply["matches"], json!(["größe"]));
        let types =
            json!([{"text": "größe", "type": "variable", "signature": "f32", "start": 12, "end": 15}]);
        assert_eq!(reply["metadata"]["_jupyter_types_experimental"], types);
        assert_eq!(byte_of(code, 12), start);
        assert_eq!(byte_of(code, u64::MAX), code.len());
    }

    #[test]
    fn the_detail_level_decides_on_the_documentation() {
        let found = Inspection { signature: "fn f()".into(), docs: "Does it.\n\nAt length.".into() };
        let plain = |detailed| inspection(Some(&found), detailed)["data"]["text/plain"].clone();
        assert_eq!(plain(false), "fn f()\n\nDoes it.");
        assert_eq!(plain(true), "fn f()\n\nDoes it.\n\nAt length.");
        let markdown = inspection(Some(&found), false)["data"]["text/markdown"].clone();
        assert_eq!(markdown, "```rust\nfn f()\n```\n\nDoes it.");
        assert_eq!(inspection(None, false)["found"], false);
    }
}
