//! The line editor, set up for cells of Rust.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reedline::{
    Color, ColumnarMenu, DefaultHinter, EditCommand, MenuBuilder, Reedline, ReedlineMenu, Signal,
};

use super::complete::{MENU, Suggestions};
use super::highlight::RustHighlighter;
use super::keys::{Keys, Seen};
use super::prompt::NumberedPrompt;
use super::screen::Colors;
use super::validate::CellValidator;
use super::{TerminalOptions, history};
use crate::assist::Assist;

/// How often the editor looks whether a signal ended the session.
const LOOK: Duration = Duration::from_millis(500);

/// What a person typed.
pub enum Typed {
    /// A cell to run.
    Cell(String),
    /// Nothing that could run: blank, or cleared with Ctrl-C.
    Nothing,
    /// The end of the session.
    End,
}

/// Reads cells from the terminal.
pub struct Editor {
    reedline: Reedline,
    ended: Arc<AtomicBool>,
}

impl Editor {
    /// An editor with the history of earlier sessions. Where that cannot be had, it says so and goes on without.
    pub fn new(options: &TerminalOptions, assist: Arc<Assist>) -> Editor {
        let seen = Arc::new(Seen::default());
        let mut reedline = Reedline::create()
            .with_ansi_colors(options.colors == Colors::On)
            .with_highlighter(Box::new(RustHighlighter::new(Arc::clone(&seen))))
            .with_validator(Box::new(CellValidator))
            .with_edit_mode(Box::new(Keys::new(seen)))
            .with_completer(Box::new(Suggestions::new(assist)))
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(
                ColumnarMenu::default().with_name(MENU).with_marker("").with_word_chars("_"),
            )))
            .with_quick_completions(true)
            .with_partial_completions(true)
            .with_break_signal(Arc::clone(&options.ended))
            .with_poll_interval(LOOK)
            .use_bracketed_paste(true);
        if options.colors == Colors::On {
            let hint = Color::DarkGray.normal();
            reedline = reedline.with_hinter(Box::new(DefaultHinter::default().with_style(hint)));
        }
        if let Some(path) = &options.history {
            match history::open(path) {
                Ok(history) => reedline = reedline.with_history(Box::new(history)),
                Err(error) => drop(super::terminal::warn(&error.to_string())),
            }
        }
        if !options.typed.is_empty() {
            reedline.run_edit_commands(&[EditCommand::InsertString(options.typed.clone())]);
        }
        Editor { reedline, ended: Arc::clone(&options.ended) }
    }

    /// Reads the cell that will have this number.
    pub fn read(&mut self, number: u32) -> io::Result<Typed> {
        let signal = self.reedline.read_line(&NumberedPrompt::new(number));
        Ok(match signal.map_err(io::Error::other)? {
            Signal::Success(cell) if cell.trim().is_empty() => Typed::Nothing,
            Signal::Success(cell) => {
                // Now, not at the end: what ends a session badly must not take its history.
                if let Err(error) = self.reedline.sync_history() {
                    super::terminal::warn(&format!("the history could not be written: {error}"))?;
                }
                Typed::Cell(cell)
            }
            Signal::CtrlD => Typed::End,
            Signal::ExternalBreak(_) => {
                // The editor took the news; others want to know it, too.
                self.ended.store(true, Ordering::Relaxed);
                // It also left the cursor where it was.
                writeln!(io::stdout())?;
                Typed::End
            }
            _ => Typed::Nothing,
        })
    }
}
