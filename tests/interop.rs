//! The installed kernel under real Jupyter clients.

#![allow(clippy::unwrap_used)]

use sconce_tests::python::{pytest, python, run};
use sconce_tests::{notebook, prepare, sconce};

/// Reads and validates a notebook with nbformat, and compares the file to what nbformat's writer makes of it.
const ROUND_TRIP: &str = "
import sys, nbformat
text = open(sys.argv[1], encoding='utf-8').read()
notebook = nbformat.reads(text, as_version=4)
nbformat.validate(notebook)
again = nbformat.writes(notebook) + '\\n'
assert again == text, again
";

#[test]
fn jupyters_own_writer_would_have_written_the_same_file() {
    prepare().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = "use sconce_display::{Bundle, display};\n\
                  display(Bundle::text(\"a\\nb\").svg(\"<svg xmlns=''>\\n</svg>\").png(vec![0; 99]));\n\
                  println!(\"ä\\u{2028}\\x1b[31mred\\x1b[0m\"); eprint!(\"no newline\"); \"last\"";
    std::fs::write(folder.path().join("a.ipynb"), notebook(&["", source, "missing"])).unwrap();
    let mut command = sconce().unwrap();
    command.args(["run", "--allow-errors", "a.ipynb"]).current_dir(folder.path());
    assert_eq!(command.status().unwrap().code(), Some(1), "the last cell names what is missing");
    run(python().unwrap().arg("-c").arg(ROUND_TRIP).arg(folder.path().join("a.out.ipynb"))).unwrap();
}

#[test]
fn jupyter_clients_run_the_installed_kernel() {
    // A process for each: what clients leave behind in one must not reach the limits of the next.
    for file in ["clients", "comms", "protocol", "standard", "stdin"] {
        pytest(&[&format!("tests/jupyter/test_{file}.py")]).unwrap();
    }
}
