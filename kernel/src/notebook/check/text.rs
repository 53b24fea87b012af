//! Differences of texts, for people.

use std::ops::Range;
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

/// Unchanged lines around a change.
const CONTEXT: usize = 3;

/// A report of one output shows this many lines.
const MOST_LINES: usize = 60;

/// Longer lines are cut to what is around the first difference, in characters.
const WIDTH: usize = 160;

/// What of a cut line stands before the first difference.
const BEFORE: usize = 50;

/// Beyond it a coarser difference will do.
const PATIENCE: Duration = Duration::from_secs(2);

/// A line of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Says something about what follows.
    Note(String),
    /// Stands in both outputs.
    Same(String),
    /// Stands in the notebook only.
    Stored(String),
    /// Came out of the fresh run only.
    Fresh(String),
}

/// The lines in which two texts differ, with some around them.
pub(super) fn diff(stored: &str, fresh: &str) -> Vec<Line> {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(stored, fresh);
    let uneven = stored.ends_with('\n') != fresh.ends_with('\n');
    let mut lines = Vec::new();
    for hunk in diff.grouped_ops(CONTEXT) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        let old = first.old_range().start..last.old_range().end;
        let new = first.new_range().start..last.new_range().end;
        lines.push(Line::Note(format!(
            "@@ -{},{} +{},{} @@",
            old.start + 1,
            old.len(),
            new.start + 1,
            new.len()
        )));
        for step in &hunk {
            // In lines that replace others the n-th is shown beside the n-th.
            let beside = |mut range: Range<usize>, n| range.nth(n);
            for change in diff.iter_changes(step) {
                let text = change.value();
                let (side, other): (fn(String) -> Line, _) = match change.tag() {
                    ChangeTag::Equal => (Line::Same, None),
                    ChangeTag::Delete => {
                        let n = change.old_index().map(|index| index - step.old_range().start);
                        let other = n.and_then(|n| beside(step.new_range(), n));
                        (Line::Stored, other.and_then(|index| diff.new_slice(index)))
                    }
                    ChangeTag::Insert => {
                        let n = change.new_index().map(|index| index - step.new_range().start);
                        let other = n.and_then(|n| beside(step.old_range(), n));
                        (Line::Fresh, other.and_then(|index| diff.old_slice(index)))
                    }
                };
                lines.push(side(shown_beside(text, other.unwrap_or_default())));
                if uneven && change.tag() != ChangeTag::Equal && !text.ends_with('\n') {
                    lines.push(Line::Note("(no newline at the end)".to_owned()));
                }
            }
        }
    }
    shortened(lines)
}

/// Lines that all belong to one side.
pub(super) fn cut(lines: impl Iterator<Item = String>, side: fn(String) -> Line) -> Vec<Line> {
    shortened(lines.map(side).collect())
}

/// One line as it can be shown: no control characters, not too long.
pub(super) fn shown(line: &str) -> String {
    shown_beside(line, "")
}

fn shortened(mut lines: Vec<Line>) -> Vec<Line> {
    if lines.len() > MOST_LINES {
        let left_out = lines.len() - MOST_LINES + 1;
        lines.truncate(MOST_LINES - 1);
        lines.push(Line::Note(format!("… and {left_out} more lines")));
    }
    lines
}

/// A line that replaces `other`, or is replaced by it; so the cut shows where they differ.
fn shown_beside(line: &str, other: &str) -> String {
    let line = line.strip_suffix('\n').unwrap_or(line);
    let same = line.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let length = line.chars().count();
    let start = if length > WIDTH { same.saturating_sub(BEFORE).min(length - WIDTH) } else { 0 };
    let mut text = String::new();
    if start > 0 {
        text.push('…');
    }
    // White space at the end would not be seen.
    let visible = line.trim_end().chars().count();
    for (index, char) in line.chars().enumerate().skip(start).take(WIDTH) {
        match char {
            ' ' if index >= visible => text.push('·'),
            '\t' if index < visible => text.push(char),
            _ if char.is_control() => text.extend(char.escape_default()),
            _ => text.push(char),
        }
    }
    if start + WIDTH < length {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_stands_among_what_is_around_it() {
        let stored: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let fresh = stored.replace("line 10\n", "line ten\n");
        let lines = diff(&stored, &fresh);
        assert_eq!(lines[0], Line::Note("@@ -7,7 +7,7 @@".to_owned()));
        assert_eq!(lines[1], Line::Same("line 7".to_owned()));
        assert_eq!(lines[4..6], [Line::Stored("line 10".to_owned()), Line::Fresh("line ten".to_owned())]);
        assert_eq!(lines.len(), 9);
    }

    #[test]
    fn what_cannot_be_seen_is_made_visible() {
        assert_eq!(diff("a \n", "a\n")[1..], [Line::Stored("a·".to_owned()), Line::Fresh("a".to_owned())]);
        assert_eq!(diff("a\u{7}", "a")[1], Line::Stored("a\\u{7}".to_owned()));
        let lines = diff("a", "a\n");
        assert_eq!(
            lines[1..3],
            [Line::Stored("a".to_owned()), Line::Note("(no newline at the end)".to_owned())]
        );
    }

    #[test]
    fn long_lines_are_cut_to_where_they_differ_and_long_reports_are_cut() {
        let stored = format!("{}x{}", "ä".repeat(500), "ö".repeat(500));
        let lines = diff(&stored, &stored.replace('x', "y"));
        let Line::Stored(line) = &lines[1] else { panic!("{lines:?}") };
        assert!(line.starts_with("…ä") && line.contains("äxö") && line.ends_with("ö…"), "{line}");
        assert_eq!(line.chars().count(), WIDTH + 2);
        let many: String = (0..1000).map(|n| format!("{n}\n")).collect();
        let lines = diff(&many, "");
        assert_eq!(lines.len(), MOST_LINES);
        assert_eq!(lines.last(), Some(&Line::Note("… and 942 more lines".to_owned())));
    }
}
