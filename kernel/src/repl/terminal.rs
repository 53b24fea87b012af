//! What the console asks of the terminal beside editing: its size, and silence while a cell runs.

use std::io::{self, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::screen::Size;

/// The size of the terminal on stdout; nothing where there is none, or one that does not say.
#[must_use]
pub fn size() -> Option<Size> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0)
        .then(|| Size { columns: usize::from(size.ws_col), rows: usize::from(size.ws_row) })
}

/// As long as it lives, the terminal does not echo keys: they would stand in the middle of what a cell shows. They
/// wait for the next prompt.
pub struct Quiet {
    before: Option<Termios>,
}

impl Quiet {
    /// Ends the echo, if there is one.
    pub fn begin() -> Quiet {
        let Ok(before) = tcgetattr(io::stdin()) else { return Quiet { before: None } };
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        // With the echo a cell runs just as well.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &quiet);
        Quiet { before: Some(before) }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // There is no other way to get it back either.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Says what does not work, without ending the session.
pub fn warn(message: &str) -> io::Result<()> {
    writeln!(anstream::stderr(), "\u{1b}[1;33mwarning\u{1b}[0m: {message}")
}

/// As long as it lives, the terminal echoes what is typed.
pub struct Echo {
    before: Termios,
}

impl Echo {
    /// Begins to echo.
    pub fn begin() -> io::Result<Echo> {
        let before = tcgetattr(io::stdin())?;
        let mut echo = before.clone();
        echo.local_modes.insert(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &echo)?;
        Ok(Echo { before })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // There is no other way to get it back either.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}
