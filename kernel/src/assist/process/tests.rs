//! The process, played by scripts.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use tempfile::TempDir;

use super::*;
use crate::engine::KnownDefinition;

/// What never happens within this does not happen.
const LONG: Duration = Duration::from_secs(60);

/// Keeps each line it gets in `requests`, each start in `starts`, and says that it has loaded everything. What follows
/// is done with each question `$line` of number `$id`.
const HEAD: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
echo start >> starts
answer() {
    echo '{"completed": {"id": '$1', "completions": {"range": {"start": 0, "end": 1}, "items": [{"text": "'$2'", "kind": "method", "signature": ""}]}}}'
}
loaded='{"loaded": {"std": true}}'
while read -r line; do
    echo "$line" >> requests
    id=${line##*\"id\":}; id=${id%%,*}
    case "$line" in
        '{"load"'*) echo "$loaded" ;;
        '{"complete"'*) question ;;
    esac
done
touch ended
"#;

fn with_question(script: &str, question: &str) -> String {
    script.replace("question ;;", &format!("{question} ;;"))
}

struct Desk {
    folder: TempDir,
    process: Process,
    log: Arc<Mutex<Vec<String>>>,
}

impl Desk {
    /// A process that does `question` with each question.
    fn new(question: &str) -> Desk {
        Desk::running(&with_question(HEAD, question))
    }

    fn running(script: &str) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("assistant");
        let text = folder.path().join("text");
        fs::write(&text, script).unwrap();
        // In a process of its own: a file that another test's fork holds open for writing cannot be executed.
        let made = Command::new("install").arg("-m755").arg(text).arg(&program).status().unwrap();
        assert!(made.success());
        let (manifest, root) = (PathBuf::from("/source/Cargo.toml"), PathBuf::from("/source/worker.rs"));
        let assistant = Assistant { program, manifest, root };
        Desk::with(folder, move || Ok(assistant.clone()))
    }

    fn with(
        folder: TempDir,
        find: impl Fn() -> Result<Assistant, NoAssistant> + Send + Sync + 'static,
    ) -> Desk {
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let process = Process::new(find, move |line| lines.lock().unwrap().push(line.to_owned()));
        Desk { folder, process, log }
    }

    fn complete(&self, code: &str) -> Option<Vec<String>> {
        let found = self.process.complete(&Arc::new(known()), code.to_owned(), code.len())?;
        Some(found.items.into_iter().map(|item| item.text).collect())
    }

    /// Asks until there is an answer.
    fn answer(&self, code: &str) -> Vec<String> {
        eventually(&format!("an answer to {code}"), || self.complete(code))
    }

    fn lines_of(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log has so many lines.
    fn logged(&self, count: usize) -> Vec<String> {
        eventually("a line of the log", || Some(self.log()).filter(|log| log.len() >= count))
    }
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < LONG, "{what} did not come");
        thread::sleep(Duration::from_millis(10));
    }
}

fn known() -> Known {
    let definition =
        |kind, text: &str| KnownDefinition { names: Vec::new(), kind, cell: 1, text: text.into() };
    let definitions = vec![
        definition(KnownKind::Function, "fn f() { m!() }"),
        definition(KnownKind::Macro, "macro_rules! m { () => {} }"),
    ];
    Known { definitions, ..Known::default() }
}

#[test]
fn macros_stand_before_their_calls() {
    assert_eq!(state(&known()).items, "macro_rules! m { () => {} }\nfn f() { m!() }\n");
}

#[test]
fn the_first_question_starts_it_and_later_ones_are_answered() {
    let desk = Desk::new("answer $id shape");
    assert_eq!(desk.lines_of("starts"), [""; 0], "it started before it was asked");
    assert_eq!(desk.complete("t."), None, "nobody waits for it to load");
    assert_eq!(desk.answer("t."), ["shape"]);
    desk.process.update(&Arc::new(Known::default()));
    assert_eq!(desk.answer("t.s"), ["shape"]);
    let requests = desk.lines_of("requests");
    assert!(
        requests[0].starts_with(r#"{"load""#) && requests[0].contains("/source/Cargo.toml"),
        "{requests:?}"
    );
    assert!(
        requests[1].starts_with(r#"{"session""#) && requests[1].contains("macro_rules! m"),
        "{requests:?}"
    );
    assert!(requests.iter().skip(2).any(|line| line.starts_with(r#"{"session""#)), "{requests:?}");
    assert_eq!(desk.lines_of("starts").len(), 1);
    assert_eq!(desk.log(), [""; 0]);
}

#[test]
fn it_ends_with_those_who_ask_it() {
    let Desk { folder, process, .. } = Desk::new("answer $id shape");
    eventually("an answer", || process.complete(&Arc::new(known()), "t.".into(), 2));
    drop(process);
    eventually("its end", || folder.path().join("ended").exists().then_some(()));
}

#[test]
fn one_that_crashes_is_started_three_times() {
    let desk = Desk::new("exit 3");
    let log = eventually("its last end", || {
        assert_eq!(desk.complete("t."), None);
        Some(desk.log()).filter(|log| log.len() == 3)
    });
    for line in &log[..2] {
        assert!(line.contains("exit status: 3; the next question starts it again"), "{log:?}");
    }
    assert!(log[2].contains("exit status: 3; it is not started again"), "{log:?}");
    assert_eq!(desk.complete("t."), None);
    assert_eq!(desk.lines_of("starts").len(), 3);
    assert_eq!(desk.log().len(), 3);
}

#[test]
fn a_crash_costs_one_answer() {
    let desk = Desk::new("case \"$line\" in *crash*) exit 1 ;; *) answer $id shape ;; esac");
    assert_eq!(desk.answer("t."), ["shape"]);
    assert_eq!(desk.complete("crash"), None);
    assert_eq!(desk.answer("t."), ["shape"]);
    assert_eq!(desk.lines_of("starts").len(), 2);
}

#[test]
fn garbage_is_logged_and_the_answer_after_it_arrives() {
    let desk = Desk::new(r#"printf 'gar\377bage\n{"completed": 1}\n'; answer 999 other; answer $id shape"#);
    assert_eq!(desk.answer("t."), ["shape"]);
    let log = desk.log();
    assert!(log.len() >= 2 && log.iter().all(|line| line.contains("an answer that is none")), "{log:?}");
}

#[test]
fn a_late_answer_is_nobodys() {
    // The first question is answered with the second.
    let desk = Desk::new(
        "case \"$line\" in *slow*) late=$id ;; *) test -z \"$late\" || answer $late late; answer $id shape ;; esac",
    );
    assert_eq!(desk.answer("t."), ["shape"]);
    assert_eq!(desk.complete("slow"), None);
    assert_eq!(desk.answer("t."), ["shape"]);
    assert!(lock(&desk.process.shared).waiting.is_empty());
    assert_eq!(desk.log(), [""; 0]);
}

#[test]
fn what_cannot_be_loaded_is_said_and_not_tried_again() {
    let script = HEAD.replace(r#"{"loaded": {"std": true}}"#, r#"{"not_loaded": {"reason": "no crates"}}"#);
    let desk = Desk::running(&with_question(&script, ":"));
    assert_eq!(desk.complete("t."), None);
    assert_eq!(desk.logged(1), ["help while typing: no crates"]);
    assert_eq!(desk.complete("t."), None);
    assert_eq!(desk.lines_of("starts").len(), 1);
}

#[test]
fn a_missing_standard_library_is_said() {
    let script = HEAD.replace(r#""std": true"#, r#""std": false"#);
    let desk = Desk::running(&with_question(&script, "answer $id shape"));
    assert_eq!(desk.answer("t."), ["shape"]);
    let log = desk.log();
    assert!(log.len() == 1 && log[0].contains("rustup component add rust-src"), "{log:?}");
}

#[test]
fn that_there_is_none_is_said_once_until_it_is_built() {
    let built = Desk::new("answer $id shape");
    let program = built.folder.path().join("assistant");
    let hidden = built.folder.path().join("not yet");
    fs::rename(&program, &hidden).unwrap();
    let find = {
        let (program, find) = (program.clone(), Arc::clone(&built.process.find));
        move || if program.exists() { find() } else { Err(NoAssistant::NotBuilt) }
    };
    let desk = Desk::with(tempfile::tempdir().unwrap(), find);
    for _ in 0..3 {
        assert_eq!(desk.complete("t."), None);
        eventually("the end of the search", || lock(&desk.process.shared).orders.is_none().then_some(()));
    }
    assert!(desk.logged(1)[0].contains("`sconce prepare`"), "{:?}", desk.log());
    fs::rename(&hidden, &program).unwrap();
    assert_eq!(desk.answer("t."), ["shape"]);
    assert_eq!(desk.log().len(), 1);
}

#[test]
fn a_program_that_does_not_start_is_named() {
    let desk = Desk::running("#!/no/such/shell\n");
    assert_eq!(desk.complete("t."), None);
    assert!(desk.logged(1)[0].contains("assistant: "), "{:?}", desk.log());
}
