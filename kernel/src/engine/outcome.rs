use std::time::Duration;

use sconce_display::Bundle;
use sconce_display::comm::Packet;

/// What a running cell emits, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Text on stdout, as it comes: partial lines and carriage returns included.
    Stdout(String),
    /// Text on stderr, as it comes, the engine's own notes included.
    Stderr(String),
    /// Something shown; with an id it can be updated.
    Display {
        /// Names the display for later updates.
        id: Option<String>,
        /// What to show.
        bundle: Bundle,
    },
    /// A display shows something else now.
    Update {
        /// The display's id.
        id: String,
        /// What to show now.
        bundle: Bundle,
    },
    /// What the cell has shown goes away.
    Clear {
        /// Only when the next output comes.
        wait: bool,
    },
    /// The value of the last expression; at most once, after everything else.
    Result(Bundle),
    /// Something to read beside the cell, such as the help: a pager's, where there is one.
    Page(Bundle),
    /// How long the cell took; once, after everything else, unless it never came to be compiled.
    Times {
        /// Until there was something to run.
        compiled: Duration,
        /// From then on.
        ran: Duration,
    },
    /// For the front end's end of a comm.
    Comm(Packet),
}

/// Why a cell failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure: `E0382`, `panic`, an error's type, `Interrupted`, `WorkerDied`, …
    pub name: String,
    /// One line that says what happened.
    pub message: String,
    /// Lines for a person, with ANSI colours, in rustc's style on the user's own lines.
    pub traceback: Vec<String>,
}

/// Whether source text is ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// It is.
    Complete,
    /// More lines must follow.
    Incomplete {
        /// White space that the next line starts with.
        indent: String,
    },
    /// No more lines would mend it.
    Invalid,
}
