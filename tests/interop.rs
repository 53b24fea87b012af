//! The installed kernel under real Jupyter clients, in a Python environment of the tests' own.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use sconce_tests::{notebook, prepare, root, sconce};

/// Reads and validates a notebook with nbformat, and compares the file to what nbformat's writer makes of it.
const ROUND_TRIP: &str = "
import sys, nbformat
text = open(sys.argv[1], encoding='utf-8').read()
notebook = nbformat.reads(text, as_version=4)
nbformat.validate(notebook)
again = nbformat.writes(notebook) + '\\n'
assert again == text, again
";

fn assert_runs(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

/// The Python of an environment under `target/` that holds what the tests require; made where it is missing.
fn python(requirements: &Path) -> PathBuf {
    // Tests run side by side, and pip in one folder does not.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let environment = root().join("target/python");
    let python = environment.join("bin/python");
    if !python.exists() {
        assert_runs(Command::new("python3").args(["-m", "venv"]).arg(&environment));
    }
    let stamp = environment.join("requirements.txt");
    let wanted = std::fs::read(requirements).unwrap();
    // pip takes seconds to find that nothing is to do.
    if std::fs::read(&stamp).ok().as_ref() != Some(&wanted) {
        assert_runs(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--requirement"])
                .arg(requirements),
        );
        std::fs::write(&stamp, wanted).unwrap();
    }
    python
}

#[test]
fn jupyters_own_writer_would_have_written_the_same_file() {
    prepare().unwrap();
    let python = python(&root().join("tests/jupyter/requirements.txt"));
    let folder = tempfile::tempdir().unwrap();
    let source = "use sconce_display::{Bundle, display};\n\
                  display(Bundle::text(\"a\\nb\").svg(\"<svg xmlns=''>\\n</svg>\").png(vec![0; 99]));\n\
                  println!(\"ä\\u{2028}\\x1b[31mred\\x1b[0m\"); eprint!(\"no newline\"); \"last\"";
    std::fs::write(folder.path().join("a.ipynb"), notebook(&["", source, "missing"])).unwrap();
    let mut run = sconce().unwrap();
    run.args(["run", "--allow-errors", "a.ipynb"]).current_dir(folder.path());
    assert_eq!(run.status().unwrap().code(), Some(1), "the last cell names what is missing");
    assert_runs(Command::new(python).arg("-c").arg(ROUND_TRIP).arg(folder.path().join("a.out.ipynb")));
}

#[test]
fn jupyter_clients_run_the_installed_kernel() {
    let tests = root().join("tests/jupyter");
    let python = python(&tests.join("requirements.txt"));
    let environment = root().join("target/python");
    assert_runs(sconce().unwrap().arg("install").arg("--prefix").arg(&environment));
    assert_runs(
        Command::new(&python)
            .args(["-m", "pytest", "-ra", "-p", "no:cacheprovider"])
            .arg(&tests)
            .current_dir(root())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SCONCE_KERNELSPEC_DIR", environment.join("share/jupyter/kernels")),
    );
}
