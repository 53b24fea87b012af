//! `sconce run --check`: fresh outputs against those that the notebook holds.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Output;

use sconce_tests::{code_cell, notebook, notebook_of, prepare, sconce, stderr, stdout};
use serde_json::{Value, json};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    prepare().unwrap();
    sconce().unwrap().arg("run").args(arguments).current_dir(folder).output().unwrap()
}

/// A folder with a notebook of these cells, `a.ipynb`, which has been executed.
fn executed(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.ipynb"), text).unwrap();
    let output = run(folder.path(), &["--in-place", "a.ipynb"]);
    assert!(output.status.success(), "{}", stderr(&output));
    folder
}

/// Changes the notebook file as somebody would who edits it.
fn edit(folder: &Path, from: &str, to: &str) {
    let path = folder.join("a.ipynb");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "`{from}` is not in:\n{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn what_comes_out_the_same_passes_and_nothing_is_written() {
    let folder = executed(&notebook(&["let x = vec![1.5, 2.0];", "println!(\"a\"); x", ""]));
    let before = fs::read_to_string(folder.path().join("a.ipynb")).unwrap();
    let output = run(folder.path(), &["--check", "a.ipynb"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    assert_eq!(fs::read_to_string(folder.path().join("a.ipynb")).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_difference_is_shown_and_can_be_accepted() {
    let folder = executed(&notebook(&["println!(\"one\\ntwo\\nthree\");", "1 + 1"]));
    edit(folder.path(), "two\\n\"", "2\\n\"");
    edit(folder.path(), "\"2\"", "\"3\"");
    let output = run(folder.path(), &["--check", "a.ipynb"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "a.ipynb: cell 1 differs: println!(\"one\\ntwo\\nthree\");\n  stdout\n    @@ -1,3 +1,3 @@\n     one\n    \
         -2\n    +two\n     three\na.ipynb: cell 2 differs: 1 + 1\n  the result, text/plain\n    @@ -1,1 +1,1 @@\n    \
         -3\n    +2\n"
    );
    let message = stderr(&output);
    for part in [
        "a.ipynb: 2 of 2 cells show something else than the notebook holds: cells 1, 2",
        "sconce run --in-place a.ipynb",
        "--ignore REGEX",
        "`ignore-output`",
    ] {
        assert!(message.contains(part), "`{part}` is not in:\n{message}");
    }
    let output = run(folder.path(), &["--check", "--in-place", "a.ipynb"]);
    assert_eq!(output.status.code(), Some(1), "updating does not make the check pass");
    assert!(stderr(&output).contains("the notebook holds the new outputs now"), "{}", stderr(&output));
    assert!(run(folder.path(), &["--check", "a.ipynb"]).status.success());
}

#[test]
fn what_changes_from_run_to_run_can_be_left_out() {
    let clock = "println!(\"at {} ms\", std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_nanos())";
    let folder = executed(&notebook_of(&[code_cell(clock, &[])]));
    assert_eq!(run(folder.path(), &["--check", "a.ipynb"]).status.code(), Some(1));
    let output = run(folder.path(), &["--check", "--ignore", r"\d+ ms", "a.ipynb"]);
    assert!(output.status.success(), "{}", stdout(&output));
    let tagged = executed(&notebook_of(&[code_cell(clock, &["ignore-output"])]));
    assert!(run(tagged.path(), &["--check", "a.ipynb"]).status.success());

    let path = folder.path().join("a.ipynb");
    let mut file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    file["metadata"]["sconce"] = json!({"check": {"ignore": [r"at \d+"]}});
    fs::write(&path, file.to_string()).unwrap();
    assert!(run(folder.path(), &["--check", "a.ipynb"]).status.success());
    file["metadata"]["sconce"] = json!({"check": {"ignore": ["("]}});
    fs::write(&path, file.to_string()).unwrap();
    let output = run(folder.path(), &["--check", "a.ipynb"]);
    assert!(stderr(&output).contains("metadata.sconce.check.ignore: `(` is not a regular expression"));
}

#[test]
fn a_notebook_without_outputs_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.ipynb"), notebook(&["1 + 1"])).unwrap();
    let output = run(folder.path(), &["--check", "a.ipynb"]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("a.ipynb holds no outputs to compare with"), "{message}");
    assert!(message.contains("sconce run --in-place a.ipynb"), "{message}");
    assert!(!message.contains("cell 1"), "nothing runs: {message}");
}

#[test]
fn a_failing_cell_fails_the_check_and_one_that_may_fail_is_compared() {
    let folder = executed(&notebook_of(&[code_cell("panic!(\"{}\", 1)", &["raises-exception"])]));
    assert!(run(folder.path(), &["--check", "a.ipynb"]).status.success());
    edit(folder.path(), "\"evalue\": \"1\"", "\"evalue\": \"2\"");
    let output = run(folder.path(), &["--check", "a.ipynb"]);
    assert!(stdout(&output).contains("the error\n"), "{}", stdout(&output));
    edit(folder.path(), "raises-exception", "other");
    let output = run(folder.path(), &["--check", "a.ipynb"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cell 1 of 1 failed: panic"), "{}", stderr(&output));
}
