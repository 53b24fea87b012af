//! Lines on stderr about what was dropped. A flood of garbage does not become a flood of lines.

use std::fmt::Arguments;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many lines are written in this time, and no more.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

static LOG: Mutex<Log> = Mutex::new(Log { since: None, written: 0, left_out: 0 });

struct Log {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

/// Writes one line, unless many were written just now.
pub(super) fn dropped(line: Arguments<'_>) {
    // The counters are whole after every statement.
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    for text in log.lines(Instant::now(), line) {
        eprintln!("sconce: {text}");
    }
}

impl Log {
    /// What is to be written at a time.
    fn lines(&mut self, now: Instant, line: Arguments<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        if self.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            if self.left_out > 0 {
                lines.push(format!("{} more messages and connections were dropped", self.left_out));
            }
            *self = Log { since: Some(now), written: 0, left_out: 0 };
        }
        match self.written {
            LINES.. => self.left_out += 1,
            _ => {
                self.written += 1;
                lines.push(line.to_string());
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted() {
        let mut log = Log { since: None, written: 0, left_out: 0 };
        let start = Instant::now();
        let written = (0..1000).flat_map(|number| log.lines(start, format_args!("{number}"))).count();
        assert_eq!(written, 20);
        let later = log.lines(start + WINDOW, format_args!("again"));
        assert_eq!(later, ["980 more messages and connections were dropped", "again"]);
        assert_eq!(log.lines(start + WINDOW, format_args!("once more")), ["once more"]);
    }
}
