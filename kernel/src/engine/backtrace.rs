//! The calls that led to a panic, as far as they are in cells.
//!
//! To make the library of a cell say which lines its code is from would cost every cell time. So the worker
//! tells addresses, and only a cell that panicked is compiled once more, with that information. Where this gives
//! the same machine code, an address means the same in both; otherwise there is no backtrace.

use std::collections::{BTreeSet, HashMap};

use sconce_display::wire::{Calls, Panic};

use super::Failure;
use super::build::Built;
use super::generate::CRATE;
use super::placed::Origin;
use super::program::{Line, Program};
use super::render::{Place, render};
use super::rustc::Make;
use super::session::{Session, failure};

/// More calls than these are not shown.
const SHOWN: usize = 12;

/// How many of the innermost and the outermost calls are shown where there are more.
const ENDS: (usize, usize) = (6, 3);

/// How many threads' panics a cell remembers.
const THREADS: usize = 4;

/// What led to a cell's panic.
#[derive(Debug, Default)]
pub struct Backtrace {
    own: Way,
    /// By the threads' names.
    threads: Vec<(String, Way)>,
}

/// The calls that led to one panic, innermost first.
#[derive(Debug, Default)]
struct Way {
    inner: Vec<Step>,
    unlisted: u64,
    outer: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Step {
    who: String,
    place: Place,
}

impl Session {
    /// Remembers what led to the panic of another thread, which may be why the cell fails.
    pub(super) fn remember(&self, thread: &str, panic: &Panic) {
        let mut panics = self.thread_panics.borrow_mut();
        if panics.len() < THREADS {
            panics.push((thread.to_owned(), panic.calls.clone()));
        }
    }

    /// What led to the panic of a cell that has just run. Nothing where there is not more to tell than the place
    /// of the panic, and where it cannot be told for sure.
    pub(super) fn backtrace(&self, cell: u32, built: &Built, panic: &Panic) -> Backtrace {
        let threads = self.thread_panics.take();
        let all: Vec<&Calls> =
            std::iter::once(&panic.calls).chain(threads.iter().map(|(_, calls)| calls)).collect();
        let offsets = all.iter().flat_map(|calls| calls.inner.iter().chain(&calls.outer));
        let offsets: BTreeSet<u64> =
            offsets.filter(|call| call.cell == cell).map(|call| call.offset).collect();
        let known = self.place(&panic.at).is_some();
        let Some(lines) = self.lines(cell, built, &offsets, known) else { return Backtrace::default() };
        let steps: HashMap<u64, Vec<Step>> = lines
            .into_iter()
            .map(|(offset, lines)| (offset, lines.iter().filter_map(|line| self.step(built, line)).collect()))
            .collect();
        let way = |calls: &Calls| {
            let walk = |calls: &[sconce_display::wire::Call]| -> Vec<Step> {
                let own = calls.iter().filter(|call| call.cell == cell);
                own.filter_map(|call| steps.get(&call.offset)).flatten().cloned().collect()
            };
            Way { inner: walk(&calls.inner), unlisted: calls.unlisted, outer: walk(&calls.outer) }
        };
        Backtrace {
            own: way(&panic.calls),
            threads: threads.iter().map(|(name, calls)| (name.clone(), way(calls))).collect(),
        }
    }

    /// What the instructions of a cell's library were made from; `None` where it is not worth the time.
    fn lines(
        &self,
        cell: u32,
        built: &Built,
        offsets: &BTreeSet<u64>,
        known: bool,
    ) -> Option<HashMap<u64, Vec<Line>>> {
        let ran = Program::take(&self.rustc.library(cell))?;
        // In optimised code a function may be inlined, which only the lines tell.
        let worth = !known || built.optimize > 0 || {
            let functions = ran.functions(offsets);
            functions
                .is_none_or(|functions| functions.iter().any(|name| is_more(name, &built.generated.entry)))
        };
        if offsets.is_empty() || !worth {
            return None;
        }
        let make = Make::Library { optimize: built.optimize, lines: true };
        let said =
            self.rustc.compile(&built.generated, cell, &built.crates, make, &self.interrupter).ok()??;
        let with_lines = Program::take(&self.rustc.library_with_lines(cell)).filter(|_| said.success)?;
        (ran.code()? == with_lines.code()?).then(|| with_lines.lines(offsets))?
    }

    /// A line of a generated file as a place in a cell; nothing of the glue.
    fn step(&self, built: &Built, line: &Line) -> Option<Step> {
        if !is_users(&line.function) {
            return None;
        }
        let mut files = built.generated.files.iter();
        let file =
            files.find(|file| *line.file == *self.rustc.path(file.folder, file.cell).to_string_lossy())?;
        let offset = file.placed.offset_of_bytes(line.line, line.column)?;
        match file.placed.origin(offset..offset) {
            Origin::User { cell, range } => {
                let who = who(&line.function, &built.generated.entry);
                Some(Step { who, place: Place { cell, range } })
            }
            _ => None,
        }
    }

    /// What a person reads of a panic.
    pub(super) fn panicked(&self, panic: &Panic, backtrace: &Backtrace) -> Failure {
        let mut message = self.panic_message(panic, "the cell panicked");
        let in_cell = !message.places.is_empty();
        if let (false, Some(step)) = (in_cell, backtrace.own.inner.first()) {
            message.places.push((step.place.clone(), true, Some("called from here".into())));
        }
        let mut lines = vec![render(&message, &self.texts)];
        // One call is the place that stands there already.
        if backtrace.own.length() > 1 {
            lines.extend(self.told(&backtrace.own));
        }
        for (thread, way) in backtrace.threads.iter().filter(|(_, way)| way.length() > 1) {
            lines.push(format!("thread `{thread}` panicked before:"));
            lines.extend(self.told(way));
        }
        failure("panic", &panic.message, &lines.join("\n"))
    }

    fn told(&self, way: &Way) -> Vec<String> {
        let (first, hidden, last) = way.ends();
        let width = first.iter().chain(&last).map(|step| step.who.chars().count()).max().unwrap_or_default();
        let line = |step: &&Step| format!("  in {:width$}   {}", step.who, self.spot(&step.place));
        let mut lines: Vec<String> = first.iter().map(line).collect();
        if hidden > 0 {
            lines.push(format!("  … {} more", with_commas(hidden)));
        }
        lines.extend(last.iter().map(line));
        lines
    }

    /// `cell 3:2:13`.
    fn spot(&self, place: &Place) -> String {
        let text = self.texts.get(&place.cell).and_then(|text| text.get(..place.range.start));
        let text = text.unwrap_or_default();
        let line = text.matches('\n').count() + 1;
        let column = text.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("cell {}:{line}:{column}", place.cell)
    }
}

impl Way {
    fn length(&self) -> u64 {
        (self.inner.len() + self.outer.len()) as u64 + self.unlisted
    }

    /// The first that are shown, how many are not, and the last.
    fn ends(&self) -> (Vec<&Step>, u64, Vec<&Step>) {
        let all: Vec<&Step> = self.inner.iter().chain(&self.outer).collect();
        if self.length() <= SHOWN as u64 {
            return (all, 0, Vec::new());
        }
        let first = ENDS.0.min(all.len());
        let last = ENDS.1.min(all.len() - first);
        let hidden = self.length() - (first + last) as u64;
        (all[..first].to_vec(), hidden, all[all.len() - last..].to_vec())
    }
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Whether a function is the user's, or of an impl of theirs: not a part of std or a shim that rustc made.
fn is_users(function: &str) -> bool {
    let path = format!("{CRATE}::");
    let first = segments(function)[0];
    let own = first == CRATE
        || first.trim_start_matches(['<', '&']).trim_start_matches("mut ").starts_with(&path)
        || first.contains(&format!(" as {path}"));
    own && !function.contains("shim")
}

/// Whether a function is the user's and not the cell's statements themselves.
fn is_more(function: &str, entry: &str) -> bool {
    is_users(function) && who(function, entry) != THE_CELL
}

const THE_CELL: &str = "the cell";

/// A function as the user knows it. The statements of a cell are closures of the function that is its entry.
fn who(function: &str, entry: &str) -> String {
    let mut segments = segments(function);
    if segments.first().is_some_and(|first| *first == CRATE) {
        segments.remove(0);
    }
    let is_closure = |segment: &&str| segment.starts_with('{');
    if segments.first().is_some_and(|first| *first == entry) {
        segments.remove(0);
        if segments.first().is_some_and(is_closure) {
            segments.remove(0);
        }
        if segments.is_empty() {
            return THE_CELL.to_owned();
        }
    }
    let closures = segments.iter().rev().take_while(|segment| is_closure(segment)).count();
    segments.truncate(segments.len() - closures);
    if let Some(ty) = segments.first_mut()
        && !ty.contains(" as ")
        && let Some(inner) = ty.strip_prefix('<').and_then(|ty| ty.strip_suffix('>'))
    {
        *ty = inner;
    }
    // For which types a generic function was made is seldom of interest, and long.
    let mut index = 0;
    segments.retain(|segment| {
        index += 1;
        index == 1 || !segment.starts_with('<') || segment.starts_with("<impl ")
    });
    let of = segments.join("::").replace(&format!("{CRATE}::"), "");
    match (closures, of.is_empty()) {
        (0, _) => of,
        (_, true) => "a closure".to_owned(),
        (_, false) => format!("a closure in {of}"),
    }
}

/// The parts of a path: `a`, `<B as C>` and `{closure#0}` of `a::<B as C>::{closure#0}`.
fn segments(path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, char) in path.char_indices() {
        match char {
            '<' | '{' | '(' | '[' => depth += 1,
            // Not the end of an arrow: `fn() -> i32`.
            '>' if path[..at].ends_with('-') => {}
            '>' | '}' | ')' | ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 && path[at..].starts_with("::") => {
                segments.push(&path[start..at]);
                start = at + 2;
            }
            _ => {}
        }
    }
    segments.push(&path[start..]);
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_named_as_the_user_knows_them() {
        let who = |function: &str| who(function, "sconce_cell_7");
        assert_eq!(who("notebook::crop"), "crop");
        assert_eq!(who("notebook::sconce_cell_7::{{closure}}"), "the cell");
        assert_eq!(who("notebook::sconce_cell_7::{closure#3}"), "the cell");
        assert_eq!(who("notebook::sconce_cell_7::{closure#3}::{closure#0}"), "a closure");
        assert_eq!(who("notebook::sconce_cell_7::{closure#0}::local"), "local");
        assert_eq!(who("notebook::inner::crop::{{closure}}::{{closure}}"), "a closure in inner::crop");
        assert_eq!(who("notebook::total::<notebook::Sq>::{closure#0}"), "a closure in total");
        assert_eq!(who("notebook::apply::<fn(i32) -> i32, alloc::vec::Vec<u8>>"), "apply");
        assert_eq!(who("<notebook::Sq as notebook::Shape>::area"), "<Sq as Shape>::area");
        assert_eq!(who("<notebook::Stack<i32>>::push"), "Stack<i32>::push");
        assert_eq!(
            who("<alloc::vec::Vec<T> as notebook::Shape>::area"),
            "<alloc::vec::Vec<T> as Shape>::area"
        );
    }

    #[test]
    fn glue_and_std_are_not_the_users() {
        assert!(is_users("<alloc::vec::Vec<T> as notebook::Shape>::area"));
        assert!(!is_users("core::ops::function::FnOnce::call_once{{vtable.shim}}"));
        assert!(!is_users("<sconce_cell::run::Run>::step::<(), notebook::sconce_cell_2::{closure#0}>"));
        assert!(!is_users(
            "<core::panic::AssertUnwindSafe<notebook::sconce_cell_2::{closure#0}> as core::ops::FnOnce<()>>::call_once"
        ));
        assert!(
            is_users("<notebook::Stack<i32>>::push") && is_users("<&notebook::Sq as core::ops::Add>::add")
        );
        assert!(!is_more("notebook::sconce_cell_7", "sconce_cell_7"));
        assert!(!is_more("notebook::sconce_cell_7::{{closure}}", "sconce_cell_7"));
        assert!(is_more("notebook::sconce_cell_7::{{closure}}::{{closure}}", "sconce_cell_7"));
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(with_commas(0), "0");
        assert_eq!(with_commas(9990), "9,990");
        assert_eq!(with_commas(1_234_567), "1,234,567");
    }
}
