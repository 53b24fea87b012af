//! The server under clients of others.

#![allow(clippy::unwrap_used)]

#[path = "../lib/tests/rerun/mod.rs"]
#[allow(dead_code)] // Other tests run again for other reasons.
mod rerun;

use sconce::compress::{QuantizeConfig, quantize, quantize_dynamic};
use sconce::export::{self, Metadata, OnnxConfig};
use sconce::prelude::*;
use sconce_serve::{ServeConfig, Server};
use sconce_tests::{onnxruntime, python, root, triton};
use serde_json::{Value as Json, json};

#[test]
fn clients_of_others_get_what_the_model_gives() {
    let library = onnxruntime::library().unwrap();
    rerun::again("ORT_DYLIB_PATH", library.to_str().unwrap(), &["--ignored", "with_onnxruntime"]);
}

#[test]
#[ignore = "runs again where the library is"]
fn with_onnxruntime() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    std::fs::create_dir_all(models.join("small/1")).unwrap();
    let layers = |x: Value| x.conv2d(4, 3).relu().flatten().linear(3);
    let model = Model::build([1, 4, 4], layers).unwrap().init(Seed(1), &Device::Cpu).unwrap();
    model.save(models.join("small/1/model.safetensors")).unwrap();
    std::fs::write(models.join("small/config.json"), r#"{"classes": ["cat", "dog", "cow"]}"#).unwrap();
    // The same model from onnxruntime.
    std::fs::create_dir_all(models.join("exported/1")).unwrap();
    let config =
        OnnxConfig { metadata: Metadata::default().classes(&["cat", "dog", "cow"]), ..OnnxConfig::default() };
    export::onnx_with(&model, models.join("exported/1/model.onnx"), &config).unwrap();
    python::run(onnxruntime::python().unwrap().arg(root().join("tests/serve/models.py")).arg(&models))
        .unwrap();
    let mut rng = Seed(2).rng();
    let values: Vec<f32> = (0..64 * 16).map(|_| 2.0 * rng.uniform_f32() - 1.0).collect();
    let images = Tensor::from_vec(values, (64, 1, 4, 4), &Device::Cpu).unwrap();
    let outputs = model.forward(&images, Mode::Eval).unwrap().to_vec2::<f32>().unwrap();
    // And on integers.
    let calibrated =
        quantize(&model, std::slice::from_ref(&images), &QuantizeConfig::default()).unwrap().model;
    let dynamic = quantize_dynamic(&model, &[]).unwrap().model;
    let int8 = [("calibrated", &calibrated), ("dynamic", &dynamic)].map(|(name, model)| {
        // Together, so that they meet in a batch where nothing keeps them apart.
        let settings = r#"{"batching": {"max_delay_ms": 20}}"#;
        std::fs::create_dir_all(models.join(name).join("1")).unwrap();
        std::fs::write(models.join(name).join("config.json"), settings).unwrap();
        export::onnx(model, models.join(name).join("1/model.onnx")).unwrap();
        let alone = (0..64).map(|at| model.forward(&images.narrow(0, at, 1).unwrap()).unwrap());
        Tensor::cat(&alone.collect::<Vec<_>>(), 0).unwrap().to_vec2::<f32>().unwrap()
    });
    let rows = images.reshape((64, 16)).unwrap().to_vec2::<f32>().unwrap();
    let rows: Vec<Json> = rows.iter().map(|row| json!([row.chunks(4).collect::<Vec<_>>()])).collect();

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let config = ServeConfig { models, port: 0, grpc_port: Some(0), ..ServeConfig::default() };
    let server = runtime.block_on(Server::start(config)).unwrap();
    let (http, grpc) = (server.http_address().to_string(), server.grpc_address().unwrap().to_string());
    let [calibrated, dynamic] = int8;
    let largest = outputs.iter().flatten().fold(0_f32, |most, value| most.max(value.abs()));
    let case = json!({"http": http, "grpc": grpc, "images": rows, "outputs": outputs, "calibrated": calibrated,
        "dynamic": dynamic, "step": largest / 127.0});
    let path = folder.path().join("case.json");
    std::fs::write(&path, case.to_string()).unwrap();
    let script = root().join("tests/serve/clients.py");
    python::run(triton::python().unwrap().arg(script).arg(path)).unwrap();
    runtime.block_on(server.shutdown());
}
