//! Bodies of requests, within their limits.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body_util::BodyExt as _;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::failure::{Failure, Reason, short};

/// A body with the memory that it takes.
pub struct Whole {
    /// The bytes.
    pub bytes: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

/// Reads a body. It takes memory as it comes, whatever its head claims.
///
/// # Errors
/// If it is encoded, longer than allowed, slower than allowed, broken off, or there is no memory for it.
pub async fn read(app: &App, headers: &HeaderMap, body: Body) -> Result<Whole, Failure> {
    if let Some(encoding) = headers.get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        let got = short(&String::from_utf8_lossy(encoding.as_bytes()));
        return Err(Failure::new(
            Reason::Unsupported,
            format!("expected a body that is not encoded, got {got:?}"),
        ));
    }
    let most = app.limits.request_bytes;
    let too_large = || {
        Failure::new(
            Reason::TooLarge,
            format!("expected a request of {most} bytes at most, got a longer one"),
        )
    };
    let claimed = headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if claimed.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let reading = collect(app, body, most, &too_large);
    tokio::time::timeout(app.limits.body_time, reading).await.unwrap_or_else(|_| {
        let seconds = app.limits.body_time.as_secs_f64();
        Err(Failure::new(Reason::Slow, format!("expected the request within {seconds} s")))
    })
}

async fn collect(
    app: &App,
    mut body: Body,
    most: usize,
    too_large: &impl Fn() -> Failure,
) -> Result<Whole, Failure> {
    let mut bytes = BytesMut::new();
    let mut memory: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::invalid("the request broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(too_large());
        }
        let more = app.memory(data.len())?;
        match &mut memory {
            Some(memory) => memory.merge(more),
            None => memory = Some(more),
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Whole { bytes: bytes.freeze(), _memory: memory })
}
