//! What each call of `inference.GRPCInferenceService` does. Calls that other servers have beyond the protocol are
//! answered with UNIMPLEMENTED.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::{Request, Response, Status};
use tower_service::Service;

use super::bounded::{Asked, Bounded};
use super::messages::*;
use super::timed::{Held, Timed};
use crate::app::App;
use crate::backend::{self, TensorSpec};
use crate::failure::{Failure, Reason, short};
use crate::repository::Wanted;
use crate::tensor::{Dtype, Tensor};
use crate::version::Version;

/// The service, for each connection a clone.
#[derive(Clone)]
pub struct Grpc(Arc<App>);

impl Grpc {
    /// For these models.
    #[must_use]
    pub fn new(app: Arc<App>) -> Grpc {
        Grpc(app)
    }
}

/// A call as tonic wants it: a function of the message.
#[derive(Clone)]
struct Call<F>(F);

impl<F, Q, A, R> Service<Request<Q>> for Call<F>
where
    F: FnMut(Q) -> A,
    A: Future<Output = Result<R, Failure>> + Send + 'static,
{
    type Response = Response<R>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let answer = (self.0)(request.into_inner());
        Box::pin(async { Ok(Response::new(answer.await?)) })
    }
}

impl hyper::service::Service<http::Request<Incoming>> for Grpc {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let app = Arc::clone(&self.0);
        Box::pin(async move { Ok(route(app, request).await) })
    }
}

async fn route(app: Arc<App>, request: http::Request<Incoming>) -> http::Response<Body> {
    let start = Instant::now();
    let path = request.uri().path().to_owned();
    let call = path.strip_prefix("/inference.GRPCInferenceService/").unwrap_or_default();
    if !matches!(call, "ServerLive" | "ServerReady")
        && let Err(failure) = app.authorize(request.headers())
    {
        app.note("", "grpc", start, Some(&failure));
        return Status::from(failure).into_http();
    }
    match call {
        "ServerLive" => {
            unary(&app, request, |_: ServerLiveRequest| async { Ok(ServerLiveResponse { live: true }) }).await
        }
        "ServerReady" => {
            let ready = app.is_ready();
            let answer = move |_: ServerReadyRequest| async move { Ok(ServerReadyResponse { ready }) };
            unary(&app, request, answer).await
        }
        "ModelReady" => unary(&app, request, with(&app, model_ready)).await,
        "ServerMetadata" => unary(&app, request, with(&app, server_metadata)).await,
        "ModelMetadata" => unary(&app, request, with(&app, model_metadata)).await,
        "ModelInfer" => {
            let infer = |app: Arc<App>, request| async move { model_infer(&app, request, start).await };
            unary(&app, request, with(&app, infer)).await
        }
        other => Status::unimplemented(format!("this server has no call {:?}", short(other))).into_http(),
    }
}

/// A call that needs the models.
fn with<Q, A>(app: &Arc<App>, call: impl Fn(Arc<App>, Q) -> A) -> impl Fn(Q) -> A {
    let app = Arc::clone(app);
    move |request| call(Arc::clone(&app), request)
}

async fn unary<Q, R, A>(
    app: &Arc<App>,
    request: http::Request<Incoming>,
    call: impl FnMut(Q) -> A,
) -> http::Response<Body>
where
    Q: Asked,
    R: prost::Message + Default + 'static,
    A: Future<Output = Result<R, Failure>> + Send + 'static,
{
    let mut grpc = tonic::server::Grpc::new(Bounded::<R, Q>::default())
        .max_decoding_message_size(app.limits.request_bytes)
        .max_encoding_message_size(usize::MAX);
    let (parts, body) = request.into_parts();
    let held = Held::default();
    let body = Timed::new(body, app, held.clone());
    let response = grpc.unary(Call(call), http::Request::from_parts(parts, body)).await;
    // Not with the body, which tonic lets go before the call begins.
    drop(held);
    response
}

async fn model_ready(app: Arc<App>, request: ModelReadyRequest) -> Result<ModelReadyResponse, Failure> {
    match find(&app, &request.name, &request.version) {
        Ok(_) => Ok(ModelReadyResponse { ready: true }),
        Err(failure) if failure.reason == Reason::NotFound => Ok(ModelReadyResponse { ready: false }),
        Err(failure) => Err(failure),
    }
}

async fn server_metadata(_: Arc<App>, _: ServerMetadataRequest) -> Result<ServerMetadataResponse, Failure> {
    Ok(ServerMetadataResponse {
        name: "sconce".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        extensions: Vec::new(),
    })
}

async fn model_metadata(
    app: Arc<App>,
    request: ModelMetadataRequest,
) -> Result<ModelMetadataResponse, Failure> {
    let version = find(&app, &request.name, &request.version)?;
    let tensors = |specs: &[TensorSpec]| {
        let entry = |spec: &TensorSpec| TensorMetadata {
            name: spec.name.clone(),
            datatype: spec.dtype.name().into(),
            shape: spec.sides(),
        };
        specs.iter().map(entry).collect()
    };
    let models = app.repository.models();
    let served = models.get(&version.model);
    Ok(ModelMetadataResponse {
        name: version.model.clone(),
        versions: served.into_iter().flat_map(|it| it.versions.keys().map(ToString::to_string)).collect(),
        platform: version.backend.platform().into(),
        inputs: tensors(version.backend.inputs()),
        outputs: tensors(version.backend.outputs()),
    })
}

fn find(app: &App, model: &str, version: &str) -> Result<Arc<Version>, Failure> {
    let wanted = match version {
        "" => Wanted::Latest,
        number => Wanted::Number(number.parse().map_err(|_| {
            Failure::invalid(format!("model_version: expected a number or nothing, got {:?}.", short(number)))
        })?),
    };
    app.repository.find(model, &wanted)
}

async fn model_infer(
    app: &App,
    request: ModelInferRequest,
    start: Instant,
) -> Result<ModelInferResponse, Failure> {
    let name = request.model_name.clone();
    let result = infer(app, request, start).await;
    app.note(&name, "grpc", start, result.as_ref().err());
    result
}

async fn infer(app: &App, request: ModelInferRequest, start: Instant) -> Result<ModelInferResponse, Failure> {
    let version = find(app, &request.model_name, &request.model_version)?;
    let backend = &*version.backend;
    let raw = request.raw_input_contents;
    if !raw.is_empty() && raw.len() != request.inputs.len() {
        return Err(Failure::invalid(format!(
            "raw_input_contents: expected none, or one for each of {} inputs, got {}.",
            request.inputs.len(),
            raw.len()
        )));
    }
    let mut raw = raw.into_iter();
    let mut named = Vec::with_capacity(request.inputs.len());
    for input in request.inputs {
        let spec = backend::input(backend, &input.name)?;
        named.push((input.name.clone(), tensor(spec, input, raw.next())?));
    }
    let inputs = backend::in_order(backend, named)?;
    if request.outputs.iter().any(|output| output.parameters.contains_key("classification")) {
        return Err(Failure::invalid("the parameter \"classification\" is not supported."));
    }
    let wanted = match request.outputs.as_slice() {
        [] => (0..backend.outputs().len()).collect(),
        outputs => crate::http::places(backend, outputs.iter().map(|output| output.name.as_str()))?,
    };
    let outputs = version.infer(inputs, start).await?;
    let mut response = ModelInferResponse {
        model_name: version.model.clone(),
        model_version: version.number.to_string(),
        id: request.id,
        ..ModelInferResponse::default()
    };
    for at in wanted {
        let (Some(spec), Some(tensor)) = (backend.outputs().get(at), outputs.get(at)) else { continue };
        response.outputs.push(InferOutputTensor {
            name: spec.name.clone(),
            datatype: tensor.dtype().name().into(),
            shape: tensor.shape().iter().map(|&side| i64::try_from(side).unwrap_or(i64::MAX)).collect(),
            ..InferOutputTensor::default()
        });
        response.raw_output_contents.push(tensor.data().clone());
    }
    Ok(response)
}

fn tensor(spec: &TensorSpec, input: InferInputTensor, raw: Option<Bytes>) -> Result<Tensor, Failure> {
    if input.parameters.contains_key("shared_memory_region") {
        return Err(Failure::invalid("the parameter \"shared_memory_region\" is not supported."));
    }
    let dtype = spec.check_datatype(&input.datatype)?;
    let side =
        |side: i64| usize::try_from(side).map_err(|_| Failure::invalid("a shape with a side below 0."));
    let shape = input.shape.into_iter().map(side).collect::<Result<Vec<_>, _>>()?;
    let data = match (raw, input.contents) {
        (Some(raw), None) => raw,
        (None, Some(contents)) => little_endian(dtype, &contents)?,
        _ => {
            return Err(Failure::invalid(format!(
                "input {:?}: expected contents or raw contents, got both or neither.",
                spec.name
            )));
        }
    };
    Tensor::new(dtype, shape, data)
}

fn little_endian(dtype: Dtype, contents: &InferTensorContents) -> Result<Bytes, Failure> {
    let small = || Failure::invalid(format!("contents: expected numbers of {}, got others.", dtype.name()));
    Ok(match dtype {
        Dtype::Bool => contents.bool_contents.iter().map(|value| u8::from(*value)).collect(),
        Dtype::U8 => {
            let bytes = contents.uint_contents.iter().map(|value| u8::try_from(*value).map_err(|_| small()));
            bytes.collect::<Result<Bytes, _>>()?
        }
        Dtype::I8 => {
            let bytes = contents.int_contents.iter();
            let bytes = bytes.map(|value| i8::try_from(*value).map(i8::cast_unsigned).map_err(|_| small()));
            bytes.collect::<Result<Bytes, _>>()?
        }
        Dtype::I32 => contents.int_contents.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Dtype::I64 => contents.int64_contents.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Dtype::F32 => contents.fp32_contents.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Dtype::F64 => contents.fp64_contents.iter().flat_map(|value| value.to_le_bytes()).collect(),
    })
}
