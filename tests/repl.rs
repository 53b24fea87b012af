//! `sconce repl` in a terminal of its own, and with a script on stdin.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use sconce_tests::{prepare, sconce, sconce_path, stderr, stdout};

const ROWS: u16 = 40;
const COLUMNS: u16 = 200;

/// A console that does not get anywhere within this is stuck.
const PATIENCE: Duration = Duration::from_secs(120);

const ENTER: &str = "\r";
const TAB: &str = "\t";
const UP: &str = "\u{1b}[A";
const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";

/// A person at a terminal.
struct Console {
    seen: Arc<Mutex<Seen>>,
    keys: Arc<Mutex<Box<dyn Write + Send>>>,
    child: Box<dyn Child + Send + Sync>,
    _terminal: Box<dyn MasterPty + Send>,
}

/// What came to the terminal.
struct Seen {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

impl Console {
    fn start(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Console {
        let mut command = CommandBuilder::new(sconce_path().unwrap());
        command.arg("repl");
        command.args(arguments);
        Console::open(command, folder, variables)
    }

    fn open(mut command: CommandBuilder, folder: &Path, variables: &[(&str, &str)]) -> Console {
        prepare().unwrap();
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 8 * COLUMNS, pixel_height: 16 * ROWS };
        let pair = native_pty_system().openpty(size).unwrap();
        command.cwd(folder);
        for name in
            ["TMUX", "STY", "TERM_PROGRAM", "LC_TERMINAL", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "NO_COLOR"]
        {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command.env("SCONCE_HISTORY", folder.join("history"));
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = vt100::Parser::new(ROWS.try_into().unwrap(), COLUMNS.try_into().unwrap(), 0);
        let seen = Arc::new(Mutex::new(Seen { screen, bytes: Vec::new() }));
        let keys = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let reader = pair.master.try_clone_reader().unwrap();
        let (screen, answers) = (Arc::clone(&seen), Arc::clone(&keys));
        std::thread::spawn(move || be_a_terminal(reader, &screen, &answers));
        Console { seen, keys, child, _terminal: pair.master }
    }

    fn press(&self, keys: &str) {
        let mut terminal = self.keys.lock().unwrap();
        terminal.write_all(keys.as_bytes()).unwrap();
        terminal.flush().unwrap();
    }

    fn rows(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.screen.screen().rows(0, COLUMNS).map(|row| row.trim_end().to_owned()).collect()
    }

    /// Waits until rows satisfy something.
    fn wait(&self, what: &str, satisfied: impl Fn(&[String]) -> bool) {
        let start = Instant::now();
        while !satisfied(&self.rows()) {
            assert!(start.elapsed() < PATIENCE, "no {what} came:\n{}", self.rows().join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a row is this, or begins with it.
    fn wait_for(&self, row: &str) {
        self.wait(row, |rows| rows.iter().any(|seen| seen.starts_with(row)));
    }

    /// Types at the prompt that stands there, and sees it stand there.
    fn type_in(&self, prompt: &str, text: &str) {
        self.wait_for(prompt.trim_end());
        self.press(text);
        self.wait_for(&format!("{prompt}{text}"));
    }

    /// Types a cell of one line and runs it.
    fn run(&self, number: u32, cell: &str) {
        self.type_in(&format!("In [{number}]: "), cell);
        self.press(ENTER);
    }

    /// Ends the session and gives its exit code.
    fn end(mut self, number: u32) -> u32 {
        self.wait_for(&format!("In [{number}]:"));
        self.press(CTRL_D);
        self.child.wait().unwrap().exit_code()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
    }
}

/// Shows what comes, and answers what a program asks of its terminal.
fn be_a_terminal(mut reader: Box<dyn Read + Send>, seen: &Mutex<Seen>, keys: &Mutex<Box<dyn Write + Send>>) {
    let mut bytes = [0; 4096];
    // At its end, a terminal gives an error or nothing, depending on the system.
    while let Ok(count @ 1..) = reader.read(&mut bytes) {
        for byte in &bytes[..count] {
            let mut seen = seen.lock().unwrap();
            seen.screen.process(&[*byte]);
            seen.bytes.push(*byte);
            let answer = if seen.bytes.ends_with(b"\x1b[6n") {
                let (row, column) = seen.screen.screen().cursor_position();
                format!("\u{1b}[{};{}R", row + 1, column + 1)
            } else if seen.bytes.ends_with(b"\x1b[c") {
                "\u{1b}[?62;22c".to_owned()
            } else {
                continue;
            };
            drop(seen);
            let mut keys = keys.lock().unwrap();
            let _ = keys.write_all(answer.as_bytes()).and_then(|()| keys.flush());
        }
    }
}

#[test]
fn cells_are_typed_run_and_numbered() {
    let folder = tempfile::tempdir().unwrap();
    let console = Console::start(folder.path(), &[], &[]);
    console.type_in("In [1]: ", "fn twice(n: i32) -> i32 {");
    console.press(ENTER);
    console.type_in("   ...:     ", "n * 2");
    console.press(ENTER);
    console.wait("a third line", |rows| rows.iter().filter(|row| row.starts_with("   ...:")).count() == 2);
    console.press("}");
    console.wait_for("   ...: }");
    console.press(ENTER);
    console.run(2, "twice(21)");
    console.wait_for("42");
    console.run(3, "let wrong: i32 = \"text\"; twice(wrong)");
    console.wait_for("error[E0308]");
    console.wait(" place of the error", |rows| rows.iter().any(|row| row.contains("cell 3:1:18")));
    console.run(4, "let x = twice(4); x");
    console.wait_for("8");
    let colored = |bytes: &[u8]| bytes.windows(7).any(|window| window == b"\x1b[1;35m");
    assert!(colored(&console.seen.lock().unwrap().bytes), "keywords have a colour");
    assert_eq!(console.end(5), 0);
}

#[test]
fn ctrl_c_clears_what_is_typed_and_stops_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    let console = Console::start(folder.path(), &[], &[]);
    console.run(1, "let kept = 7;");
    console.type_in("In [2]: ", "let never =");
    console.press(CTRL_C);
    console.wait("a second prompt", |rows| rows.iter().filter(|row| row.starts_with("In [2]:")).count() == 2);
    console.press("println!(\"begun\"); let mut n = 0u64; loop { n = n.wrapping_add(1); }");
    console.wait("the loop", |rows| rows.iter().any(|row| row.contains("wrapping_add(1); }")));
    console.press(ENTER);
    console.wait_for("begun");
    console.press(CTRL_C);
    console.wait_for("Interrupted");
    console.run(3, "kept * 6");
    console.wait_for("42");
    assert_eq!(console.end(4), 0);
}

#[test]
fn a_second_ctrl_c_kills_what_the_first_does_not_stop() {
    let folder = tempfile::tempdir().unwrap();
    let console = Console::start(folder.path(), &[], &[]);
    console.run(1, "let lost = 7;");
    console.run(2, "println!(\"begun\"); std::thread::sleep(std::time::Duration::from_secs(1000));");
    console.wait_for("begun");
    console.press(CTRL_C);
    console.wait("the note", |rows| rows.iter().any(|row| row.contains("interrupt again to end")));
    console.press(CTRL_C);
    console.wait("the message", |rows| rows.iter().any(|row| row.contains("second interrupt")));
    console.wait("what is lost", |rows| rows.iter().any(|row| row.contains("The variable `lost` is lost.")));
    console.run(3, "6 * 7");
    console.wait_for("42");
    assert_eq!(console.end(4), 0);
}

/// The processes that a process has started and that are alive.
#[cfg(target_os = "linux")]
fn children(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
}

/// Whether a process runs; one that has ended may wait for somebody to notice.
#[cfg(target_os = "linux")]
fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// A console in a terminal that can be killed, like a window that is closed or a connection that breaks.
#[cfg(target_os = "linux")]
fn console_in_a_window(folder: &Path) -> Console {
    let mut command = CommandBuilder::new("script");
    let sconce = sconce_path().unwrap().display().to_string();
    command.args(["--quiet", "--command", &format!("exec '{sconce}' repl"), "/dev/null"]);
    Console::open(command, folder, &[("SHELL", "/bin/sh")])
}

/// Kills the terminal and holds the console and its worker to ending.
#[cfg(target_os = "linux")]
fn assert_ends_with_its_window(mut console: Console) {
    let window = console.child.process_id().unwrap();
    let [sconce] = children(window)[..] else { panic!("no console runs in it") };
    let workers = children(sconce);
    assert!(!workers.is_empty(), "the console has no worker");
    console.child.kill().unwrap();
    let start = Instant::now();
    while std::iter::once(&sconce).chain(&workers).any(|process| is_alive(*process)) {
        assert!(start.elapsed() < PATIENCE, "it goes on without a terminal");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_console_ends_with_its_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let console = console_in_a_window(folder.path());
    console.type_in("In [1]: ", "let half =");
    assert_ends_with_its_window(console);

    let console = console_in_a_window(folder.path());
    console.run(1, "println!(\"begun\"); loop {}");
    console.wait_for("begun");
    assert_ends_with_its_window(console);
}

#[test]
fn tab_completes_what_the_session_knows() {
    let folder = tempfile::tempdir().unwrap();
    let console = Console::start(folder.path(), &[], &[]);
    console.run(1, "let momentum_of_sgd = 5;");
    console.type_in("In [2]: ", "1 + momentum");
    console.press(TAB);
    console.wait_for("In [2]: 1 + momentum_of_sgd");
    console.press(ENTER);
    console.wait_for("6");
    assert_eq!(console.end(3), 0);
}

#[test]
fn what_was_typed_is_there_in_the_next_session() {
    let folder = tempfile::tempdir().unwrap();
    let console = Console::start(folder.path(), &[], &[]);
    console.run(1, "let number = 41;");
    console.run(2, ":quit");
    let mut console = console;
    assert_eq!(console.child.wait().unwrap().exit_code(), 0);
    drop(console);
    let console = Console::start(folder.path(), &[], &[]);
    console.wait_for("In [1]:");
    console.press(UP);
    console.wait_for("In [1]: :quit");
    console.press(UP);
    console.wait_for("In [1]: let number = 41;");
    console.press(ENTER);
    console.run(2, "number + 1");
    console.wait_for("42");
    assert_eq!(console.end(3), 0);
}

#[test]
fn a_cell_asks_and_gets_what_is_typed() {
    let folder = tempfile::tempdir().unwrap();
    let console = Console::start(folder.path(), &[], &[]);
    console.run(
        1,
        "let mut line = String::new(); print!(\"name? \"); std::io::stdin().read_line(&mut line)?; line",
    );
    console.type_in("name? ", "Ada");
    console.press(ENTER);
    console.wait_for("\"Ada\\n\"");
    assert_eq!(console.end(2), 0);
}

#[test]
fn displays_change_in_place_and_pictures_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let console = Console::start(folder.path(), &[], &[("TERM_PROGRAM", "iTerm.app")]);
    console.run(1, "use sconce_display::{Bundle, display_with_id};");
    console.run(2, "let bar = display_with_id(Bundle::text(\"first state\"));");
    console.run(3, "let b = display_with_id(Bundle::text(\"1 of 2\")); println!(\"below\"); b.update(Bundle::text(\"2 of 2\"));");
    console.wait_for("2 of 2");
    let rows = console.rows();
    assert!(!rows.iter().any(|row| row == "1 of 2"), "{}", rows.join("\n"));
    let svg =
        "<svg xmlns='http://www.w3.org/2000/svg' width='16' height='16'><rect width='9' height='9'/></svg>";
    console.run(4, &format!("sconce_display::display(Bundle::text(\"its text\").svg(\"{svg}\"));"));
    console.wait_for("In [5]:");
    let bytes = String::from_utf8_lossy(&console.seen.lock().unwrap().bytes).into_owned();
    assert!(bytes.contains("\u{1b}]1337;File=inline=1;width=2;height=1;"), "the picture is missing");
    assert!(!console.rows().iter().any(|row| row == "its text"));
    assert_eq!(console.end(5), 0);
}

/// Runs a script.
fn piped(folder: &Path, script: &str, arguments: &[&str]) -> Output {
    prepare().unwrap();
    let mut child = sconce()
        .unwrap()
        .arg("repl")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that ends at once does not read it.
    let _ = child.stdin.take().unwrap().write_all(script.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn a_script_runs_cell_by_cell_without_a_prompt() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("first.rs"), "fn twice(n: i32) -> i32 {\n    n * 2\n}\n").unwrap();
    let script = "let x = 20;\nif x > 3 {\n    println!(\"large\");\n}\nelse {\n    println!(\"small\");\n}\ntwice(x)\nx\n:q\n1\n";
    let output = piped(folder.path(), script, &["--load", "first.rs"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "large\n40\n20\n");
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_script_ends_at_the_first_cell_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let output = piped(folder.path(), "println!(\"one\");\npanic!(\"two\");\nprintln!(\"three\");\n", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stdout(&output), "one\n");
    let message = stderr(&output);
    assert!(message.contains("two") && message.contains("error: stopped at cell 2"), "{message}");
    assert!(!message.contains('\u{1b}'), "no colours outside of a terminal: {message}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = piped(folder.path(), "1\n", &["--load", "missing.rs"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("missing.rs"), "{}", stderr(&output));
}
