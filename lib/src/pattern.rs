//! Patterns of names, with `*` for any characters and `?` for one.

/// Whether `name` is what `pattern` describes: `*` is any run of characters, `?` one of them.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the last star stands, and up to where it reaches so far.
    let mut star = None;
    while at < name.len() {
        match pattern.get(from) {
            Some('*') => {
                star = Some((from, at));
                from += 1;
            }
            Some(&c) if c == '?' || c == name[at] => (at, from) = (at + 1, from + 1),
            _ => match star {
                // The star takes one character more.
                Some((place, reach)) => {
                    star = Some((place, reach + 1));
                    (at, from) = (reach + 1, place + 1);
                }
                None => return false,
            },
        }
    }
    pattern[from..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks() {
        let cases = [
            ("head.*", "head.weight", true),
            ("head.*", "head.0.weight", true),
            ("head.*", "head", false),
            ("head", "head.weight", false),
            ("*.bias", "layer1.0.conv1.bias", true),
            ("*.bias", "layer1.0.conv1.weight", false),
            ("layer?.*.weight", "layer1.0.bn1.weight", true),
            ("layer?.*.weight", "layer10.0.bn1.weight", false),
            ("*a*ab", "aaab", true),
            ("*a*ab", "aaba", false),
            ("*", "", true),
            ("?", "", false),
            ("", "", true),
            ("**", "ü", true),
            ("?", "ü", true),
        ];
        for (pattern, name, wanted) in cases {
            assert_eq!(matches(pattern, name), wanted, "{pattern:?} and {name:?}");
        }
    }
}
