//! The kernel in Jupyter's folders: where it goes, and that only it leaves.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use sconce_tests::{sconce_path, stderr, stdout};
use serde_json::{Value, json};

/// A `sconce` at some path, with a home of its own.
fn run(program: &Path, home: &Path, arguments: &[&str], variables: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(program);
    for name in ["JUPYTER_DATA_DIR", "JUPYTER_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "XDG_DATA_HOME"] {
        command.env_remove(name);
    }
    command.args(arguments).env("HOME", home).envs(variables.iter().copied()).output().unwrap()
}

fn spec(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("kernel.json")).unwrap()).unwrap()
}

#[test]
fn a_program_that_was_moved_to_a_path_with_spaces_installs_itself() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("my programs");
    fs::create_dir(&folder).unwrap();
    let program = folder.join("sconce");
    fs::copy(sconce_path().unwrap(), &program).unwrap();
    let data = home.path().join("jupyter data");
    let variables = [("JUPYTER_DATA_DIR", data.as_path())];
    let arguments = ["install", "--no-prepare", "--name", "rusty", "--display-name", "My Rust"];
    let output = run(&program, home.path(), &arguments, &variables);
    assert!(output.status.success(), "{}", stderr(&output));
    let kernel = data.join("kernels/rusty");
    let argv = json!([program.canonicalize().unwrap(), "kernel", "{connection_file}"]);
    assert_eq!((&spec(&kernel)["argv"], &spec(&kernel)["display_name"]), (&argv, &json!("My Rust")));
    for logo in ["logo-svg.svg", "logo-32x32.png", "logo-64x64.png"] {
        assert!(kernel.join(logo).is_file(), "{logo}");
    }
    let output = run(&program, home.path(), &["uninstall", "--name", "rusty"], &variables);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("rusty"));
    assert!(!kernel.exists() && data.join("kernels").is_dir());
}

#[test]
fn another_programs_kernel_is_neither_overwritten_nor_removed() {
    let home = tempfile::tempdir().unwrap();
    let prefix = home.path().join("env");
    let kernel = prefix.join("share/jupyter/kernels/sconce");
    fs::create_dir_all(&kernel).unwrap();
    let text = r#"{"argv": ["python", "-m", "other"], "language": "python"}"#;
    fs::write(kernel.join("kernel.json"), text).unwrap();
    for command in [&["install", "--no-prepare"][..], &["uninstall"]] {
        let arguments = [command, &["--prefix", prefix.to_str().unwrap()]].concat();
        let output = run(sconce_path().unwrap(), home.path(), &arguments, &[]);
        assert_eq!(output.status.code(), Some(1));
        let message = stderr(&output);
        assert!(message.contains("another") && message.contains("--name"), "{message}");
        assert_eq!(fs::read_to_string(kernel.join("kernel.json")).unwrap(), text);
    }
}

#[test]
fn what_is_installed_elsewhere_is_named() {
    let home = tempfile::tempdir().unwrap();
    let environment = home.path().join("env");
    let variables = [("VIRTUAL_ENV", environment.as_path())];
    let sconce = sconce_path().unwrap();
    let output = run(sconce, home.path(), &["install", "--sys-prefix", "--no-prepare"], &variables);
    assert!(output.status.success() && stderr(&output).is_empty(), "{}", stderr(&output));
    let kernel = environment.join("share/jupyter/kernels/sconce");
    assert!(kernel.join("kernel.json").is_file());
    // Jupyter takes the environment's before the user's.
    let output = run(sconce, home.path(), &["install", "--user", "--no-prepare"], &variables);
    assert!(output.status.success());
    let place = kernel.display().to_string();
    assert!(stderr(&output).contains(&place), "{}", stderr(&output));
    for _ in 0..2 {
        let output = run(sconce, home.path(), &["uninstall"], &variables);
        if output.status.success() {
            continue;
        }
        assert!(stderr(&output).contains(&place), "{}", stderr(&output));
        return;
    }
    panic!("the second one was not there to be removed");
}
