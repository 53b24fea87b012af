/// What code asks of the person who runs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// Stands before the place where the answer is typed; may be empty.
    pub prompt: String,
    /// Whether the answer is hidden while it is typed.
    pub password: bool,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A line, without its line break.
    Line(String),
    /// Nothing more will come, as after Ctrl-D.
    End,
    /// There is nobody who could answer.
    Nobody {
        /// The reason, as the end of a sentence: `the client takes no questions`.
        why: String,
    },
    /// The person wants the code to stop instead.
    Interrupted,
}
