//! `:classify`: examples in, labels with scores out.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{aside, parse, tensorflow};
use crate::backend;
use crate::failure::Failure;
use crate::numbers;
use crate::picture::{Pictures, Task};
use crate::tensor::Tensor;
use crate::version::Version;

#[derive(Deserialize)]
struct Classify<'a> {
    signature_name: Option<String>,
    #[serde(borrow, default)]
    context: BTreeMap<String, &'a RawValue>,
    #[serde(borrow)]
    examples: Vec<BTreeMap<String, &'a RawValue>>,
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
pub async fn classify(version: &Version, bytes: &[u8], start: Instant) -> Result<Response, Failure> {
    let pictures = version.pictures.as_ref().filter(|pictures| pictures.task == Task::Classify);
    let pictures =
        pictures.ok_or_else(|| Failure::invalid("expected a model of images and classes, got another."))?;
    // Pictures take longer than their bytes tell.
    let input = aside(bytes.len().saturating_mul(16), || read(version, pictures, bytes))?;
    let outputs = version.infer(vec![input], start).await?;
    let rows = pictures.scores(&outputs)?;
    let result: Vec<Vec<(String, f32)>> =
        rows.into_iter().map(|row| row.into_iter().map(|it| (it.label, it.score)).collect()).collect();
    Ok(super::answer(json!({"result": result}).to_string()))
}

fn read(version: &Version, pictures: &Pictures, bytes: &[u8]) -> Result<Tensor, Failure> {
    let request: Classify<'_> = parse(bytes)?;
    tensorflow::check_signature(request.signature_name.as_deref())?;
    let mut rows = Vec::with_capacity(request.examples.len());
    for example in &request.examples {
        let mut features = request.context.clone();
        features.extend(example.iter().map(|(name, value)| (name.clone(), *value)));
        rows.push(row(version, pictures, &features)?);
    }
    let alike = rows.first().is_some_and(|first| rows.iter().all(|row| row.is_like(first)));
    if !alike {
        return Err(Failure::invalid(
            "`examples`: expected at least one, all of one size, got none or others.",
        ));
    }
    Tensor::join(&rows.iter().collect::<Vec<_>>())
}

fn row(
    version: &Version,
    pictures: &Pictures,
    features: &BTreeMap<String, &RawValue>,
) -> Result<Tensor, Failure> {
    let mut features = features.iter();
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
