//! `sconce run --html` and `--junit`: pages and reports of small notebooks.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Output;

use sconce_tests::{code_cell, notebook, notebook_of, prepare, sconce, stderr};
use serde_json::json;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    sconce().unwrap().arg("run").args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn a_page_shows_what_came_out_and_nothing_else_is_written() {
    prepare().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cells = [
        json!({"cell_type": "markdown", "metadata": {}, "source": "# My page"}),
        code_cell("println!(\"<shown>\"); 6 * 7", &[]),
    ];
    fs::write(folder.path().join("a.ipynb"), notebook_of(&cells)).unwrap();
    let output = run(folder.path(), &["--html", "a.html", "a.ipynb"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("its page is a.html"), "{}", stderr(&output));
    let page = fs::read_to_string(folder.path().join("a.html")).unwrap();
    for part in ["<title>My page</title>", "&lt;shown&gt;", ">42</pre>", "aria-label=\"code of cell 1\""] {
        assert!(page.contains(part), "`{part}` is not in:\n{page}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn stored_notebooks_become_pages_without_a_compiler() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    fs::create_dir(folder.path().join("in/deep")).unwrap();
    for name in ["in/a.ipynb", "in/deep/b.ipynb"] {
        fs::write(folder.path().join(name), notebook(&["let x = 1;"])).unwrap();
    }
    let mut command = sconce().unwrap();
    command.args(["run", "--no-execute", "--html", "pages", "in"]).current_dir(folder.path());
    let output =
        command.env("PATH", "").env("SCONCE_CACHE_DIR", folder.path().join("cache")).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for name in ["pages/a.html", "pages/deep/b.html"] {
        assert!(fs::read_to_string(folder.path().join(name)).unwrap().contains("hl-keyword"));
    }
    assert!(!folder.path().join("cache").exists(), "nothing was prepared");
}

#[test]
fn a_report_has_a_case_for_each_cell() {
    prepare().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cells = [
        code_cell("println!(\"out\")", &[]),
        code_cell("left out", &["skip-execution"]),
        code_cell("missing", &[]),
        code_cell("1", &[]),
    ];
    fs::write(folder.path().join("a.ipynb"), notebook_of(&cells)).unwrap();
    fs::write(folder.path().join("b.ipynb"), notebook(&["2"])).unwrap();
    let output = run(folder.path(), &["--junit", "report.xml", "a.ipynb", "b.ipynb"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report = fs::read_to_string(folder.path().join("report.xml")).unwrap();
    for part in [
        "<testsuites name=\"sconce run\" tests=\"5\" failures=\"1\" errors=\"0\"",
        "<testsuite name=\"a.ipynb\" tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"2\"",
        "<testsuite name=\"b.ipynb\" tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"0\"",
        "<system-out>out\n</system-out>",
        "<failure type=\"E0425\" message=\"cannot find value `missing` in this scope\">error[E0425]",
        "name=\"cell 3: 1\" time=\"0.000\">\n      <skipped message=\"the run ended before it\"/>",
    ] {
        assert!(report.contains(part), "`{part}` is not in:\n{report}");
    }
    assert!(!report.contains('\u{1b}'));
}
