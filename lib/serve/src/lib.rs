//! A server for models of Sconce.
//!
//! A folder `NAME/VERSION/model.safetensors` of what `Model::save`, `SavedModel::save` and `QuantizedModel::save`
//! wrote becomes TensorFlow Serving's REST API, the Open Inference Protocol over HTTP and gRPC, an address that takes
//! pictures, and a page to drop them on. Requests are put together into batches; versions are replaced while it runs.
//!
//! ```no_run
//! use sconce_serve::{ServeConfig, Server};
//!
//! # async fn run() -> Result<(), sconce_serve::ServeError> {
//! let server = Server::start(ServeConfig { models: "models".into(), ..ServeConfig::default() }).await?;
//! println!("http://{}", server.http_address());
//! server.shutdown().await;
//! # Ok(()) }
//! ```

mod app;
mod backend;
mod batching;
mod connection;
mod failure;
pub mod grpc;
mod http;
mod metrics;
mod native;
mod numbers;
#[cfg(feature = "onnx")]
mod onnx;
mod picture;
mod repository;
mod server;
mod settings;
mod tensor;
mod tls;
mod version;

pub use app::Limits;
pub use server::{ServeConfig, ServeError, Server};
pub use settings::{Batching, Preprocessing, Resizing, Settings, Versions};
pub use tls::Tls;
