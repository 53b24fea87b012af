//! `:dep` through a real session: cargo, the cell library's crates, the worker.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod notebook;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notebook::Notebook;
use sconce_kernel::engine::Output;
use tempfile::TempDir;

/// A folder of crates, each written for the test alone.
struct Crates(TempDir);

impl Crates {
    fn new() -> Crates {
        Crates(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, manifest: &str, source: &str) {
        let folder = self.path(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        let head = format!("[package]\nname = \"{name}\"\nversion = \"0.3.1\"\nedition = \"2024\"\n");
        fs::write(folder.join("Cargo.toml"), head + manifest).unwrap();
        fs::write(folder.join("src/lib.rs"), source).unwrap();
    }

    fn dep(&self, name: &str) -> String {
        format!(":dep {name} = {{ path = {:?} }}", self.path(name).display().to_string())
    }
}

fn manifest(folder: &Path) -> PathBuf {
    folder.join("Cargo.toml")
}

#[test]
fn a_crate_is_one_for_all_cells_and_comes_back_with_a_new_worker() {
    let crates = Crates::new();
    crates.write(
        "count-er",
        "build = \"build.rs\"\n",
        r#"
        use std::cell::Cell;
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        thread_local! { static LOCAL: Cell<u32> = const { Cell::new(10) }; }
        pub fn next() -> u32 { COUNT.fetch_add(1, Ordering::SeqCst) + 1 }
        pub fn local() -> u32 { LOCAL.set(LOCAL.get() + 1); LOCAL.get() }
        pub const BUILT: &str = env!("FROM_BUILD_SCRIPT");
        #[derive(Debug, Clone, PartialEq)]
        pub struct Step(pub u32);
        #[macro_export]
        macro_rules! twice { ($e:expr) => { $crate::Step($e * 2) } }
        "#,
    );
    let script = "fn main() { println!(\"cargo::rustc-env=FROM_BUILD_SCRIPT=yes\"); }";
    fs::write(crates.path("count-er").join("build.rs"), script).unwrap();

    let mut notebook = Notebook::start();
    let dep = crates.dep("count-er");
    notebook.gives(&format!("{dep}\ncount_er::next()"), "1");
    notebook.gives(
        "use count_er::{next, twice};\nlet step = twice!(next()); (step.clone(), count_er::local())",
        "(Step(4), 11)",
    );
    notebook
        .gives("(next(), count_er::local(), count_er::BUILT, step == twice!(2))", "(3, 12, \"yes\", true)");
    // The same again asks for nothing.
    notebook.gives(&format!("{dep}\nnext()"), "4");
    let listed = notebook.run(":dep");
    assert!(listed.log.contains("count-er = { path = ") && !listed.log.contains('\n'), "{}", listed.log);
    let text = notebook.0.deps().lines();
    assert_eq!(
        text,
        format!("count-er = {{ path = {:?} }}\n", crates.path("count-er").display().to_string())
    );

    notebook.fails("std::process::exit(3)", "WorkerDied");
    notebook.gives("next()", "1");
    notebook.run(":restart");
    notebook.gives("(next(), next())", "(1, 2)");

    // What has changed is not passed off as what is loaded.
    crates.write("count-er", "", "pub fn next() -> u32 { 77 } pub const BUILT: &str = \"\";");
    fs::remove_file(crates.path("count-er").join("build.rs")).unwrap();
    let failure = notebook.fails(&dep, "CommandError");
    assert!(
        failure.contains("has changed since `count-er` was loaded") && failure.contains(":clear"),
        "{failure}"
    );
    notebook.gives("next()", "3");
    notebook.run(":clear");
    notebook.fails("count_er::next()", "E0433");
    notebook.gives(&format!("{dep}\ncount_er::next()"), "77");
}

#[test]
fn crates_share_what_they_have_in_common() {
    let crates = Crates::new();
    crates.write(
        "base",
        "",
        "use std::sync::Mutex; pub static LOG: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());",
    );
    let base =
        format!("[dependencies]\nbase = {{ path = {:?} }}\n", crates.path("base").display().to_string());
    crates.write("left", &base, "pub fn go() { base::LOG.lock().unwrap().push(\"left\"); }");
    crates.write("right", &base, "pub fn go() { base::LOG.lock().unwrap().push(\"right\"); }");
    crates.write(
        "shout-derive",
        "[lib]\nproc-macro = true\n",
        r#"
        #[proc_macro_derive(Shout)]
        pub fn derive(item: proc_macro::TokenStream) -> proc_macro::TokenStream {
            let mut tokens = item.into_iter().map(|token| token.to_string());
            let name = tokens.by_ref().skip_while(|token| token != "struct").nth(1).unwrap();
            format!("impl {name} {{ fn shout(&self) -> &'static str {{ \"{name}!\" }} }}").parse().unwrap()
        }
        "#,
    );
    let renamed = format!(
        ":dep other = {{ package = \"right\", path = {:?} }}",
        crates.path("right").display().to_string()
    );

    let mut notebook = Notebook::start();
    let cell = format!("{}\n{}\nleft::go();", crates.dep("left"), crates.dep("shout-derive"));
    assert!(notebook.run(&cell).failure.is_none());
    notebook.gives("#[derive(shout_derive::Shout)] struct Hello;\nHello.shout()", "\"Hello!\"");
    // A second layer has no copy of what is in the first.
    notebook.gives(
        &format!("{renamed}\n{}\nother::go(); base::LOG.lock().unwrap().clone()", crates.dep("base")),
        "[\"left\", \"right\"]",
    );
    // The session's own crates, by whatever is asked for that they meet.
    notebook.gives(":dep serde = { version = \"1\", features = [\"derive\"] }\n:dep serde_json\n#[derive(serde::Serialize)] struct P { x: i32 }\nserde_json::to_string(&P { x: 1 })?", "\"{\\\"x\\\":1}\"");
    // Another version of one stands beside it.
    notebook.gives(
        ":dep itoa = \"0.4\"\nlet mut text = Vec::new(); itoa::write(&mut text, 42)?; text",
        "[52, 50]",
    );
    let failure = notebook.fails(":dep itoa = \"1\"", "CommandError");
    assert!(
        failure.contains("`itoa = \"1\"` was asked for, and `itoa = \"0.4\"` (0.4.8) is loaded"),
        "{failure}"
    );
}

#[test]
fn tensors_of_a_crate_are_the_sessions() {
    let crates = Crates::new();
    let candle = "[dependencies]\ncandle-core = { version = \"0.11\", default-features = false }\n";
    crates.write("weights", candle, "pub fn three() -> candle_core::Result<candle_core::Var> { candle_core::Var::new(3f32, &candle_core::Device::Cpu) }");
    let mut notebook = Notebook::start();
    notebook.shows_nothing("let a = candle_core::Var::new(2f32, &candle_core::Device::Cpu)?;");
    let cell = format!("{}\nlet b = weights::three()?;", crates.dep("weights"));
    let ran = notebook.run(&cell);
    assert!(ran.failure.is_none(), "{:?}", ran.failure);
    // With two copies of candle, ids collide and both come out as 5.
    notebook.gives("let gradients = (a.as_tensor() * b.as_tensor())?.backward()?;\n(gradients.get(&a).unwrap().to_scalar::<f32>()?, gradients.get(&b).unwrap().to_scalar::<f32>()?)", "(3.0, 2.0)");
    let failure = notebook.fails(":dep candle-core = \"0.9\"", "DependencyError");
    assert!(
        failure.contains("`candle-core = \"0.9\"` was asked for, and every session has candle-core 0.11"),
        "{failure}"
    );
}

#[test]
fn what_cannot_be_had_harms_nothing() {
    let crates = Crates::new();
    crates.write("broken", "", "pub fn f() -> u32 { \"text\" }");
    let mut notebook = Notebook::start();
    notebook.shows_nothing("let kept = 5u32;");
    let failure = notebook.fails(&crates.dep("broken"), "DependencyError");
    assert!(failure.contains("mismatched types") && failure.contains("src/lib.rs:1:21"), "{failure}");
    assert!(!failure.contains("Compiling"), "{failure}");
    let failure = notebook.fails(":dep broken = { path = \"no/such\" }", "CommandError");
    assert!(failure.contains("there is no Cargo.toml in"), "{failure}");
    crates.write("broken", "", "pub fn f() -> u32 { 5 }");
    notebook.gives(&format!("{}\nbroken::f() + kept", crates.dep("broken")), "10");
    assert!(manifest(&crates.path("broken")).exists());
}

#[test]
fn an_interrupt_stops_a_build() {
    let crates = Crates::new();
    crates.write("slow", "build = \"build.rs\"\n", "");
    let script = "fn main() { std::thread::sleep(std::time::Duration::from_secs(600)); }";
    fs::write(crates.path("slow").join("build.rs"), script).unwrap();
    let mut notebook = Notebook::start();
    notebook.shows_nothing("let kept = 5;");
    let interrupter = notebook.0.interrupter();
    let mut asked = false;
    let result = notebook.0.execute(&crates.dep("slow"), &mut |output| {
        if matches!(&output, Output::Stderr(text) if text.contains("Compiling slow")) && !asked {
            asked = true;
            let interrupter = interrupter.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                interrupter.interrupt();
            });
        }
    });
    let failure = result.unwrap_err();
    assert_eq!(failure.name, "Interrupted", "{failure:?}");
    notebook.gives("kept", "5");
}

#[test]
fn the_shell_runs_beside_the_session() {
    let mut notebook = Notebook::start();
    let ran = notebook.run("!printf 'a\\n'; printf b >&2\n!echo $((1 + \\\n1))\n1 + 1");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.result.as_deref()), ("a\n2\n", "b", Some("2")));
    let failure = notebook.fails("!exit 3\nlet never = 1;", "ShellError");
    assert!(failure.contains("`exit 3` exited with status 3"), "{failure}");
    // Nothing waits for input, and what runs on in the background is not waited for.
    notebook.prints("!cat; sleep 5 > /dev/null & echo on", "on\n");
    notebook.shows_nothing("std::env::set_current_dir(\"/\")?;");
    notebook.prints("!pwd", "/\n");
    let interrupter = notebook.0.interrupter();
    let result = notebook.0.execute("!echo on; sleep 600 | cat", &mut |output| {
        if matches!(output, Output::Stdout(_)) {
            let interrupter = interrupter.clone();
            std::thread::spawn(move || interrupter.interrupt());
        }
    });
    assert_eq!(result.unwrap_err().name, "Interrupted");
}

#[test]
fn commands_answer() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("struct Own; let v = vec![Some(1u8)];");
    for (code, wanted) in [
        (":type v", "[std::vec::Vec<std::option::Option<u8>>]"),
        (":t (Own, v.len())", "[(Own, usize)]"),
        (":vars", "[v  std::vec::Vec<std::option::Option<u8>>]"),
        (":show_deps", "[no crates but those of every cell]"),
    ] {
        assert_eq!(notebook.run(code).log, wanted, "{code}");
    }
    notebook.gives("v.len()", "1");
    notebook.fails("drop(v); v", "E0382");
    let page = notebook.run(":explain").log;
    assert!(page.starts_with("<page E0382: ") && page.contains("moved"), "{page}");
    let help = notebook.run(":help").log;
    assert!(help.starts_with("<page ") && help.contains(":dep") && help.contains("%%time"), "{help}");
    assert!(notebook.run("%%time\nv.len()").stderr.contains("ran in"));
    assert!(notebook.run(":sccache 1").log.contains("note: :sccache does nothing here"));
    for (code, part) in [
        (":toolchain nightly", "there is no :toolchain here"),
        (":hepl", "did you mean `:help`?"),
        (":vars x", ":vars got `x`, but stands alone"),
        (":opt 7", "wants 0, 1, 2, 3 or auto"),
        (":explain moved", "wants the code of an error"),
        ("%matplotlib inline", "`%%time` is the only one"),
    ] {
        let failure = notebook.fails(code, "CommandError");
        assert!(failure.contains(part), "{failure}");
    }
}
