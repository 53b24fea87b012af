//! What an address names: a model, a version of it, and what is to be done.

use crate::failure::{Failure, Reason, short};
use crate::repository::Wanted;

/// What an address names.
#[derive(Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The model.
    pub model: &'a str,
    /// Its version.
    pub wanted: Wanted,
    /// What stands after them: `predict` of `N:predict`, `metadata` of `N/metadata`, nothing of `N`.
    pub action: &'a str,
}

impl<'a> Target<'a> {
    /// Of `N[/versions/V][/labels/L]` and an action behind `:` or `/`.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn of(path: &'a str) -> Result<Target<'a>, Failure> {
        let found = Target::parse(path);
        found.ok_or_else(|| {
            let expected = "expected NAME[/versions/NUMBER or /labels/LABEL] and an action";
            Failure::new(Reason::NotFound, format!("{expected}, got {:?}", short(path)))
        })
    }

    fn parse(path: &'a str) -> Option<Target<'a>> {
        let (path, verb) = path.split_once(':').map_or((path, None), |(path, verb)| (path, Some(verb)));
        let parts: Vec<&str> = path.split('/').collect();
        let (&model, mut rest) = parts.split_first()?;
        let mut wanted = Wanted::Latest;
        match rest {
            ["versions", number, behind @ ..] => {
                wanted = Wanted::Number(number.parse().ok()?);
                rest = behind;
            }
            ["labels", label, behind @ ..] => {
                wanted = Wanted::Label((*label).to_owned());
                rest = behind;
            }
            _ => {}
        }
        let action = match (rest, verb) {
            ([], verb) => verb.unwrap_or_default(),
            ([action], None) if !action.is_empty() => action,
            _ => return None,
        };
        (!model.is_empty()).then_some(Target { model, wanted, action })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn addresses_name_models_and_actions() {
        let target = |path| Target::parse(path).map(|it| (it.model, it.wanted, it.action));
        assert_eq!(target("m").unwrap(), ("m", Wanted::Latest, ""));
        assert_eq!(target("m:predict").unwrap(), ("m", Wanted::Latest, "predict"));
        assert_eq!(target("m/metadata").unwrap(), ("m", Wanted::Latest, "metadata"));
        assert_eq!(target("m/versions/3:classify").unwrap(), ("m", Wanted::Number(3), "classify"));
        assert_eq!(target("m/versions/3/infer").unwrap(), ("m", Wanted::Number(3), "infer"));
        assert_eq!(target("m/labels/a:predict").unwrap(), ("m", Wanted::Label("a".into()), "predict"));
        for path in
            ["", "/a", "m/versions/x", "m/versions/-1", "m/a/b", "m/versions/1/infer/x", "m/", "m/a:b"]
        {
            assert_eq!(target(path), None, "{path}");
        }
    }
}
