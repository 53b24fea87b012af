#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

fn page_of(cells: &[Value]) -> Page {
    let text = json!({"nbformat": 4, "cells": cells}).to_string();
    page(&Notebook::parse(&text, Path::new("x.ipynb")).unwrap(), "my notes", Path::new("/nowhere"))
}

fn markdown(source: &str) -> String {
    page_of(&[json!({"cell_type": "markdown", "source": source})]).html
}

fn output(output: &Value) -> String {
    let html = page_of(&[json!({"cell_type": "code", "source": "x", "execution_count": 3,
        "outputs": [output]})])
    .html;
    let (_, outputs) = html.split_once("<div class=\"nb-outputs\"").unwrap_or_default();
    outputs.split_once("</section>").unwrap_or_default().0.to_owned()
}

fn shown(data: &Value) -> String {
    output(&json!({"output_type": "display_data", "data": data, "metadata": {"image/png": {"width": 320}}}))
}

#[track_caller]
fn assert_holds(html: &str, parts: &[&str]) {
    for part in parts {
        assert!(html.contains(part), "`{part}` is not in:\n{html}");
    }
}

#[test]
fn a_page_is_whole_and_needs_nothing_else() {
    let html = markdown("# A &amp; title\n\ntext");
    assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
    assert_holds(&html, &["<title>A &amp; title</title>", "<h1 id=\"a-title\">", "<p>text</p>", "<style>"]);
    for outside in ["<link", "<script", "url(", "@import", "http://", "https://"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert_holds(&markdown("no heading"), &["<title>my notes</title>", "<h1>my notes</h1>"]);
}

#[test]
fn markdown_is_that_of_notebooks() {
    let html = markdown(
        "## One\n\n## One\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n~~old~~ $\\frac{a}{b} < 1$ and\n\n$$x_1$$\n\n- [x] done\n\n```rust\nlet x = 1;\n```\n\n```text\n<plain>\n```\n\n<b>raw</b>",
    );
    assert_holds(
        &html,
        &[
            "<h2 id=\"one\">One</h2>",
            "<h2 id=\"one-2\">One</h2>",
            "<td style=\"text-align: right\">2</td>",
            "<del>old</del>",
            "<span class=\"nb-math\">$\\frac{a}{b} &lt; 1$</span>",
            "<span class=\"nb-math nb-display\">$$x_1$$</span>",
            "type=\"checkbox\" checked",
            "<span class=\"hl-keyword\">let</span> x = <span class=\"hl-number\">1</span>;",
            "&lt;plain&gt;",
            "<b>raw</b>",
        ],
    );
}

#[test]
fn pictures_of_markdown_are_in_the_page_or_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a b.png"), [1, 2, 3]).unwrap();
    let cell = json!({"cell_type": "markdown",
        "source": "![one](a%20b.png) ![two](attachment:c.png) ![three](gone.png) ![four](https://x.y/z.png)",
        "attachments": {"c.png": {"image/png": "BAUG"}}});
    let text = json!({"nbformat": 4, "cells": [cell]}).to_string();
    let notebook = Notebook::parse(&text, Path::new("x.ipynb")).unwrap();
    let page = page(&notebook, "x", folder.path());
    assert_holds(
        &page.html,
        &[
            "<img src=\"data:image/png;base64,AQID\" alt=\"one\" />",
            "<img src=\"data:image/png;base64,BAUG\" alt=\"two\" />",
            "<img src=\"gone.png\" alt=\"three\" />",
        ],
    );
    assert_eq!(page.problems.len(), 2, "{:?}", page.problems);
    assert!(page.problems[0].contains("gone.png"));
    assert!(page.problems[1].contains("https://x.y/z.png"));
}

#[test]
fn code_is_coloured_and_numbered() {
    let html = page_of(&[
        json!({"cell_type": "code", "source": "let s = \"<b>\"; // end", "execution_count": 7, "id": "abc"}),
        json!({"cell_type": "code", "source": ""}),
    ])
    .html;
    assert_holds(
        &html,
        &[
            "id=\"cell-abc\"",
            "aria-hidden=\"true\">7</div>",
            "aria-label=\"code of cell 7\"",
            "<span class=\"hl-string\">&quot;&lt;b&gt;&quot;</span>",
            "<span class=\"hl-comment\">// end</span>",
        ],
    );
    assert_eq!(html.matches("<section").count(), 1, "a blank cell is not shown");
}

#[test]
fn the_richest_form_of_an_output_is_shown() {
    let all = json!({"text/plain": "p", "text/html": "<i>h</i>", "image/png": "AQID"});
    assert_holds(&shown(&all), &["<div class=\"nb-output nb-html\"><i>h</i></div>", "output of cell 3"]);
    let picture = shown(&json!({"text/plain": "a \"plot\"\n of x", "image/png": "AQ\nID"}));
    assert_holds(
        &picture,
        &["<img src=\"data:image/png;base64,AQID\" alt=\"a &quot;plot&quot; of x\" width=\"320\">"],
    );
    assert_holds(&shown(&json!({"image/svg+xml": "<svg/>"})), &["data:image/svg+xml;base64,PHN2Zy8+"]);
    assert_holds(&shown(&json!({"text/markdown": "**b**"})), &["<strong>b</strong>"]);
    assert_holds(&shown(&json!({"text/latex": "$a<b$"})), &["$a&lt;b$"]);
    assert_holds(&shown(&json!({"application/json": {"a": [1.50]}})), &["&quot;a&quot;: [", "1.5"]);
    assert_holds(&shown(&json!({"text/plain": "a < b"})), &["a &lt; b"]);
    assert_holds(
        &shown(&json!({"application/x-own": "?"})),
        &["(application/x-own cannot be shown on a page)"],
    );
    assert_holds(&shown(&json!({"text/html": 5})), &["5"]);
    let folded = shown(&json!({"application/json": (0..100).collect::<Vec<_>>()}));
    assert_holds(&folded, &["<summary>JSON, 102 lines</summary>"]);
}

#[test]
fn streams_and_errors_keep_their_colours() {
    let stream =
        |name: &str| json!({"output_type": "stream", "name": name, "text": "\u{1b}[32mok\u{1b}[0m <x>"});
    assert_holds(
        &output(&stream("stdout")),
        &["nb-stdout", "<span class=\"ansi-green\">ok</span> &lt;x&gt;"],
    );
    assert_holds(&output(&stream("stderr")), &["nb-stderr"]);
    let error =
        json!({"output_type": "error", "ename": "E", "evalue": "m", "traceback": ["\u{1b}[31ma", "b"]});
    assert_holds(&output(&error), &["nb-error", "<span class=\"ansi-red\">a\nb</span>"]);
    let bare = json!({"output_type": "error", "ename": "E", "evalue": "m", "traceback": []});
    assert_holds(&output(&bare), &["E: m"]);
}

#[test]
fn raw_cells_are_text_unless_they_are_for_html() {
    let raw = |metadata: &Value| {
        page_of(&[json!({"cell_type": "raw", "source": "<hr>", "metadata": metadata})]).html
    };
    assert_holds(&raw(&json!({})), &["&lt;hr&gt;"]);
    assert_holds(&raw(&json!({"raw_mimetype": "text/html"})), &["\n<hr>\n"]);
    assert_holds(&raw(&json!({"format": "text/latex"})), &["&lt;hr&gt;"]);
}
