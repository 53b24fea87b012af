use super::*;
use crate::engine::placed::Placed;

/// The text with its looks.
fn with_checks(text: &str) -> String {
    let Ok(block) = syn::parse_str::<Block>(&format!("{{{text}}}")) else { panic!("{text} is no block") };
    let whole = format!("{{{text}}}");
    let mut checks = Checks::of(&whole);
    checks.visit_block(&block);
    checks.edits.sort_by_key(|edit| edit.range.start);
    let mut placed = Placed::default();
    placed.user(1, &whole, 0..whole.len(), &checks.edits);
    let result = placed.text().replace("::sconce_cell::", "");
    assert!(syn::parse_str::<Block>(&result).is_ok(), "{result} is no block");
    result.trim_start_matches('{').trim_end_matches('}').to_owned()
}

#[test]
fn loops_look_in_each_round() {
    assert_eq!(with_checks("loop { f(); }"), "loop {  check(); f(); ");
    assert_eq!(with_checks("while x { }  "), "while x { check();  }  ");
    assert_eq!(with_checks("for x in rx { n += x; } 1"), "for x in rx {  check(); n += x; } 1");
    assert_eq!(with_checks("for i in 0..n { step(i); } 1"), "for i in 0..n {  check(); step(i); } 1");
    assert_eq!(with_checks("const fn f() { loop {} } 1"), "const fn f() { loop {} } 1");
    assert_eq!(with_checks("extern \"C\" fn f() { loop {} } 1"), "extern \"C\" fn f() { loop {} } 1");
}

#[test]
fn cheap_loops_run_in_blocks() {
    let blocks = |number: u32| {
        format!(") {{ mut __blocks{number} => '__blocks{number}: while __blocks{number}.more() {{ ")
    };
    assert_eq!(
        with_checks("for i in 0..n { s += i; } s"),
        format!("match blocks(0..n{}for i in __blocks1.block() {{ s += i;  }} }} }} s", blocks(1))
    );
    assert_eq!(
        with_checks("'a: for (x, y) in v.iter().zip(&w) { if x > y { break; } continue 'a; } s"),
        format!(
            "match blocks(v.iter().zip(&w){}'a: for (x, y) in __blocks1.block() \
             {{ if x > y {{ break '__blocks1; }} continue 'a;  }} }} }} s",
            blocks(1)
        )
    );
    // The outer loop is none of these; a closure's `break` would be its own.
    assert_eq!(
        with_checks("'a: for i in 0..n { for j in 0..i { break 'a; } } s"),
        format!(
            "'a: for i in 0..n {{  check(); match blocks(0..i{}for j in __blocks1.block() {{ break 'a;  }} }} }} }} s",
            blocks(1)
        )
    );
    assert_eq!(with_checks("for k in 0..3 { s += k; } s"), "for k in 0..3 { s += k; } s");
}

#[test]
fn iterators_look_where_no_end_is_in_sight() {
    assert_eq!(
        with_checks("(0..n).map(|i| i + 1).sum::<u64>() "),
        "counted((0..n)).map(|i| i + 1).sum::<u64>() "
    );
    assert_eq!(
        with_checks("(0..n).map(|i| f(i)).count() "),
        "counted((0..n)).map(|i| { check(); f(i) }).count() "
    );
    assert_eq!(with_checks("(0..n).map(|i| i).collect() "), "(0..n).map(|i| i).collect() ");
    assert_eq!(
        with_checks("(0..n).filter(|i| *i > 3).collect() "),
        "counted((0..n)).filter(|i| *i > 3).collect() "
    );
    assert_eq!(with_checks("(0..9).map(|i| i).sum::<i32>() "), "(0..9).map(|i| i).sum::<i32>() ");
    assert_eq!(
        with_checks("std::iter::repeat(1).take(n).sum() "),
        "counted(std::iter::repeat(1)).take(n).sum() "
    );
    assert_eq!(with_checks("v.iter().cycle().count() "), "counted(v.iter().cycle()).count() ");
    assert_eq!(with_checks("v.iter().map(|x| x * 2).sum() "), "v.iter().map(|x| x * 2).sum() ");
    assert_eq!(with_checks("(0..n).into_par_iter().sum() "), "(0..n).into_par_iter().sum() ");
    assert_eq!(with_checks("(0..n).contains(&x) "), "(0..n).contains(&x) ");
}
