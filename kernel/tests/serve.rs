//! `sconce serve` hands over to the program beside it.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

#[test]
fn the_program_beside_sconce_gets_the_arguments_and_gives_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let sconce = folder.path().join("sconce");
    fs::copy(env!("CARGO_BIN_EXE_sconce"), &sconce).unwrap();
    let server = folder.path().join("sconce-serve");
    fs::write(&server, "#!/bin/sh\nprintf '%s|' \"$@\"\nexit 7\n").unwrap();
    fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&sconce);
        command.arg("serve").args(arguments).env("SCONCE_CACHE_DIR", folder.path().join("cache"));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let given = ["my models", "--port", "0", "--help", "-x"];
    assert_eq!(run(&given), (Some(7), "my models|--port|0|--help|-x|".to_owned()));
    assert_eq!(run(&["--help"]), (Some(7), "--help|".to_owned()));
    // Without one there is help all the same.
    fs::remove_file(&server).unwrap();
    let mut command = Command::new(&sconce);
    command.args(["serve", "--help"]).env("SCONCE_CACHE_DIR", folder.path().join("cache")).env("PATH", "");
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("sconce serve MODELS_DIR"), "{text}");
    assert!(!folder.path().join("cache").exists(), "nothing was to be built");
}
