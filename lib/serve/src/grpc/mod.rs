//! The Open Inference Protocol over gRPC.

mod bounded;
mod messages;
mod service;
mod timed;

pub use messages::{
    InferInputTensor, InferOutputTensor, InferParameter, InferRequestedOutputTensor, InferTensorContents,
    ModelInferRequest, ModelInferResponse, ModelMetadataRequest, ModelMetadataResponse, ModelReadyRequest,
    ModelReadyResponse, ParameterChoice, ServerLiveRequest, ServerLiveResponse, ServerMetadataRequest,
    ServerMetadataResponse, ServerReadyRequest, ServerReadyResponse, TensorMetadata,
};
pub use service::Grpc;
