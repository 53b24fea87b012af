//! The state of the source that a run was made with.

use std::io::Read;
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
    match asked() {
        Ok(answer) => told(&answer),
        Err(why) => vec![("state".into(), why)],
    }
}

fn asked() -> Result<String, String> {
    let mut child = Command::new("git")
        .args(["status", "--porcelain=v2", "--branch", "--untracked-files=no"])
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

    #[test]
    fn the_state_is_told_wherever_this_runs() {
        let facts = state();
        assert!(facts.iter().any(|(name, value)| name == "state" && !value.is_empty()), "{facts:?}");
    }
}
