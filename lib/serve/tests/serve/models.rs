//! Models and servers for the tests.

use std::fs;
use std::path::Path;

use sconce::prelude::*;
use sconce_serve::{ServeConfig, Server};
use tempfile::TempDir;

/// The shape of the images that the small model takes.
pub const IMAGE: [usize; 3] = [1, 4, 4];

/// A small model of three classes.
pub fn small(seed: u64) -> Model {
    let layers = |x: Value| x.conv2d(4, 3).relu().flatten().linear(3);
    Model::build(IMAGE, layers).unwrap().init(Seed(seed), &Device::Cpu).unwrap()
}

/// A folder in which a version of a model is saved as a person would.
pub fn save(folder: &Path, name: &str, version: u64, model: &Model) {
    let place = folder.join(name).join(version.to_string());
    fs::create_dir_all(&place).unwrap();
    model.save(place.join("model.safetensors")).unwrap();
}

/// A folder with the model `small`, version 1, and these settings.
pub fn folder(settings: &str) -> (TempDir, Model) {
    let folder = tempfile::tempdir().unwrap();
    let model = small(1);
    save(folder.path(), "small", 1, &model);
    fs::write(folder.path().join("small/config.json"), settings).unwrap();
    (folder, model)
}

/// A server of a folder, at ports of its own.
pub async fn serve(folder: &Path, change: impl FnOnce(&mut ServeConfig)) -> Server {
    let mut config = ServeConfig {
        models: folder.to_owned(),
        port: 0,
        grpc_port: Some(0),
        poll: std::time::Duration::from_millis(30),
        ..ServeConfig::default()
    };
    change(&mut config);
    Server::start(config).await.unwrap()
}

/// The image that stands for a number: others give others.
pub fn image(number: usize) -> Vec<f32> {
    (0..16).map(|at| ((number * 31 + at * 7) % 997) as f32 / 997.0 + number as f32 / 1000.0).collect()
}

/// What the model gives for images, each by itself.
pub fn expected(model: &Model, images: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let forward = |image: &Vec<f32>| {
        let x = Tensor::from_vec(image.clone(), (1, 1, 4, 4), &Device::Cpu).unwrap();
        model.forward(&x, Mode::Eval).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    images.iter().map(forward).collect()
}

/// An image as nested lists.
pub fn nested(image: &[f32]) -> serde_json::Value {
    let rows: Vec<&[f32]> = image.chunks(4).collect();
    serde_json::json!([rows])
}

/// Holds values to others, within the rounding that a batch of another size brings.
pub fn assert_close(got: &[f32], wanted: &[f32]) {
    assert_eq!(got.len(), wanted.len());
    for (got, wanted) in got.iter().zip(wanted) {
        assert!((got - wanted).abs() <= 1e-5 * wanted.abs().max(1.0), "{got} instead of {wanted}");
    }
}

/// A list of numbers in JSON.
pub fn floats(value: &serde_json::Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}
