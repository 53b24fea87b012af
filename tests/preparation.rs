//! Preparing the cell library: two first starts at once, a start that is killed, and starts after that.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sconce_tests::{notebook, prepare, sconce, stderr, stdout};

#[test]
fn once_prepared_nothing_is_done_again() {
    prepare().unwrap();
    let start = Instant::now();
    let output = sconce().unwrap().arg("prepare").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("nothing to do"), "{}", stdout(&output));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

/// A cache in which all crates of others are built and nothing counts as prepared: building those again would
/// take minutes and show nothing new.
fn half_prepared_cache(folder: &Path) {
    prepare().unwrap();
    let said = stdout(&sconce().unwrap().arg("prepare").output().unwrap());
    let cache = said.split(" is ready in ").nth(1).and_then(|rest| rest.split(": nothing").next()).unwrap();
    let folders = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
    // One for each toolchain that was ever in use; the one that builds now is the last to have changed.
    let builds = folders.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("build-"));
    let build = builds
        .max_by_key(|build| build.join("target/release/deps").metadata().unwrap().modified().unwrap())
        .unwrap();
    let copy = folder.join(build.file_name().unwrap());
    fs::create_dir(&copy).unwrap();
    let status = Command::new("cp").arg("-a").arg(build.join("target")).arg(&copy).status().unwrap();
    assert!(status.success());
}

fn start(cache: &Path) -> Child {
    let mut command = sconce().unwrap();
    command.arg("prepare").env("SCONCE_CACHE_DIR", cache).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn is_prepared(cache: &Path) -> bool {
    let output = sconce().unwrap().arg("doctor").env("SCONCE_CACHE_DIR", cache).output().unwrap();
    let report = stdout(&output);
    assert!(report.contains("cell library: "), "{report}");
    report.contains("cell library: prepared")
}

#[test]
fn a_killed_start_and_two_at_once_leave_a_cache_that_works() {
    let cache = tempfile::tempdir().unwrap();
    half_prepared_cache(cache.path());
    assert!(!is_prepared(cache.path()));

    let mut killed = start(cache.path());
    let mut lines = BufReader::new(killed.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("preparing")), "it ended before it began");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(!is_prepared(cache.path()), "a half-built cache counts as prepared");

    let mut both = [start(cache.path()), start(cache.path())];
    let mut said = both.each_mut().map(|child| (child.stdout.take().unwrap(), child.stderr.take().unwrap()));
    for (child, (_, stderr)) in both.iter_mut().zip(&mut said) {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
    }
    assert!(is_prepared(cache.path()));

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.ipynb"), notebook(&["let x = 20;", "x + 1"])).unwrap();
    let mut run = sconce().unwrap();
    run.args(["run", "a.ipynb"]).current_dir(folder.path()).env("SCONCE_CACHE_DIR", cache.path());
    let output = run.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(fs::read_to_string(folder.path().join("a.out.ipynb")).unwrap().contains("\"21\""));
}
