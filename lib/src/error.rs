use std::path::PathBuf;

/// What went wrong in the library: each message names the operation, what it wanted, what it got
/// and, where there is one, the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor, image or layer has the wrong shape.
    #[error("{op}: expected {expected}, got {got}. {hint}")]
    Shape {
        /// The operation or layer that refused, e.g. `conv2d "stem"`.
        op: String,
        /// The shape that would fit, e.g. `(B, 3, H, W)`.
        expected: String,
        /// The shape that came.
        got: String,
        /// What to do about it, a sentence.
        hint: String,
    },
    /// An argument is out of range or does not fit the others.
    #[error("{op}: expected {expected}, got {got}. {hint}")]
    Argument {
        /// The operation that refused, e.g. `Dataset::split`.
        op: String,
        /// What would fit.
        expected: String,
        /// What came.
        got: String,
        /// What to do about it, a sentence.
        hint: String,
    },
    /// A class occurs too little for what was asked.
    #[error("{op}: expected {expected}, got {got}. {hint}")]
    MissingClass {
        /// What was asked, e.g. the metric `roc_auc_macro`.
        op: String,
        /// The number of the class.
        class: usize,
        /// What would do, with the name of the class where it is known.
        expected: String,
        /// How often what occurs.
        got: String,
        /// What to do about it, a sentence.
        hint: String,
    },
    /// A file could not be read or written.
    #[error("{op} {}: {source}", path.display())]
    Io {
        /// `read`, `write`, `create`, …
        op: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file was read, but is not what it should be.
    #[error("{}: expected {expected}, got {got}. {hint}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What a good file holds.
        expected: String,
        /// What this one holds.
        got: String,
        /// What to do about it, a sentence.
        hint: String,
    },
    /// An image could not be decoded. A file that cannot be read at all is [`Error::Io`].
    #[error("{}: {problem}: {got}. {hint}", path.display())]
    Image {
        /// The file, or what stands for it where the bytes came from memory.
        path: PathBuf,
        /// In which of the ways it is bad.
        problem: ImageProblem,
        /// What was found.
        got: String,
        /// What to do about it, a sentence.
        hint: String,
    },
    /// A sample of a data set could not be read or changed.
    #[error("sample {index} ({id}): {source}")]
    Sample {
        /// Where it stands in the data set.
        index: usize,
        /// What it is called there.
        id: String,
        /// What was wrong.
        source: Box<Error>,
    },
    /// The user asked for a stop; everything done so far is kept.
    #[error("interrupted {at}: everything up to there is kept; call it again to go on")]
    Interrupted {
        /// How far it came, e.g. `in epoch 3, after step 17 of 20`.
        at: String,
    },
    /// A question to the person who runs this got no answer.
    #[error("{op}({prompt:?}): {problem}")]
    Input {
        /// `input` or `password`.
        op: &'static str,
        /// What was asked.
        prompt: String,
        /// Why there is no answer.
        problem: String,
    },
    /// A picture could not be drawn or encoded.
    #[error("drawing {what}: {message}")]
    Drawing {
        /// What was being drawn.
        what: &'static str,
        /// What the drawing library said.
        message: String,
    },
    /// candle refused an operation.
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
}

/// The ways in which a file that can be read is no good image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImageProblem {
    /// It has no bytes.
    Empty,
    /// It does not start as any known format does.
    NotAnImage,
    /// A format, or a variant of one, that is not read here.
    Unsupported,
    /// It ends before the image does.
    Truncated,
    /// It contradicts its own format.
    Damaged,
    /// Its header tells of more pixels or bytes than are allowed; nothing was decoded.
    TooLarge,
}

impl std::fmt::Display for ImageProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ImageProblem::Empty => "an empty file",
            ImageProblem::NotAnImage => "not an image",
            ImageProblem::Unsupported => "an image of a kind that is not read",
            ImageProblem::Truncated => "an image that was cut off",
            ImageProblem::Damaged => "a damaged image",
            ImageProblem::TooLarge => "an image larger than allowed",
        })
    }
}

/// A result whose error is the library's own.
pub type Result<T, E = Error> = std::result::Result<T, E>;
