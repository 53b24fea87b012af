//! JupyterLab and the server's page in a browser, as a person uses them.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use sconce::nn::Outputs;
use sconce::prelude::*;
use sconce_serve::{Limits, ServeConfig, Server};
use sconce_tests::{python, root};
use serde_json::json;

#[test]
fn a_person_works_through_the_quickstart_in_jupyterlab_and_every_form_is_shown() {
    python::pytest(&["tests/browser"]).unwrap();
}

#[test]
fn a_person_drops_pictures_on_the_servers_page() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    // One tells colours apart, and comes in two versions, whose numbers are text in a browser; the other finds things,
    // wherever they are.
    let colours = Model::build([3, 8, 8], |x: Value| x.global_avg_pool().linear(3).named("head")).unwrap();
    let colours = colours.init(Seed(1), &Device::Cpu).unwrap();
    for parameter in colours.parameters() {
        let value = match parameter.var.rank() {
            2 => (Tensor::eye(3, DType::F32, &Device::Cpu).unwrap() * 10.0).unwrap(),
            _ => Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap(),
        };
        parameter.var.set(&value).unwrap();
    }
    let long =
        "a green that is neither the green of leaves nor the green of the sea, but one with a longer name";
    let settings = json!({"versions": "all", "classes": ["red", long, "blue"]});
    save(&models, "colours", &[1, (1 << 53) + 1], &colours, &settings);
    let layers = |x: Value| {
        let guesses = x.image_to_tokens();
        Outputs::new("logits", guesses.linear(4)).output("boxes", guesses.linear(4).sigmoid())
    };
    let detector = Model::build_outputs([3, 4, 4], layers).unwrap().init(Seed(1), &Device::Cpu).unwrap();
    save(&models, "detector", &[1], &detector, &json!({"classes": ["red", long, "blue"]}));

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let limits = Limits { request_bytes: 1 << 16, ..Limits::default() };
    let poll = Duration::from_millis(100);
    let config = ServeConfig { models, port: 0, grpc_port: None, limits, poll, ..ServeConfig::default() };
    let open = runtime.block_on(Server::start(config.clone())).unwrap();
    let closed = ServeConfig { token: Some("secret".into()), ..config };
    let closed = runtime.block_on(Server::start(closed)).unwrap();
    let mut python = python::python_of("python", "requirements.txt").unwrap();
    python.arg(root().join("tests/browser/page.py"));
    python.args([open.http_address(), closed.http_address()].map(|address| format!("http://{address}/")));
    python.arg(folder.path().join("models"));
    python::run(&mut python).unwrap();
    runtime.block_on(open.shutdown());
    runtime.block_on(closed.shutdown());
}

fn save(models: &Path, name: &str, versions: &[u64], model: &Model, settings: &serde_json::Value) {
    for version in versions {
        let place = models.join(name).join(version.to_string());
        fs::create_dir_all(&place).unwrap();
        model.save(place.join("model.safetensors")).unwrap();
    }
    fs::write(models.join(name).join("config.json"), settings.to_string()).unwrap();
}
