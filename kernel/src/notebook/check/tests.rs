#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::engine::Failure;
use crate::notebook::CellRun;

fn notebook(metadata: &Value, cells: &[(Value, Value)]) -> Notebook {
    let cells: Vec<Value> = cells
        .iter()
        .map(|(metadata, outputs)| {
            json!({"cell_type": "code", "source": "x", "metadata": metadata, "execution_count": 1,
                "outputs": outputs})
        })
        .collect();
    let text = json!({"nbformat": 4, "metadata": metadata, "cells": cells}).to_string();
    Notebook::parse(&text, Path::new("x.ipynb")).unwrap()
}

fn stream(name: &str, text: &str) -> Value {
    json!({"output_type": "stream", "name": name, "text": text})
}

fn shown(data: &Value) -> Value {
    json!({"output_type": "display_data", "data": data, "metadata": {}})
}

fn result(data: &Value) -> Value {
    json!({"output_type": "execute_result", "execution_count": 1, "data": data, "metadata": {}})
}

/// A run of all cells in which nothing failed.
fn went_well(cells: usize) -> Summary {
    let ran = |index| CellRun {
        index,
        number: index as u64 + 1,
        started: jiff::Timestamp::UNIX_EPOCH,
        ended: jiff::Timestamp::UNIX_EPOCH,
        elapsed: Duration::ZERO,
        failure: None,
        allowed: false,
    };
    Summary { total: cells as u64, cells: (0..cells).map(ran).collect(), stopped: false }
}

/// What differs for one cell with this metadata, each as `what: line | line`.
fn differences(
    metadata: &Value,
    cell: &Value,
    stored: &Value,
    fresh: &Value,
    ignore: &[&str],
) -> Vec<String> {
    let of = |outputs: &Value| notebook(metadata, &[(cell.clone(), outputs.clone())]);
    let (stored, fresh) = (of(stored), of(fresh));
    let ignore: Vec<_> = ignore.iter().map(|text| pattern(text).unwrap()).collect();
    let rules = Rules::of(&stored, Path::new("x.ipynb"), &ignore).unwrap();
    let line = |line: &Line| match line {
        Line::Note(text) => text.clone(),
        Line::Same(text) => format!(" {text}"),
        Line::Stored(text) => format!("-{text}"),
        Line::Fresh(text) => format!("+{text}"),
    };
    compare(&stored, &fresh, &went_well(1), &rules)
        .into_iter()
        .flat_map(|cell| cell.differences)
        .map(|it| format!("{}: {}", it.what, it.lines.iter().map(line).collect::<Vec<_>>().join(" | ")))
        .collect()
}

fn plain(stored: &Value, fresh: &Value) -> Vec<String> {
    differences(&json!({}), &json!({}), stored, fresh, &[])
}

fn png(width: u32, height: u32, data: &[u8], compression: png::Compression) -> String {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_compression(compression);
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    STANDARD.encode(bytes)
}

#[test]
fn streams_are_compared_as_if_written_at_once() {
    let stored = json!([stream("stdout", "a"), stream("stderr", "e"), stream("stdout", "b\n")]);
    let fresh = json!([stream("stderr", "\u{1b}[31me\u{1b}[0m"), stream("stdout", "ab\n")]);
    assert_eq!(plain(&stored, &fresh), [""; 0]);
    let fresh = json!([stream("stderr", "e"), stream("stdout", "ac\n")]);
    assert_eq!(plain(&stored, &fresh), ["stdout: @@ -1,1 +1,1 @@ | -ab | +ac"]);
    let apart = json!([stream("stdout", "a"), shown(&json!({"text/plain": "x"})), stream("stdout", "b\n")]);
    let moved = json!([stream("stdout", "ab\n"), shown(&json!({"text/plain": "x"}))]);
    assert!(!plain(&apart, &moved).is_empty(), "what is shown between two texts has a place");
}

#[test]
fn every_form_of_a_value_counts_and_is_named() {
    let stored = json!([result(&json!({"text/plain": "1", "text/html": "<b>1</b>",
        "application/json": {"b": 1, "a": [1.0, 2]}}))]);
    let fresh = json!([result(&json!({"text/plain": "1", "text/html": "<b>2</b>",
        "application/json": {"a": [1.0, 3], "b": 1}}))]);
    assert_eq!(plain(&stored, &stored), [""; 0]);
    assert_eq!(
        plain(&stored, &fresh),
        [
            "the result, application/json: @@ -1,7 +1,7 @@ |  { |    \"a\": [ |      1.0, | -    2 | +    3 |    ], |    \"b\": 1 |  }",
            "the result, text/html: @@ -1,1 +1,1 @@ | -<b>1</b> | +<b>2</b>",
        ]
    );
    let less = json!([result(&json!({"text/plain": "1", "image/svg+xml": "<svg/>"}))]);
    let told = plain(&stored, &less);
    assert_eq!(told[0], "the result, application/json: this form is not there any more");
    assert_eq!(told[2], "the result, image/svg+xml: this form is new");
}

#[test]
fn pictures_are_compared_by_their_pixels() {
    let of = |data: &str| json!([shown(&json!({"image/png": data, "text/plain": "p"}))]);
    let pixels: Vec<u8> = (0..64).collect();
    let small = of(&png(8, 8, &pixels, png::Compression::High));
    let large = of(&png(8, 8, &pixels, png::Compression::NoCompression));
    assert_ne!(small, large);
    assert_eq!(plain(&small, &large), [""; 0]);
    let mut others = pixels.clone();
    others[3] += 5;
    others[9] -= 1;
    let changed = of(&png(8, 8, &others, png::Compression::High));
    assert_eq!(
        plain(&small, &changed),
        ["a display, image/png: 8×8 pixels: 2 of 64 pixels differ, by up to 5 of 255"]
    );
    let wide = of(&png(16, 4, &pixels, png::Compression::High));
    assert_eq!(plain(&small, &wide), ["a display, image/png: 8×8 pixels stored, 16×4 pixels now"]);
    assert_eq!(
        plain(&small, &of("AQID")),
        ["a display, image/png: a picture of 8×8 pixels stored, other bytes (3 of them) now"]
    );
    assert_eq!(plain(&of("AQID"), &of("AQ\nID")), [""; 0]);
}

#[test]
fn an_output_that_comes_or_goes_does_not_shift_the_others() {
    let one = |text: &str| shown(&json!({"text/plain": text}));
    let (stored, fresh) = (json!([one("a"), one("b"), one("c")]), json!([one("b"), one("c"), one("d")]));
    assert_eq!(plain(&stored, &fresh), ["a display: is not shown any more | -a", "a display: is new | +d"]);
    let error = |name: &str, line: &str| json!([{"output_type": "error", "ename": name, "evalue": "m", "traceback": [line]}]);
    assert_eq!(plain(&error("E", "at 1"), &error("E", "at 2")), [""; 0]);
    assert_eq!(plain(&error("E", ""), &error("F", "")), ["the error: @@ -1,1 +1,1 @@ | -E: m | +F: m"]);
}

#[test]
fn tags_say_what_may_differ() {
    let stored = json!([stream("stdout", "1"), stream("stderr", "a"), result(&json!({"text/plain": "1"}))]);
    let fresh = json!([stream("stdout", "2"), stream("stderr", "b"), result(&json!({"text/plain": "2"}))]);
    let tagged = |tags: &[&str]| differences(&json!({}), &json!({"tags": tags}), &stored, &fresh, &[]).len();
    assert_eq!(tagged(&[]), 3);
    assert_eq!(tagged(&["ignore-stdout"]), 2);
    assert_eq!(tagged(&["ignore-stdout", "ignore-stderr"]), 1);
    assert_eq!(tagged(&["ignore-output"]), 0);
    assert_eq!(tagged(&["nbval-ignore-output"]), 0);
}

#[test]
fn masks_come_from_the_command_line_the_notebook_and_the_cell() {
    let of = |time: &str, speed: &str, id: &str| {
        json!([
            stream("stdout", &format!("took {time}\n{speed} images/s\n")),
            result(&json!({"application/json": {"id": id}}))
        ])
    };
    let (stored, fresh) = (of("5.5 s", "1,234", "x1"), of("6.1 s", "987", "x2"));
    let notebook = json!({"sconce": {"check": {"ignore": [r"[\d,]+ images/s"]}}});
    let cell = json!({"sconce": {"check": {"ignore": [r#"^\s*"id": .*$"#]}}});
    assert_eq!(differences(&notebook, &cell, &stored, &fresh, &[r"\d+\.\d s"]), [""; 0]);
    assert_eq!(
        differences(&notebook, &cell, &stored, &fresh, &[]),
        ["stdout: @@ -1,2 +1,2 @@ | -took 5.5 s | +took 6.1 s |  …"]
    );
    assert_eq!(differences(&notebook, &json!({}), &stored, &fresh, &[r"\d+\.\d s"]).len(), 1);
}

#[test]
fn a_cell_that_failed_is_not_compared_unless_it_may_fail() {
    let old = notebook(&json!({}), &[(json!({}), json!([stream("stdout", "1")]))]);
    let new = notebook(&json!({}), &[(json!({}), json!([stream("stdout", "2")]))]);
    let rules = Rules::of(&old, Path::new("x.ipynb"), &[]).unwrap();
    let mut summary = went_well(1);
    let failure = Failure { name: "E".to_owned(), message: String::new(), traceback: Vec::new() };
    summary.cells[0].failure = Some(failure);
    assert_eq!(compare(&old, &new, &summary, &rules), []);
    summary.cells[0].allowed = true;
    assert_eq!(compare(&old, &new, &summary, &rules).len(), 1);
    summary.cells.clear();
    assert_eq!(compare(&old, &new, &summary, &rules), [], "it did not run");
}

#[test]
fn wrong_rules_are_named_with_their_place() {
    let error = |metadata: &Value, cell: &Value| {
        let notebook = notebook(metadata, &[(cell.clone(), json!([]))]);
        Rules::of(&notebook, Path::new("x.ipynb"), &[]).unwrap_err().to_string()
    };
    let rules = |ignore: &Value| json!({"sconce": {"check": {"ignore": ignore}}});
    assert_eq!(
        error(&rules(&json!("a")), &json!({})),
        "x.ipynb: metadata.sconce.check.ignore: expected a list of regular expressions, got \"a\""
    );
    assert!(
        error(&json!({}), &rules(&json!(["("]))).starts_with(
            "x.ipynb: metadata.sconce.check.ignore of cell 1: `(` is not a regular expression: "
        )
    );
    assert!(error(&rules(&json!([r"\d*"])), &json!({})).contains("matches even empty text"));
    assert_eq!(
        error(&json!({"sconce": {"check": {"ignored": []}}}), &json!({})),
        "x.ipynb: metadata.sconce.check: `ignored` is not known, only `ignore` is"
    );
    assert_eq!(
        error(&json!({"sconce": []}), &json!({})),
        "x.ipynb: metadata.sconce: expected an object, got []"
    );
}

#[test]
fn a_notebook_that_never_ran_cannot_be_checked() {
    let text = |cell: &str| format!(r#"{{"nbformat": 4, "cells": [{cell}]}}"#);
    let rules = |cell: &str| {
        let notebook = Notebook::parse(&text(cell), Path::new("x.ipynb")).unwrap();
        Rules::of(&notebook, Path::new("x.ipynb"), &[])
    };
    let error = rules(r#"{"cell_type": "code", "source": "1", "outputs": []}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "x.ipynb holds no outputs to compare with: none of its cells was ever executed"
    );
    assert_eq!(error.help(), "store them first: sconce run --in-place x.ipynb");
    for fine in [
        r#"{"cell_type": "code", "source": "let x = 1;", "execution_count": 1}"#,
        r#"{"cell_type": "code", "source": " "}"#,
        r#"{"cell_type": "markdown", "source": "text"}"#,
        r#"{"cell_type": "code", "source": "1", "metadata": {"tags": ["skip-execution"]}}"#,
    ] {
        assert!(rules(fine).is_ok(), "{fine}");
    }
}
