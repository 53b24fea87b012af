//! What `:dep` asks for, as cargo's manifest has it.

use std::path::{Path, PathBuf};

use super::super::Failure;
use super::super::commands::refuse;

/// One dependency.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The name it gets.
    pub name: String,
    /// What cargo reads after the name and `=`.
    value: toml::Value,
}

impl Spec {
    /// Reads `name = "1"`, `name = { … }`, a name alone, or the folder of a crate. Paths are taken from
    /// `folder`.
    pub fn read(text: &str, folder: &Path) -> Result<Spec, Failure> {
        if text.starts_with(['.', '/', '~']) {
            return Spec::of_folder(text, folder);
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.trim(), value.trim()),
            None => (text, "\"*\""),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(wrong(text, &format!("`{name}` is no name of a crate")));
        }
        let table: toml::Table = toml::from_str(&format!("value = {value}"))
            .map_err(|error| wrong(text, &format!("after `=` {}", error.message())))?;
        let mut value = match table.get("value") {
            Some(value @ (toml::Value::String(_) | toml::Value::Table(_))) if table.len() == 1 => {
                value.clone()
            }
            _ => {
                return Err(wrong(
                    text,
                    "after `=` stands neither a version in quotes nor a table in braces",
                ));
            }
        };
        if let Some(toml::Value::String(path)) = value.get_mut("path") {
            let absolute = absolute(path, folder);
            if !absolute.join("Cargo.toml").exists() {
                return Err(refuse(&format!(
                    "`:dep {text}`: there is no Cargo.toml in {}",
                    absolute.display()
                )));
            }
            *path = absolute.to_string_lossy().into_owned();
        }
        Ok(Spec { name: name.to_owned(), value })
    }

    fn of_folder(text: &str, folder: &Path) -> Result<Spec, Failure> {
        let path = absolute(text, folder);
        let manifest = path.join("Cargo.toml");
        let read = std::fs::read_to_string(&manifest).map_err(|error| {
            refuse(&format!("`:dep {text}`: {} cannot be read: {error}", manifest.display()))
        })?;
        let table: toml::Table = toml::from_str(&read).map_err(|error| {
            refuse(&format!("`:dep {text}`: {}: {}", manifest.display(), error.message()))
        })?;
        let name = table.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
        let name = name
            .ok_or_else(|| refuse(&format!("`:dep {text}`: {} has no `package.name`", manifest.display())))?;
        let path = toml::Value::String(path.to_string_lossy().into_owned());
        let value = toml::Value::Table(toml::Table::from_iter([("path".to_owned(), path)]));
        Ok(Spec { name: name.to_owned(), value })
    }

    /// The name that code uses.
    pub fn crate_name(&self) -> String {
        self.name.replace('-', "_")
    }

    /// The folder of its source, if that is the user's.
    pub fn folder(&self) -> Option<PathBuf> {
        self.value.get("path").and_then(toml::Value::as_str).map(PathBuf::from)
    }

    /// The line of a manifest.
    pub fn line(&self) -> String {
        match &self.value {
            toml::Value::Table(table) => {
                let entries: Vec<String> =
                    table.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                format!("{} = {{ {} }}", self.name, entries.join(", "))
            }
            value => format!("{} = {value}", self.name),
        }
    }

    /// Whether `version` of the package with these features on is what is asked for. Only what comes from the
    /// registry can be judged by that.
    pub fn is_met_by(&self, package: &str, version: &str, features: &[String]) -> bool {
        let (wanted, asked) = match &self.value {
            toml::Value::String(wanted) => (wanted.as_str(), &toml::Table::new()),
            value => {
                let Some(table) = value.as_table() else { return false };
                let known = ["version", "features", "default-features", "package"];
                if table.keys().any(|key| !known.contains(&key.as_str())) {
                    return false;
                }
                (table.get("version").and_then(toml::Value::as_str).unwrap_or("*"), table)
            }
        };
        if asked.get("package").and_then(toml::Value::as_str).unwrap_or(&self.name) != package {
            return false;
        }
        let (Ok(wanted), Ok(version)) = (semver::VersionReq::parse(wanted), semver::Version::parse(version))
        else {
            return false;
        };
        let plain = asked.get("default-features").and_then(toml::Value::as_bool) == Some(false);
        let named = asked.get("features").and_then(toml::Value::as_array).into_iter().flatten();
        let mut needed = named.filter_map(toml::Value::as_str).chain((!plain).then_some("default"));
        // A package without a default feature has none that could be off.
        wanted.matches(&version)
            && needed.all(|feature| {
                features.iter().any(|on| on == feature) || feature == "default" && features.is_empty()
            })
    }
}

fn absolute(path: &str, folder: &Path) -> PathBuf {
    match path.strip_prefix("~/").zip(std::env::home_dir()) {
        Some((rest, home)) => home.join(rest),
        None => folder.join(path),
    }
}

fn wrong(text: &str, what: &str) -> Failure {
    refuse(&format!(
        "`:dep {text}`: {what}; it wants `name = \"1\"`, or `name = {{ version = \"1\", features = [\"…\"] }}` with \
         what else cargo knows: path, git, branch, tag, rev, package, default-features"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Spec {
        Spec::read(text, Path::new("/cells")).unwrap()
    }

    #[test]
    fn lines_are_cargos() {
        for (text, line) in [
            ("itoa = \"1\"", "itoa = \"1\""),
            ("my-crate", "my-crate = \"*\""),
            ("x={version=\"1\",features=[\"a\"]}", "x = { features = [\"a\"], version = \"1\" }"),
        ] {
            assert_eq!(spec(text).line(), line);
        }
        assert_eq!(spec("my-crate").crate_name(), "my_crate");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("a b = \"1\"", "`a b` is no name"),
            ("a = 1", "neither a version"),
            ("a = \"1", "after `=`"),
            ("a = \"1\"\nb = \"2\"", "neither a version"),
            ("a = { path = \"no/such\" }", "no Cargo.toml in /cells/no/such"),
            ("./no", "/cells/./no/Cargo.toml cannot be read"),
        ] {
            let failure = Spec::read(text, Path::new("/cells")).unwrap_err();
            assert!(failure.message.contains(part), "{}", failure.message);
        }
    }

    #[test]
    fn what_is_there_meets_what_is_asked_for() {
        let features = ["default".to_owned(), "std".to_owned()];
        let met = |text: &str| spec(text).is_met_by("serde", "1.0.228", &features);
        assert!(
            met("serde = \"1\"")
                && met("serde")
                && met("serde = { version = \"1.0\", features = [\"std\"] }")
        );
        assert!(met("other = { package = \"serde\" }"));
        assert!(!met("serde = \"2\"") && !met("serde = { version = \"1\", features = [\"rc\"] }"));
        assert!(!met("serde = { git = \"https://example.org/serde\" }") && !met("serd = \"1\""));
    }
}
