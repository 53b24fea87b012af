#![allow(clippy::unwrap_used)]
//! What a person sees: everything written goes through a terminal.

use std::sync::{Arc, Mutex};

use super::*;

/// What both streams wrote, in order.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Terminal {
    screen: Screen,
    written: Written,
    size: Arc<Mutex<Size>>,
    parser: vt100::Parser,
}

impl Terminal {
    fn new(columns: usize, rows: usize) -> Terminal {
        let written = Written::default();
        let size = Arc::new(Mutex::new(Size { columns, rows }));
        let asked = Arc::clone(&size);
        let mut screen = Screen::new(
            Box::new(written.clone()),
            Box::new(written.clone()),
            Colors::On,
            Box::new(move || Some(*asked.lock().unwrap())),
        );
        screen.begin();
        let cells = |count: usize| u16::try_from(count).unwrap().try_into().unwrap();
        let parser = vt100::Parser::new(cells(rows), cells(columns), 100);
        Terminal { screen, written, size, parser }
    }

    fn show(&mut self, outputs: impl IntoIterator<Item = Output>) -> String {
        outputs.into_iter().for_each(|output| self.screen.show(output).unwrap());
        self.contents()
    }

    fn end(&mut self) -> String {
        self.screen.end(None).unwrap();
        self.contents()
    }

    fn contents(&mut self) -> String {
        let bytes = std::mem::take(&mut *self.written.0.lock().unwrap());
        // A terminal's driver goes to the first column, too.
        let bytes = String::from_utf8(bytes).unwrap().replace('\n', "\r\n");
        self.parser.process(bytes.as_bytes());
        let columns = u16::try_from(self.size.lock().unwrap().columns).unwrap();
        let rows: Vec<String> = self.parser.screen().rows(0, columns).collect();
        rows.iter().map(|row| row.trim_end()).collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }
}

fn out(text: &str) -> Output {
    Output::Stdout(text.to_owned())
}

fn err(text: &str) -> Output {
    Output::Stderr(text.to_owned())
}

fn display(id: &str, text: &str) -> Output {
    Output::Display { id: Some(id.to_owned()), bundle: Bundle::text(text) }
}

fn update(id: &str, text: &str) -> Output {
    Output::Update { id: id.to_owned(), bundle: Bundle::text(text) }
}

#[test]
fn a_display_changes_in_place() {
    let mut terminal = Terminal::new(20, 10);
    assert_eq!(terminal.show([out("before\n"), display("a", "10 %")]), "before\n10 %");
    assert_eq!(terminal.show([update("a", "20 %")]), "before\n20 %");
    assert_eq!(terminal.show([update("a", "two\nlines")]), "before\ntwo\nlines");
    assert_eq!(terminal.show([out("after"), update("a", "30 %")]), "before\n30 %\nafter");
    assert_eq!(terminal.show([out(" it\n"), update("a", "40 %")]), "before\n40 %\nafter it");
    assert_eq!(terminal.end(), "before\n40 %\nafter it");
}

#[test]
fn lines_that_wrap_are_counted() {
    let mut terminal = Terminal::new(10, 10);
    let long = "0123456789".repeat(2) + "abc";
    assert_eq!(terminal.show([display("a", &long), update("a", "x")]), "x");
    assert_eq!(terminal.show([err("0123456789"), update("a", "y")]), "y\n0123456789");
    assert_eq!(terminal.show([out("日本日本日本"), update("a", "z")]), "z\n0123456789\n日本日本日\n本");
}

#[test]
fn two_displays_change_each_in_its_place() {
    let mut terminal = Terminal::new(20, 10);
    terminal.show([display("a", "a 1"), out("text\n"), display("b", "b 1")]);
    assert_eq!(terminal.show([update("a", "a 2"), update("b", "b 2")]), "a 2\ntext\nb 2");
    assert_eq!(terminal.show([update("a", "a 3")]), "a 3\ntext\nb 2");
    assert_eq!(terminal.show([update("never", "x")]), "a 3\ntext\nb 2");
}

#[test]
fn what_has_left_the_screen_is_shown_again_at_the_end() {
    let mut terminal = Terminal::new(20, 4);
    terminal.show([display("a", "1 %")]);
    terminal.show((0..9).map(|line| out(&format!("{line}\n"))));
    assert_eq!(terminal.show([update("a", "50 %"), update("a", "100 %")]), "6\n7\n8");
    assert_eq!(terminal.end(), "7\n8\n100 %");
}

#[test]
fn a_resized_terminal_is_not_written_over() {
    let mut terminal = Terminal::new(20, 10);
    terminal.show([display("a", "1 %")]);
    *terminal.size.lock().unwrap() = Size { columns: 19, rows: 10 };
    assert_eq!(terminal.show([update("a", "2 %")]), "1 %");
    assert_eq!(terminal.end(), "1 %\n2 %");
}

#[test]
fn clearing_takes_away_what_the_cell_showed() {
    let mut terminal = Terminal::new(20, 10);
    terminal.show([out("earlier\n")]);
    terminal.screen.begin();
    terminal.show([out("a\nb"), display("x", "c")]);
    assert_eq!(terminal.show([Output::Clear { wait: true }]), "earlier\na\nb\nc");
    assert_eq!(terminal.show([out("d")]), "earlier\nd");
    assert_eq!(terminal.show([Output::Clear { wait: false }]), "earlier");
    assert_eq!(terminal.show([update("x", "gone"), out("e")]), "earlier\ne");
}

#[test]
fn a_progress_line_of_the_cells_own_goes_on() {
    let mut terminal = Terminal::new(20, 10);
    terminal.show([display("a", "bar")]);
    for step in 0..500 {
        terminal.show([out(&format!("\rstep {step}"))]);
    }
    assert_eq!(terminal.show([update("a", "BAR")]), "BAR\nstep 499");
    assert_eq!(terminal.end(), "BAR\nstep 499");
}

#[test]
fn a_flood_is_not_kept() {
    let mut terminal = Terminal::new(20, 10);
    terminal.show([display("a", "bar")]);
    for line in 0..10_000 {
        terminal.screen.show(out(&format!("{line}\n"))).unwrap();
    }
    let kept: usize =
        terminal.screen.blocks.iter().filter_map(|block| block.content.as_ref()).map(String::len).sum();
    assert!(kept < 1000, "{kept} bytes");
    assert!(terminal.screen.blocks.len() < 3);
}

#[test]
fn streams_get_the_last_state_and_no_sequences() {
    let written = Written::default();
    let (to_out, to_err) = (Box::new(written.clone()), Box::new(written.clone()));
    let mut screen = Screen::new(to_out, to_err, Colors::Off, Box::new(|| None));
    screen.begin();
    let outputs = [
        display("a", "0 %"),
        update("a", "50 %"),
        err("\u{1b}[33mwarning\u{1b}[0m\n"),
        update("a", "100 %"),
        Output::Clear { wait: false },
        display("b", "0 s"),
        update("b", "1 s"),
        update("b", "2 s"),
        out("\u{1b}[1mthe cell's own\u{1b}[0m"),
        Output::Result(Bundle::text("7")),
    ];
    outputs.into_iter().for_each(|output| screen.show(output).unwrap());
    let traceback = vec!["\u{1b}[31merror\u{1b}[0m: no".to_owned()];
    screen.end(Some(&Failure { name: "E".into(), message: "no".into(), traceback })).unwrap();
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text, "0 %\nwarning\n0 s\n\u{1b}[1mthe cell's own\u{1b}[0m\n7\n2 s\nerror: no\n");
}
