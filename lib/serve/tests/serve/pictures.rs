//! Files of pictures, models on integers, and the page.

use std::fs;

use sconce::compress::{QuantizeConfig, quantize, quantize_dynamic};
use sconce::data::{Image, Pixels};
use sconce::nn::{Outputs, Value as Node};
use sconce::prelude::*;
use serde_json::json;

use crate::client::Client;
use crate::models::*;

/// The bytes of a picture in one colour.
fn picture(name: &str, size: [usize; 2], colour: [u8; 3]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let pixels = colour.repeat(size[0] * size[1]);
    Image::new([size[0], size[1], 3], Pixels::U8(pixels)).unwrap().save(&path).unwrap();
    fs::read(path).unwrap()
}

/// A model that tells the reddest from the greenest and bluest: the logits are ten times the mean of each channel.
fn colours() -> Model {
    let model = Model::build([3, 8, 8], |x: Node| x.global_avg_pool().linear(3).named("head")).unwrap();
    let model = model.init(Seed(1), &Device::Cpu).unwrap();
    for parameter in model.parameters() {
        let value = match parameter.var.rank() {
            2 => (Tensor::eye(3, DType::F32, &Device::Cpu).unwrap() * 10.0).unwrap(),
            _ => Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap(),
        };
        parameter.var.set(&value).unwrap();
    }
    model
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_named() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), "colours", 1, &colours());
    fs::write(folder.path().join("colours/config.json"), r#"{"classes": ["red", "green", "blue"]}"#).unwrap();
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    let path = "/v1/models/colours:picture?top=2";
    for (name, size, colour, label) in [
        ("a.png", [20, 30], [250, 10, 0], "red"),
        ("a.png", [8, 8], [10, 250, 0], "green"),
        ("a.jpg", [64, 16], [0, 10, 250], "blue"),
    ] {
        let answer = client.post(path, picture(name, size, colour)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        assert_eq!((&answer["task"], &answer["height"]), (&json!("classify"), &json!(size[0])));
        assert_eq!(answer["classes"].as_array().unwrap().len(), 2);
        assert_eq!(answer["classes"][0]["label"], label);
        assert!(answer["classes"][0]["score"].as_f64().unwrap() > 0.9);
    }
    let green = picture("a.png", [8, 8], [0, 255, 0]);
    for (path, body, status, part) in [
        (path, b"GIF89a".to_vec(), 415, "JPEG or PNG"),
        (path, Vec::new(), 415, "JPEG or PNG"),
        (path, green[..40].to_vec(), 400, ""),
        ("/v1/models/colours:picture?top=x", green.clone(), 400, "top=NUMBER"),
        ("/v1/models/colours:picture?size=1", green.clone(), 400, "top=NUMBER"),
    ] {
        let answer = client.post(path, body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.json()["error"].as_str().unwrap().contains(part), "{}", answer.text());
    }
    // The same through `:classify`.
    use base64::Engine as _;
    let b64 = base64::engine::general_purpose::STANDARD.encode(&green);
    let examples = json!({"examples": [{"image": {"b64": b64}}]}).to_string();
    let answer = client.post("/v1/models/colours:classify", examples).await;
    assert_eq!(answer.json()["result"][0][1][0], "green", "{}", answer.text());
    assert!(answer.json()["result"][0][1][1].as_f64().unwrap() > 0.9);
    // What all examples share is said once; the same feature in both is not.
    let shared = json!({"context": {"image": {"b64": b64}}, "examples": [{}, {}]}).to_string();
    let answer = client.post("/v1/models/colours:classify", shared).await;
    assert_eq!(answer.json()["result"].as_array().unwrap().len(), 2, "{}", answer.text());
    let both = json!({"context": {"image": {"b64": b64}}, "examples": [{"image": {"b64": b64}}]}).to_string();
    assert_eq!(client.post("/v1/models/colours:classify", both).await.status, 400);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_request_becomes_no_large_one() {
    use base64::Engine as _;
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), "colours", 1, &colours());
    let limits = sconce_serve::Limits { request_bytes: 1 << 16, ..sconce_serve::Limits::default() };
    let server = serve(folder.path(), |config| config.limits = limits).await;
    let mut client = Client::connect(server.http_address()).await;
    let b64 = base64::engine::general_purpose::STANDARD.encode(picture("a.png", [1, 1], [0, 255, 0]));
    // Each of them becomes 768 bytes; of a context, three letters do.
    let image = json!({"image": {"b64": b64}});
    for (request, status) in [
        (json!({"examples": vec![&image; 80]}), 200),
        (json!({"examples": vec![&image; 100]}), 413),
        (json!({"context": image, "examples": vec![json!({}); 10_000]}), 413),
    ] {
        let answer = client.post("/v1/models/colours:classify", request.to_string()).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        if status != 200 {
            assert!(answer.text().contains("send fewer"), "{}", answer.text());
            client = Client::connect(server.http_address()).await;
        }
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_wait_for_the_model_hold_their_memory() {
    let folder = tempfile::tempdir().unwrap();
    let layers = |x: Node| x.global_avg_pool().linear(3);
    let model = Model::build([3, 100, 100], layers).unwrap().init(Seed(1), &Device::Cpu).unwrap();
    save(folder.path(), "large", 1, &model);
    // Two wait for a third.
    let settings = r#"{"batching": {"max_batch_size": 3, "max_delay_ms": 60000}}"#;
    fs::write(folder.path().join("large/config.json"), settings).unwrap();
    // A picture of a few hundred bytes becomes 120,000: there is room for two, and for 60,000 bytes of numbers.
    let limits = sconce_serve::Limits { total_bytes: 330 << 10, ..sconce_serve::Limits::default() };
    let server = serve(folder.path(), |config| config.limits = limits).await;
    let address = server.http_address();
    let ask = || async move {
        let image = picture("a.png", [9, 9], [1, 2, 3]);
        Client::connect(address).await.post("/v1/models/large:picture", image).await
    };
    let mut client = Client::connect(address).await;
    let mut waiting = Vec::new();
    for waits in 1..=2 {
        waiting.push(tokio::spawn(ask()));
        client.until(&format!("sconce_serve_waiting{{model=\"large\",version=\"1\"}} {waits}")).await;
    }
    let refused = ask().await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.text().contains("fill the memory"), "{}", refused.text());
    let numbers = json!({"instances": [vec![vec![vec![0; 100]; 100]; 3]]}).to_string();
    let answer = client.post("/v1/models/large:predict", numbers).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for one in waiting {
        assert_eq!(one.await.unwrap().status, 200);
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn things_are_found_in_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    // What DETR gives, of far fewer layers: 16 guesses of three classes and nothing.
    let layers = |x: Node| {
        let guesses = x.image_to_tokens();
        Outputs::new("logits", guesses.linear(4)).output("boxes", guesses.linear(4).sigmoid())
    };
    let net = Model::build_outputs([3, 4, 4], layers).unwrap().init(Seed(1), &Device::Cpu).unwrap();
    save(folder.path(), "detr", 1, &net);
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    let mut sides = Vec::new();
    for size in [[64, 64], [64, 192]] {
        let image = picture("a.png", size, [200, 100, 50]);
        let answer = client.post("/v1/models/detr:picture?min_score=0&top=4", image).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        assert_eq!((&answer["task"], &answer["width"]), (&json!("detect"), &json!(size[1])));
        let boxes = answer["boxes"].as_array().unwrap();
        assert!(!boxes.is_empty() && boxes.len() <= 4, "{answer}");
        for one in boxes {
            assert!((0.0..=1.0).contains(&one["score"].as_f64().unwrap()));
        }
        sides.push(boxes.iter().map(|one| floats(&one["box"])).collect::<Vec<_>>());
    }
    // The same colour everywhere, three times as wide: so are the boxes, in pixels of each picture.
    for (square, wide) in sides[0].iter().zip(&sides[1]) {
        assert!(square[2] - square[0] > 1.0, "{square:?}");
        assert_close(wide, &[3.0 * square[0], square[1], 3.0 * square[2], square[3]]);
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn models_on_integers_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let images: Vec<Vec<f32>> = (0..24).map(image).collect();
    let batch = Tensor::from_vec(images.concat(), (24, 1, 4, 4), &Device::Cpu).unwrap();
    let calibrated = quantize(&small(1), &[batch], &QuantizeConfig::default()).unwrap().model;
    let dynamic = quantize_dynamic(&small(1), &[]).unwrap().model;
    for (name, model) in [("calibrated", &calibrated), ("dynamic", &dynamic)] {
        fs::create_dir_all(folder.path().join(name).join("1")).unwrap();
        model.save(folder.path().join(name).join("1/int8.safetensors")).unwrap();
        let settings = r#"{"batching": {"max_delay_ms": 50}}"#;
        fs::write(folder.path().join(name).join("config.json"), settings).unwrap();
    }
    let server = serve(folder.path(), |_| {}).await;
    let address = server.http_address();
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/v2/models/dynamic").await.json()["platform"], "sconce_int8");
    let mut tasks = tokio::task::JoinSet::new();
    for image in images {
        for (name, model) in [("calibrated", calibrated.clone()), ("dynamic", dynamic.clone())] {
            let image = image.clone();
            tasks.spawn(async move {
                let x = Tensor::from_vec(image.clone(), (1, 1, 4, 4), &Device::Cpu).unwrap();
                let wanted = model.forward(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let body = json!({"instances": [nested(&image)]}).to_string();
                let path = format!("/v1/models/{name}:predict");
                let answer = Client::connect(address).await.post(&path, body).await;
                // What others ask at the same time changes nothing, although the ranges of the one follow its batch.
                assert_close(&floats(&answer.json()["predictions"][0]), &wanted);
            });
        }
    }
    tasks.join_all().await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_no_other_server() {
    let (folder, _) = folder("{}");
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    let page = client.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert!(!page.text().contains("http://") && !page.text().contains("https://"));
    // A model of one channel is shown pictures in grey.
    let models = client.get("/v1/models").await.json();
    assert_eq!(models["models"][0]["task"], "classify");
    let answer = client.post("/v1/models/small:picture", picture("a.png", [9, 5], [1, 2, 3])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["classes"].as_array().unwrap().len(), 3);
    server.shutdown().await;
}
