//! `sconce run` on small notebooks: what the written file holds, and what the command says.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use sconce_tests::{code_cell, notebook, notebook_of, prepare, sconce, stderr};
use serde_json::{Value, json};

/// Writes a notebook as `a.ipynb` into a folder and runs it there.
fn run_in(folder: &Path, text: &str, arguments: &[&str]) -> Output {
    prepare().unwrap();
    fs::write(folder.join("a.ipynb"), text).unwrap();
    sconce().unwrap().arg("run").args(arguments).arg("a.ipynb").current_dir(folder).output().unwrap()
}

fn written(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// Runs a notebook of these cells, which must succeed; gives the cells of the written file.
fn cells_of(sources: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let output = run_in(folder.path(), &notebook(sources), &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    written(folder.path(), "a.out.ipynb")["cells"].as_array().unwrap().clone()
}

/// The outputs of a cell in one line each: type, name or count, and plain text.
fn told(cell: &Value) -> Vec<String> {
    let text = |value: &Value| -> String {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let tell = |output: &Value| match output["output_type"].as_str().unwrap() {
        "stream" => format!("{}: {}", output["name"].as_str().unwrap(), text(&output["text"])),
        "error" => format!("error: {}", output["ename"].as_str().unwrap()),
        "execute_result" => {
            format!("[{}]: {}", output["execution_count"], text(&output["data"]["text/plain"]))
        }
        other => format!("{other}: {}", text(&output["data"]["text/plain"])),
    };
    cell["outputs"].as_array().unwrap().iter().map(tell).collect()
}

#[test]
fn streams_results_and_displays_are_written_as_jupyter_would() {
    let cells = cells_of(&[
        "let x = vec![1, 2, 3];",
        "println!(\"a\"); println!(\"b\"); eprintln!(\"c\"); x.len()",
        "for step in 1..=3 { print!(\"\\rstep {step}\"); } println!();",
        "",
        "let handle = sconce_display::display_with_id(sconce_display::Bundle::text(\"first\"));",
        "handle.update(sconce_display::Bundle::text(\"second\").png(vec![1, 2, 3])); x.iter().sum::<i32>()",
    ]);
    assert!(told(&cells[0]).is_empty(), "{:?}", told(&cells[0]));
    let second = told(&cells[1]);
    assert!(second.contains(&"stdout: a\nb\n".to_owned()), "{second:?}");
    assert!(second.contains(&"stderr: c\n".to_owned()), "{second:?}");
    assert_eq!(second.last().unwrap(), "[2]: 3");
    assert_eq!(told(&cells[2]), ["stdout: step 3\n"]);
    assert_eq!(cells[3]["execution_count"], Value::Null, "a blank cell does not run");
    assert_eq!(told(&cells[4]), ["display_data: second"], "updated by a later cell");
    assert_eq!(cells[4]["outputs"][0]["data"]["image/png"], "AQID");
    assert_eq!(told(&cells[5]), ["[5]: 6"]);
    assert_eq!(cells[5]["execution_count"], 5);
}

#[test]
fn the_written_file_is_nbformat_4_5() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_in(folder.path(), &notebook(&["1 + 1"]), &["-o", "b.ipynb"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("written to b.ipynb"), "{}", stderr(&output));
    assert!(!folder.path().join("a.out.ipynb").exists());
    let file = written(folder.path(), "b.ipynb");
    assert_eq!((&file["nbformat"], &file["nbformat_minor"]), (&json!(4), &json!(5)));
    assert_eq!(file["metadata"]["language_info"]["name"], "rust");
    assert!(file["metadata"]["language_info"]["version"].as_str().unwrap().starts_with("1."));
    assert_eq!(file["cells"][0]["source"], json!(["1 + 1"]));
    assert!(!file["cells"][0]["id"].as_str().unwrap().is_empty());
}

#[test]
fn a_failing_cell_is_named_and_what_was_shown_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        notebook(&["println!(\"kept\")", "let a = vec![1];\ndrop(a);\na.len()", "println!(\"unreached\")"]);
    let output = run_in(folder.path(), &text, &[]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in ["a.ipynb: cell 2 of 3 failed: E0382: ", "let a = vec![1];", "a.out.ipynb", "--allow-errors"]
    {
        assert!(message.contains(part), "`{part}` is not in:\n{message}");
    }
    assert!(!message.contains('\u{1b}'), "no colours where there is no terminal: {message}");
    let cells = written(folder.path(), "a.out.ipynb")["cells"].as_array().unwrap().clone();
    assert_eq!(told(&cells[0]), ["stdout: kept\n"]);
    assert_eq!(told(&cells[1]), ["error: E0382"]);
    assert!(cells[2]["outputs"].as_array().unwrap().is_empty());
    assert_eq!(cells[2]["execution_count"], Value::Null);
}

#[test]
fn errors_may_be_allowed_for_all_cells_or_by_tag() {
    let folder = tempfile::tempdir().unwrap();
    let text = notebook(&["panic!(\"one\")", "panic!(\"two\")", "1"]);
    let output = run_in(folder.path(), &text, &["--allow-errors"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("cell 1 of 3 failed"), "{}", stderr(&output));
    assert_eq!(told(&written(folder.path(), "a.out.ipynb")["cells"][2]), ["[3]: 1"]);

    let tagged = notebook_of(&[
        code_cell("panic!(\"expected\")", &["raises-exception"]),
        code_cell("panic!(\"skipped\")", &["skip-execution"]),
        code_cell("1", &[]),
    ]);
    let output = run_in(folder.path(), &tagged, &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let cells = &written(folder.path(), "a.out.ipynb")["cells"];
    assert_eq!(cells[0]["outputs"][0]["output_type"], "error");
    assert_eq!(cells[1]["outputs"], json!([]));
    assert_eq!(told(&cells[2]), ["[2]: 1"]);
}

#[test]
fn a_cell_over_its_time_is_interrupted_or_killed() {
    for (endless, least) in [("loop {}", 1), ("std::thread::sleep(std::time::Duration::from_secs(600))", 3)] {
        let folder = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let output = run_in(folder.path(), &notebook(&["println!(\"kept\")", endless]), &["--timeout", "1"]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(
            message.contains("cell 2 of 2 failed: Timeout: the cell did not end within 1 s"),
            "{message}"
        );
        assert!(start.elapsed() >= Duration::from_secs(least));
        let cells = &written(folder.path(), "a.out.ipynb")["cells"];
        assert_eq!(told(&cells[0]), ["stdout: kept\n"]);
        assert_eq!(told(&cells[1]).last().unwrap(), "error: Timeout");
    }
}

#[test]
fn ctrl_c_interrupts_the_cell_and_ends_the_run() {
    prepare().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = notebook(&[
        "println!(\"kept\")",
        "println!(\"partial\"); std::fs::write(\"runs\", \"\")?; loop {}",
        "println!(\"unreached\")",
    ]);
    fs::write(folder.path().join("a.ipynb"), text).unwrap();
    let mut command = sconce().unwrap();
    command.args(["run", "a.ipynb"]).current_dir(folder.path()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !folder.path().join("runs").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        std::thread::sleep(Duration::from_millis(10));
    }
    let signalled =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    while lines.read_line(&mut seen).unwrap() != 0 {}
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{seen}");
    assert!(seen.contains("cell 2 of 3 failed: "), "{seen}");
    let cells = &written(folder.path(), "a.out.ipynb")["cells"];
    assert_eq!(told(&cells[0]), ["stdout: kept\n"]);
    assert_eq!(told(&cells[1])[0], "stdout: partial\n");
    assert_eq!(cells[2]["outputs"], json!([]));
}

#[test]
fn cells_run_in_the_folder_of_their_notebook() {
    prepare().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("data.txt"), "beside").unwrap();
    fs::write(inner.join("a.ipynb"), notebook(&["std::fs::read_to_string(\"data.txt\")?"])).unwrap();
    fs::write(folder.path().join("b.ipynb"), notebook(&["std::path::Path::new(\"inner\").is_dir()"]))
        .unwrap();
    let mut command = sconce().unwrap();
    let output =
        command.args(["run", "inner/a.ipynb", "b.ipynb"]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(told(&written(&inner, "a.out.ipynb")["cells"][0]), ["[1]: \"beside\""]);
    assert_eq!(told(&written(folder.path(), "b.out.ipynb")["cells"][0]), ["[1]: true"]);
}

#[test]
fn each_notebook_has_a_session_of_its_own_and_all_run() {
    prepare().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, sources) in [("a", ["let x = 1;", "missing"]), ("b", ["let y = 2;", "y"])] {
        fs::write(folder.path().join(format!("{name}.ipynb")), notebook(&sources)).unwrap();
    }
    let mut command = sconce().unwrap();
    let output = command.args(["run", "a.ipynb", "b.ipynb"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("a.ipynb: cell 2 of 2 failed: E0425"), "{}", stderr(&output));
    assert_eq!(told(&written(folder.path(), "b.out.ipynb")["cells"][1]), ["[2]: 2"]);
    assert!(stderr(&output).contains("1 of 2 notebooks failed: a.ipynb"), "{}", stderr(&output));
}

#[test]
fn a_folder_is_run_whole_and_in_place() {
    prepare().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("more")).unwrap();
    for name in ["a.ipynb", "more/b.ipynb"] {
        fs::write(folder.path().join(name), notebook(&["1 + 1"])).unwrap();
    }
    let mut command = sconce().unwrap();
    let output = command.args(["run", "--in-place", "."]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("(notebook 2 of 2)"), "{}", stderr(&output));
    for name in ["a.ipynb", "more/b.ipynb"] {
        assert_eq!(told(&written(folder.path(), name)["cells"][0]), ["[1]: 2"]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is written beside them");
}

#[test]
fn times_are_written_where_that_is_asked_and_forgotten_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_in(folder.path(), &notebook(&["let x = 1;", " ", "x"]), &["--timing", "--in-place"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let timed = fs::read_to_string(folder.path().join("a.ipynb")).unwrap();
    let cells = written(folder.path(), "a.ipynb")["cells"].take();
    let time = |cell: usize, field: &str| -> String {
        let time = cells[cell]["metadata"]["execution"][field].as_str().unwrap();
        assert!(time.ends_with('Z') && time.len() == "2024-01-01T00:00:00.000000Z".len(), "{time}");
        time.to_owned()
    };
    let first = ["iopub.status.busy", "iopub.execute_input", "shell.execute_reply", "iopub.status.idle"];
    assert!(first.map(|field| time(0, field)).is_sorted());
    assert_eq!(cells[1]["metadata"].get("execution"), None, "a blank cell does not run");
    assert!(time(0, "iopub.status.idle") <= time(2, "iopub.status.busy"));

    let output = run_in(folder.path(), &timed, &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let plain = fs::read_to_string(folder.path().join("a.out.ipynb")).unwrap();
    assert!(!plain.contains("execution\": {"), "times of an earlier run stay: {plain}");
}
