//! Contents of replies that need no engine, and of what a cell emits.

use bytes::Bytes;
use sconce_display::Bundle;
use serde_json::{Map, Value, json};

use super::comms;
use super::message::PROTOCOL_VERSION;
use crate::engine::{Completeness, Failure, Output};
use crate::mime;

/// The content of a `kernel_info_reply`.
pub(super) fn kernel_info(language_version: &str) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "implementation": "sconce",
        "implementation_version": version,
        "language_info": {
            "name": "rust",
            "version": language_version,
            "mimetype": "text/rust",
            "file_extension": ".rs",
            "pygments_lexer": "rust",
            "codemirror_mode": "rust",
        },
        "banner": format!("Sconce {version}: Rust {language_version} with tensors and vision models"),
        "help_links": [
            {"text": "Rust standard library", "url": "https://doc.rust-lang.org/std/"},
            {"text": "The Rust Programming Language", "url": "https://doc.rust-lang.org/book/"},
            {"text": "candle", "url": "https://docs.rs/candle-core/"},
        ],
        "debugger": false,
        "supported_features": [],
    })
}

/// The content of an `is_complete_reply`.
pub(super) fn is_complete(completeness: &Completeness) -> Value {
    match completeness {
        Completeness::Complete => json!({"status": "complete"}),
        Completeness::Incomplete { indent } => json!({"status": "incomplete", "indent": indent}),
        Completeness::Invalid => json!({"status": "invalid"}),
    }
}

/// The content of an `error` message. An error reply carries the same and a status.
pub(super) fn error(failure: &Failure) -> Map<String, Value> {
    Map::from_iter([
        ("ename".to_owned(), json!(failure.name)),
        ("evalue".to_owned(), json!(failure.message)),
        ("traceback".to_owned(), json!(failure.traceback)),
    ])
}

/// The content of a reply to a request that cannot be met.
pub(super) fn refusal(name: &str, message: &str) -> Value {
    json!({"status": "error", "ename": name, "evalue": message, "traceback": [message]})
}

/// The `user_expressions` of an `execute_reply`: a value in all its forms, or an error, for each name.
pub(super) fn expressions(values: &[(String, Result<Bundle, Failure>)]) -> Value {
    let value = |result: &Result<Bundle, Failure>| match result {
        Ok(bundle) => {
            let mime::MimeBundle { data, metadata, .. } = mime::from_bundle(bundle);
            json!({"status": "ok", "data": data, "metadata": metadata})
        }
        Err(failure) => {
            let mut content = error(failure);
            content.insert("status".to_owned(), json!("error"));
            Value::Object(content)
        }
    };
    Value::Object(values.iter().map(|(name, result)| (name.clone(), value(result))).collect())
}

/// The payload of an `execute_reply`: what its client shows in a pager.
pub(super) fn payload(pages: &[Bundle]) -> Value {
    let page = |bundle| json!({"source": "page", "data": mime::from_bundle(bundle).data, "start": 0});
    pages.iter().map(page).collect()
}

/// A message on iopub.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    pub(super) msg_type: &'static str,
    pub(super) metadata: Value,
    pub(super) content: Value,
    pub(super) buffers: Vec<Bytes>,
}

impl Said {
    /// A message without metadata and buffers, as most are.
    pub(super) fn new(msg_type: &'static str, content: Value) -> Said {
        Said { msg_type, metadata: json!({}), content, buffers: Vec::new() }
    }
}

/// The iopub messages for something a cell emitted.
pub(super) fn output(output: &Output, count: Option<u64>) -> Vec<Said> {
    let (bundle, msg_type, extra) = match output {
        Output::Stdout(text) => return vec![stream("stdout", text)],
        Output::Stderr(text) => return vec![stream("stderr", text)],
        Output::Clear { wait } => return vec![Said::new("clear_output", json!({"wait": wait}))],
        Output::Comm(packet) => return vec![comms::said(packet)],
        Output::Display { id: None, bundle } => (bundle, "display_data", ("transient", json!({}))),
        Output::Display { id: Some(id), bundle } => {
            (bundle, "display_data", ("transient", json!({"display_id": id})))
        }
        Output::Update { id, bundle } => {
            (bundle, "update_display_data", ("transient", json!({"display_id": id})))
        }
        Output::Result(bundle) => (bundle, "execute_result", ("execution_count", json!(count))),
        // These go with the reply.
        Output::Page(_) | Output::Times { .. } => return Vec::new(),
    };
    let converted = mime::from_bundle(bundle);
    let mut content = json!({"data": converted.data, "metadata": converted.metadata});
    content[extra.0] = extra.1;
    let mut messages = vec![Said::new(msg_type, content)];
    if !converted.problems.is_empty() {
        let text =
            converted.problems.iter().fold(String::new(), |text, line| text + "display: " + line + "\n");
        messages.push(stream("stderr", &text));
    }
    messages
}

fn stream(name: &str, text: &str) -> Said {
    Said::new("stream", json!({"name": name, "text": text}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sconce_display::Content;

    #[test]
    fn outputs() {
        let bundle = Bundle::text("x");
        let data = json!({"text/plain": "x"});
        for (emitted, msg_type, content) in [
            (Output::Stdout("a\r".into()), "stream", json!({"name": "stdout", "text": "a\r"})),
            (Output::Stderr("b".into()), "stream", json!({"name": "stderr", "text": "b"})),
            (Output::Clear { wait: true }, "clear_output", json!({"wait": true})),
            (
                Output::Display { id: None, bundle: bundle.clone() },
                "display_data",
                json!({"data": data, "metadata": {}, "transient": {}}),
            ),
            (
                Output::Display { id: Some("7".into()), bundle: bundle.clone() },
                "display_data",
                json!({"data": data, "metadata": {}, "transient": {"display_id": "7"}}),
            ),
            (
                Output::Update { id: "7".into(), bundle: bundle.clone() },
                "update_display_data",
                json!({"data": data, "metadata": {}, "transient": {"display_id": "7"}}),
            ),
            (
                Output::Result(bundle.clone()),
                "execute_result",
                json!({"data": data, "metadata": {}, "execution_count": 3}),
            ),
        ] {
            assert_eq!(output(&emitted, Some(3)), [Said::new(msg_type, content)]);
        }
    }

    #[test]
    fn a_form_that_is_no_json_is_said_on_stderr() {
        let bundle = Bundle::text("x").with("application/json", Content::Json("{".into()));
        let messages = output(&Output::Result(bundle), Some(1));
        assert_eq!(messages.len(), 2);
        assert_eq!((messages[1].msg_type, &messages[1].content["name"]), ("stream", &json!("stderr")));
        assert!(messages[1].content["text"].as_str().is_some_and(|text| text.contains("application/json")));
    }
}
