//! A model of several inputs: each by its name, in batches and over both protocols.

use sconce::prelude::*;
use serde_json::{Value as Json, json};

use crate::client::Client;
use crate::models::*;

/// An image of any size and four numbers.
fn mixed() -> Model {
    let inputs = Inputs::new("image", [1, 4, 4]).input("numbers", [4]);
    let architecture = Model::build_inputs(inputs, |[image, numbers]| {
        let image = image.conv2d(4, 3).relu().global_avg_pool();
        image.concat(&[&numbers], 0).linear(3)
    });
    architecture.unwrap().init(Seed(1), &Device::Cpu).unwrap()
}

fn numbers(number: usize) -> Vec<f32> {
    (0..4).map(|at| number as f32 / 100.0 - at as f32).collect()
}

/// What the model gives for an image of so many rows of four pixels, and its numbers.
fn wanted(model: &Model, number: usize, rows: usize) -> Vec<f32> {
    let image = Tensor::from_vec(image(number)[..4 * rows].to_vec(), (1, 1, rows, 4), &Device::Cpu).unwrap();
    let numbers = Tensor::from_vec(numbers(number), (1, 4), &Device::Cpu).unwrap();
    let output = model.forward_inputs(&[&image, &numbers], Mode::Eval).unwrap();
    output.flatten_all().unwrap().to_vec1().unwrap()
}

/// A request for these images of so many rows, in the order of the names that is asked for.
fn request(of: &[usize], rows: usize, names: [&str; 2]) -> Json {
    let input = |name: &str| match name {
        "image" => {
            let data: Vec<f32> = of.iter().flat_map(|&number| image(number)[..4 * rows].to_vec()).collect();
            json!({"name": name, "shape": [of.len(), 1, rows, 4], "datatype": "FP32", "data": data})
        }
        _ => {
            let data: Vec<f32> = of.iter().flat_map(|&number| numbers(number)).collect();
            json!({"name": name, "shape": [of.len(), 4], "datatype": "FP32", "data": data})
        }
    };
    json!({ "inputs": names.map(input) })
}

#[tokio::test(flavor = "multi_thread")]
async fn several_inputs_are_told_apart_by_their_names() {
    let (folder, model) = (tempfile::tempdir().unwrap(), mixed());
    save(folder.path(), "mixed", 1, &model);
    let settings = r#"{"max_image_pixels": 16, "batching": {"max_batch_size": 4, "max_delay_ms": 20}}"#;
    std::fs::write(folder.path().join("mixed/config.json"), settings).unwrap();
    let server = serve(folder.path(), |_| {}).await;
    let address = server.http_address();
    let mut client = Client::connect(address).await;
    let metadata = client.get("/v2/models/mixed").await.json();
    let inputs = json!([
        {"name": "image", "datatype": "FP32", "shape": [-1, 1, -1, -1]},
        {"name": "numbers", "datatype": "FP32", "shape": [-1, 4]},
    ]);
    assert_eq!(metadata["inputs"], inputs, "{metadata}");
    const INFER: &str = "/v2/models/mixed/infer";
    for (rows, names) in [(4, ["image", "numbers"]), (3, ["numbers", "image"])] {
        let answer = client.post(INFER, request(&[3, 8], rows, names).to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let got = floats(&answer.json()["outputs"][0]["data"]);
        assert_close(&got, &[wanted(&model, 3, rows), wanted(&model, 8, rows)].concat());
    }
    // Requests of two sizes at once: each batch has images of one size, and the numbers that belong to them.
    let asked = (0..24).map(|number| {
        let model = model.clone();
        tokio::spawn(async move {
            let (mut client, rows) = (Client::connect(address).await, 3 + number % 2);
            let body = request(&[number], rows, ["image", "numbers"]).to_string();
            let answer = client.post(INFER, body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_close(&floats(&answer.json()["outputs"][0]["data"]), &wanted(&model, number, rows));
        })
    });
    for task in asked.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let instance = json!({"image": nested(&image(3)), "numbers": numbers(3)});
    let answer = client.post("/v1/models/mixed:predict", json!({"instances": [instance]}).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_close(&floats(&answer.json()["predictions"][0]), &wanted(&model, 3, 4));

    let mut uneven = request(&[3, 8], 4, ["image", "numbers"]);
    uneven["inputs"][1] = request(&[3], 4, ["image", "numbers"])["inputs"][1].clone();
    let mut one = request(&[3], 4, ["image", "numbers"]);
    one["inputs"].as_array_mut().unwrap().pop();
    for (body, word) in [(uneven, "the same for all inputs"), (one, "numbers")] {
        let answer = client.post(INFER, body.to_string()).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains(word), "{}", answer.text());
    }
    server.shutdown().await;
}
