//! What was executed in this session, for `history_request`.

use serde_json::{Map, Value, json};

/// The number under which this session's entries go; requests may also say 0, the current one.
const SESSION: i64 = 1;

/// The inputs of this session, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: Vec<(u64, String)>,
}

impl History {
    pub(super) fn push(&mut self, count: u64, code: String) {
        self.entries.push((count, code));
    }

    /// The content of a `history_reply`. Outputs are not kept: where they are asked for they are null.
    pub(super) fn reply(&self, request: &Map<String, Value>) -> Value {
        let number = |name| request.get(name).and_then(Value::as_i64);
        let newest = |n: Option<i64>| n.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(0));
        let found: Vec<&(u64, String)> = match request.get("hist_access_type").and_then(Value::as_str) {
            Some("tail") => last(self.entries.iter().collect(), newest(number("n"))),
            Some("range") if matches!(number("session"), None | Some(0 | SESSION)) => {
                let from = number("start").unwrap_or(0);
                let to = number("stop").unwrap_or(i64::MAX);
                let inside = |line: u64| i64::try_from(line).is_ok_and(|line| from <= line && line < to);
                self.entries.iter().filter(|(line, _)| inside(*line)).collect()
            }
            Some("search") => {
                let pattern: Vec<char> =
                    request.get("pattern").and_then(Value::as_str).unwrap_or("*").chars().collect();
                let mut found: Vec<&(u64, String)> = self
                    .entries
                    .iter()
                    .filter(|(_, code)| matches(&pattern, &code.chars().collect::<Vec<_>>()))
                    .collect();
                if request.get("unique").and_then(Value::as_bool) == Some(true) {
                    // Of equal inputs the newest stays.
                    let all = found.clone();
                    let mut at = 0;
                    found.retain(|(_, code)| {
                        at += 1;
                        !all[at..].iter().any(|(_, later)| later == code)
                    });
                }
                last(found, newest(number("n")))
            }
            _ => Vec::new(),
        };
        let with_output = request.get("output").and_then(Value::as_bool) == Some(true);
        let entry = |(line, code): &(u64, String)| match with_output {
            true => json!([SESSION, line, [code, null]]),
            false => json!([SESSION, line, code]),
        };
        json!({"status": "ok", "history": found.into_iter().map(entry).collect::<Vec<_>>()})
    }
}

fn last<T>(mut items: Vec<T>, count: usize) -> Vec<T> {
    items.split_off(items.len().saturating_sub(count))
}

/// Whether a glob matches the whole text: `*` stands for any characters, `?` for one.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and how much text it covers so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, covered)) = star else { return false };
                star = Some((at, covered + 1));
                p = at + 1;
                t = covered + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ask(request: Value) -> Value {
        let mut history = History::default();
        for (count, code) in [(1, "let a = 1;"), (2, "a"), (3, "a + 1"), (4, "a")] {
            history.push(count, code.into());
        }
        history.reply(request.as_object().unwrap())["history"].clone()
    }

    #[test]
    fn tail() {
        assert_eq!(ask(json!({"hist_access_type": "tail", "n": 2})), json!([[1, 3, "a + 1"], [1, 4, "a"]]));
        assert_eq!(ask(json!({"hist_access_type": "tail", "n": 99})).as_array().unwrap().len(), 4);
        assert_eq!(ask(json!({"hist_access_type": "tail", "n": -1})), json!([]));
        let with_output = ask(json!({"hist_access_type": "tail", "n": 1, "output": true}));
        assert_eq!(with_output, json!([[1, 4, ["a", null]]]));
    }

    #[test]
    fn range() {
        let request = json!({"hist_access_type": "range", "session": 0, "start": 2, "stop": 4});
        assert_eq!(ask(request), json!([[1, 2, "a"], [1, 3, "a + 1"]]));
        assert_eq!(ask(json!({"hist_access_type": "range", "session": -3})), json!([]));
    }

    #[test]
    fn search() {
        let search = |pattern, unique| {
            ask(json!({"hist_access_type": "search", "pattern": pattern, "unique": unique}))
        };
        assert_eq!(search("a", false), json!([[1, 2, "a"], [1, 4, "a"]]));
        assert_eq!(search("a", true), json!([[1, 4, "a"]]));
        assert_eq!(search("*?1*", false), json!([[1, 1, "let a = 1;"], [1, 3, "a + 1"]]));
        assert_eq!(search("b*", false), json!([]));
    }

    #[test]
    fn globs() {
        let glob = |pattern: &str, text: &str| {
            matches(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
        };
        assert!(glob("*", "") && glob("a*b*c", "axxbxbyc") && glob("?ü", "aü") && glob("**", "x"));
        assert!(!glob("", "x") && !glob("a*b", "axxbx") && !glob("?", "") && !glob("ab", "a"));
    }
}
