//! Preparing the cell library and the assistant: two first starts at once, a start that is killed, and starts
//! after that.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sconce_tests::{notebook, prepare, sconce, sconce_path, stderr, stdout};
use tempfile::TempDir;

#[test]
fn once_prepared_nothing_is_done_again() {
    prepare().unwrap();
    let output = sconce().unwrap().args(["prepare", "--no-assist"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("nothing to do"), "{}", stdout(&output));
}

/// The folder that holds what is prepared.
fn cache() -> PathBuf {
    prepare().unwrap();
    let said = stdout(&sconce().unwrap().args(["prepare", "--no-assist"]).output().unwrap());
    said.split(" is ready in ").nth(1).and_then(|rest| rest.split(": nothing").next()).unwrap().into()
}

/// The workshop in that folder, where cargo builds.
fn workshop() -> PathBuf {
    let folders = fs::read_dir(cache()).unwrap().map(|entry| entry.unwrap().path());
    // One for each toolchain that was ever in use; the one that builds now is the last to have changed.
    folders
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("build-"))
        .max_by_key(|build| build.join("target/release/deps").metadata().unwrap().modified().unwrap())
        .unwrap()
}

#[test]
fn a_killed_start_and_two_at_once_leave_a_cache_that_works() {
    let bench = Bench::for_the_cell_library();
    let is_prepared = || {
        let report = stdout(&bench.sconce(&["doctor"]).output().unwrap());
        assert!(report.contains("cell library: "), "{report}");
        report.contains("cell library: prepared")
    };
    assert!(!is_prepared());

    let mut killed = bench.sconce(&["prepare", "--no-assist"]).spawn().unwrap();
    let mut lines = BufReader::new(killed.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("preparing")), "it ended before it began");
    bench.kill_while_it_builds(&mut killed);
    assert!(!is_prepared(), "a half-built cache counts as prepared");

    bench.two_at_once_after_the_killed(&["prepare", "--no-assist"]);
    assert!(is_prepared());

    fs::write(bench.path("a.ipynb"), notebook(&["let x = 20;", "x + 1"])).unwrap();
    let mut run = bench.sconce(&["run", "a.ipynb"]);
    let output = run.current_dir(bench.folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(fs::read_to_string(bench.path("a.out.ipynb")).unwrap().contains("\"21\""));
}

/// A `sconce` without an assistant beside it, a cache of its own, and a cargo that waits for the file `go` and then
/// does not take the minutes that its work takes.
struct Bench {
    folder: TempDir,
}

/// Builds where the cell library is built already. The real cargo is the next in the path.
const CARGO_OF_THE_CELL_LIBRARY: &str = r#"#!/bin/sh
case "$1" in
    build | metadata) cd "$WORKSHOP/source" && export CARGO_TARGET_DIR="$WORKSHOP/target" || exit 1 ;;
esac
if test "$1" = build; then
    echo "$@" >> "$BENCH/builds"
    echo '   Compiling sconce-cell' >&2
    until test -e "$BENCH/go"; do sleep 0.02; done
fi
PATH=${PATH#*:} exec cargo "$@"
"#;

/// Builds a script instead of rust-analyzer.
const CARGO_OF_THE_ASSISTANT: &str = r#"#!/bin/sh
id='path+file:///source/kernel/assist#sconce-assist@0.1.0'
case "$1" in
    --version) echo 'cargo 1.95.0' ;;
    metadata) echo '{"resolve": {"nodes": [{"id": "'$id'", "deps": []}]}}' ;;
    build)
        grep -q 'kernel/assist' Cargo.toml && test -e kernel/assist/src/main.rs || exit 1
        echo "$@" >> "$BENCH/builds"
        echo '   Compiling sconce-assist' >&2
        until test -e "$BENCH/go"; do sleep 0.02; done
        if test -e "$BENCH/fail"; then echo 'error: rust-analyzer is not there' >&2; exit 101; fi
        mkdir -p "$CARGO_TARGET_DIR/release"
        program=$CARGO_TARGET_DIR/release/sconce-assist
        printf '#!/bin/sh\n' > "$program" && chmod +x "$program"
        echo '{"reason": "compiler-artifact", "package_id": "'$id'", "target": {"name": "sconce-assist"}, "executable": "'$program'"}'
        ;;
    *) exit 1 ;;
esac
"#;

impl Bench {
    fn for_the_cell_library() -> Bench {
        Bench::new(CARGO_OF_THE_CELL_LIBRARY)
    }

    /// The cell library is prepared in it.
    fn for_the_assistant() -> Bench {
        let bench = Bench::new(CARGO_OF_THE_ASSISTANT);
        for slot in fs::read_dir(cache()).unwrap().map(|entry| entry.unwrap().path()) {
            if let Ok(stamp) = fs::read(slot.join("prepared.json")) {
                let copy = bench.path("cache").join(slot.file_name().unwrap());
                fs::create_dir_all(&copy).unwrap();
                fs::write(copy.join("prepared.json"), stamp).unwrap();
            }
        }
        bench
    }

    fn new(cargo: &str) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench { folder };
        fs::create_dir(bench.path("bin")).unwrap();
        fs::write(bench.path("text"), cargo).unwrap();
        // By another process: a file that another test's fork holds open for writing cannot be executed.
        for (from, to) in [(sconce_path().unwrap(), "sconce"), (&bench.path("text"), "bin/cargo")] {
            let made = Command::new("install").arg("-m755").arg(from).arg(bench.path(to)).status().unwrap();
            assert!(made.success());
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sconce(&self, arguments: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(self.path("sconce"));
        command.args(arguments).env("BENCH", self.folder.path()).env("SCONCE_CACHE_DIR", self.path("cache"));
        command.env("PATH", format!("{}:{path}", self.path("bin").display())).env("HOME", self.folder.path());
        command.env("RUSTUP_HOME", home_of("RUSTUP_HOME", ".rustup"));
        command.env("CARGO_HOME", home_of("CARGO_HOME", ".cargo"));
        command.env("WORKSHOP", workshop()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn said(&self, arguments: &[&str]) -> String {
        let output = self.sconce(arguments).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    }

    fn kill_while_it_builds(&self, started: &mut Child) {
        while self.builds() == 0 {
            assert!(started.try_wait().unwrap().is_none(), "it ended before it built");
            std::thread::sleep(Duration::from_millis(10));
        }
        started.kill().unwrap();
        started.wait().unwrap();
    }

    /// Starts it twice and lets them build. Gives what they said; the killed start is the first of two builds.
    fn two_at_once_after_the_killed(&self, arguments: &[&str]) -> [String; 2] {
        let both = [(); 2].map(|()| self.sconce(arguments).spawn().unwrap());
        while self.builds() < 2 {
            std::thread::sleep(Duration::from_millis(10));
        }
        fs::write(self.path("go"), "").unwrap();
        let said = both.map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", stderr(&output));
            stdout(&output)
        });
        assert_eq!(self.builds(), 2, "of two at once, one builds and one waits");
        said
    }

    fn builds(&self) -> usize {
        fs::read_to_string(self.path("builds")).unwrap_or_default().lines().count()
    }

    fn doctor(&self) -> String {
        let report = stdout(&self.sconce(&["doctor"]).output().unwrap());
        report.lines().find(|line| line.contains("help while typing")).unwrap().to_owned()
    }
}

/// Where rustup keeps its toolchains, and cargo its crates: a home of the test's own has none.
fn home_of(variable: &str, folder: &str) -> PathBuf {
    let own = std::env::var_os(variable).map(PathBuf::from);
    own.unwrap_or_else(|| std::env::home_dir().unwrap().join(folder))
}

#[test]
fn the_assistant_is_built_once_whoever_asks() {
    let bench = Bench::for_the_assistant();
    assert!(bench.doctor().contains("names only"), "{}", bench.doctor());
    assert!(!bench.said(&["prepare", "--no-assist"]).contains("help while typing"));
    assert_eq!(bench.builds(), 0);

    let mut killed = bench.sconce(&["prepare"]).spawn().unwrap();
    let mut lines = BufReader::new(killed.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("Building the help while typing")));
    bench.kill_while_it_builds(&mut killed);
    assert!(bench.doctor().contains("names only"), "a half-built assistant counts as one");

    for said in bench.two_at_once_after_the_killed(&["prepare"]) {
        assert!(said.contains("The help while typing is ready"), "{said}");
    }
    let found = bench.doctor();
    assert!(found.contains(&bench.path("cache/assist-").display().to_string()), "{found}");
    assert!(bench.said(&["prepare"]).contains("sconce-assist: nothing to do"));
    assert_eq!(bench.builds(), 2);
}

#[test]
fn an_assistant_that_cannot_be_built_leaves_a_kernel_that_works() {
    let bench = Bench::for_the_assistant();
    for name in ["go", "fail"] {
        fs::write(bench.path(name), "").unwrap();
    }
    let prefix = bench.path("env").display().to_string();
    let output = bench.sconce(&["install", "--prefix", &prefix]).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("building the help while typing failed") && said.contains("cells run without it"));
    assert!(said.contains("rust-analyzer is not there") && !said.contains("panicked"), "{said}");
    assert!(stdout(&output).contains("The cell library is ready"), "{}", stdout(&output));
    assert!(bench.path("env/share/jupyter/kernels/sconce/kernel.json").is_file());
}

#[test]
fn an_assistant_beside_the_program_is_used_first() {
    let bench = Bench::for_the_assistant();
    fs::write(bench.path("sconce-assist"), "").unwrap();
    assert!(bench.doctor().contains(&bench.path("sconce-assist").display().to_string()));
    assert!(bench.said(&["prepare"]).contains("nothing to do"));
    assert_eq!(bench.builds(), 0);
}
