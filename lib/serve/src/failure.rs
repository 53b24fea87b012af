//! Why a request gets no answer, in the words of each protocol.

use http::StatusCode;
use tonic::Code;

/// What kind of reason it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The request is not one: malformed, of a wrong shape or type.
    Invalid,
    /// There is no such model, version or address.
    NotFound,
    /// The address takes other methods.
    Method,
    /// It has more bytes than allowed.
    TooLarge,
    /// Its content is of a kind that is not read.
    Unsupported,
    /// It does not bring the token.
    Unauthorized,
    /// All that may wait is waiting already.
    Busy,
    /// It took too long.
    Timeout,
    /// The client took too long to send it.
    Slow,
    /// The server is on its way out.
    Leaving,
    /// A fault of the model or of ours.
    Internal,
}

impl Reason {
    /// The status of HTTP.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Reason::Invalid => StatusCode::BAD_REQUEST,
            Reason::NotFound => StatusCode::NOT_FOUND,
            Reason::Method => StatusCode::METHOD_NOT_ALLOWED,
            Reason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Reason::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Reason::Unauthorized => StatusCode::UNAUTHORIZED,
            Reason::Busy => StatusCode::TOO_MANY_REQUESTS,
            Reason::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Reason::Slow => StatusCode::REQUEST_TIMEOUT,
            Reason::Leaving => StatusCode::SERVICE_UNAVAILABLE,
            Reason::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code of gRPC.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Reason::Invalid | Reason::Unsupported => Code::InvalidArgument,
            Reason::NotFound => Code::NotFound,
            Reason::Method => Code::Unimplemented,
            Reason::TooLarge => Code::ResourceExhausted,
            Reason::Unauthorized => Code::Unauthenticated,
            Reason::Busy | Reason::Leaving => Code::Unavailable,
            Reason::Timeout | Reason::Slow => Code::DeadlineExceeded,
            Reason::Internal => Code::Internal,
        }
    }

    /// A word for metrics and logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Reason::Invalid => "invalid",
            Reason::NotFound => "not_found",
            Reason::Method => "method",
            Reason::TooLarge => "too_large",
            Reason::Unsupported => "unsupported",
            Reason::Unauthorized => "unauthorized",
            Reason::Busy => "busy",
            Reason::Timeout => "timeout",
            Reason::Slow => "slow_client",
            Reason::Leaving => "leaving",
            Reason::Internal => "internal",
        }
    }
}

/// The start of what a client sent, for an error: a name of megabytes goes neither back nor into the log.
#[must_use]
pub fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Why a request gets no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of reason it is.
    pub reason: Reason,
    /// What was expected, what came, and what to do.
    pub message: String,
}

impl Failure {
    /// For this reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Failure {
        Failure { reason, message: message.into() }
    }

    /// A request that is not one.
    pub fn invalid(message: impl Into<String>) -> Failure {
        Failure::new(Reason::Invalid, message)
    }

    /// A fault of the model or of ours.
    pub fn internal(message: impl Into<String>) -> Failure {
        Failure::new(Reason::Internal, message)
    }
}

impl From<sconce::Error> for Failure {
    /// What a model or an image refuses is the request's fault, where it says so by its kind.
    fn from(error: sconce::Error) -> Failure {
        use sconce::Error;
        let reason = match error {
            Error::Shape { .. } | Error::Argument { .. } | Error::Image { .. } | Error::Sample { .. } => {
                Reason::Invalid
            }
            _ => Reason::Internal,
        };
        Failure::new(reason, error.to_string())
    }
}

impl From<Failure> for tonic::Status {
    fn from(failure: Failure) -> tonic::Status {
        tonic::Status::new(failure.reason.code(), failure.message)
    }
}
