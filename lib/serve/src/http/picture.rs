//! `:picture`: the bytes of a JPEG or PNG file in, names or boxes out.

use std::sync::Arc;
use std::time::Instant;

use axum::response::Response;
use sconce::predict::DetectionConfig;
use serde_json::{Value, json};

use super::body::Whole;
use crate::app::App;
use crate::failure::{Failure, short};
use crate::picture::{Pictures, Task};
use crate::version::Version;

/// How many classes an answer has where the address does not say.
const TOP: usize = 5;

/// Answers a request. `top` in the query is how many classes or boxes come at most, `min_score` the least score of a
/// box.
///
/// # Errors
/// If the query is not that, the model takes no pictures, the file is no picture, or as [`Version::infer`].
pub async fn picture(
    app: &Arc<App>,
    version: &Arc<Version>,
    whole: Whole,
    query: &str,
    start: Instant,
) -> Result<Response, Failure> {
    let options = Options::of(query)?;
    let pictures = version.pictures.clone().ok_or_else(|| {
        Failure::invalid(
            "expected a model of images (1 or 3 channels) whose output is classes or DETR's boxes, got another.",
        )
    })?;
    let (sharing, preparing) = (Arc::clone(app), pictures.clone());
    let preparing = move || {
        let image = Pictures::decode(&whole.bytes)?;
        drop(whole);
        let size = [image.height(), image.width()];
        let input = preparing.prepare(image)?;
        // Before the decoder's place is given back: what waits for the model is counted as bodies are.
        let memory = sharing.memory(input.data().len())?;
        Ok((size, input, memory))
    };
    let ([height, width], input, memory) = app.decode(version.deadline(start), preparing).await?;
    let outputs = version.infer(vec![input], start).await?;
    drop(memory);
    let mut answer = json!({"model": version.model, "version": version.number.to_string(),
        "task": pictures.task, "width": width, "height": height});
    let found: (&str, Value) = match pictures.task {
        Task::Classify => ("classes", json!(pictures.rank(&outputs, options.top.unwrap_or(TOP))?)),
        Task::Detect => {
            let default = DetectionConfig::default();
            let config = DetectionConfig {
                most: options.top.unwrap_or(default.most),
                min_score: options.min_score.unwrap_or(default.min_score),
                ..default
            };
            ("boxes", json!(pictures.find([height, width], version.backend.outputs(), &outputs, config)?))
        }
    };
    if let Value::Object(answer) = &mut answer {
        answer.insert(found.0.to_owned(), found.1);
    }
    Ok(super::answer(answer.to_string()))
}

#[derive(Default)]
struct Options {
    top: Option<usize>,
    min_score: Option<f32>,
}

impl Options {
    fn of(query: &str) -> Result<Options, Failure> {
        let mut options = Options::default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let wrong = || {
                Failure::invalid(format!("expected `top=NUMBER` or `min_score=0…1`, got {:?}.", short(part)))
            };
            match part.split_once('=').ok_or_else(wrong)? {
                ("top", value) => options.top = Some(value.parse().map_err(|_| wrong())?),
                ("min_score", value) => {
                    let score = value.parse::<f32>().ok().filter(|score| (0.0..=1.0).contains(score));
                    options.min_score = Some(score.ok_or_else(wrong)?);
                }
                _ => return Err(wrong()),
            }
        }
        Ok(options)
    }
}
