//! Cells through a real session: rustc, worker, store.

mod notebook;

use notebook::Notebook;

#[test]
fn values_variables_and_moves() {
    let mut notebook = Notebook::start();
    notebook.gives("let x = 41; x + 1", "42");
    notebook.gives("let mut v = vec![1, 2, 3]; v.push(x); v", "[1, 2, 3, 41]");
    notebook.shows_nothing("v.push(5);");
    notebook.gives("v.len()", "5");
    notebook.shows_nothing("let w = v;");
    let failure = notebook.fails("v.len()", "E0425");
    assert!(failure.contains("`v` was moved in cell 5"), "{failure}");
    notebook.gives("let x = 1; let x = x + 1; let x = format!(\"{x}!\"); x", "\"2!\"");
    notebook.gives("x.len() + w.len()", "7");
    let failure = notebook.fails("w = vec![1];", "E0594");
    assert!(failure.contains("cell 5:1:5") && failure.contains("let mut w"), "{failure}");
    notebook.gives("let k; if w.len() > 3 { k = \"big\" } else { k = \"small\" } k", "\"big\"");
    notebook.gives("k", "\"big\"");
    notebook.gives(
        "let (a, mut b) = (1, 2); b += a; let [c, .., d] = [b, 0, 0, 4]; (a, b, c, d)",
        "(1, 3, 3, 4)",
    );
    notebook.gives("b += 1; (a, b, c, d)", "(1, 4, 3, 4)");
    notebook.gives("let Some(n) = Some(3) else { panic!() }; n", "3");
    notebook.shows_nothing("drop(w); let w = 5;");
    notebook.gives("w", "5");
}

#[test]
fn what_is_moved_and_assigned_anew_stays() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("let mut v = vec![1]; fn bump(mut v: Vec<i32>) -> Vec<i32> { v.push(9); v }");
    notebook.shows_nothing("v = bump(v);");
    notebook.gives("v", "[1, 9]");
    notebook.gives("for _ in 0..2 { v = bump(v); } let n = v.len(); v = bump(v); (n, v.len())", "(4, 5)");
    notebook.gives("v.len()", "5");
    notebook.gives(
        "let mut a = String::from(\"a\"); let mut b = String::from(\"b\"); (a, b) = (b, a); a",
        "\"b\"",
    );
    notebook.gives("(a, b)", "(\"b\", \"a\")");
    notebook.gives("(a, b)", "(\"b\", \"a\")");
    notebook.shows_nothing("use candle_core::{Device, Tensor};\nlet mut h = Tensor::zeros((2,), candle_core::DType::F32, &Device::Cpu)?;");
    notebook.shows_nothing("for _ in 0..3 { h = (h + 1.0)?; }");
    notebook.gives("h.to_vec1::<f32>()?", "[3.0, 3.0]");
    notebook.shows_nothing("async fn grow(v: Vec<i32>) -> Vec<i32> { v }\nv = grow(v).await;");
    notebook.gives("v.len()", "5");
    notebook.shows_nothing("v = bump(v); drop(v);");
    let failure = notebook.fails("v", "E0425");
    assert!(failure.contains("`v` was moved in cell 14"), "{failure}");
    notebook.gives("let mut x = 5; let r = &mut x; *r += 1; println!(\"{x}\"); x", "6");
    notebook.gives("let mut list = vec![3, 1]; let first = list.first_mut().unwrap(); *first = 9; list.push(2); list.len()", "3");
    notebook.gives("(x, list[0])", "(6, 9)");
    notebook.gives("let s; s = String::from(\"a\"); drop(s); 1", "1");
}

#[test]
fn what_people_write_in_patterns_returns_and_macros() {
    let mut notebook = Notebook::start();
    notebook.gives("let (B, T, C) = (2, 3, 4); B * T * C", "24");
    notebook.gives("B + C", "6");
    notebook.gives("enum Outcome { Ok, Failed }\nuse Outcome::*;\nlet n = 1; n", "1");
    notebook.prints("if n == 1 { println!(\"early\"); return; }\nprintln!(\"late\");", "early\n");
    notebook.prints("let kept = 3; if n == 1 { return Ok(()); }\nprintln!(\"late\");", "");
    notebook.gives("kept", "3");
    notebook.fails("let z = match n { 1 => return Err(\"stopped\"), _ => 2 }; println!(\"late\");", "&str");
    notebook.gives("let (p, q) = tokio::join!(async { 1 }, async { 2 }); p + q", "3");
    notebook.gives("macro_rules! point { ($n:ident) => { #[derive(Debug)] struct $n { x: i32 } } }\npoint!(Pt);\nlet p = Pt { x: 1 }; p", "Pt { x: 1 }");
    notebook.gives("#![allow(dead_code)]\nlet inner = 5; inner", "5");
    notebook.shows_nothing("fn spin() -> u64 { let mut n = 0; loop { n += 1; } }");
    notebook.interrupted_after(300, "spin();");
    notebook.gives("fn table() -> u32 { let mut sum = 0; for i in 0..10u32 { for j in 0..10u32 { sum += i * j; } } sum } table()", "2025");
}

#[test]
fn no_old_memory_under_a_new_type() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing(
        "const N: usize = 2;\nstruct G { a: [i32; N], tail: i32 }\nlet g = G { a: [1; N], tail: 77 };",
    );
    let ran = notebook.run("const N: usize = 6;");
    assert!(ran.stderr.contains("`g` of the old type went away"), "{}", ran.stderr);
    notebook.shows_nothing(
        "use std::collections::HashMap as Map;\nstruct H { m: Map<i32, i32> }\nlet h = H { m: Map::new() };",
    );
    let ran = notebook.run("use std::collections::BTreeMap as Map;");
    assert!(ran.stderr.contains("`h` of the old type went away"), "{}", ran.stderr);
    notebook.shows_nothing("use std::sync::Mutex;\nstruct S { a: u64 }\nstatic ALL: Mutex<Vec<S>> = Mutex::new(Vec::new());\nALL.lock().unwrap().push(S { a: 7 });");
    notebook.gives("ALL.lock().unwrap()[0].a", "7");
    let ran = notebook.run("struct S { name: String, b: u64 }");
    assert!(ran.failure.is_none(), "{:?}", ran.failure);
    notebook.gives("ALL.lock().unwrap().len()", "0");
    notebook.shows_nothing("struct Stack<T> { items: Vec<T> }\nimpl<T> Stack<T> { fn size(&self) -> usize { self.items.len() } }");
    let ran = notebook
        .run("impl<T: Clone> Stack<T> { fn size(&self) -> usize { 7 } }\nStack { items: vec![1] }.size()");
    assert_eq!(ran.result.as_deref(), Some("7"), "{:?}", ran.failure);
    notebook.shows_nothing(
        "struct Linear { w: f32 }\nlet lin = Linear { w: 1.0 }; let other: Option<candle_nn::Linear> = None;",
    );
    notebook.run("struct Linear { w: f64 }");
    notebook.gives("other.is_none()", "true");
}

#[test]
fn what_borrows_works_inside_its_cell() {
    let mut notebook = Notebook::start();
    let ran = notebook.run("let v = vec![1, 2]; let first = &v[0]; *first + 1");
    assert_eq!(ran.result.as_deref(), Some("2"));
    assert!(ran.stderr.contains("`first` borrows from its cell"), "{}", ran.stderr);
    notebook.gives("v", "[1, 2]");
    let ran = notebook.run("let mut total = 0; let mut add = |n: i32| total += n; add(2); add(3); total");
    assert_eq!(ran.result.as_deref(), Some("5"));
    assert!(ran.stderr.contains("`add` is a closure"), "{}", ran.stderr);
    notebook.gives("total += 1; total", "6");
    notebook.gives("let m = std::sync::Mutex::new(5); let g = m.lock().unwrap(); *g", "5");
    notebook.gives("*m.lock().unwrap()", "5");
    notebook.shows_nothing("let add: Box<dyn Fn(i32) -> i32> = Box::new(move |n| n + total);");
    notebook.gives("add(1)", "7");
    let failure = notebook.fails("first", "E0425");
    assert!(failure.contains("`first` of cell 1 borrows from its cell"), "{failure}");
    notebook.shows_nothing("let moved = vec![1]; drop(moved);");
    let failure = notebook.fails("moved", "E0425");
    assert!(failure.contains("`moved` was moved in cell 10"), "{failure}");
}

#[test]
fn panics_and_errors_keep_variables() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("let kept = vec![1, 2, 3];\nlet mut count = 0;");
    let failure = notebook.fails("count += 1;\nlet early = count * 10;\npanic!(\"boom {early}\");", "panic");
    assert!(failure.contains("boom 10") && failure.contains("cell 2:3:1"), "{failure}");
    notebook.gives("(kept.len(), count, early)", "(3, 1, 10)");
    let failure =
        notebook.fails("let late = 1; let n: i32 = \"12x\".parse()?; let never = n;", "ParseIntError");
    assert!(failure.contains("invalid digit") && failure.contains("cell 4:1:"), "{failure}");
    notebook.gives("late", "1");
    let failure = notebook.fails("never", "E0425");
    assert!(failure.contains("cell 4 stopped before `never` was made"), "{failure}");
    notebook.shows_nothing("fn divide(a: i32, b: i32) -> i32 {\n    a / b\n}");
    let failure = notebook.fails("let moved = kept; divide(moved.len() as i32, 0)", "panic");
    assert!(failure.contains("cell 7:2:5"), "{failure}");
    notebook.gives("moved", "[1, 2, 3]");
    notebook.fails("kept", "E0425");
    let failure =
        notebook.fails("Err::<(), _>(anyhow::anyhow!(\"inner\").context(\"outer\"))?;", "anyhow::Error");
    assert!(failure.contains("outer") && failure.contains("caused by: inner"), "{failure}");
    notebook
        .fails("let b: Result<i32, Box<dyn std::error::Error>> = Err(\"bad\".into()); b?;", "Box<dyn Error>");
    notebook.fails("vec![1][std::hint::black_box(7)]", "panic");
    // The same at every level of optimisation; a cell with a loop has another than one without.
    notebook.fails("std::hint::black_box(255u8) + std::hint::black_box(1)", "panic");
    notebook.fails("let mut n = 250u8; for i in 0..10u8 { n += std::hint::black_box(i); } n", "panic");
    let ran = notebook.run("std::thread::spawn(|| panic!(\"elsewhere\")).join().is_err()");
    assert_eq!(ran.result.as_deref(), Some("true"));
    assert!(ran.stderr.contains("elsewhere") && ran.stderr.contains("cell 16:1:23"), "{}", ran.stderr);
}

#[test]
fn errors_may_borrow() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("use std::sync::{Mutex, RwLock};\nlet counter = Mutex::new(0);");
    notebook.shows_nothing("*counter.lock()? += 1;");
    notebook.gives("*counter.lock()?", "1");
    notebook.gives("let own = RwLock::new(vec![1]); own.write()?.push(2); let n = own.read()?.len(); n", "2");
    notebook.gives("let all = own.into_inner()?; all", "[1, 2]");
    notebook.shows_nothing(
        "std::thread::scope(|s| { let _ = s.spawn(|| { let _held = counter.lock(); std::panic::resume_unwind(Box::new(())) }).join(); });",
    );
    let failure = notebook.fails("*counter.lock()? += 1;", "PoisonError<MutexGuard<i32>>");
    assert!(failure.contains("poisoned lock") && failure.contains("cell 7:1:"), "{failure}");
    notebook.gives("counter.is_poisoned()", "true");
    notebook.shows_nothing("fn find<'a>(text: &'a str) -> Result<(), Box<dyn std::error::Error + 'a>> { if text.is_empty() { Ok(()) } else { Err(format!(\"no {text}\").into()) } }");
    notebook.fails("let word = String::from(\"b\"); find(&word)?;", "Box<dyn Error>");
    notebook.gives("word", "\"b\"");
}

#[test]
fn definitions_over_cells() {
    let mut notebook = Notebook::start();
    notebook
        .shows_nothing("trait Shape { fn area(&self) -> f64; fn twice(&self) -> f64 { 2.0 * self.area() } }");
    notebook.shows_nothing("#[derive(Debug, Clone, PartialEq)] struct Square(f64);\nimpl Shape for Square { fn area(&self) -> f64 { self.0 * self.0 } }");
    notebook.shows_nothing("use std::fmt;\nimpl fmt::Display for Square { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, \"square of {}\", self.0) } }");
    notebook.shows_nothing(
        "let shapes: Vec<Box<dyn Shape>> = vec![Box::new(Square(2.0)), Box::new(Square(3.0))];",
    );
    notebook.gives("shapes.iter().map(|s| s.twice()).sum::<f64>()", "26.0");
    notebook.gives("Square(1.5).area()", "2.25");
    notebook.prints("println!(\"{}\", Square(4.0));", "square of 4\n");
    notebook.shows_nothing("macro_rules! square { ($x:expr) => { Square($x as f64) } }");
    notebook.gives("let sq = square!(7); sq", "Square(7.0)");
    notebook.shows_nothing("struct Stack<T> { items: Vec<T> }\nimpl<T> Stack<T> { fn new() -> Self { Stack { items: vec![] } } fn push(&mut self, t: T) -> &mut Self { self.items.push(t); self } }");
    notebook.shows_nothing("let mut stack = Stack::new(); stack.push(1).push(5);");
    notebook.gives("stack.push(7); stack.items.len()", "3");
    notebook.shows_nothing("mod inner { pub fn name() -> &'static str { \"inner\" } #[derive(Debug, Default)] pub struct Deep { pub v: u8 } }\nlet deep = inner::Deep::default();");
    notebook.gives("(inner::name(), deep.v)", "(\"inner\", 0)");
    notebook.shows_nothing("enum Color { Red, Green }\nuse Color::*;\nfn say(c: &Color) -> &'static str { match c { Red => \"red\", Green => \"green\" } }");
    notebook.gives("let c = Green; say(&c)", "\"green\"");
    notebook.shows_nothing("const LIMIT: usize = 3;\ntype Pair = (i32, i32);\nlet p: Pair = (1, 2);");
    notebook.gives("p.0 as usize + LIMIT", "4");
    notebook.shows_nothing("impl Square { fn double(&self) -> Square { Square(self.0 * 2.0) } fn half(&self) -> Square { Square(self.0 / 2.0) } }");
    notebook.gives("impl Square { fn double(&self) -> Square { Square(self.0 * 20.0) } }\n(Square(1.0).double(), Square(1.0).half())", "(Square(20.0), Square(0.5))");
    notebook.shows_nothing("macro_rules! unit { ($name:ident) => { #[derive(Debug)] struct $name; } }");
    notebook.shows_nothing("unit!(Marker);");
    notebook.gives("Marker", "Marker");
    notebook.gives(
        "use std::collections::{BTreeMap, HashMap as Map};\nlet m: BTreeMap<i32, i32> = BTreeMap::new(); m",
        "{}",
    );
    notebook.gives("let h: Map<&str, Vec<i32>> = Map::from([(\"a\", vec![1])]); h", "{\"a\": [1]}");
    notebook.gives("h[\"a\"].len() + m.len()", "1");
}

#[test]
fn redefinition() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("fn f() -> i32 { 1 }\nfn g() -> i32 { f() * 10 }");
    notebook.gives("fn f() -> i32 { 2 } g()", "20");
    notebook.shows_nothing("struct Point { x: f64 }\nimpl Point { fn x(&self) -> f64 { self.x } }\nlet p = Point { x: 1.5 }; let n = 3;");
    notebook.gives("p.x()", "1.5");
    let ran = notebook.run("struct Point { x: f64 }");
    assert!(ran.failure.is_none() && ran.stderr.is_empty(), "{}", ran.stderr);
    notebook.gives("p.x()", "1.5");
    let ran = notebook.run("struct Point { name: String }\nlet q = Point { name: \"q\".into() };");
    assert!(ran.failure.is_none(), "{:?}", ran.failure);
    assert!(
        ran.stderr.contains("`Point` changed: `p`") && ran.stderr.contains("impl Point"),
        "{}",
        ran.stderr
    );
    let failure = notebook.fails("p.x()", "E0425");
    assert!(failure.contains("a type that cell 7 redefined"), "{failure}");
    notebook.gives("(q.name.len(), n)", "(1, 3)");
    notebook.shows_nothing("struct Wrap { inner: Point }\nlet wrapped = vec![Wrap { inner: q }]; let any: Box<dyn std::any::Any> = Box::new(1);");
    let ran = notebook.run("enum Point { A }");
    assert!(ran.stderr.contains("`any`, `wrapped`"), "{}", ran.stderr);
    notebook.shows_nothing("macro_rules! m { () => { 1 } }\nfn uses() -> i32 { m!() }");
    notebook.gives("macro_rules! m { () => { 2 } }\nuses()", "2");
    notebook.shows_nothing("let value = 1;");
    notebook.shows_nothing("fn value() -> i32 { 7 }");
    notebook.gives("value()", "7");
}

#[test]
fn statics_exist_once() {
    let mut notebook = Notebook::start();
    notebook.gives("use std::sync::atomic::{AtomicU32, Ordering};\nstatic COUNT: AtomicU32 = AtomicU32::new(0);\nfn bump() -> u32 { COUNT.fetch_add(1, Ordering::Relaxed) + 1 }\nbump()", "1");
    notebook.gives("bump(); bump()", "3");
    notebook.gives("COUNT.load(Ordering::Relaxed)", "3");
    notebook.gives("fn local() -> u32 { static N: AtomicU32 = AtomicU32::new(10); N.fetch_add(1, Ordering::Relaxed) }\nlocal()", "10");
    notebook.gives("local() + local()", "23");
    notebook.shows_nothing("thread_local! { static SEEN: std::cell::RefCell<Vec<i32>> = const { std::cell::RefCell::new(Vec::new()) }; }\nSEEN.with(|s| s.borrow_mut().push(1));");
    notebook.gives("SEEN.with(|s| { s.borrow_mut().push(2); s.borrow().clone() })", "[1, 2]");
    notebook.shows_nothing("static NAMES: [&str; 2] = [\"a\", \"b\"];\nstatic mut RAW: u8 = 1;");
    notebook.gives("unsafe { RAW += 1; }; (NAMES[1], unsafe { RAW })", "(\"b\", 2)");
    notebook.gives("use std::sync::OnceLock;\nstatic CELL: OnceLock<String> = OnceLock::new();\nCELL.get_or_init(|| \"first\".into()).clone()", "\"first\"");
    notebook.gives("CELL.get_or_init(|| \"second\".into()).clone()", "\"first\"");
    let failure = notebook.fails("std::process::exit(3)", "WorkerDied");
    assert!(failure.contains("exited with code 3"), "{failure}");
    notebook.gives("bump()", "1");
}

#[test]
fn tensors_share_one_candle() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("use candle_core::{Device, Tensor, Var};\nlet a = Var::new(2f32, &Device::Cpu)?;");
    notebook.shows_nothing("let b = Var::new(3f32, &Device::Cpu)?;");
    notebook
        .shows_nothing("let product = (a.as_tensor() * b.as_tensor())?;\nlet grads = product.backward()?;");
    notebook.gives(
        "(grads.get(&a).unwrap().to_scalar::<f32>()?, grads.get(&b).unwrap().to_scalar::<f32>()?)",
        "(3.0, 2.0)",
    );
    let ran = notebook.run("Tensor::zeros((2, 2), candle_core::DType::F32, &Device::Cpu)?");
    assert!(ran.mimes.iter().any(|mime| mime == "text/html"), "{:?}", ran.mimes);
    assert!(ran.result.unwrap_or_default().contains("(2, 2)"));
}

#[test]
fn outputs_in_order() {
    let mut notebook = Notebook::start();
    let ran = notebook.run(
        "print!(\"a\"); sconce_display::display(sconce_display::Bundle::text(\"D\")); print!(\"b\");\n\
         let handle = sconce_display::display_with_id(sconce_display::Bundle::text(\"E\"));\n\
         println!(\"c\"); handle.update(sconce_display::Bundle::text(\"F\")); eprintln!(\"e\"); 7",
    );
    assert_eq!(ran.log, "a[D]b[E]c\n{F}e\n=7");
    notebook.prints("for i in 0..3 { print!(\"{i} \"); }", "0 1 2 ");
    let ran = notebook.run(
        "struct Own { a: String }\nimpl Own { fn evcxr_display(&self) { \
         println!(\"EVCXR_BEGIN_CONTENT text/html\\n<b>{}</b>\\nEVCXR_END_CONTENT\", self.a); } }\n\
         Own { a: \"hello\".into() }",
    );
    assert_eq!((ran.mimes.as_slice(), ran.stdout.as_str()), (["text/html".to_owned()].as_slice(), ""));
    let ran = notebook.run("dbg!(1 + 1);");
    assert_eq!(ran.stderr, "[cell 4:1:1] 1 + 1 = 2\n");
    let ran = notebook.run("struct Bare; Bare");
    assert!(ran.result.unwrap_or_default().contains("notebook::Bare"));
    let ran = notebook.run("\"5\".parse::<i32>();");
    assert!(ran.stderr.contains("unused `std::result::Result` that must be used"), "{}", ran.stderr);
    let ran = notebook.run("(0..1_000_000).collect::<Vec<u32>>()");
    assert!(ran.result.is_some_and(|text| text.len() < 30_000 && text.contains("cut")));
}

#[test]
fn awaiting() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("async fn add(a: i32, b: i32) -> i32 { tokio::time::sleep(std::time::Duration::from_millis(5)).await; a + b }");
    notebook.gives("let r = add(1, 2).await; r", "3");
    notebook.gives("println!(\"{}\", add(r, 1).await); add(r, 2).await", "5");
    let ran = notebook.run("let future = async { 7 };");
    assert!(ran.stderr.contains("`future` is not kept"), "{}", ran.stderr);
    notebook.gives("let task = tokio::spawn(async { 5 }); task.await?", "5");
    notebook.fails(
        "async fn fail() -> Result<i32, std::fmt::Error> { Err(std::fmt::Error) } fail().await?;",
        "fmt::Error",
    );
}

#[test]
fn errors_stand_on_the_users_lines() {
    let mut notebook = Notebook::start();
    let failure = notebook.fails("// one\nlet y: i32 = \"text\";\nlet z = missing;", "E0425");
    assert!(failure.contains("cell 1:2:14") && failure.contains("cell 1:3:9"), "{failure}");
    assert!(!failure.contains("sconce") && !failure.contains("__run"), "{failure}");
    let failure = notebook.fails("let x = 5", "SyntaxError");
    assert!(failure.contains("expected `;`, found the end") && failure.contains("cell 2:1:10"), "{failure}");
    let failure = notebook.fails("let s = \"naïve 🎈\"; s.lenn()", "E0599");
    assert!(failure.contains("cell 3:1:22"), "{failure}");
    let failure = notebook.fails("fn broken() -> i32 {\n    \"x\"\n}", "E0308");
    assert!(failure.contains("cell 4:2:5"), "{failure}");
    let failure = notebook.fails("println!(\"{}\", nothing);", "E0425");
    assert!(failure.contains("cell 5:1:16"), "{failure}");
    let failure = notebook.fails("let v = vec![1]; let w = v; v.len()", "E0382");
    assert!(failure.contains("cell 6:1:29") && failure.contains("value moved here"), "{failure}");
    let failure = notebook.fails("let o: Option<i32> = None; o?;", "E0277");
    assert!(failure.contains("ok_or") && !failure.contains("closure"), "{failure}");
    let failure = notebook.fails("#[derive(Debug)] struct Bare;\nErr::<i32, _>(Bare)?;", "E0277");
    assert!(failure.contains("map_err") && !failure.contains("sconce"), "{failure}");
    notebook.fails(":nonsense", "CommandError");
    notebook.gives("// a comment\n\n1 // another", "1");
    notebook.shows_nothing("");
    notebook.shows_nothing("// only a comment");
}

#[test]
fn a_worker_that_dies_is_replaced() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("fn twice(n: i32) -> i32 { n * 2 }\nlet lost = 1;");
    let failure = notebook.fails("unsafe { std::ptr::null_mut::<i32>().write_volatile(1) };", "WorkerDied");
    assert!(failure.contains("SIGSEGV") && failure.contains("`lost`"), "{failure}");
    notebook.gives("twice(4)", "8");
    let failure = notebook.fails("lost", "E0425");
    assert!(failure.contains("was lost when the worker"), "{failure}");
    let failure = notebook.fails("std::process::abort()", "WorkerDied");
    assert!(failure.contains("SIGABRT"), "{failure}");
    let failure = notebook.fails(
        "std::process::Command::new(\"kill\").args([\"-9\", &std::process::id().to_string()]).status()?;\n\
         std::thread::sleep(std::time::Duration::from_secs(20));",
        "WorkerDied",
    );
    assert!(failure.contains("SIGKILL"), "{failure}");
    let failure = notebook
        .fails("fn deep(n: u64) -> u64 { std::hint::black_box(n) + deep(n + 1) } deep(0)", "WorkerDied");
    assert!(failure.contains("stack overflow"), "{failure}");
    notebook.gives("twice(5)", "10");
}

#[test]
fn foreign_code_links() {
    let mut notebook = Notebook::start();
    notebook.gives(
        "unsafe extern \"C\" { safe fn cos(x: f64) -> f64; safe fn abs(x: i32) -> i32; } (cos(0.0), abs(-3))",
        "(1.0, 3)",
    );
    // The compiler's own helpers are no part of what the process has.
    notebook.gives("u128::MAX / std::hint::black_box(1 << 100)", "268435455");
    // A library that the process has not loaded.
    let anl = "#[link(name = \"anl\")] unsafe extern \"C\" { safe fn gai_cancel(request: *mut u8) -> i32; } gai_cancel as *const () as usize != 0";
    notebook.gives(anl, "true");
    let failure = notebook.fails("unsafe extern \"C\" { safe fn nowhere(); } nowhere()", "NotLoaded");
    assert!(failure.contains("`nowhere` is declared and nowhere defined"), "{failure}");
    let failure = notebook
        .fails("#[link(name = \"nosuchlibrary\")] unsafe extern \"C\" { safe fn f(); } f()", "CompileError");
    assert!(failure.contains("nosuchlibrary"), "{failure}");
    let noted = notebook.run("let f = || 1; let f = || 2; f()").stderr;
    assert_eq!(noted.matches("is a closure").count(), 1, "{noted}");
}
