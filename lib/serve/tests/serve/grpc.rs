//! The Open Inference Protocol over gRPC, message by message; the tests of the whole do the same with `tritonclient`.

use std::collections::HashMap;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use sconce_serve::Limits;
use sconce_serve::grpc::*;

use crate::models::*;

struct Client(http2::SendRequest<Full<Bytes>>);

/// The codes of gRPC.
const OK: u32 = 0;
const INVALID_ARGUMENT: u32 = 3;
const NOT_FOUND: u32 = 5;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNIMPLEMENTED: u32 = 12;
const UNAVAILABLE: u32 = 14;
const UNAUTHENTICATED: u32 = 16;

impl Client {
    async fn connect(address: SocketAddr) -> Client {
        let stream = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        Client(sender)
    }

    /// The code and the answer.
    async fn call<A: Message + Default>(&mut self, name: &str, message: &impl Message) -> (u32, A) {
        self.call_as(name, message, "").await
    }

    async fn call_as<A: Message + Default>(
        &mut self,
        name: &str,
        message: &impl Message,
        authorization: &str,
    ) -> (u32, A) {
        let mut body = BytesMut::from(&[0][..]);
        body.extend_from_slice(&u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
        message.encode(&mut body).unwrap();
        let request = Request::post(format!("http://test/inference.GRPCInferenceService/{name}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", authorization)
            .body(Full::new(body.freeze()))
            .unwrap();
        let response = self.0.send_request(request).await.unwrap();
        let head = response.headers().clone();
        let body = response.into_body().collect().await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        let code = |headers: &HeaderMap| Some(headers.get("grpc-status")?.to_str().ok()?.parse().unwrap());
        let code = code(&head).or_else(|| code(&trailers)).unwrap();
        let bytes = body.to_bytes();
        (code, bytes.get(5..).map_or_else(A::default, |message| A::decode(message).unwrap()))
    }
}

fn request(values: &[f32]) -> ModelInferRequest {
    let input = InferInputTensor {
        name: "input".into(),
        datatype: "FP32".into(),
        shape: vec![1, 1, 4, 4],
        ..InferInputTensor::default()
    };
    ModelInferRequest {
        model_name: "small".into(),
        id: "7".into(),
        inputs: vec![input],
        raw_input_contents: vec![values.iter().flat_map(|value| value.to_le_bytes()).collect()],
        ..ModelInferRequest::default()
    }
}

fn contents(values: &[f32]) -> ModelInferRequest {
    let mut request = request(&[]);
    request.raw_input_contents.clear();
    request.inputs[0].contents =
        Some(InferTensorContents { fp32_contents: values.to_vec(), ..InferTensorContents::default() });
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_asked_and_tell_what_they_are() {
    let (folder, model) = folder("{}");
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.grpc_address().unwrap()).await;
    let live: (u32, ServerLiveResponse) = client.call("ServerLive", &ServerLiveRequest {}).await;
    let ready: (u32, ServerReadyResponse) = client.call("ServerReady", &ServerReadyRequest {}).await;
    assert_eq!((live.0, live.1.live, ready.0, ready.1.ready), (OK, true, OK, true));
    for (name, version, wanted) in
        [("small", "", true), ("small", "1", true), ("small", "2", false), ("x", "", false)]
    {
        let request = ModelReadyRequest { name: name.into(), version: version.into() };
        let (code, answer): (u32, ModelReadyResponse) = client.call("ModelReady", &request).await;
        assert_eq!((code, answer.ready), (OK, wanted), "{name} {version}");
    }
    let (_, about): (u32, ServerMetadataResponse) =
        client.call("ServerMetadata", &ServerMetadataRequest {}).await;
    assert_eq!(about.name, "sconce");
    let asked = ModelMetadataRequest { name: "small".into(), version: String::new() };
    let (code, metadata): (u32, ModelMetadataResponse) = client.call("ModelMetadata", &asked).await;
    assert_eq!((code, metadata.versions), (OK, vec!["1".to_owned()]));
    assert_eq!((&*metadata.inputs[0].name, &*metadata.inputs[0].shape), ("input", &[-1, 1, 4, 4][..]));
    let values = image(3);
    let wanted = &expected(&model, std::slice::from_ref(&values))[0];
    for request in [request(&values), contents(&values)] {
        let (code, answer): (u32, ModelInferResponse) = client.call("ModelInfer", &request).await;
        assert_eq!(code, OK);
        assert_eq!((&*answer.model_version, &*answer.id), ("1", "7"));
        assert_eq!(answer.outputs[0].shape, [1, 3]);
        let values = answer.raw_output_contents[0].as_chunks::<4>().0.iter();
        assert_close(&values.map(|value| f32::from_le_bytes(*value)).collect::<Vec<_>>(), wanted);
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_has_a_code() {
    let (folder, _) = folder("{}");
    let limits = Limits { request_bytes: 16384, ..Limits::default() };
    let server = serve(folder.path(), |config| config.limits = limits).await;
    let mut client = Client::connect(server.grpc_address().unwrap()).await;
    let good = image(1);
    let mut nan = image(1);
    nan[0] = f32::INFINITY;
    let changed = |change: &dyn Fn(&mut ModelInferRequest)| {
        let mut request = request(&good);
        change(&mut request);
        request
    };
    let output =
        InferRequestedOutputTensor { name: "output".into(), ..InferRequestedOutputTensor::default() };
    let shared = HashMap::from([("shared_memory_region".to_owned(), InferParameter::default())]);
    for (request, wanted) in [
        (request(&good), OK),
        (request(&nan), INVALID_ARGUMENT),
        (request(&good[..15]), INVALID_ARGUMENT),
        (contents(&good[..15]), INVALID_ARGUMENT),
        (changed(&|it| it.model_name = "none".into()), NOT_FOUND),
        (changed(&|it| it.model_version = "9".into()), NOT_FOUND),
        (changed(&|it| it.model_version = "x".into()), INVALID_ARGUMENT),
        (changed(&|it| it.inputs[0].name = "x".into()), INVALID_ARGUMENT),
        (changed(&|it| it.inputs[0].datatype = "INT64".into()), INVALID_ARGUMENT),
        (changed(&|it| it.inputs[0].shape = vec![-1, 1, 4, 4]), INVALID_ARGUMENT),
        (changed(&|it| it.inputs[0].shape = vec![i64::MAX, i64::MAX]), INVALID_ARGUMENT),
        (changed(&|it| it.inputs[0].parameters = shared.clone()), INVALID_ARGUMENT),
        (changed(&|it| it.inputs.clear()), INVALID_ARGUMENT),
        (changed(&|it| it.raw_input_contents.clear()), INVALID_ARGUMENT),
        (changed(&|it| it.raw_input_contents.push(Bytes::new())), INVALID_ARGUMENT),
        (changed(&|it| it.outputs.push(InferRequestedOutputTensor::default())), INVALID_ARGUMENT),
        (changed(&|it| it.outputs = vec![output.clone()]), OK),
        (changed(&|it| it.outputs = vec![output.clone(); 2]), INVALID_ARGUMENT),
        (changed(&|it| it.inputs[0].shape = vec![1; 200]), INVALID_ARGUMENT),
        (changed(&|it| it.outputs = vec![InferRequestedOutputTensor::default(); 5000]), INVALID_ARGUMENT),
    ] {
        let (code, _): (u32, ModelInferResponse) = client.call("ModelInfer", &request).await;
        assert_eq!(code, wanted, "{request:?}");
    }
    let long = request(&[0.0; 8192]);
    let (code, _): (u32, ModelInferResponse) = client.call("ModelInfer", &long).await;
    assert!(matches!(code, RESOURCE_EXHAUSTED | 11), "{code}");
    for name in ["RepositoryIndex", "ModelConfig", "ModelStatistics", "Dance"] {
        let (code, _): (u32, ServerLiveResponse) = client.call(name, &ServerLiveRequest {}).await;
        assert_eq!(code, UNIMPLEMENTED, "{name}");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_within_parts_are_counted() {
    let (folder, _) = folder("{}");
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.grpc_address().unwrap()).await;
    for (many, wanted) in [(4000, OK), (5000, INVALID_ARGUMENT)] {
        let parameters: HashMap<String, InferParameter> =
            (0..many).map(|number| (number.to_string(), InferParameter::default())).collect();
        let mut of_input = request(&image(1));
        of_input.inputs[0].parameters = parameters.clone();
        let mut of_output = request(&image(1));
        of_output.outputs = vec![InferRequestedOutputTensor { name: "output".into(), parameters }];
        for request in [of_input, of_output] {
            let (code, _): (u32, ModelInferResponse) = client.call("ModelInfer", &request).await;
            assert_eq!(code, wanted, "{many}");
        }
    }
    // Values that no model takes are not kept: these are empty ones of BYTES.
    let contents = InferTensorContents::decode([0x42, 0, 0x42, 0].as_slice()).unwrap();
    assert_eq!(contents, InferTensorContents::default());
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_hold_their_memory() {
    // Two wait for a third.
    let (folder, _) = folder(r#"{"batching": {"max_batch_size": 3, "max_delay_ms": 60000}}"#);
    let limits = Limits { total_bytes: 1 << 20, ..Limits::default() };
    let server = serve(folder.path(), |config| config.limits = limits).await;
    let address = server.grpc_address().unwrap();
    let ask = |bytes: usize| async move {
        let request = ModelInferRequest { id: "x".repeat(bytes), ..request(&image(1)) };
        let (code, _): (u32, ModelInferResponse) =
            Client::connect(address).await.call("ModelInfer", &request).await;
        code
    };
    let mut metrics = crate::client::Client::connect(server.http_address()).await;
    let mut waiting = Vec::new();
    for waits in 1..=2 {
        waiting.push(tokio::spawn(ask(400_000)));
        metrics.until(&format!("sconce_serve_waiting{{model=\"small\",version=\"1\"}} {waits}")).await;
    }
    assert_eq!(ask(400_000).await, UNAVAILABLE);
    assert_eq!(ask(1).await, OK);
    for one in waiting {
        assert_eq!(one.await.unwrap(), OK);
    }
    // What is answered has given its memory back.
    let codes = tokio::join!(ask(800_000), ask(1), ask(1));
    assert_eq!(codes, (OK, OK, OK));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_only_the_pulse_is_told() {
    let (folder, _) = folder("{}");
    let server = serve(folder.path(), |config| config.token = Some("secret".into())).await;
    let mut client = Client::connect(server.grpc_address().unwrap()).await;
    let (code, _): (u32, ServerLiveResponse) = client.call("ServerLive", &ServerLiveRequest {}).await;
    assert_eq!(code, OK);
    for (authorization, wanted) in
        [("", UNAUTHENTICATED), ("Bearer x", UNAUTHENTICATED), ("Bearer secret", OK)]
    {
        let request = request(&image(1));
        let (code, _): (u32, ModelInferResponse) =
            client.call_as("ModelInfer", &request, authorization).await;
        assert_eq!(code, wanted, "{authorization}");
    }
    server.shutdown().await;
}
