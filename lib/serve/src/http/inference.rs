//! The Open Inference Protocol over HTTP, with the extension for binary tensors
//! (<https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol>).

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::few::{Few, or_default};
use super::target::Target;
use super::{aside, body, finish, method, parse};
use crate::app::App;
use crate::backend::{self, Backend, TensorSpec};
use crate::failure::{Failure, Reason, short};
use crate::numbers::{self, Form};
use crate::repository::Wanted;
use crate::tensor::{Tensor, shape_text};
use crate::version::Version;

/// Says where JSON ends and bytes begin.
const JSON_LENGTH: &str = "inference-header-content-length";

/// What the server is.
pub async fn server(State(_): State<Arc<App>>) -> Response {
    let version = env!("CARGO_PKG_VERSION");
    super::answer(
        json!({"name": "sconce", "version": version, "extensions": ["binary_tensor_data"]}).to_string(),
    )
}

/// Everything below a model's name.
pub async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let start = Instant::now();
    let path = request.uri().path().to_owned();
    let target = match Target::of(path.strip_prefix("/v2/models/").unwrap_or_default()) {
        Ok(target) if !matches!(target.wanted, Wanted::Label(_)) && !path.contains(':') => target,
        Ok(_) => {
            let failure =
                Failure::new(Reason::NotFound, "this protocol has no labels and no actions behind `:`");
            return finish(&app, "", "http", start, Err(failure));
        }
        Err(failure) => return finish(&app, "", "http", start, Err(failure)),
    };
    let protocol = if target.action == "infer" { "infer" } else { "http" };
    let result = act(&app, &target, request, start).await;
    finish(&app, target.model, protocol, start, result)
}

async fn act(app: &App, target: &Target<'_>, request: Request, start: Instant) -> Result<Response, Failure> {
    let wanted = match target.action {
        "infer" => Method::POST,
        "" | "ready" => Method::GET,
        other => {
            return Err(Failure::new(Reason::NotFound, format!("there is no action {:?}", short(other))));
        }
    };
    if request.method() != wanted {
        return Err(method(&request));
    }
    let version = app.repository.find(target.model, &target.wanted)?;
    match target.action {
        "ready" => Ok(super::answer(json!({"name": version.model, "ready": true}).to_string())),
        "" => Ok(metadata(app, &version)),
        _ => {
            let (parts, body) = request.into_parts();
            let whole = body::read(app, &parts.headers, body).await?;
            infer(&version, &parts.headers, &whole.bytes, start).await
        }
    }
}

/// The versions of a model that answer, as this protocol has them.
pub fn versions(app: &App, version: &Version) -> Vec<String> {
    let models = app.repository.models();
    let served = models.get(&version.model);
    served.map_or_else(Vec::new, |served| served.versions.keys().map(ToString::to_string).collect())
}

fn metadata(app: &App, version: &Version) -> Response {
    let tensors = |specs: &[TensorSpec]| -> Vec<Value> {
        let entry = |spec: &TensorSpec| json!({"name": spec.name, "datatype": spec.dtype.name(), "shape": spec.sides()});
        specs.iter().map(entry).collect()
    };
    let text = json!({"name": version.model, "versions": versions(app, version),
        "platform": version.backend.platform(), "inputs": tensors(version.backend.inputs()),
        "outputs": tensors(version.backend.outputs())});
    super::answer(text.to_string())
}

#[derive(Deserialize)]
struct Infer<'a> {
    id: Option<String>,
    #[serde(borrow)]
    inputs: Few<Input<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    outputs: Few<Requested>,
    #[serde(default, deserialize_with = "or_default")]
    parameters: Parameters,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: String,
    shape: Few<usize>,
    datatype: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "or_default")]
    parameters: Parameters,
}

#[derive(Deserialize)]
struct Requested {
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    parameters: Parameters,
}

/// The parameters that mean something here. What means something elsewhere, and would change the answer, is refused.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    binary_data_size: Option<usize>,
    binary_data: Option<bool>,
    binary_data_output: Option<bool>,
    shared_memory_region: Option<IgnoredAny>,
    classification: Option<IgnoredAny>,
}

impl Parameters {
    fn check(&self) -> Result<(), Failure> {
        for (name, value) in
            [("shared_memory_region", &self.shared_memory_region), ("classification", &self.classification)]
        {
            if value.is_some() {
                return Err(Failure::invalid(format!("the parameter {name:?} is not supported.")));
            }
        }
        Ok(())
    }
}

/// An output that was asked for, by its place, and whether as bytes.
#[derive(Clone, Copy)]
struct Wish {
    output: usize,
    binary: bool,
}

async fn infer(
    version: &Version,
    headers: &HeaderMap,
    bytes: &Bytes,
    start: Instant,
) -> Result<Response, Failure> {
    let backend = &*version.backend;
    let (id, inputs, wishes) = aside(bytes.len(), || read(backend, headers, bytes))?;
    let outputs = version.infer(inputs, start).await?;
    let size = outputs.iter().map(|output| output.data().len()).sum();
    aside(size, || write(version, id.as_deref(), &outputs, &wishes))
}

type Asked = (Option<String>, Vec<Tensor>, Vec<Wish>);

fn read(backend: &dyn Backend, headers: &HeaderMap, bytes: &Bytes) -> Result<Asked, Failure> {
    let split = match headers.get(JSON_LENGTH) {
        None => bytes.len(),
        Some(length) => {
            let length = length.to_str().ok().and_then(|length| length.parse::<usize>().ok());
            length.filter(|length| *length <= bytes.len()).ok_or_else(|| {
                Failure::invalid(format!(
                    "Inference-Header-Content-Length: expected a number of at most {}, got another.",
                    bytes.len()
                ))
            })?
        }
    };
    let request: Infer<'_> = parse(&bytes[..split])?;
    request.parameters.check()?;
    let mut rest = bytes.slice(split..);
    let mut named = Vec::with_capacity(request.inputs.0.len());
    for input in request.inputs.0 {
        named.push((input.name.clone(), tensor(backend, input, &mut rest)?));
    }
    if !rest.is_empty() {
        return Err(Failure::invalid(format!(
            "expected {} binary bytes less: the inputs take fewer.",
            rest.len()
        )));
    }
    let binary = request.parameters.binary_data_output.unwrap_or(false);
    let wishes = match request.outputs.0 {
        all if all.is_empty() => (0..backend.outputs().len()).map(|output| Wish { output, binary }).collect(),
        requested => {
            let places = places(backend, requested.iter().map(|requested| requested.name.as_str()))?;
            let wish = |(requested, output): (&Requested, usize)| {
                requested.parameters.check()?;
                Ok(Wish { output, binary: requested.parameters.binary_data.unwrap_or(binary) })
            };
            requested.iter().zip(places).map(wish).collect::<Result<_, Failure>>()?
        }
    };
    Ok((request.id, backend::in_order(backend, named)?, wishes))
}

/// The places of the outputs of these names, each of which may come once: an answer is not longer than what the model
/// gives.
///
/// # Errors
/// If one comes again, or the model has none of that name.
pub fn places<'a>(
    backend: &dyn Backend,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<usize>, Failure> {
    let mut places = Vec::new();
    for name in names {
        let place = backend.outputs().iter().position(|spec| spec.name == name);
        match place.filter(|place| !places.contains(place)) {
            Some(place) => places.push(place),
            None => {
                let known: Vec<&str> = backend.outputs().iter().map(|spec| spec.name.as_str()).collect();
                let (known, got) = (known.join(", "), short(name));
                return Err(Failure::invalid(format!(
                    "outputs: expected some of {known}, each once, got {got:?}."
                )));
            }
        }
    }
    Ok(places)
}

fn tensor(backend: &dyn Backend, input: Input<'_>, rest: &mut Bytes) -> Result<Tensor, Failure> {
    input.parameters.check()?;
    let spec = backend::input(backend, &input.name)?;
    let dtype = spec.check_datatype(&input.datatype)?;
    match (input.parameters.binary_data_size, input.data) {
        (Some(size), None) => {
            if size > rest.len() {
                return Err(Failure::invalid(format!(
                    "input {:?}: expected {size} binary bytes, got {}.",
                    spec.name,
                    rest.len()
                )));
            }
            Tensor::new(dtype, input.shape.0, rest.split_to(size))
        }
        (None, Some(data)) => {
            let values = numbers::read(data.get(), dtype)?;
            let tensor = Tensor::new(dtype, input.shape.0, values.data().clone())?;
            if values.shape().len() > 1 && values.shape() != tensor.shape() {
                return Err(Failure::invalid(format!(
                    "input {:?}: expected data of the shape {} or in one list, got {}.",
                    spec.name,
                    shape_text(tensor.shape()),
                    shape_text(values.shape())
                )));
            }
            Ok(tensor)
        }
        _ => Err(Failure::invalid(format!(
            "input {:?}: expected `data` or the parameter `binary_data_size`, got both or neither.",
            spec.name
        ))),
    }
}

fn write(
    version: &Version,
    id: Option<&str>,
    outputs: &[Tensor],
    wishes: &[Wish],
) -> Result<Response, Failure> {
    let head = json!({"model_name": version.model, "model_version": version.number.to_string(), "id": id});
    let mut text = head.to_string();
    if id.is_none() {
        text = json!({"model_name": version.model, "model_version": version.number.to_string()}).to_string();
    }
    // The outputs follow within the same object.
    text.pop();
    text.push_str(",\"outputs\":[");
    let mut binary = Vec::new();
    for (at, wish) in wishes.iter().enumerate() {
        let (Some(spec), Some(tensor)) =
            (version.backend.outputs().get(wish.output), outputs.get(wish.output))
        else {
            return Err(Failure::internal("an output that the model did not give"));
        };
        if at > 0 {
            text.push(',');
        }
        let entry = json!({"name": spec.name, "datatype": spec.dtype.name(), "shape": tensor.shape()});
        text.push_str(entry.to_string().trim_end_matches('}'));
        if wish.binary {
            let size = tensor.data().len();
            text.push_str(&format!(",\"parameters\":{{\"binary_data_size\":{size}}}}}"));
            binary.extend_from_slice(tensor.data());
        } else {
            text.push_str(",\"data\":");
            numbers::write(&mut text, tensor, Form::Flat)?;
            text.push('}');
        }
    }
    text.push_str("]}");
    if !wishes.iter().any(|wish| wish.binary) {
        return Ok(super::answer(text));
    }
    let length = text.len();
    let mut whole = text.into_bytes();
    whole.extend(binary);
    let mut response = super::answer(whole);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(JSON_LENGTH, HeaderValue::from(length));
    Ok(response)
}
