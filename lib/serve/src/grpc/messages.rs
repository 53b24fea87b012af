//! The messages of `inference.GRPCInferenceService`, with the numbers of its published definition
//! (<https://github.com/kserve/open-inference-protocol>, `grpc_predict_v2.proto`).

use std::collections::HashMap;

use bytes::Bytes;

/// Asks whether the server lives.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ServerLiveRequest {}

/// Whether the server lives.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ServerLiveResponse {
    /// It does.
    #[prost(bool, tag = "1")]
    pub live: bool,
}

/// Asks whether the server takes requests.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ServerReadyRequest {}

/// Whether the server takes requests.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ServerReadyResponse {
    /// It does.
    #[prost(bool, tag = "1")]
    pub ready: bool,
}

/// Asks whether a model takes requests.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ModelReadyRequest {
    /// The model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The version; empty for the highest.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// Whether a model takes requests.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ModelReadyResponse {
    /// It does.
    #[prost(bool, tag = "1")]
    pub ready: bool,
}

/// Asks what the server is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ServerMetadataRequest {}

/// What the server is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ServerMetadataResponse {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
    /// The extensions that it has.
    #[prost(string, repeated, tag = "3")]
    pub extensions: Vec<String>,
}

/// Asks what a model takes and gives.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ModelMetadataRequest {
    /// The model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The version; empty for the highest.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// What a model takes and gives.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ModelMetadataResponse {
    /// The model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The versions that answer.
    #[prost(string, repeated, tag = "2")]
    pub versions: Vec<String>,
    /// What it runs on.
    #[prost(string, tag = "3")]
    pub platform: String,
    /// What it takes.
    #[prost(message, repeated, tag = "4")]
    pub inputs: Vec<TensorMetadata>,
    /// What it gives.
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<TensorMetadata>,
}

/// An input or output of a model.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorMetadata {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What its values are.
    #[prost(string, tag = "2")]
    pub datatype: String,
    /// Its shape, -1 where any size will do.
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
}

/// A parameter.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InferParameter {
    /// Its value.
    #[prost(oneof = "ParameterChoice", tags = "1, 2, 3, 4, 5")]
    pub parameter_choice: Option<ParameterChoice>,
}

/// The value of a parameter.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ParameterChoice {
    /// Yes or no.
    #[prost(bool, tag = "1")]
    Bool(bool),
    /// A whole number.
    #[prost(int64, tag = "2")]
    Int64(i64),
    /// A text.
    #[prost(string, tag = "3")]
    String(String),
    /// A number.
    #[prost(double, tag = "4")]
    Double(f64),
    /// A whole number without sign.
    #[prost(uint64, tag = "5")]
    Uint64(u64),
}

/// The values of a tensor, in the list of their type. Those of BYTES, which no model here takes, are passed over: two
/// bytes of a message would be 32 in memory.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InferTensorContents {
    /// Of BOOL.
    #[prost(bool, repeated, tag = "1")]
    pub bool_contents: Vec<bool>,
    /// Of INT8, INT16 and INT32.
    #[prost(int32, repeated, tag = "2")]
    pub int_contents: Vec<i32>,
    /// Of INT64.
    #[prost(int64, repeated, tag = "3")]
    pub int64_contents: Vec<i64>,
    /// Of UINT8, UINT16 and UINT32.
    #[prost(uint32, repeated, tag = "4")]
    pub uint_contents: Vec<u32>,
    /// Of UINT64.
    #[prost(uint64, repeated, tag = "5")]
    pub uint64_contents: Vec<u64>,
    /// Of FP32.
    #[prost(float, repeated, tag = "6")]
    pub fp32_contents: Vec<f32>,
    /// Of FP64.
    #[prost(double, repeated, tag = "7")]
    pub fp64_contents: Vec<f64>,
}

/// Asks a model.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ModelInferRequest {
    /// The model.
    #[prost(string, tag = "1")]
    pub model_name: String,
    /// The version; empty for the highest.
    #[prost(string, tag = "2")]
    pub model_version: String,
    /// Comes back in the answer.
    #[prost(string, tag = "3")]
    pub id: String,
    /// Parameters of the request.
    #[prost(map = "string, message", tag = "4")]
    pub parameters: HashMap<String, InferParameter>,
    /// The inputs.
    #[prost(message, repeated, tag = "5")]
    pub inputs: Vec<InferInputTensor>,
    /// The outputs that are wanted; all of them where there are none.
    #[prost(message, repeated, tag = "6")]
    pub outputs: Vec<InferRequestedOutputTensor>,
    /// The values of all inputs, little-endian, where they have no contents of their own.
    #[prost(bytes = "bytes", repeated, tag = "7")]
    pub raw_input_contents: Vec<Bytes>,
}

/// An input.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InferInputTensor {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What its values are.
    #[prost(string, tag = "2")]
    pub datatype: String,
    /// Its shape.
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
    /// Parameters of the input.
    #[prost(map = "string, message", tag = "4")]
    pub parameters: HashMap<String, InferParameter>,
    /// Its values, where they are not among the raw ones.
    #[prost(message, optional, tag = "5")]
    pub contents: Option<InferTensorContents>,
}

/// An output that is wanted.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InferRequestedOutputTensor {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Parameters of the output.
    #[prost(map = "string, message", tag = "2")]
    pub parameters: HashMap<String, InferParameter>,
}

/// A model's answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ModelInferResponse {
    /// The model.
    #[prost(string, tag = "1")]
    pub model_name: String,
    /// The version.
    #[prost(string, tag = "2")]
    pub model_version: String,
    /// That of the request.
    #[prost(string, tag = "3")]
    pub id: String,
    /// Parameters of the answer.
    #[prost(map = "string, message", tag = "4")]
    pub parameters: HashMap<String, InferParameter>,
    /// The outputs.
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<InferOutputTensor>,
    /// Their values, little-endian.
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub raw_output_contents: Vec<Bytes>,
}

/// An output.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InferOutputTensor {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What its values are.
    #[prost(string, tag = "2")]
    pub datatype: String,
    /// Its shape.
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
    /// Parameters of the output.
    #[prost(map = "string, message", tag = "4")]
    pub parameters: HashMap<String, InferParameter>,
    /// Its values; empty here, where they are among the raw ones.
    #[prost(message, optional, tag = "5")]
    pub contents: Option<InferTensorContents>,
}
