//! TensorFlow Serving's REST API, in the forms of its documentation.

use sconce::nn::Value as Node;
use sconce::prelude::*;
use serde_json::{Value, json};

use crate::client::Client;
use crate::models::*;

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_columns_give_what_the_model_gives() {
    let (folder, model) = folder("{}");
    let server = serve(folder.path(), |_| {}).await;
    let images: Vec<Vec<f32>> = (0..3).map(image).collect();
    let wanted = expected(&model, &images);
    let lists: Vec<Value> = images.iter().map(|image| nested(image)).collect();
    let objects: Vec<Value> = lists.iter().map(|list| json!({"input": list})).collect();
    let mut client = Client::connect(server.http_address()).await;
    for (body, key) in [
        (json!({"instances": lists}), "predictions"),
        (json!({"instances": objects, "signature_name": "serving_default"}), "predictions"),
        (json!({"inputs": lists}), "outputs"),
        (json!({"inputs": {"input": lists}}), "outputs"),
    ] {
        for path in ["/v1/models/small:predict", "/v1/models/small/versions/1:predict"] {
            let answer = client.post(path, body.to_string()).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let answer = answer.json();
            let rows = answer[key].as_array().unwrap();
            assert_eq!(rows.len(), 3);
            rows.iter().zip(&wanted).for_each(|(row, wanted)| assert_close(&floats(row), wanted));
        }
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_outputs_have_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let layers = |x: Node| {
        let x = x.flatten();
        Outputs::new("a", x.linear(2)).output("b", x.linear(3))
    };
    let model = Model::build_outputs(IMAGE, layers).unwrap().init(Seed(3), &Device::Cpu).unwrap();
    save(folder.path(), "two", 1, &model);
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    let lists = json!([nested(&image(1)), nested(&image(2))]);
    let answer = client.post("/v1/models/two:predict", json!({"instances": lists}).to_string()).await;
    let rows = answer.json()["predictions"].clone();
    assert_eq!((floats(&rows[1]["a"]).len(), floats(&rows[1]["b"]).len()), (2, 3));
    let answer = client.post("/v1/models/two:predict", json!({"inputs": lists}).to_string()).await;
    let outputs = answer.json()["outputs"].clone();
    assert_eq!((&outputs["a"][1], &outputs["b"][0]), (&rows[1]["a"], &rows[0]["b"]));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_metadata_have_the_documented_form() {
    let (folder, _) = folder(r#"{"versions": "all", "labels": {"stable": 1}}"#);
    save(folder.path(), "small", 2, &small(2));
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    let entry = |version: &str| {
        json!({"version": version, "state": "AVAILABLE",
                                       "status": {"error_code": "OK", "error_message": ""}})
    };
    let status = client.get("/v1/models/small").await.json();
    assert_eq!(status, json!({"model_version_status": [entry("2"), entry("1")]}));
    for path in ["/v1/models/small/versions/1", "/v1/models/small/labels/stable"] {
        assert_eq!(client.get(path).await.json(), json!({"model_version_status": [entry("1")]}));
    }
    let metadata = client.get("/v1/models/small/labels/stable/metadata").await.json();
    assert_eq!(client.get("/v1/models/small/versions/1/metadata").await.json(), metadata);
    assert_eq!(metadata["model_spec"]["version"], "1");
    let signature = &metadata["metadata"]["signature_def"]["signature_def"]["serving_default"];
    assert_eq!(signature["method_name"], "tensorflow/serving/predict");
    let sizes = |value: &Value| -> Vec<String> {
        let dims = value["tensor_shape"]["dim"].as_array().unwrap().iter();
        dims.map(|dim| dim["size"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(sizes(&signature["inputs"]["input"]), ["-1", "1", "4", "4"]);
    assert_eq!(sizes(&signature["outputs"]["output"]), ["-1", "3"]);
    assert_eq!(signature["outputs"]["output"]["dtype"], "DT_FLOAT");
    let models = client.get("/v1/models").await.json();
    assert_eq!(models["models"][0]["versions"], json!(["1", "2"]));
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_are_classified() {
    let (folder, model) = folder(r#"{"classes": ["cat", "dog", "cow"]}"#);
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    let examples =
        json!({"context": null, "examples": [{"input": nested(&image(1))}, {"input": nested(&image(2))}]});
    let answer = client.post("/v1/models/small:classify", examples.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let result = answer.json()["result"].clone();
    let logits = &expected(&model, &[image(1), image(2)])[1];
    let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
    for (at, label) in ["cat", "dog", "cow"].into_iter().enumerate() {
        assert_eq!(result[1][at][0], label);
        assert_close(&[result[1][at][1].as_f64().unwrap() as f32], &[logits[at].exp() / sum]);
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_in_the_documented_form() {
    let (folder, _) = folder("{}");
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    let good = nested(&image(1));
    let predict = "/v1/models/small:predict";
    for (path, body, status, part) in [
        (predict, "{".to_owned(), 400, "JSON parse error"),
        (predict, "[]".to_owned(), 400, "JSON parse error"),
        (predict, "{}".to_owned(), 400, "`instances` or `inputs`"),
        (predict, json!({"instances": [good], "inputs": [good]}).to_string(), 400, "both or neither"),
        (predict, json!({"instances": []}).to_string(), 400, "expected FP32 (-1, 1, 4, 4), got FP32 (0)"),
        (predict, json!({"instances": good}).to_string(), 400, "(-1, 1, 4, 4)"),
        (predict, json!({"instances": "a"}).to_string(), 400, "expected a list"),
        (predict, json!({"instances": [[[1, 2], [3]]]}).to_string(), 400, "nested lists of one length"),
        (predict, json!({"instances": [[["a"]]]}).to_string(), 400, "expected a number"),
        (predict, json!({"instances": [{"input": good}, {}]}).to_string(), 400, "in each"),
        (predict, json!({"instances": [{"other": good}]}).to_string(), 400, "expected input, each once"),
        (predict, json!({"inputs": {}}).to_string(), 400, "is missing"),
        (predict, json!({"instances": [good], "signature_name": "x"}).to_string(), 400, "signature_name"),
        (predict, r#"{"instances": [[[[NaN]]]]}"#.to_owned(), 400, "NaN and Infinity are no numbers here"),
        (predict, r#"{"instances": [{"b64": "AAAA"}]}"#.to_owned(), 400, "each once, got \"b64\""),
        (predict, r#"{"inputs": {"input": {"b64": "AAAA"}}}"#.to_owned(), 400, "a number of type FP32"),
        (predict, r#"{"instances": [[[[1e999]]]]}"#.to_owned(), 400, ""),
        (predict, format!("{{\"instances\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000)), 400, ""),
        ("/v1/models/none:predict", "{}".to_owned(), 404, "no model"),
        ("/v1/models/small/versions/9:predict", "{}".to_owned(), 404, "no version 9"),
        ("/v1/models/small/labels/x:predict", "{}".to_owned(), 404, "no label"),
        ("/v1/models/small/versions/x:predict", "{}".to_owned(), 404, "expected NAME"),
        ("/v1/models/small:dance", "{}".to_owned(), 404, "no action"),
        ("/v1/models/small:regress", "{}".to_owned(), 400, "regress"),
        ("/v1/models/small:classify", r#"{"examples": []}"#.to_owned(), 400, "at least one"),
        ("/v1/models/small", "{}".to_owned(), 405, "does not take POST"),
        ("/v9", "{}".to_owned(), 404, "nothing at"),
    ] {
        let answer = client.post(path, &body).await;
        let start: String = body.chars().take(80).collect();
        assert_eq!(answer.status, status, "{path} {start}: {}", answer.text());
        let answer = answer.json();
        let message = answer["error"].as_str().unwrap();
        assert!(message.contains(part), "{path} {start}: {message}");
        assert_eq!(answer.as_object().unwrap().len(), 1);
    }
    // More names than any model has inputs are not even read.
    let many: serde_json::Map<String, Value> =
        (0..2000).map(|number| (number.to_string(), json!(1))).collect();
    for (path, body) in [
        (predict, json!({"instances": [many]})),
        (predict, json!({"inputs": many})),
        ("/v1/models/small:classify", json!({"examples": [many]})),
        ("/v1/models/small:classify", json!({"context": many, "examples": [{}]})),
    ] {
        let answer = client.post(path, body.to_string()).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains("an object of at most 1024"), "{}", answer.text());
    }
    assert_eq!(client.get(predict).await.status, 405);
    assert_eq!(client.get("/v1/models/none").await.status, 404);
    server.shutdown().await;
}
