//! Values that fit into a table.

use std::collections::BTreeMap;

/// The longest, in characters.
const SHOWN: usize = 60;
/// So much of what is the same stands before what is not.
const BEFORE: usize = 8;

/// A value that fits into a table.
pub(super) fn shortened(value: &str) -> String {
    cut(value, 0)
}

/// Values of one thing that fit into a table, and look different where they are.
pub(super) fn told_apart(values: &[&str]) -> Vec<String> {
    let mut shown: BTreeMap<&str, String> = values.iter().map(|&value| (value, String::new())).collect();
    let distinct: Vec<&str> = shown.keys().copied().collect();
    apart(&distinct, 0, &mut shown);
    let alike = |value: &str| shown.iter().any(|(other, text)| *other != value && *text == shown[value]);
    // Cuts at different places may look the same by chance; then all is shown.
    values.iter().map(|&value| if alike(value) { value.to_owned() } else { shown[value].clone() }).collect()
}

/// Cuts different values at `from`, and those that look the same then where they begin to differ.
fn apart<'a>(values: &[&'a str], from: usize, shown: &mut BTreeMap<&'a str, String>) {
    let mut alike: BTreeMap<String, Vec<&'a str>> = BTreeMap::new();
    for &value in values {
        alike.entry(cut(value, from)).or_default().push(value);
    }
    for (text, values) in alike {
        match values.as_slice() {
            [value] => {
                shown.insert(value, text);
            }
            // What is the same of them is longer than what is shown, so the next cut is further on.
            several => apart(several, in_common(several), shown),
        }
    }
}

/// How many characters different values begin with in common.
fn in_common(values: &[&str]) -> usize {
    let Some((first, others)) = values.split_first() else { return 0 };
    let with = |other: &str| first.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    others.iter().map(|other| with(other)).min().unwrap_or(0)
}

/// A part of a value: from a little before the character at `from`, or from the beginning where that is near.
fn cut(value: &str, from: usize) -> String {
    let length = value.chars().count();
    if length <= SHOWN {
        return value.to_owned();
    }
    let start = from.saturating_sub(BEFORE);
    let start = if start <= 1 { 0 } else { start };
    let room = SHOWN - usize::from(start > 0);
    let before = (start > 0).then_some('…');
    let rest = length.saturating_sub(start);
    let taken = if rest > room { room - 1 } else { rest };
    let after = (rest > room).then_some('…');
    before.into_iter().chain(value.chars().skip(start).take(taken)).chain(after).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_long_value_is_cut_and_a_short_one_is_not() {
        assert_eq!(shortened(&"a".repeat(60)), "a".repeat(60));
        assert_eq!(shortened(&"ä".repeat(61)), format!("{}…", "ä".repeat(59)));
    }

    #[test]
    fn what_differs_looks_different() {
        let common = "x".repeat(100);
        let [one, other] = ["0.1", "0.2"].map(|end| format!("{common}{end}, and so on{}", "y".repeat(70)));
        let shown = told_apart(&[&one, &other, &one]);
        assert!(
            shown[0].starts_with("…xxxxxx0.1, and") && shown[1].starts_with("…xxxxxx0.2, and"),
            "{shown:?}"
        );
        assert_eq!(shown[0], shown[2]);
        assert!(shown.iter().all(|text| text.chars().count() == SHOWN), "{shown:?}");
        // Three, of which two differ only far behind; one is the beginning of another.
        let far = format!("{one}z");
        let values = [one.as_str(), far.as_str(), other.as_str(), "short", common.as_str()];
        let shown = told_apart(&values);
        for (at, text) in shown.iter().enumerate() {
            assert!(!shown[..at].contains(text), "{shown:?}");
            assert!(text.chars().count() <= SHOWN, "{text}");
        }
        assert!(shown[1].ends_with('z') && shown[3] == "short", "{shown:?}");
        // A single value, however often, is cut as ever.
        assert_eq!(told_apart(&[&one, &one]), [shortened(&one), shortened(&one)]);
    }

    #[test]
    fn whatever_the_values_are_they_are_told_apart() {
        let mut rng = crate::Seed(2).rng();
        for _ in 0..200 {
            let make = |rng: &mut crate::Rng| -> String {
                let length = rng.below(300);
                (0..length).map(|_| if rng.below(60) == 0 { '…' } else { 'a' }).collect()
            };
            let values: Vec<String> = (0..5).map(|_| make(&mut rng)).collect();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let shown = told_apart(&values);
            for (a, one) in values.iter().zip(&shown) {
                for (b, other) in values.iter().zip(&shown) {
                    assert_eq!(a == b, one == other, "{a} and {b} as {one} and {other}");
                }
            }
        }
    }
}
