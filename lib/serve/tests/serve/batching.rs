//! Many requests at the same time: each gets its own answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::client::Client;
use crate::models::*;

const REQUESTS: usize = 10_000;
const CONNECTIONS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn each_of_ten_thousand_requests_gets_its_own_answer() {
    let (folder, model) =
        folder(r#"{"batching": {"max_batch_size": 16, "max_delay_ms": 2}, "instances": 2}"#);
    let server = serve(folder.path(), |_| {}).await;
    let address = server.http_address();
    let images: Arc<Vec<Vec<f32>>> = Arc::new((0..REQUESTS).map(image).collect());
    let wanted = Arc::new(expected(&model, &images));
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (images, wanted, next) = (Arc::clone(&images), Arc::clone(&wanted), Arc::clone(&next));
        tasks.spawn(async move {
            let mut client = Client::connect(address).await;
            let mut answered = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= REQUESTS {
                    return answered;
                }
                let body = json!({"instances": [nested(&images[number])]}).to_string();
                let answer = client.post("/v1/models/small:predict", body).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                assert_close(&floats(&answer.json()["predictions"][0]), &wanted[number]);
                answered += 1;
            }
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), REQUESTS);
    let metrics = Client::connect(address).await.get("/metrics").await.text();
    let count = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
        line.split(' ').next_back().unwrap().parse().unwrap()
    };
    assert_eq!(count("sconce_serve_batch_size_sum{model=\"small\"}"), REQUESTS as f64);
    assert_eq!(count("sconce_serve_queue_seconds_count{model=\"small\"}"), REQUESTS as f64);
    let batches = count("sconce_serve_batch_size_count{model=\"small\"}");
    assert!(batches <= REQUESTS as f64 / 2.0, "{batches} batches");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_larger_than_a_batch_is_computed_in_parts() {
    let (folder, model) = folder(r#"{"batching": {"max_batch_size": 4}}"#);
    let server = serve(folder.path(), |_| {}).await;
    let images: Vec<Vec<f32>> = (0..11).map(image).collect();
    let lists: Vec<_> = images.iter().map(|image| nested(image)).collect();
    let mut client = Client::connect(server.http_address()).await;
    let answer = client.post("/v1/models/small:predict", json!({"instances": lists}).to_string()).await;
    let rows = answer.json()["predictions"].clone();
    for (row, wanted) in rows.as_array().unwrap().iter().zip(expected(&model, &images)) {
        assert_close(&floats(row), &wanted);
    }
    assert_eq!(rows.as_array().unwrap().len(), 11);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_several_sizes_do_not_meet_in_a_batch() {
    use sconce::prelude::*;
    let folder = tempfile::tempdir().unwrap();
    let layers = |x: Value| x.conv2d(4, 3).relu().global_avg_pool().linear(3);
    let model = Model::build(IMAGE, layers).unwrap().init(Seed(1), &Device::Cpu).unwrap();
    save(folder.path(), "free", 1, &model);
    let settings = r#"{"max_image_pixels": 100, "batching": {"max_delay_ms": 20}}"#;
    std::fs::write(folder.path().join("free/config.json"), settings).unwrap();
    let server = serve(folder.path(), |_| {}).await;
    let address = server.http_address();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let model = model.clone();
        tasks.spawn(async move {
            let side = 4 + number % 3;
            let x = Tensor::rand(-1_f32, 1.0, (1, 1, side, side), &Device::Cpu).unwrap();
            let wanted =
                model.forward(&x, Mode::Eval).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let rows = x.flatten_all().unwrap().reshape((side, side)).unwrap().to_vec2::<f32>().unwrap();
            let body = json!({"instances": [[rows]]}).to_string();
            let answer = Client::connect(address).await.post("/v1/models/free:predict", body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_close(&floats(&answer.json()["predictions"][0]), &wanted);
        });
    }
    tasks.join_all().await;
    let mut client = Client::connect(address).await;
    let large = json!({"instances": [[vec![vec![0.0; 11]; 11]]]}).to_string();
    let answer = client.post("/v1/models/free:predict", large).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("100 pixels at most"), "{}", answer.text());
    server.shutdown().await;
}
