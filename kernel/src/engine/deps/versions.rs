//! The versions that new crates are to agree with.

use std::fs;
use std::io;

use super::super::prepare::lock_file;
use super::layer::Layer;

/// A lock file with what the cell library is made of, and with what the layers brought beside it.
pub fn lock(below: &[Layer]) -> io::Result<String> {
    let mut locks = vec![String::from_utf8_lossy(lock_file()).into_owned()];
    for folder in below.iter().filter_map(|layer| layer.folder.parent()) {
        locks.push(fs::read_to_string(folder.join("source/Cargo.lock"))?);
    }
    merge(&locks).map_err(io::Error::other)
}

/// The first lock with the packages that only the others have. Cargo forgets what a workspace does not use, so
/// that each of them has its own part.
fn merge(locks: &[String]) -> Result<String, toml::de::Error> {
    let mut merged = toml::Table::new();
    for text in locks {
        let mut lock: toml::Table = toml::from_str(text)?;
        let Some(toml::Value::Array(packages)) = lock.remove("package") else { continue };
        if merged.is_empty() {
            merged = lock;
            merged.insert("package".to_owned(), toml::Value::Array(packages));
            continue;
        }
        let Some(toml::Value::Array(known)) = merged.get_mut("package") else { continue };
        for mut package in packages {
            let same = |other: &toml::Value| {
                ["name", "version", "source"].iter().all(|key| other.get(*key) == package.get(*key))
            };
            if !known.iter().any(same)
                && let Some(table) = package.as_table_mut()
            {
                // A name alone may stand for two versions now; cargo finds these again.
                table.remove("dependencies");
                known.push(package);
            }
        }
    }
    Ok(merged.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_merged_lock_has_every_version_once() {
        let first = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\ndependencies = [\"b\"]\n\
                     [[package]]\nname = \"b\"\nversion = \"1.0.0\"\n";
        let second = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
                      [[package]]\nname = \"b\"\nversion = \"2.0.0\"\ndependencies = [\"a\"]\n";
        let merged: toml::Table = toml::from_str(&merge(&[first.into(), second.into()]).unwrap()).unwrap();
        let packages = merged["package"].as_array().unwrap();
        let said: Vec<String> =
            packages.iter().map(|package| format!("{} {}", package["name"], package["version"])).collect();
        assert_eq!(said, ["\"a\" \"1.0.0\"", "\"b\" \"1.0.0\"", "\"b\" \"2.0.0\""]);
        assert!(packages[0].get("dependencies").is_some() && packages[2].get("dependencies").is_none());
        assert_eq!(merged["version"].as_integer(), Some(4));
    }
}
