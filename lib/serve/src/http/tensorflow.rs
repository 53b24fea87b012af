//! TensorFlow Serving's REST API, as its documentation has it (<https://www.tensorflow.org/tfx/serving/api_rest>).

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::Response;
use http::Method;
use serde_json::{Value, json};

use super::target::Target;
use super::{aside, body, classify, finish, method, picture, predict};
use crate::app::App;
use crate::backend::TensorSpec;
use crate::failure::{Failure, Reason, short};
use crate::repository::Wanted;
use crate::version::Version;

/// The name of the one way in which a model is asked.
const SIGNATURE: &str = "serving_default";

/// The models that there are: an address of ours.
pub async fn list(State(app): State<Arc<App>>) -> Response {
    let models = app.repository.models();
    let models = models.iter().map(|(name, served)| {
        let latest = served.versions.values().next_back();
        let task = latest.and_then(|version| version.pictures.as_ref()).map(|pictures| pictures.task);
        // As text: numbers of 64 bits are more than a browser keeps apart.
        let versions: Vec<String> = served.versions.keys().map(ToString::to_string).collect();
        json!({"name": name, "versions": versions, "labels": served.settings.labels, "task": task})
    });
    let models: Vec<Value> = models.collect();
    super::answer(json!({"models": models, "max_request_bytes": app.limits.request_bytes}).to_string())
}

/// Everything below a model's name.
pub async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let start = Instant::now();
    let path = request.uri().path().to_owned();
    let target = match Target::of(path.strip_prefix("/v1/models/").unwrap_or_default()) {
        Ok(target) => target,
        Err(failure) => return finish(&app, "", "http", start, Err(failure)),
    };
    let protocol = match target.action {
        "predict" => "predict",
        "classify" => "classify",
        "picture" => "picture",
        _ => "http",
    };
    let result = act(&app, &target, request, start).await;
    finish(&app, target.model, protocol, start, result)
}

async fn act(
    app: &Arc<App>,
    target: &Target<'_>,
    request: Request,
    start: Instant,
) -> Result<Response, Failure> {
    let wanted = match target.action {
        "predict" | "classify" | "regress" | "picture" => Method::POST,
        "" | "metadata" => Method::GET,
        other => {
            return Err(Failure::new(Reason::NotFound, format!("there is no action {:?}", short(other))));
        }
    };
    if request.method() != wanted {
        return Err(method(&request));
    }
    if target.action.is_empty() {
        return status(app, target);
    }
    let version = app.repository.find(target.model, &target.wanted)?;
    match target.action {
        "metadata" => Ok(metadata(&version)),
        "regress" => {
            Err(Failure::invalid("models here have no method `regress`: use `predict` or `classify`."))
        }
        "picture" => {
            let (parts, body) = request.into_parts();
            let whole = body::read(app, &parts.headers, body).await?;
            picture::picture(app, &version, whole, parts.uri.query().unwrap_or_default(), start).await
        }
        action => {
            let (parts, body) = request.into_parts();
            let whole = body::read(app, &parts.headers, body).await?;
            match action {
                "predict" => predict::predict(&version, &whole.bytes, start).await,
                _ => classify::classify(app, &version, &whole.bytes, start).await,
            }
        }
    }
}

/// Holds a request to the one signature.
pub fn check_signature(name: Option<&str>) -> Result<(), Failure> {
    match name {
        None | Some("" | SIGNATURE) => Ok(()),
        Some(name) => {
            let got = short(name);
            Err(Failure::invalid(format!("signature_name: expected {SIGNATURE:?}, got {got:?}.")))
        }
    }
}

/// Makes a response of outputs, aside where it is long.
pub fn written(
    bytes: usize,
    write: impl FnOnce(&mut String) -> Result<(), Failure>,
) -> Result<Response, Failure> {
    let text = aside(bytes, || {
        let mut out = String::new();
        write(&mut out).map(|()| out)
    })?;
    Ok(super::answer(text))
}

fn status(app: &App, target: &Target<'_>) -> Result<Response, Failure> {
    let models = app.repository.models();
    let missing = || {
        let model = short(target.model);
        Failure::new(Reason::NotFound, format!("Could not find any versions of model {model}"))
    };
    let served = models.get(target.model).ok_or_else(missing)?;
    let number = match &target.wanted {
        Wanted::Latest => None,
        Wanted::Number(number) => Some(*number),
        Wanted::Label(label) => Some(*served.settings.labels.get(label).ok_or_else(missing)?),
    };
    let entry = |number: u64, state: &str, code: &str, message: &str| {
        json!({"version": number.to_string(), "state": state,
               "status": {"error_code": code, "error_message": message}})
    };
    let mut entries: Vec<(u64, Value)> =
        served.versions.keys().map(|&number| (number, entry(number, "AVAILABLE", "OK", ""))).collect();
    let broken = served.broken.iter().filter(|(number, _)| !served.versions.contains_key(number));
    entries.extend(broken.map(|(&number, problem)| (number, entry(number, "END", "DATA_LOSS", problem))));
    entries.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    entries.retain(|(found, _)| number.is_none_or(|number| number == *found));
    if entries.is_empty() {
        return Err(missing());
    }
    let entries: Vec<Value> = entries.into_iter().map(|(_, entry)| entry).collect();
    Ok(super::answer(json!({"model_version_status": entries}).to_string()))
}

fn metadata(version: &Version) -> Response {
    let tensors = |specs: &[TensorSpec]| {
        let entries = specs.iter().map(|spec| {
            let sides: Vec<Value> =
                spec.sides().iter().map(|side| json!({"size": side.to_string(), "name": ""})).collect();
            let shape = json!({"dim": sides, "unknown_rank": false});
            let entry = json!({"dtype": spec.dtype.tensorflow(), "tensor_shape": shape, "name": spec.name});
            (spec.name.clone(), entry)
        });
        Value::Object(entries.collect())
    };
    let signature = json!({"inputs": tensors(version.backend.inputs()),
                           "outputs": tensors(version.backend.outputs()),
                           "method_name": "tensorflow/serving/predict"});
    let spec = json!({"name": version.model, "signature_name": "", "version": version.number.to_string()});
    let metadata = json!({"signature_def": {"signature_def": {SIGNATURE: signature}}});
    super::answer(json!({"model_spec": spec, "metadata": metadata}).to_string())
}
