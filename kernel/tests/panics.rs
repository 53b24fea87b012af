//! What a panic tells: the message, the user's line, and how it came there.

mod notebook;

use notebook::Notebook;

/// The lines of a backtrace, without the columns between them.
fn calls(failure: &str) -> Vec<String> {
    let lines = failure.lines().filter(|line| line.starts_with("  in ") || line.starts_with("  … "));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn calls_over_cells() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("fn pick(v: &[i32], i: usize) -> i32 {\n    v[i]\n}");
    notebook
        .shows_nothing("// two lines\n// of talk\nfn crop(v: &[i32]) -> i32 { let ä = 1; ä + pick(v, 7) }");
    let failure = notebook.fails("let v = vec![1, 2];\nlet n = 1 + crop(&v);", "panic");
    assert!(failure.contains("index out of bounds") && failure.contains(" --> cell 1:2:5"), "{failure}");
    let wanted = ["in pick cell 1:2:5", "in crop cell 2:3:44", "in the cell cell 3:2:13"];
    assert_eq!(calls(&failure), wanted, "{failure}");
    // Nothing more to tell than the place.
    let failure = notebook.fails("let early = 1;\npanic!(\"boom\");", "panic");
    assert_eq!(calls(&failure), [""; 0], "{failure}");
    notebook.gives("early", "1");
}

#[test]
fn methods_closures_and_generic_functions() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing(
        "trait Shape { fn area(&self) -> usize; }\nstruct Square(usize);\nimpl Shape for Square {\n    fn area(&self) -> usize { 10 / self.0 }\n}\nfn total<T: Shape>(all: &[T]) -> usize {\n    all.iter().map(|shape| shape.area()).sum()\n}",
    );
    notebook.shows_nothing("let squares = vec![Square(1), Square(0)];");
    let failure = notebook.fails("total(&squares)", "panic");
    let wanted = [
        "in <Square as Shape>::area cell 1:4:31",
        "in a closure in total cell 1:7:34",
        "in total cell 1:7:42",
        "in the cell cell 3:1:1",
    ];
    assert_eq!(calls(&failure), wanted, "{failure}");
    let failure = notebook.fails(
        "let shapes: Vec<Box<dyn Shape>> = vec![Box::new(Square(0))];\nshapes.iter().map(|shape| shape.area()).max()",
        "panic",
    );
    let wanted =
        ["in <Square as Shape>::area cell 1:4:31", "in a closure cell 4:2:33", "in the cell cell 4:2:41"];
    assert_eq!(calls(&failure), wanted, "{failure}");
    // An earlier library's code, which is not compiled any more: the calls of this cell are told.
    let failure =
        notebook.fails("fn ask(all: &[Box<dyn Shape>]) -> usize { all[0].area() }\nask(&shapes)", "panic");
    assert_eq!(calls(&failure), ["in ask cell 5:1:50", "in the cell cell 5:2:1"], "{failure}");
}

#[test]
fn optimised_code_and_awaits() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("fn third(v: &[i32]) -> i32 {\n    v[std::hint::black_box(2)]\n}\nfn second(v: &[i32]) -> i32 { third(v) }");
    let failure = notebook.fails(
        "let mut sum = 0;\nfor n in 0..3 {\n    let v = vec![1; 3 - n];\n    sum += second(&v);\n}",
        "panic",
    );
    let wanted = ["in third cell 1:2:5", "in second cell 1:4:31", "in the cell cell 2:4:12"];
    assert_eq!(calls(&failure), wanted, "{failure}");
    notebook.shows_nothing("async fn later(v: Vec<i32>) -> i32 {\n    second(&v)\n}");
    let failure = notebook.fails("let n = later(vec![1]).await;", "panic");
    let lines = calls(&failure);
    assert_eq!(lines[..2], ["in third cell 1:2:5", "in second cell 1:4:31"], "{failure}");
    assert!(lines[2].ends_with("cell 3:2:5") && lines[3].ends_with("the cell cell 4:1:24"), "{failure}");
}

#[test]
fn the_panic_of_a_library_points_into_the_cell() {
    let mut notebook = Notebook::start();
    // Nothing in the library's code says who called: the place is its own.
    let failure = notebook.fails(
        "let mut value = serde_json::json!([1, 2]);\nlet name = \"a\";\nvalue[name] = serde_json::json!(3);",
        "panic",
    );
    assert!(failure.contains(" --> cell 1:3:6") && failure.contains("called from here"), "{failure}");
    assert!(failure.contains("note: at ") && failure.contains("index.rs"), "{failure}");
}

#[test]
fn deep_recursion_is_cut() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing(
        "fn down(n: u32) -> u32 { if n == 0 { panic!(\"the bottom\") } else { 1 + down(n - 1) } }",
    );
    let failure = notebook.fails("down(10_000)", "panic");
    let lines = calls(&failure);
    assert_eq!(lines.len(), 10, "{failure}");
    assert_eq!(lines[0], "in down cell 1:1:38");
    assert_eq!(lines[5], "in down cell 1:1:72");
    assert_eq!(lines[6], "… 9,993 more");
    assert_eq!(lines[9], "in the cell cell 2:1:1");
    let failure = notebook.fails("down(100_000)", "panic");
    assert!(calls(&failure)[6].starts_with("… 99,993 more"), "{failure}");
}

#[test]
fn threads_that_are_waited_for() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing(
        "fn half(n: u32) -> u32 {\n    if n % 2 == 1 { panic!(\"{n} is odd\") }\n    n / 2\n}",
    );
    let ran = notebook
        .run("let worker = std::thread::spawn(|| {\n    half(8) + half(7)\n});\nworker.join().unwrap()");
    assert!(ran.stderr.contains("7 is odd") && ran.stderr.contains("cell 1:2:21"), "{}", ran.stderr);
    let failure = notebook::without_colours(&ran.failure.expect("the join fails").traceback.join("\n"));
    assert!(
        failure.contains("cell 2:4:") && failure.contains("thread `unnamed` panicked before:"),
        "{failure}"
    );
    assert_eq!(calls(&failure), ["in half cell 1:2:21", "in a closure cell 2:2:15"], "{failure}");
    // A panic that the cell takes care of is no reason to tell more.
    notebook.gives("std::thread::spawn(|| half(9)).join().is_err()", "true");
    let failure = notebook.fails("half(11)", "panic");
    assert!(!failure.contains("panicked before"), "{failure}");
}
