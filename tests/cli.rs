//! What the command says when something is wrong, and that it leaves nothing broken behind.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use sconce_tests::{notebook, sconce, sconce_path, stderr, stdout};

/// Runs `sconce` in a folder, with an empty cache of its own in it.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = sconce().unwrap();
    command
        .args(arguments)
        .current_dir(folder)
        .env("SCONCE_CACHE_DIR", folder.join("cache"))
        .output()
        .unwrap()
}

/// Holds a command to failing with exit code 1 and a message that contains `parts`; gives the message.
fn assert_fails(output: &Output, parts: &[&str]) -> String {
    let message = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in:\n{message}");
    }
    assert!(!message.contains("panicked"), "{message}");
    message
}

#[test]
fn a_file_that_is_no_rust_notebook_is_refused_before_anything_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, bytes: &[u8], parts: &[&str]| {
        fs::write(folder.path().join(name), bytes).unwrap();
        assert_fails(&run(folder.path(), &["run", name]), &[&["error: ", "help: ", name], parts].concat());
    };
    refused("broken.ipynb", b"{\n \"nbformat\": 4,\n}", &["broken.ipynb:3:1: not JSON"]);
    refused("latin1.ipynb", b"{\"a\":\n \"\xe9\"}", &["not UTF-8", "line 2", "0xe9"]);
    refused("list.ipynb", b"[]", &["is not a notebook", "a list"]);
    refused("old.ipynb", br#"{"nbformat": 3, "worksheets": []}"#, &["nbformat 3"]);
    refused(
        "python.ipynb",
        br#"{"nbformat": 4, "cells": [], "metadata": {"kernelspec": {"name": "python3", "language": "python"}}}"#,
        &["another kernel", "python3"],
    );
    assert!(!folder.path().join("cache").exists(), "nothing was to be prepared");
    assert!(
        fs::read_dir(folder.path())
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().contains(".out.") })
    );
}

#[test]
fn a_missing_notebook_is_named_among_others() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.ipynb"), notebook(&["1"])).unwrap();
    assert_fails(&run(folder.path(), &["run", "good.ipynb", "none.ipynb"]), &["none.ipynb does not exist"]);
    fs::create_dir(folder.path().join("empty")).unwrap();
    assert_fails(&run(folder.path(), &["run", "empty"]), &["the folder empty holds no notebooks"]);
    assert!(!folder.path().join("cache").exists());
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.ipynb"), notebook(&["1"])).unwrap();
    let output = run(folder.path(), &["run", "a.ipynb", "-o", "no/such/folder/b.ipynb"]);
    assert_fails(&output, &["cannot write no/such/folder/b.ipynb", "help: "]);
    assert!(!folder.path().join("cache").exists());
}

#[test]
fn wrong_usage_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.ipynb", "b.ipynb"] {
        fs::write(folder.path().join(name), notebook(&["1"])).unwrap();
    }
    for arguments in [
        &["run"][..],
        &["run", "-o", "x.ipynb", "a.ipynb", "b.ipynb"],
        &["run", "-o", "x.ipynb", "--in-place", "a.ipynb"],
        &["run", "--ignore", "x", "a.ipynb"],
        &["run", "--no-execute", "a.ipynb"],
        &["run", "--no-execute", "--html", "a.html", "--check", "a.ipynb"],
        &["run", "--html", "a.ipynb", "a.ipynb", "b.ipynb"],
        &["run", "--check", "--ignore", "(", "a.ipynb"],
        &["run", "--timeout", "-1", "a.ipynb"],
        &["install", "--user", "--sys-prefix"],
        &["install", "--name", "a b"],
        &["fly"],
    ] {
        assert_eq!(run(folder.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn every_command_is_listed_with_what_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let help = stdout(&run(folder.path(), &["--help"]));
    for command in ["run", "repl", "serve", "prepare", "install", "uninstall", "kernel", "doctor"] {
        let line = help.lines().find(|line| line.trim_start().starts_with(command)).unwrap_or_default();
        assert!(line.split_whitespace().count() > 2, "`{command}` is not in:\n{help}");
    }
}

#[test]
fn without_rustc_on_the_path_the_error_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.ipynb"), notebook(&["1"])).unwrap();
    let without_path = |arguments: &[&str]| {
        let mut command = sconce().unwrap();
        command.args(arguments).current_dir(folder.path()).env("PATH", folder.path());
        command.env("SCONCE_CACHE_DIR", folder.path().join("cache")).output().unwrap()
    };
    assert_fails(&without_path(&["prepare"]), &["rustc", "PATH"]);
    assert_fails(&without_path(&["run", "a.ipynb"]), &["rustc", "PATH"]);
    let doctor = without_path(&["doctor"]);
    assert_fails(&doctor, &["problem"]);
    let report = stdout(&doctor);
    assert!(report.contains("problem  rustc: rustc is not on the PATH"), "{report}");
    assert!(report.contains("https://rustup.rs"), "{report}");
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    // Permissions do not stop root, and tests often run as root: a file in the way and /proc stop everybody.
    for cache in [folder.path().join("file").join("cache"), Path::new("/proc/sconce").to_owned()] {
        for arguments in [&["prepare"][..], &["doctor"]] {
            let mut command = sconce().unwrap();
            let output = command.args(arguments).env("SCONCE_CACHE_DIR", &cache).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{arguments:?}");
            let said = stdout(&output) + &stderr(&output);
            assert!(said.contains(&cache.display().to_string()), "{said}");
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}

#[test]
fn a_cache_without_room_fails_and_is_not_taken_for_prepared() {
    // A limit on the size of files fails writes as a full disk does, and needs no rights to set up. The small one
    // stops the kernel itself at its first larger file, the other one the compiler or the linker.
    for blocks in [64, 4096] {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" prepare");
        let mut limited = Command::new("sh");
        limited.arg("-c").arg(script).arg(sconce_path().unwrap()).env("SCONCE_CACHE_DIR", folder.path());
        assert_fails(&limited.output().unwrap(), &["error: ", "help: "]);
        let mut doctor = sconce().unwrap();
        let report = stdout(&doctor.arg("doctor").env("SCONCE_CACHE_DIR", folder.path()).output().unwrap());
        assert!(report.contains("cell library: not prepared yet"), "{report}");
    }
}

#[test]
fn doctor_on_a_fresh_machine_finds_no_problem_but_says_what_is_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = sconce().unwrap();
    command.arg("doctor").env("SCONCE_CACHE_DIR", folder.path().join("cache"));
    command
        .env("JUPYTER_DATA_DIR", folder.path().join("jupyter"))
        .env_remove("VIRTUAL_ENV")
        .env_remove("JUPYTER_PATH");
    let output = command.output().unwrap();
    let report = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    for line in ["ok       rustc: rustc 1.", "ok       linker: ", "-> sconce prepare", "-> sconce install"] {
        assert!(report.contains(line), "`{line}` is not in:\n{report}");
    }
}

#[test]
fn sys_prefix_needs_an_environment() {
    let mut command = sconce().unwrap();
    command.args(["install", "--sys-prefix"]).env_remove("VIRTUAL_ENV").env_remove("CONDA_PREFIX");
    assert_fails(&command.output().unwrap(), &["no Python environment is active", "--prefix"]);
}
