//! Wrong cells as people write them: what the error is called, what it says and where, and that nothing of
//! what the kernel makes of a cell is in it.

mod notebook;

use notebook::{Notebook, without_colours};

/// A wrong cell.
struct Wrong {
    /// Cells that run before it.
    before: &'static [&'static str],
    cell: &'static str,
    name: &'static str,
    /// Its place: the line and column in the wrong cell. Empty where there is none.
    at: &'static str,
    /// What the text says.
    says: &'static [&'static str],
}

const fn wrong(
    before: &'static [&'static str],
    cell: &'static str,
    name: &'static str,
    at: &'static str,
    says: &'static [&'static str],
) -> Wrong {
    Wrong { before, cell, name, at, says }
}

/// What the kernel's own code is called.
const OURS: [&str; 9] =
    ["sconce_cell", "__run", "__value", "notebook::", "step(", "catch_unwind", "Failed", "/body/", "/items/"];

/// Runs them in one notebook and tells of all that are not as they should be.
fn check(cells: &[Wrong]) {
    let mut notebook = Notebook::start();
    let mut complaints = Vec::new();
    for wrong in cells {
        for before in wrong.before {
            let ran = notebook.run(before);
            if let Some(failure) = ran.failure {
                complaints.push(format!("{before}\n{}", without_colours(&failure.traceback.join("\n"))));
            }
        }
        let number = notebook.0.next_number();
        let Some(failure) = notebook.run(wrong.cell).failure else {
            complaints.push(format!("{}\ndid not fail", wrong.cell));
            continue;
        };
        let text = without_colours(&failure.traceback.join("\n"));
        let mut missing: Vec<String> = Vec::new();
        if failure.name != wrong.name {
            missing.push(format!("the name is {} and not {}", failure.name, wrong.name));
        }
        let place = format!(" cell {number}:{}\n", wrong.at);
        if !wrong.at.is_empty() && !text.contains(&place) {
            missing.push(format!("it does not point to {}", place.trim()));
        }
        missing.extend(
            wrong
                .says
                .iter()
                .filter(|says| !text.contains(**says))
                .map(|says| format!("it does not say {says}")),
        );
        let ours = OURS.iter().filter(|ours| text.contains(**ours) || failure.message.contains(**ours));
        missing.extend(ours.map(|ours| format!("it tells of {ours}")));
        if !missing.is_empty() {
            complaints.push(format!("{}\n{text}\n=> {}", wrong.cell, missing.join("; ")));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

#[test]
fn variables_of_earlier_cells() {
    check(&[
        wrong(
            &["let words = vec![String::from(\"a\")];", "let taken = words;"],
            "words.len()",
            "E0425",
            "1:1",
            &["`words` was moved in cell 2", "words.clone()", "moved here"],
        ),
        wrong(
            &["fn eat(v: Vec<u8>) -> usize { v.len() }\nlet bytes = vec![1u8]; let n = 2;", "eat(bytes)"],
            "eat(bytes)",
            "E0425",
            "1:5",
            &["`bytes` was moved in cell 5", "lend it, `&bytes`"],
        ),
        wrong(
            &["let scale = |x: f64| x * 2.0; scale(1.0)"],
            "scale(2.0)",
            "E0425",
            "1:1",
            &["`scale` of cell 7 is a closure", "write a `fn`"],
        ),
        wrong(
            &["let all = vec![1, 2]; let first = &all[0]; *first"],
            "*first + 1",
            "E0425",
            "1:2",
            &["`first` of cell 9 borrows", "`.clone()`"],
        ),
        wrong(
            &["let learner = 1;"],
            "lerner + 1",
            "E0425",
            "1:1",
            &["cell 11 made a variable of a similar name: `learner`"],
        ),
        wrong(&["let count = 0;"], "count += 1;", "E0594", "1:1", &["let mut count", "cell 13:1:5"]),
        wrong(
            &["let list = vec![1];"],
            "list.push(2);",
            "E0596",
            "1:1",
            &["cannot borrow `list` as mutable", "let mut list"],
        ),
        wrong(
            &[
                "#[derive(Debug)]\nstruct Config { size: usize }\nlet config = Config { size: 1 };",
                "#[derive(Debug)]\nstruct Config { size: usize, name: String }",
            ],
            "config.size",
            "E0425",
            "1:1",
            &["`config` was of a type that cell 18 redefined"],
        ),
        wrong(
            &[
                "let made: Vec<i32> = \"1 x\".split(' ').map(|n| n.parse()).collect::<Result<_, _>>().unwrap_or_default();",
            ],
            "made[0] + \"1\".len()",
            "E0308",
            "1:11",
            &["expected `i32`, found `usize`"],
        ),
        wrong(
            &[],
            "let parsed: i32 = \"x1\".parse()?; let after = parsed;",
            "ParseIntError",
            "1:19",
            &["invalid digit found in string"],
        ),
        wrong(&[], "after", "E0425", "1:1", &["cell 22 stopped before `after` was made"]),
        wrong(
            &["let big = vec![0; 3]; std::mem::drop(big);"],
            "big",
            "E0425",
            "1:1",
            &["`big` was moved in cell 24"],
        ),
    ]);
}

#[test]
fn names_and_imports() {
    check(&[
        wrong(
            &[],
            "let m: HashMap<i32, i32> = HashMap::new();",
            "E0425",
            "1:8",
            &["HashMap", "use std::collections::HashMap;"],
        ),
        wrong(
            &[],
            "fn size(m: &HashMap<i32, i32>) -> usize { m.len() }",
            "E0425",
            "1:13",
            &["HashMap", "use std::collections::HashMap;"],
        ),
        wrong(&[], "use ndarray::Array2;", "E0432", "1:5", &["ndarray", ":dep ndarray = \"*\""]),
        wrong(&[], "let x = chrono::Utc::now();", "E0433", "1:9", &["chrono", ":dep chrono = \"*\""]),
        wrong(&[], "pritnln!(\"hi\");", "CompileError", "1:1", &["cannot find macro `pritnln`", "println"]),
        wrong(&[], "let n = vec![3, 1].len(); n.sqrt()", "E0599", "1:29", &["sqrt"]),
        wrong(&[], "let v = vec![3, 1]; v.lenght()", "E0599", "1:23", &["lenght", "len"]),
        wrong(
            &["struct Plain(i32);\ntrait Area { fn area(&self) -> f64; }"],
            "Plain(1).area()",
            "E0599",
            "1:10",
            &["no method named `area`", "Area"],
        ),
        wrong(
            &[
                "mod bank { pub struct Account { balance: i32 }\nimpl Account { pub fn new() -> Self { Account { balance: 1 } } } }\nlet account = bank::Account::new();",
            ],
            "account.balance",
            "E0616",
            "1:9",
            &["field `balance` of struct `Account` is private"],
        ),
        wrong(
            &["struct Pixel { r: u8 }\nlet pixel = Pixel { r: 1 };"],
            "pixel.red",
            "E0609",
            "1:7",
            &["no field `red`", "available field"],
        ),
        wrong(&[], "let s: Strng = String::new();", "E0425", "1:8", &["Strng", "String"]),
        wrong(
            &[],
            "use std::colections::HashMap;",
            "E0432",
            "1:10",
            &["could not find `colections` in `std`"],
        ),
        wrong(&[], "use candle_core::Tensr;", "E0432", "1:5", &["Tensr", "Tensor"]),
        wrong(
            &[],
            "let t = Tensor::zeros(3, DType::F32, &Device::Cpu)?;",
            "E0433",
            "1:9",
            &["Tensor", "`use sconce::prelude::*;` brings `Tensor` in"],
        ),
        wrong(
            &[],
            "let d = datasets::digits()?;",
            "E0433",
            "1:9",
            &["`use sconce::prelude::*;` brings `datasets` in"],
        ),
        wrong(&[], "np.zeros(3)", "E0425", "1:1", &["np"]),
        wrong(&[], "exit()", "E0425", "1:1", &["shut the kernel down"]),
    ]);
}

#[test]
fn types_and_traits() {
    check(&[
        wrong(&[], "let x: i32 = \"one\";", "E0308", "1:14", &["expected `i32`, found `&str`"]),
        wrong(&[], "let n = 3;\nlet half = n / 2.0;", "E0277", "2:14", &["cannot divide"]),
        wrong(
            &[],
            "let v = vec![1, 2];\nlet i: i32 = 1;\nv[i]",
            "E0277",
            "3:3",
            &["the type `[{integer}]` cannot be indexed by `i32`"],
        ),
        wrong(
            &["fn add(a: i32, b: i32) -> i32 { a + b }"],
            "add(1)",
            "E0061",
            "1:1",
            &["this function takes 2 arguments but 1 argument was supplied"],
        ),
        wrong(
            &["#[derive(Debug)]\nenum Shape { Dot, Line }\nlet shape = Shape::Dot;"],
            "match shape {\n    Shape::Dot => 1,\n}",
            "E0004",
            "1:7",
            &["`Shape::Line` not covered"],
        ),
        wrong(
            &["trait Named { fn name(&self) -> String; fn age(&self) -> u8; }\nstruct Cat;"],
            "impl Named for Cat { fn name(&self) -> String { \"c\".into() } }",
            "E0046",
            "1:1",
            &["missing: `age`"],
        ),
        wrong(
            &[],
            "#[derive(Clone)]\nstruct Bare;\nformat!(\"{:?}\", Bare)",
            "E0277",
            "3:17",
            &["`Bare` doesn't implement `Debug`", "derive(Debug)"],
        ),
        wrong(&[], "let o: Option<i32> = None;\no?;", "E0277", "2:2", &[".ok_or("]),
        wrong(&[], "fn read() -> i32 { let n: i32 = \"1\".parse()?; n }", "E0277", "1:44", &["?"]),
        wrong(&[], "return Err(\"no luck\");", "&str", "1:12", &["no luck"]),
        wrong(&[], "return 5;", "E0308", "1:8", &["`Err(…)?` ends it with an error"]),
        wrong(&[], "Err(\"plain\")", "E0282", "1:1", &["type annotations needed"]),
        wrong(&[], "let empty = Vec::new();", "E0282", "1:5", &["type annotations needed"]),
        wrong(
            &["let ready = async { 1 };"],
            "let later = async { 1 };\nlater + 1",
            "E0369",
            "2:7",
            &["cannot add"],
        ),
        wrong(
            &["async fn fetch() -> i32 { 1 }"],
            "let n: i32 = fetch();",
            "E0308",
            "1:14",
            &["expected `i32`", "await"],
        ),
        wrong(
            &[],
            "fn wait() -> i32 { fetch().await }",
            "E0728",
            "1:28",
            &["`await` is only allowed inside `async`"],
        ),
        wrong(
            &[],
            "let r;\n{\n    let inner = 5;\n    r = &inner;\n}\nprintln!(\"{r}\");",
            "E0597",
            "4:9",
            &["`inner` does not live long enough"],
        ),
        wrong(
            &[],
            "fn longest(a: &str, b: &str) -> &str { if a.len() > b.len() { a } else { b } }",
            "E0106",
            "1:33",
            &["missing lifetime specifier"],
        ),
        wrong(
            &[],
            "let mut v = vec![1];\nfor x in &v { v.push(*x); }",
            "E0502",
            "2:15",
            &["cannot borrow `v` as mutable"],
        ),
        wrong(
            &[],
            "let s = String::from(\"a\");\nlet t = s;\nprintln!(\"{s}\");",
            "E0382",
            "3:12",
            &["borrow of moved value: `s`"],
        ),
        wrong(
            &[],
            "let text = String::from(\"a\");\nstd::thread::spawn(|| println!(\"{text}\"));",
            "E0373",
            "2:20",
            &["`move`"],
        ),
        wrong(
            &[],
            "let a = [1, 2, 3];\na[5]",
            "panic",
            "2:1",
            &["index out of bounds: the len is 3 but the index is 5"],
        ),
        wrong(
            &[],
            "let rc = std::rc::Rc::new(1);\nstd::thread::spawn(move || println!(\"{rc}\"));",
            "E0277",
            "2:20",
            &["cannot be sent between threads safely"],
        ),
        wrong(
            &[],
            "let x = if true { 1 } else { \"two\" };",
            "E0308",
            "1:30",
            &["`if` and `else` have incompatible types"],
        ),
        wrong(
            &[],
            "struct Loop { next: Loop }",
            "E0072",
            "1:1",
            &["recursive type `Loop` has infinite size", "Box"],
        ),
    ]);
}

#[test]
fn texts_and_commands() {
    check(&[
        wrong(&[], "let v = vec![1, 2;\nv.len()", "SyntaxError", "1:13", &["unclosed"]),
        wrong(&[], "fn open() {\n    println!(\"a\");", "SyntaxError", "2:19", &["unclosed delimiter"]),
        wrong(&[], "let a = 1\nlet b = 2;", "SyntaxError", "1:10", &["expected `;`"]),
        wrong(&[], "let s = \"never closed;", "SyntaxError", "1:9", &["unterminated double quote string"]),
        wrong(&[], "for i in range(3):\n    print(i)", "SyntaxError", "1:18", &["expected `{`, found `:`"]),
        wrong(&[], "let 2x = 1;", "CompileError", "1:5", &["identifiers cannot start with a number"]),
        wrong(&[], "x == 1 === 2", "SyntaxError", "1:8", &["comparison"]),
        wrong(&[], "def f(x):\n    return x", "SyntaxError", "1:5", &["write `fn` instead of `def`"]),
        wrong(&[], "import numpy as np", "SyntaxError", "1:8", &["`use std::fmt;`", ":dep"]),
        wrong(&[], ":foo", "CommandError", "", &["`:foo` is no command", ":help"]),
        wrong(&[], ":vras", "CommandError", "", &["did you mean `:vars`?"]),
        wrong(&[], ":dep = \"1\"", "CommandError", "", &[":dep"]),
        wrong(&[], ":dep rand = {", "CommandError", "", &[":dep"]),
        wrong(&[], ":opt 9", "CommandError", "", &["0, 1, 2, 3 or auto"]),
        wrong(&[], "%matplotlib inline", "CommandError", "", &["no magic"]),
    ]);
}
