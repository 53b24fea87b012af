//! What stops when it is told to, and what is kept then.

mod notebook;

use notebook::Notebook;

/// More rounds than anybody waits for.
const EVER: &str = "10u64.pow(12)";

#[test]
fn loops_and_iterators_stop_and_keep_variables() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("let mut n = 0u64; let kept = vec![1, 2, 3]; let table = vec![1u8; 1000];");
    notebook.shows_nothing(
        "fn spin(m: u64) -> u64 { let mut s = 1u64; for i in 0..m { s = s.wrapping_mul(31) ^ i; } s }\n\
         struct Busy;\n\
         impl Busy { fn work(&self) -> u64 { let mut s = 0; while s < u64::MAX { s += 1; } s } }\n\
         fn slow(x: u64) -> bool { std::thread::sleep(std::time::Duration::from_millis(20)); x > 7 }",
    );
    for code in [
        "loop { n += 1; }",
        "loop {}",
        "for i in 0..1_000_000_000_000u64 { n ^= i; }",
        "for i in (0..EVER).rev().step_by(3) { n ^= i; }",
        "for i in 0..EVER { for j in 0..EVER { n ^= i.wrapping_mul(j); } }",
        "for i in 0..1000 { for j in 0..EVER { if j == EVER { break; } n ^= j; } }",
        "'out: for i in 0..EVER { for j in 0..EVER { if j == EVER { break 'out; } if i > j { continue; } n ^= j; } }",
        "while n < u64::MAX { n += 1; n -= 1; }",
        "for _ in 0..100 { slow(n); }",
        "for x in table.iter().cycle() { n ^= u64::from(*x); }",
        "(0..EVER).map(|i| i ^ 3).fold(0u64, |a, b| a ^ b)",
        "(0..EVER).map(|i| i & 1).sum::<u64>()",
        "(0..EVER).filter(|i| i % 3 == 5).count()",
        "(0..EVER).filter(|i| i % 3 == 5).collect::<Vec<_>>()",
        "(0..EVER).filter(|i| i % 3 == 5).max()",
        "(0..EVER).rev().all(|i| i != EVER)",
        "for i in (0..EVER).filter(|i| i % 3 == 5) { n += i; }",
        "(0..100u64).for_each(|i| { n += 1; slow(i); });",
        "(0..100u64).map(slow).filter(|x| !x).count() + (0..100u64).any(|i| slow(i) && i > 90) as usize",
        "std::iter::repeat(n).map(|x| x ^ 1).fold(0, |a, b| a ^ b)",
        "spin(EVER)",
        "Busy.work()",
        "let f = |m: u64| { let mut s = 0u64; for i in 0..m { s ^= i; } s }; f(EVER)",
        "tokio::time::sleep(std::time::Duration::from_secs(60)).await;",
    ] {
        let failure = notebook.interrupted_after(50, &code.replace("EVER", EVER));
        assert!(failure.contains("cell was stopped"), "{code}\n{failure}");
    }
    notebook.gives("(kept.len(), table.len())", "(3, 1000)");
}

#[test]
fn loops_in_blocks_mean_the_same() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("let v: Vec<u64> = (0..1000).collect(); let n = 1000u64;");
    notebook.gives("let mut s = 0; for x in v.iter() { s += x; } s", "499500");
    notebook.gives("let mut s = 0; for i in 0..n { s += i; } s", "499500");
    notebook.gives("let mut s = 0; for i in 0..128 * (n / 1000) { s += i; } s", "8128");
    notebook.gives("let mut s = 0; for i in 0..0 * n { s += i; } s", "0");
    notebook.gives("let mut s = 0; for (i, x) in v.iter().enumerate() { if i == 300 { break; } if i % 2 == 0 { continue; } s += x; } s", "22500");
    notebook.gives(
        "let mut s = 0u64; 'out: for i in 0..n { 'in_it: for j in i..n { if j > 500 { break 'out; } if j > 400 { break 'in_it; } if j == 3 { continue 'in_it; } s += 1; } } s",
        "80597",
    );
    notebook.gives("let mut w = vec![0u8; 300]; for x in w.iter_mut() { *x = 3; } w[299]", "3");
    notebook.gives("fn find(v: &[u64], x: u64) -> Option<usize> { for (i, y) in v.iter().enumerate() { if *y == x { return Some(i); } } None }\n(find(&v, 777), find(&v, 7777))", "(Some(777), None)");
    notebook.gives("let mut last = None; for c in \"naïve\".chars() { last = Some(c); } last", "Some('e')");
    notebook.gives("(0..n).map(|i| i * i).filter(|i| i % 2 == 0).sum::<u64>()", "166167000");
    notebook.gives("(0..n).rev().zip(v.iter()).skip(3).fold(0, |a, (x, y)| a + x * y)", "166164008");
    notebook.gives("(0..n).rev().find(|i| i % 7 == 3)", "Some(997)");
    notebook.gives(
        "((0..n).position(|i| i == 500), (0..n).nth(129), (0..n).last(), (1..=n / 100).product::<u64>())",
        "(Some(500), Some(129), Some(999), 3628800)",
    );
}

#[test]
fn a_call_that_does_not_look_ends_with_the_second_interrupt() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("let a = 1; let b = vec![2]; fn twice(n: i32) -> i32 { n * 2 }");
    let failure = notebook.interrupted_twice("std::thread::sleep(std::time::Duration::from_secs(60));");
    assert!(
        failure.contains("second interrupt") && failure.contains("2 variables are lost: `a`, `b`"),
        "{failure}"
    );
    assert!(failure.contains("functions, types and imports are kept"), "{failure}");
    notebook.gives("twice(2)", "4");
    let failure = notebook.fails("a", "E0425");
    assert!(failure.contains("`a` was lost when the worker of cell 2"), "{failure}");
}

#[test]
fn a_cell_stops_while_rustc_is_at_work() {
    let mut notebook = Notebook::start();
    notebook.shows_nothing("let kept = 5;");
    // Deep generic code that takes rustc long.
    let arms: String =
        (0..3000).map(|i| format!("if n == {i} {{ s += format!(\"{i}{{n}}\").len(); }}\n")).collect();
    let failure =
        notebook.interrupted_while_compiling(300, &format!("let n = kept; let mut s = 0;\n{arms}s"));
    assert!(failure.contains("while it was compiled"), "{failure}");
    notebook.gives("kept", "5");
}
