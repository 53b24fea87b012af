//! `:classify`: examples in, labels with scores out.

use std::time::Instant;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use super::few::{Named, or_default};
use super::{aside, parse, tensorflow};
use crate::app::App;
use crate::backend;
use crate::batching::late;
use crate::failure::{Failure, Reason};
use crate::numbers;
use crate::picture::{Pictures, Task};
use crate::tensor::Tensor;
use crate::version::Version;

#[derive(Deserialize)]
struct Classify<'a> {
    signature_name: Option<String>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    context: Named<'a>,
    #[serde(borrow)]
    examples: Vec<&'a RawValue>,
}

/// Bytes in JSON, as TensorFlow Serving has them.
#[derive(Deserialize)]
struct Binary {
    b64: String,
}

/// Answers a request. An example is `{"image": {"b64": "…"}}`, a JPEG or PNG file, or has a value for the model's
/// input by its name.
///
/// # Errors
/// If it is malformed, the model is none of classes, or as [`Version::infer`].
pub async fn classify(
    app: &App,
    version: &Version,
    bytes: &[u8],
    start: Instant,
) -> Result<Response, Failure> {
    let pictures = version.pictures.as_ref().filter(|pictures| pictures.task == Task::Classify);
    let pictures =
        pictures.ok_or_else(|| Failure::invalid("expected a model of images and classes, got another."))?;
    let deadline = version.deadline(start);
    let one = app.decoder(deadline).await?;
    // Pictures take longer than their bytes tell.
    let rows = aside(bytes.len().saturating_mul(16), || read(app, version, pictures, bytes, deadline));
    drop(one);
    let (images, memory) = rows?.joined()?;
    let outputs = version.infer(vec![images], start).await?;
    drop(memory);
    let rows = pictures.scores(&outputs)?;
    let result: Vec<Vec<(String, f32)>> =
        rows.into_iter().map(|row| row.into_iter().map(|it| (it.label, it.score)).collect()).collect();
    Ok(super::answer(json!({"result": result}).to_string()))
}

/// The images of a request, with the memory that they take: files of pictures become a thousand times as long.
#[derive(Default)]
struct Rows {
    images: Vec<Tensor>,
    bytes: usize,
    memory: Option<OwnedSemaphorePermit>,
}

impl Rows {
    fn push(&mut self, app: &App, image: Tensor) -> Result<(), Failure> {
        let bytes = image.data().len();
        self.bytes += bytes;
        let most = app.limits.request_bytes;
        // One is taken, however large the model's images are.
        if self.bytes > most && !self.images.is_empty() {
            return Err(Failure::new(
                Reason::TooLarge,
                format!(
                    "`examples`: expected images of {most} bytes at most in all, got more: send fewer at once."
                ),
            ));
        }
        let more = app.memory(bytes)?;
        match &mut self.memory {
            Some(memory) => memory.merge(more),
            None => self.memory = Some(more),
        }
        self.images.push(image);
        Ok(())
    }

    /// All of them as a batch, with the memory that it takes.
    fn joined(self) -> Result<(Tensor, Option<OwnedSemaphorePermit>), Failure> {
        let alike = self.images.first().is_some_and(|first| self.images.iter().all(|row| row.is_like(first)));
        if !alike {
            return Err(Failure::invalid(
                "`examples`: expected at least one, all of one size, got none or others.",
            ));
        }
        Ok((Tensor::join(&self.images.iter().collect::<Vec<_>>())?, self.memory))
    }
}

fn read(
    app: &App,
    version: &Version,
    pictures: &Pictures,
    bytes: &[u8],
    deadline: Instant,
) -> Result<Rows, Failure> {
    let request: Classify<'_> = parse(bytes)?;
    tensorflow::check_signature(request.signature_name.as_deref())?;
    let Named(context) = request.context;
    let shared = match context.is_empty() {
        true => None,
        false => Some(row(version, pictures, context.iter())?),
    };
    let mut rows = Rows::default();
    for example in &request.examples {
        if Instant::now() >= deadline {
            return Err(late());
        }
        let Named(example) = parse(example.get().as_bytes())?;
        let image = match &shared {
            Some(shared) if example.is_empty() => shared.clone(),
            _ => row(version, pictures, context.iter().chain(&example))?,
        };
        rows.push(app, image)?;
    }
    Ok(rows)
}

fn row<'a>(
    version: &Version,
    pictures: &Pictures,
    mut features: impl Iterator<Item = (&'a String, &'a &'a RawValue)>,
) -> Result<Tensor, Failure> {
    let (Some((name, value)), None) = (features.next(), features.next()) else {
        return Err(Failure::invalid("an example: expected one feature, got none or several."));
    };
    if value.get().trim_start().starts_with('{') {
        let Binary { b64 } = parse(value.get().as_bytes())?;
        let file = STANDARD.decode(b64).map_err(|error| Failure::invalid(format!("b64: {error}")))?;
        return pictures.prepare(Pictures::decode(&file)?);
    }
    Ok(numbers::read(value.get(), backend::input(&*version.backend, name)?.dtype)?.into_row())
}
