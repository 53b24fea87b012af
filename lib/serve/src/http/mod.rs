//! Everything over HTTP/1: TensorFlow Serving's REST API, the Open Inference Protocol, pictures, metrics and the
//! page.

mod body;
mod classify;
mod few;
mod inference;
mod picture;
mod predict;
mod target;
mod tensorflow;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::app::App;
use crate::failure::{Failure, Reason, short};
pub use inference::places;

/// All addresses.
pub fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/v1/models", get(tensorflow::list))
        .route("/v1/models/{*rest}", any(tensorflow::handle))
        .route("/v2", get(inference::server))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models/{*rest}", any(inference::handle))
        .fallback(missing)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(app), authorize))
        .with_state(Arc::clone(app))
}

/// Who asks whether the server lives has no token, and the page has nothing to hide.
async fn authorize(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path == "/" || path.starts_with("/v2/health/") {
        return next.run(request).await;
    }
    let start = Instant::now();
    match app.authorize(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => {
            app.note("", "http", start, Some(&failure));
            refusal(&failure)
        }
    }
}

async fn page() -> Response {
    let policy = "default-src 'none'; connect-src 'self'; img-src blob: data:; style-src 'unsafe-inline'; \
                  script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [("content-type", "text/html; charset=utf-8"), ("content-security-policy", policy)];
    (headers, include_str!("../page.html")).into_response()
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let text = app.metrics.text(&app.repository.states());
    ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn live() -> Response {
    answer(json!({"live": true}).to_string())
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    let ready = app.is_ready();
    let mut response = answer(json!({"ready": ready}).to_string());
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn missing(request: Request) -> Response {
    let path = short(request.uri().path());
    refusal(&Failure::new(Reason::NotFound, format!("there is nothing at {path}")))
}

async fn wrong_method(request: Request) -> Response {
    refusal(&method(&request))
}

fn method(request: &Request) -> Failure {
    Failure::new(Reason::Method, format!("this address does not take {}", request.method()))
}

/// An answer in JSON.
fn answer(text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The form that errors have in both protocols.
fn refusal(failure: &Failure) -> Response {
    let mut response = answer(json!({"error": failure.message}).to_string());
    *response.status_mut() = failure.reason.status();
    let mut header = |name: &'static str, value: &'static str| {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    };
    match failure.reason {
        Reason::Busy => header("retry-after", "1"),
        Reason::Unauthorized => header("www-authenticate", "Bearer"),
        // What is left of the body is not read.
        Reason::TooLarge | Reason::Slow => header("connection", "close"),
        _ => {}
    }
    response
}

/// Counts a request, and makes a response of its result.
fn finish(
    app: &App,
    model: &str,
    protocol: &'static str,
    start: Instant,
    result: Result<Response, Failure>,
) -> Response {
    app.note(model, protocol, start, result.as_ref().err());
    result.unwrap_or_else(|failure| refusal(&failure))
}

/// Parses a body of JSON.
fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Failure> {
    // What other libraries of a process turn on in serde_json does not change how numbers are read here: tensors are
    // kept as text until `numbers` reads them.
    serde_json::from_slice(bytes).map_err(|error| {
        // The problem may name all that was there instead.
        let (problem, line, column) = (error.to_string(), error.line(), error.column());
        let problem = match problem.char_indices().nth(200) {
            Some((end, _)) => format!("{}… at line {line} column {column}", &problem[..end]),
            None => problem,
        };
        let hint = match error.is_syntax() && problem.starts_with("expected value") {
            true => "; NaN and Infinity are no numbers here",
            false => "",
        };
        Failure::invalid(format!("JSON parse error: {problem}{hint}"))
    })
}

/// Bodies of more bytes are parsed where that holds up nobody.
const LONG: usize = 64 << 10;

/// Runs something that takes as long as a body of so many bytes is.
fn aside<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let many =
        tokio::runtime::Handle::current().runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread;
    if bytes > LONG && many { tokio::task::block_in_place(work) } else { work() }
}
