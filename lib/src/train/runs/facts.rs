//! Settings as names and values, so that runs can be compared line by line.

/// Names and values in their order.
pub(super) type Facts = Vec<(String, String)>;

/// What `Debug` writes of a value, taken apart: `Adam { lr: 0.1, beta: Some(0.9) }` becomes `lr` 0.1 and `beta` 0.9, each
/// with what stands before it, as in `kind.lr`. What stands before it, if anything, is the value's name, as in `kind` Adam,
/// since it may be one of several. Lists and tuples stay as they are.
pub(super) fn taken_apart(debug: &str, before: &str, facts: &mut Facts) {
    let debug = debug.trim();
    if let Some((name, inner)) = inside(debug, '{', '}') {
        if !before.is_empty() {
            facts.push((before.to_owned(), name.to_owned()));
        }
        for part in parts(inner) {
            if let Some((name, value)) = field(part) {
                taken_apart(value, &joined(before, name), facts);
            }
        }
        return;
    }
    match inside(debug, '(', ')') {
        // `Adam(Adam { … })` says nothing that `Adam { … }` does not.
        Some((name, inner))
            if name == "Some" || inside(inner.trim(), '{', '}').is_some_and(|(own, _)| own == name) =>
        {
            taken_apart(inner, before, facts);
        }
        _ => facts.push((before.to_owned(), debug.to_owned())),
    }
}

pub(super) fn joined(before: &str, name: &str) -> String {
    if before.is_empty() { name.to_owned() } else { format!("{before}.{name}") }
}

/// The name, and what stands between the brackets, of `Name { … }` or `Name( … )`.
fn inside(text: &str, open: char, close: char) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once(open)?;
    let name = name.trim_end();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if is_name { rest.strip_suffix(close).map(|inner| (name, inner)) } else { None }
}

/// `name: value`.
fn field(part: &str) -> Option<(&str, &str)> {
    let (name, value) = part.split_once(':')?;
    Some((name.trim(), value.trim()))
}

/// The parts between commas that are in no brackets and no quotes.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(debug: &str) -> String {
        let mut facts = Facts::new();
        taken_apart(debug, "", &mut facts);
        facts.iter().map(|(name, value)| format!("{name}={value};")).collect()
    }

    #[derive(Debug)]
    #[expect(dead_code, reason = "only their Debug is looked at")]
    struct Outer {
        rate: f64,
        kind: Kind,
        other: Kind,
        third: Option<Kind>,
        fourth: Kind,
        groups: Vec<Kind>,
        name: &'static str,
        none: Option<u8>,
        pair: (u8, u8),
    }

    #[derive(Debug)]
    #[expect(dead_code, reason = "only their Debug is looked at")]
    enum Kind {
        Plain,
        Inner(Inner),
        Number(f64),
        Fields { a: u8 },
    }

    #[derive(Debug)]
    #[expect(dead_code, reason = "only their Debug is looked at")]
    struct Inner {
        betas: [f64; 2],
        some: Option<f64>,
    }

    #[test]
    fn what_debug_writes_is_taken_apart() {
        let inner = || Kind::Inner(Inner { betas: [0.9, 0.999], some: Some(1e-7) });
        let outer = Outer {
            rate: 0.1,
            kind: inner(),
            other: Kind::Plain,
            third: Some(Kind::Number(2.0)),
            fourth: Kind::Fields { a: 3 },
            groups: vec![inner()],
            name: "a, \"b\": {c}",
            none: None,
            pair: (1, 2),
        };
        let wanted = "rate=0.1;kind=Inner;kind.betas=[0.9, 0.999];kind.some=1e-7;other=Plain;third=Number(2.0);\
                      fourth=Fields;fourth.a=3;groups=[Inner(Inner { betas: [0.9, 0.999], some: Some(1e-7) })];\
                      name=\"a, \\\"b\\\": {c}\";none=None;pair=(1, 2);";
        assert_eq!(facts(&format!("{outer:?}")), wanted);
    }

    #[test]
    fn whatever_somebody_writes_is_kept_as_it_is() {
        for text in
            ["", "cosine", "[1, 2]", "(1, 2)", "a b { c }", "Half { a: 1", "Odd(1, 2)", "}", "\"x { y: 1 }\""]
        {
            assert_eq!(facts(text), format!("={text};"));
        }
    }
}
