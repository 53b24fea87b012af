//! Names of the same tensor in files of different libraries.

/// How a library names a model's tensors. Rules tell, for the beginning of a name in our model, the beginning of
/// the name in the file; what no rule knows is called the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spelling {
    /// Whose it is, for reports; empty for our own.
    pub(crate) title: &'static str,
    rules: Vec<Rule>,
}

/// A rule. In patterns a `*` stands for any characters but a dot, and the n-th one of the file's for the n-th of
/// ours.
#[derive(Debug, Clone)]
struct Rule {
    ours: String,
    theirs: Theirs,
}

#[derive(Debug, Clone)]
enum Theirs {
    Whole(String),
    Part { whole: String, index: usize, of: usize },
    Joined(Vec<String>),
}

/// Where a tensor of the model lies in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// It is this one.
    Whole(String),
    /// It is one of `of` equal parts of this one, along the first axis.
    Part { whole: String, index: usize, of: usize },
    /// It is these, one after the other along the first axis.
    Joined(Vec<String>),
}

impl Spelling {
    pub(super) fn new(title: &'static str) -> Spelling {
        Spelling { title, rules: Vec::new() }
    }

    /// Whether names are the model's own.
    pub(crate) fn is_own(&self) -> bool {
        self.rules.is_empty()
    }

    /// Names that begin with `ours` begin with `theirs` in the file. The first rule that fits counts.
    pub(super) fn rule(mut self, ours: impl Into<String>, theirs: impl Into<String>) -> Spelling {
        self.rules.push(Rule { ours: ours.into(), theirs: Theirs::Whole(theirs.into()) });
        self
    }

    /// All these rules.
    pub(super) fn rules(self, rules: &[(&str, &str)]) -> Spelling {
        rules.iter().fold(self, |spelling, (ours, theirs)| spelling.rule(*ours, *theirs))
    }

    /// Our `parts` are one tensor in the file.
    pub(super) fn split(mut self, parts: &[&str], whole: &str) -> Spelling {
        for (index, ours) in parts.iter().enumerate() {
            let theirs = Theirs::Part { whole: whole.to_owned(), index, of: parts.len() };
            self.rules.push(Rule { ours: (*ours).to_owned(), theirs });
        }
        self
    }

    /// What is one tensor with us are `parts` in the file.
    pub(super) fn joined(mut self, ours: &str, parts: &[&str]) -> Spelling {
        let parts = parts.iter().map(|&part| part.to_owned()).collect();
        self.rules.push(Rule { ours: ours.to_owned(), theirs: Theirs::Joined(parts) });
        self
    }

    /// Where the model's tensor `name` lies in a file of this spelling.
    pub(crate) fn source(&self, name: &str) -> Source {
        for rule in &self.rules {
            let Some((captures, rest)) = matched(&rule.ours, name) else { continue };
            let filled = |pattern: &str| filled(pattern, &captures) + rest;
            return match &rule.theirs {
                Theirs::Whole(whole) => Source::Whole(filled(whole)),
                Theirs::Part { whole, index, of } => {
                    Source::Part { whole: filled(whole), index: *index, of: *of }
                }
                Theirs::Joined(parts) => Source::Joined(parts.iter().map(|part| filled(part)).collect()),
            };
        }
        Source::Whole(name.to_owned())
    }
}

/// What the stars of a pattern stand for, and what is behind it, if `name` begins like that.
fn matched<'a>(pattern: &str, name: &'a str) -> Option<(Vec<&'a str>, &'a str)> {
    let mut pieces = pattern.split('*');
    let mut rest = name.strip_prefix(pieces.next()?)?;
    let mut captures = Vec::new();
    for piece in pieces {
        let segment = rest.split('.').next()?;
        // A piece that begins with a dot, as all but those at the end do, ends the star.
        let end =
            if piece.is_empty() || piece.starts_with('.') { segment.len() } else { segment.find(piece)? };
        let (capture, behind) = rest.split_at_checked(end)?;
        captures.push(capture);
        rest = behind.strip_prefix(piece)?;
    }
    Some((captures, rest))
}

fn filled(pattern: &str, captures: &[&str]) -> String {
    let mut captures = captures.iter();
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + captures.next().unwrap_or(&"") + piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_counts() {
        let spelling = Spelling::new("test")
            .split(&["layers.*.q.", "layers.*.k.", "layers.*.v."], "blocks.*.qkv.")
            .joined("head.*.all_", &["h.*.a.", "h.*.b."])
            .rule("layers.*.norm*", "blocks.*.ln_*")
            .rule("layers.", "blocks.");
        let whole = |name: &str| Source::Whole(name.into());
        assert_eq!(spelling.source("layers.10.mlp.weight"), whole("blocks.10.mlp.weight"));
        assert_eq!(spelling.source("layers.3.norm2.bias"), whole("blocks.3.ln_2.bias"));
        assert_eq!(spelling.source("stem.weight"), whole("stem.weight"));
        let part = Source::Part { whole: "blocks.7.qkv.bias".into(), index: 1, of: 3 };
        assert_eq!(spelling.source("layers.7.k.bias"), part);
        let joined = Source::Joined(vec!["h.0.a.weight".into(), "h.0.b.weight".into()]);
        assert_eq!(spelling.source("head.0.all_weight"), joined);
    }
}
