//! `history_request`: what was executed, as its client wants it.

use serde_json::{Map, Value, json};

use super::replies;
use crate::history::{Entry, History, Unique};

/// The content of the `history_reply`. Outputs are not kept: where they are asked for they are null.
pub(super) fn reply(history: &History, request: &Map<String, Value>) -> Value {
    let number = |name| request.get(name).and_then(Value::as_i64);
    let line = |name, default| number(name).map_or(default, |line| u64::try_from(line).unwrap_or(0));
    let count = || number("n").map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(0));
    let found = match request.get("hist_access_type").and_then(Value::as_str) {
        Some("tail") => history.tail(count()),
        Some("range") => {
            history.range(number("session").unwrap_or(0), line("start", 0)..line("stop", u64::MAX))
        }
        Some("search") => {
            let pattern = request.get("pattern").and_then(Value::as_str).unwrap_or("*");
            let unique = match request.get("unique").and_then(Value::as_bool) {
                Some(true) => Unique::Yes,
                _ => Unique::No,
            };
            history.search(pattern, unique, count())
        }
        other => {
            let got = other.map_or_else(|| "nothing".to_owned(), |other| format!("{other:?}"));
            let wanted = "`hist_access_type` must be \"tail\", \"range\" or \"search\"";
            return replies::refusal("BadRequest", &format!("{wanted}, got {got}"));
        }
    };
    let with_output = request.get("output").and_then(Value::as_bool) == Some(true);
    let entry = |Entry { session, line, source }: Entry| match with_output {
        true => json!([session, line, [source, null]]),
        false => json!([session, line, source]),
    };
    match found {
        Ok(found) => json!({"status": "ok", "history": found.into_iter().map(entry).collect::<Vec<_>>()}),
        Err(error) => replies::refusal("HistoryError", &format!("the history cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ask(request: &Value) -> Value {
        let mut history = History::in_memory();
        for (count, code) in [(1, "let a = 1;"), (2, "a"), (3, "a + 1"), (4, "a")] {
            history.push(count, code.into()).unwrap();
        }
        reply(&history, request.as_object().unwrap())
    }

    #[test]
    fn each_way_of_asking() {
        for (request, expected) in [
            (json!({"hist_access_type": "tail", "n": 2}), json!([[1, 3, "a + 1"], [1, 4, "a"]])),
            (json!({"hist_access_type": "tail", "n": -1}), json!([])),
            (json!({"hist_access_type": "tail", "n": 1, "output": true}), json!([[1, 4, ["a", null]]])),
            (
                json!({"hist_access_type": "range", "session": 0, "start": 2, "stop": 4}),
                json!([[1, 2, "a"], [1, 3, "a + 1"]]),
            ),
            (json!({"hist_access_type": "range", "session": -3}), json!([])),
            (json!({"hist_access_type": "range", "start": 4}), json!([[1, 4, "a"]])),
            (json!({"hist_access_type": "search", "pattern": "a"}), json!([[1, 2, "a"], [1, 4, "a"]])),
            (json!({"hist_access_type": "search", "pattern": "a", "unique": true}), json!([[1, 4, "a"]])),
            (json!({"hist_access_type": "search", "pattern": "*?1*", "n": 1}), json!([[1, 3, "a + 1"]])),
        ] {
            assert_eq!(ask(&request), json!({"status": "ok", "history": expected}), "{request}");
        }
    }

    #[test]
    fn another_way_is_refused() {
        for request in [json!({}), json!({"hist_access_type": "all"})] {
            let reply = ask(&request);
            assert_eq!(reply["status"], "error");
            assert!(reply["evalue"].as_str().unwrap().contains("hist_access_type"));
        }
    }
}
