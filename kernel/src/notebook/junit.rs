//! How runs went, as the JUnit XML that CI systems read (the schema of Jenkins' JUnit plugin): a suite for each
//! notebook, a case for each cell.

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use super::ansi;
use super::check::{CellDifference, Line};
use super::document::{Cell, CellKind, Notebook};
use super::run::{CellRun, Summary, first_line};

/// A first line that stands in a case's name is cut to so many characters.
const NAME_WIDTH: usize = 80;

/// The cases of one notebook.
#[derive(Debug, Clone)]
pub struct Suite {
    name: String,
    /// When it began, in UTC without a zone, as the schema has it.
    started: String,
    elapsed: Duration,
    cases: Vec<Case>,
}

#[derive(Debug, Clone)]
struct Case {
    name: String,
    elapsed: Duration,
    verdict: Verdict,
    stdout: String,
    stderr: String,
}

#[derive(Debug, Clone)]
enum Verdict {
    Passed,
    Skipped {
        why: String,
    },
    Failed {
        kind: String,
        message: String,
        details: String,
    },
    /// It could not be tried at all.
    Broken {
        message: String,
    },
}

impl Suite {
    /// The suite of a notebook that has run; `started` is the time at which it began.
    #[must_use]
    pub fn of(
        name: &str,
        started: jiff::Timestamp,
        elapsed: Duration,
        notebook: &Notebook,
        summary: &Summary,
        differences: &[CellDifference],
    ) -> Suite {
        let mut cases = Vec::new();
        // The number that a cell has, or would have had.
        let mut number = 0;
        for (index, cell) in notebook.cells().iter().enumerate() {
            if cell.kind() != CellKind::Code || cell.source().trim().is_empty() {
                continue;
            }
            if cell.is_skipped() {
                let why = "a tag of the cell says that it is not to be executed".to_owned();
                let name = format!("skipped cell: {}", shortened(cell));
                cases.push(Case::new(name, Duration::ZERO, Verdict::Skipped { why }));
                continue;
            }
            number += 1;
            let name = format!("cell {number}: {}", shortened(cell));
            match summary.cells.iter().find(|ran| ran.index == index) {
                Some(ran) => {
                    let difference = differences.iter().find(|difference| difference.index == index);
                    let mut case = Case::new(name, ran.elapsed, verdict(ran, difference));
                    (case.stdout, case.stderr) = (streamed(cell, "stdout"), streamed(cell, "stderr"));
                    cases.push(case);
                }
                None => {
                    let why = "the run ended before it".to_owned();
                    cases.push(Case::new(name, Duration::ZERO, Verdict::Skipped { why }));
                }
            }
        }
        Suite { name: name.to_owned(), started: time(started), elapsed, cases }
    }

    /// The suite of a notebook that could not be run at all.
    #[must_use]
    pub fn broken(name: &str, started: jiff::Timestamp, message: &str) -> Suite {
        let verdict = Verdict::Broken { message: message.to_owned() };
        let cases = vec![Case::new("start".to_owned(), Duration::ZERO, verdict)];
        Suite { name: name.to_owned(), started: time(started), elapsed: Duration::ZERO, cases }
    }

    /// `notebooks/01_a.ipynb` as CI systems sort their cases: `notebooks.01_a`.
    fn class(&self) -> String {
        let path = self.name.strip_suffix(".ipynb").unwrap_or(&self.name);
        let parts = path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != "." && *part != "..");
        parts.map(|part| part.replace('.', "_")).collect::<Vec<_>>().join(".")
    }

    fn counts(&self) -> Counts {
        let count = |of: fn(&Verdict) -> bool| self.cases.iter().filter(|case| of(&case.verdict)).count();
        Counts {
            tests: self.cases.len(),
            failures: count(|verdict| matches!(verdict, Verdict::Failed { .. })),
            errors: count(|verdict| matches!(verdict, Verdict::Broken { .. })),
            skipped: count(|verdict| matches!(verdict, Verdict::Skipped { .. })),
        }
    }

    fn write(&self, xml: &mut String) {
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" {} time=\"{}\" timestamp=\"{}\">",
            escaped(&self.name),
            self.counts().attributes(),
            seconds(self.elapsed),
            self.started,
        );
        let class = escaped(&self.class());
        for case in &self.cases {
            case.write(xml, &class);
        }
        xml.push_str("  </testsuite>\n");
    }
}

impl Case {
    fn new(name: String, elapsed: Duration, verdict: Verdict) -> Case {
        Case { name, elapsed, verdict, stdout: String::new(), stderr: String::new() }
    }

    fn write(&self, xml: &mut String, class: &str) {
        let name = escaped(&self.name);
        let _ = write!(
            xml,
            "    <testcase classname=\"{class}\" name=\"{name}\" time=\"{}\"",
            seconds(self.elapsed)
        );
        let mut inside = String::new();
        let _ = match &self.verdict {
            Verdict::Passed => Ok(()),
            Verdict::Skipped { why } => writeln!(inside, "      <skipped message=\"{}\"/>", escaped(why)),
            Verdict::Failed { kind, message, details } => writeln!(
                inside,
                "      <failure type=\"{}\" message=\"{}\">{}</failure>",
                escaped(kind),
                escaped(message),
                escaped(details)
            ),
            Verdict::Broken { message } => {
                writeln!(inside, "      <error type=\"start\" message=\"{}\"/>", escaped(message))
            }
        };
        for (element, text) in [("system-out", &self.stdout), ("system-err", &self.stderr)] {
            if !text.is_empty() {
                let _ = writeln!(inside, "      <{element}>{}</{element}>", escaped(text));
            }
        }
        match inside.is_empty() {
            true => xml.push_str("/>\n"),
            false => {
                let _ = write!(xml, ">\n{inside}    </testcase>\n");
            }
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn add(mut self, other: &Counts) -> Counts {
        self.tests += other.tests;
        self.failures += other.failures;
        self.errors += other.errors;
        self.skipped += other.skipped;
        self
    }

    fn attributes(&self) -> String {
        let Counts { tests, failures, errors, skipped } = self;
        format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
    }
}

/// The file that holds these suites.
#[must_use]
pub fn xml(suites: &[Suite]) -> String {
    let all = suites.iter().fold(Counts::default(), |counts, suite| counts.add(&suite.counts()));
    let time = seconds(suites.iter().map(|suite| suite.elapsed).sum());
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    // The schema knows no `skipped` for all suites together.
    let Counts { tests, failures, errors, .. } = all;
    let _ = writeln!(
        xml,
        "<testsuites name=\"sconce run\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{time}\">"
    );
    suites.iter().for_each(|suite| suite.write(&mut xml));
    xml.push_str("</testsuites>\n");
    xml
}

fn verdict(ran: &CellRun, difference: Option<&CellDifference>) -> Verdict {
    if let Some(failure) = ran.failure.as_ref().filter(|_| !ran.allowed) {
        return Verdict::Failed {
            kind: failure.name.clone(),
            message: ansi::stripped(&failure.message),
            details: ansi::stripped(&failure.traceback.join("\n")),
        };
    }
    let Some(difference) = difference else { return Verdict::Passed };
    let what: Vec<&str> = difference.differences.iter().map(|it| it.what.as_str()).collect();
    Verdict::Failed {
        kind: "difference".to_owned(),
        message: format!("shows something else than the notebook holds: {}", what.join("; ")),
        details: difference.differences.iter().map(|it| details(&it.what, &it.lines)).collect(),
    }
}

fn details(what: &str, lines: &[Line]) -> String {
    let lines = lines.iter().map(|line| match line {
        Line::Note(text) => format!("{text}\n"),
        Line::Same(text) => format!(" {text}\n"),
        Line::Stored(text) => format!("-{text}\n"),
        Line::Fresh(text) => format!("+{text}\n"),
    });
    format!("{what}\n{}", lines.collect::<String>())
}

/// What a cell has written to a stream, without colours.
fn streamed(cell: &Cell, name: &str) -> String {
    let texts = cell.outputs().iter().filter(|output| output["name"] == name);
    texts.filter_map(|output| output.get("text").and_then(Value::as_str)).map(ansi::stripped).collect()
}

fn shortened(cell: &Cell) -> String {
    let line = first_line(cell.source());
    match line.char_indices().nth(NAME_WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}

fn time(timestamp: jiff::Timestamp) -> String {
    timestamp.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Text as it may stand in XML 1.0, between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\n' | '\t' => xml.push(char),
            // A reference keeps it from being read as a line's end; other control characters have no form at all.
            '\r' => xml.push_str("&#13;"),
            '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            _ => xml.push(char),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::engine::Failure;
    use crate::notebook::check::Difference;

    fn notebook() -> Notebook {
        let code = |source: &str, tags: &[&str], outputs: Value| json!({"cell_type": "code", "source": source, "metadata": {"tags": tags}, "outputs": outputs});
        let stdout =
            json!([{"output_type": "stream", "name": "stdout", "text": "a \u{1b}[31m<b>\u{1b}[0m\u{7}\n"}]);
        let cells = [
            json!({"cell_type": "markdown", "source": "# Title"}),
            code("print(\"x\")", &[], stdout),
            code("slow", &["skip-execution"], json!([])),
            code("differs", &[], json!([])),
            code("fails", &[], json!([])),
            code("unreached", &[], json!([])),
        ];
        let text = json!({"nbformat": 4, "cells": cells}).to_string();
        Notebook::parse(&text, Path::new("x.ipynb")).unwrap()
    }

    fn summary() -> Summary {
        let ran = |index, number, failure| CellRun {
            index,
            number,
            started: jiff::Timestamp::UNIX_EPOCH,
            ended: jiff::Timestamp::UNIX_EPOCH,
            elapsed: Duration::from_millis(1500),
            failure,
            allowed: false,
        };
        let failure = Failure {
            name: "E0425".to_owned(),
            message: "cannot find `x`".to_owned(),
            traceback: vec!["\u{1b}[1merror\u{1b}[0m".to_owned(), " --> cell 3:1:1".to_owned()],
        };
        let cells = vec![ran(1, 1, None), ran(3, 2, None), ran(4, 3, Some(failure))];
        Summary { total: 4, cells, stopped: false }
    }

    #[test]
    fn a_suite_tells_each_cell() {
        let lines =
            vec![Line::Note("@@ -1,1 +1,1 @@".into()), Line::Stored("1".into()), Line::Fresh("2".into())];
        let differences = [CellDifference {
            index: 3,
            number: 2,
            differences: vec![Difference { what: "stdout".into(), lines }],
        }];
        let suite = Suite::of(
            "./notebooks/01.a.ipynb",
            jiff::Timestamp::UNIX_EPOCH,
            Duration::from_millis(4567),
            &notebook(),
            &summary(),
            &differences,
        );
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="sconce run" tests="6" failures="2" errors="1" time="4.567">
  <testsuite name="./notebooks/01.a.ipynb" tests="5" failures="2" errors="0" skipped="2" time="4.567" timestamp="1970-01-01T00:00:00">
    <testcase classname="notebooks.01_a" name="cell 1: print(&quot;x&quot;)" time="1.500">
      <system-out>a &lt;b&gt;�
</system-out>
    </testcase>
    <testcase classname="notebooks.01_a" name="skipped cell: slow" time="0.000">
      <skipped message="a tag of the cell says that it is not to be executed"/>
    </testcase>
    <testcase classname="notebooks.01_a" name="cell 2: differs" time="1.500">
      <failure type="difference" message="shows something else than the notebook holds: stdout">stdout
@@ -1,1 +1,1 @@
-1
+2
</failure>
    </testcase>
    <testcase classname="notebooks.01_a" name="cell 3: fails" time="1.500">
      <failure type="E0425" message="cannot find `x`">error
 --&gt; cell 3:1:1</failure>
    </testcase>
    <testcase classname="notebooks.01_a" name="cell 4: unreached" time="0.000">
      <skipped message="the run ended before it"/>
    </testcase>
  </testsuite>
  <testsuite name="b.ipynb" tests="1" failures="0" errors="1" skipped="0" time="0.000" timestamp="1970-01-01T00:00:00">
    <testcase classname="b" name="start" time="0.000">
      <error type="start" message="no &quot;worker&quot;"/>
    </testcase>
  </testsuite>
</testsuites>
"#;
        let broken = Suite::broken("b.ipynb", jiff::Timestamp::UNIX_EPOCH, "no \"worker\"");
        assert_eq!(xml(&[suite, broken]), expected);
    }
}
