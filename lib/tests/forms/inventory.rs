//! No type shows itself in a form that nobody has looked at.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::gallery::FORMS;

/// Types whose forms are those of others: a bundle is what it shows, judged images are within top losses and the
/// misclassified, and widgets (a macro's `$name`) live in a page, where `tests/widgets.rs` and the tests of clients look.
const ELSEWHERE: [&str; 3] = ["Bundle", "JudgedImages", "$name"];

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => rust_files(&path, files),
            false if path.extension().is_some_and(|ending| ending == "rs") => files.push(path),
            false => {}
        }
    }
}

fn sources(folder: &str) -> String {
    let mut files = Vec::new();
    rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// What stands in lines between these two, `&'a` and paths left out.
fn between<'a>(text: &'a str, before: &str, after: char) -> BTreeSet<&'a str> {
    let of_line = |line: &'a str| Some(line.split_once(before)?.1.split(after).next()?.trim());
    text.lines().filter_map(of_line).collect()
}

#[test]
fn every_type_that_shows_itself_is_among_the_forms() {
    let (library, gallery) = (sources("src"), sources("../examples/forms/gallery"));
    let types = between(&library, "Rich for ", '{');
    assert!(types.contains("Tensor") && types.contains("HeatMap"), "is the search still right? {types:?}");
    let shown = between(&gallery, "() -> Result<", '>');
    let missing: Vec<&&str> =
        types.iter().filter(|name| !shown.contains(**name) && !ELSEWHERE.contains(*name)).collect();
    assert!(missing.is_empty(), "add to examples/forms/gallery a function that gives each of {missing:?}");
}

#[test]
fn every_form_of_the_gallery_is_listed() {
    let gallery = sources("../examples/forms/gallery");
    let listed: BTreeSet<&str> = FORMS.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed.len(), FORMS.len(), "two forms of one name");
    // What others build on: not shown by itself.
    let parts = BTreeSet::from(["network", "square"]);
    let functions: BTreeSet<&str> = gallery
        .lines()
        .filter_map(|line| line.strip_prefix("pub fn ")?.split_once("() -> Result<"))
        .map(|(name, _)| name)
        .collect();
    let forms: BTreeSet<&str> = functions.difference(&parts).copied().collect();
    assert_eq!(forms, listed);
}
