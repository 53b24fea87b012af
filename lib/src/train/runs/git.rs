//! The state of the source that a run was made with.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::facts::Facts;

/// In a folder of a million files git may take long; no run waits for that.
const PATIENCE: Duration = Duration::from_secs(3);
/// A list of changes that is longer is cut off.
const MOST_BYTES: u64 = 1 << 20;

/// Commit, branch and number of changed files of the repository in which the program runs, or why they are not known. Files
/// that git does not know are no changes.
pub(super) fn state() -> Facts {
    state_of(Path::new("."))
}

fn state_of(folder: &Path) -> Facts {
    match asked(folder) {
        Ok(answer) => told(&answer),
        Err(why) => vec![("state".into(), why)],
    }
}

fn asked(folder: &Path) -> Result<String, String> {
    let mut child = Command::new("git")
        .args(["status", "--porcelain=v2", "--branch", "--untracked-files=no"])
        .current_dir(folder)
        // It may refresh its index otherwise, and lock it.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("LC_ALL", "C")
        .spawn()
        .map_err(|error| format!("git cannot be run ({error})"))?;
    let (Some(mut output), Some(mut errors)) = (child.stdout.take(), child.stderr.take()) else {
        return Err("git says nothing".into());
    };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = (&mut output).take(MOST_BYTES).read_to_end(&mut bytes);
        let mut said = Vec::new();
        let read = read.and_then(|_| (&mut errors).take(MOST_BYTES).read_to_end(&mut said));
        // Nobody listens any more where the time was up.
        let _ = sender.send(read.map(|_| (bytes, said)));
    });
    let answer = receiver.recv_timeout(PATIENCE);
    if answer.is_err() {
        let _ = child.kill();
    }
    let status = child.wait();
    match (answer, status) {
        (Err(_), _) => Err(format!("git did not answer within {} s", PATIENCE.as_secs())),
        (Ok(Err(error)), _) | (Ok(_), Err(error)) => Err(format!("git cannot be read ({error})")),
        (Ok(Ok((bytes, said))), Ok(_)) if bytes.is_empty() => {
            let said = String::from_utf8_lossy(&said);
            match said.lines().next() {
                Some(line) if !line.contains("not a git repository") => Err(format!("git refuses ({line})")),
                _ => Err("not in a repository of git".into()),
            }
        }
        (Ok(Ok((bytes, _))), Ok(_)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// What an answer tells.
fn told(answer: &str) -> Facts {
    let header = |name: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix("# branch.")?.strip_prefix(name));
        line.map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
    };
    let changed = answer.lines().filter(|line| !line.starts_with('#')).count();
    let state = if changed == 0 { "clean" } else { "dirty" };
    vec![
        ("commit".into(), header("oid ")),
        ("branch".into(), header("head ")),
        ("state".into(), state.into()),
        ("changed_files".into(), changed.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn text(facts: &Facts) -> String {
        facts.iter().map(|(name, value)| format!("{name}={value};")).collect()
    }

    #[test]
    fn an_answer_is_taken_apart() {
        let clean =
            "# branch.oid 0123abc\n# branch.head main\n# branch.upstream origin/main\n# branch.ab +0 -0\n";
        assert_eq!(text(&told(clean)), "commit=0123abc;branch=main;state=clean;changed_files=0;");
        let dirty = format!("{clean}1 .M N... 100644 100644 100644 1 2 a.rs\n2 R. N... b.rs\tc.rs\n");
        assert_eq!(text(&told(&dirty)), "commit=0123abc;branch=main;state=dirty;changed_files=2;");
        assert_eq!(
            text(&told("# branch.oid (initial)\n")),
            "commit=(initial);branch=unknown;state=clean;changed_files=0;"
        );
    }

    /// What git says to a command in a folder; `None` where there is no git.
    fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
        let who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").args(who).args(arguments).current_dir(folder).output().ok()?;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    #[test]
    fn the_state_is_that_of_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        if Command::new("git").arg("--version").output().is_err() {
            let facts = text(&state_of(folder));
            assert!(facts.starts_with("state=git cannot be run ("), "{facts}");
            return;
        }
        assert_eq!(text(&state_of(folder)), "state=not in a repository of git;");
        git(folder, &["init", "-q", "-b", "trunk"]);
        assert_eq!(text(&state_of(folder)), "commit=(initial);branch=trunk;state=clean;changed_files=0;");
        std::fs::write(folder.join("a.rs"), "fn a() {}").unwrap();
        git(folder, &["add", "a.rs"]);
        git(folder, &["commit", "-q", "-m", "a"]);
        let commit = git(folder, &["rev-parse", "HEAD"]).unwrap();
        let facts = |state: &str| format!("commit={commit};branch=trunk;{state};");
        // A file that git does not know is no change.
        std::fs::write(folder.join("b.rs"), "").unwrap();
        assert_eq!(text(&state_of(folder)), facts("state=clean;changed_files=0"));
        std::fs::write(folder.join("a.rs"), "fn b() {}").unwrap();
        let inside = folder.join("inside");
        std::fs::create_dir(&inside).unwrap();
        for place in [folder, &inside] {
            assert_eq!(text(&state_of(place)), facts("state=dirty;changed_files=1"));
        }
        // What git refuses is told with its reason.
        std::fs::write(folder.join(".git/config"), "no setting").unwrap();
        let facts = text(&state_of(folder));
        assert!(facts.starts_with("state=git refuses (") && facts.contains("config"), "{facts}");
    }
}
