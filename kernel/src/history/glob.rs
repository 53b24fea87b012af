//! Patterns in which `*` stands for any text and `?` for one character.

/// A pattern for whole texts.
#[derive(Debug)]
pub(super) struct Glob(Vec<char>);

impl Glob {
    pub(super) fn new(pattern: &str) -> Glob {
        Glob(pattern.chars().collect())
    }

    /// Whether the pattern is the whole text.
    pub(super) fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (&self.0, text.chars().collect::<Vec<_>>());
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let glob = |pattern: &str, text: &str| Glob::new(pattern).matches(text);
        assert!(glob("*", "") && glob("a*b*c", "axxbxbyc") && glob("?ü", "aü") && glob("**", "x"));
        assert!(!glob("", "x") && !glob("a*b", "axxbx") && !glob("?", "") && !glob("ab", "a"));
    }
}
