//! The Open Inference Protocol over HTTP.

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::models::*;

const INFER: &str = "/v2/models/small/infer";

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A request whose inputs lie behind the JSON.
async fn binary(client: &mut Client, head: &Value, data: &[u8]) -> Answer {
    let head = head.to_string();
    let mut body = head.clone().into_bytes();
    body.extend_from_slice(data);
    let length = head.len().to_string();
    client.send("POST", INFER, &[("inference-header-content-length", &length)], &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn server_and_models_tell_what_they_are() {
    let (folder, _) = folder("{}");
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    for path in
        ["/v2/health/live", "/v2/health/ready", "/v2/models/small/ready", "/v2/models/small/versions/1/ready"]
    {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
    assert_eq!(client.get("/v2/models/none/ready").await.status, 404);
    assert_eq!(client.get("/v2/health/live").await.json(), json!({"live": true}));
    assert_eq!(client.get("/v2/health/ready").await.json(), json!({"ready": true}));
    let ready = client.get("/v2/models/small/versions/1/ready").await.json();
    assert_eq!(ready, json!({"name": "small", "ready": true}));
    let about = client.get("/v2").await.json();
    assert_eq!((&about["name"], &about["extensions"]), (&json!("sconce"), &json!(["binary_tensor_data"])));
    let metadata = client.get("/v2/models/small").await.json();
    let wanted = json!({"name": "small", "versions": ["1"], "platform": "sconce",
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 1, 4, 4]}],
        "outputs": [{"name": "output", "datatype": "FP32", "shape": [-1, 3]}]});
    assert_eq!(metadata, wanted);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_bytes_give_the_same() {
    let (folder, model) = folder("{}");
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    let values = image(5);
    let wanted = &expected(&model, std::slice::from_ref(&values))[0];
    let input = |data: Value| {
        let input = json!({"name": "input", "shape": [1, 1, 4, 4], "datatype": "FP32", "data": data});
        json!({"id": "7", "inputs": [input]})
    };
    // What is null is as if it were not there.
    let mut nulls = input(json!(values));
    nulls["outputs"] = Value::Null;
    nulls["parameters"] = Value::Null;
    nulls["inputs"][0]["parameters"] = Value::Null;
    for body in [input(json!(values)), input(json!([nested(&values)])), nulls] {
        let answer = client.post(INFER, body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        let (name, version, id) = (&answer["model_name"], &answer["model_version"], &answer["id"]);
        assert_eq!((name, version, id), (&json!("small"), &json!("1"), &json!("7")));
        let output = &answer["outputs"][0];
        let kind = (&output["name"], &output["datatype"], &output["shape"]);
        assert_eq!(kind, (&json!("output"), &json!("FP32"), &json!([1, 3])));
        assert_close(&floats(&output["data"]), wanted);
    }
    let raw = json!({"name": "input", "shape": [1, 1, 4, 4], "datatype": "FP32",
                     "parameters": {"binary_data_size": 64}});
    for head in [
        json!({"inputs": [raw], "parameters": {"binary_data_output": true}}),
        json!({"inputs": [raw], "outputs": [{"name": "output", "parameters": {"binary_data": true}}]}),
    ] {
        let answer = binary(&mut client, &head, &bytes(&values)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        let length: usize = answer.header("inference-header-content-length").unwrap().parse().unwrap();
        let head: Value = serde_json::from_slice(&answer.body[..length]).unwrap();
        assert_eq!(head["outputs"][0]["parameters"]["binary_data_size"], 12);
        let values = answer.body[length..].as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value));
        assert_close(&values.collect::<Vec<_>>(), wanted);
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused() {
    let (folder, _) = folder("{}");
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    let input = |name: &str, shape: Value, datatype: &str, data: Value| {
        json!({"inputs": [
        {"name": name, "shape": shape, "datatype": datatype, "data": data}]})
    };
    let good = json!(image(1));
    let with_outputs = |names: &[&str]| {
        let mut body = input("input", json!([1, 1, 4, 4]), "FP32", good.clone());
        body["outputs"] = names.iter().map(|name| json!({"name": name})).collect();
        body
    };
    for (body, part) in [
        (input("other", json!([1, 1, 4, 4]), "FP32", good.clone()), "expected input"),
        (input("input", json!([1, 1, 4, 4]), "INT64", json!([1])), "expected the datatype FP32"),
        (input("input", json!([1, 1, 4, 4]), "BYTES", json!(["a"])), "datatype: expected one of"),
        (input("input", json!([1, 1, 4, 4]), "FP16", good.clone()), "FP64, got \"FP16\""),
        (input("input", json!([1, 1, 4, 4]), "BF16", good.clone()), "FP64, got \"BF16\""),
        (
            input("input", json!([1, 1, 4, 4]), "FP32", json!([nested(&image(1))[0]])),
            "of the shape (1, 1, 4, 4)",
        ),
        (input("input", json!(vec![1; 17]), "FP32", json!([1])), "16 dimensions at most, got 17"),
        (with_outputs(&["other"]), "outputs: expected some of output"),
        // A longer answer than the model gives is not to be had.
        (with_outputs(&["output", "output"]), "each once"),
        (input("input", json!([2, 1, 4, 4]), "FP32", good.clone()), "expected 128 bytes"),
        (input("input", json!([1, 4, 4, 1]), "FP32", good.clone()), "expected FP32 (-1, 1, 4, 4)"),
        (input("input", json!([0, 1, 4, 4]), "FP32", json!([])), "at least 1"),
        (input("input", json!([-1, 1, 4, 4]), "FP32", good.clone()), "JSON parse error"),
        (input("input", json!([1_u64 << 62, 1_u64 << 62, 4, 4]), "FP32", json!([])), "fewer values"),
        (json!({"inputs": []}), "is missing"),
        (json!({}), "JSON parse error"),
        (
            json!({"inputs": [{"name": "input", "shape": [1, 1, 4, 4], "datatype": "FP32"}]}),
            "both or neither",
        ),
    ] {
        let answer = client.post(INFER, body.to_string()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        let answer = answer.json();
        assert!(answer["error"].as_str().unwrap().contains(part), "{body}: {answer}");
    }
    // What was sent does not come back, nor goes into the log, but for its start.
    let long = "x".repeat(1 << 20);
    for body in [
        input(&long, json!([1]), "FP32", json!([1])),
        input("input", json!([1]), &long, json!([1])),
        input("input", json!([1]), "FP32", json!(long)),
        input("input", json!(vec![1; 100_000]), "FP32", json!([1])),
        with_outputs(&[&long]),
        json!({"inputs": long}),
        json!({"inputs": [], "outputs": [{"name": long, "parameters": 1}]}),
        json!({"inputs": vec![json!({"name": "input", "shape": [], "datatype": "FP32"}); 2000]}),
        json!({"inputs": [], "outputs": vec![json!({"name": "output"}); 2000]}),
    ] {
        let answer = client.post(INFER, body.to_string()).await;
        assert!(answer.status == 400 && answer.body.len() < 500, "{}", answer.body.len());
    }
    let head = |size: usize| {
        json!({"inputs": [{"name": "input", "shape": [1, 1, 4, 4], "datatype": "FP32",
                                                "parameters": {"binary_data_size": size}}]})
    };
    let mut nan = image(1);
    nan[3] = f32::NAN;
    for (size, data, part) in [
        (64, bytes(&nan), "not a number"),
        (64, vec![0; 60], "expected 64 binary bytes, got 60"),
        (64, vec![0; 68], "4 binary bytes less"),
        (60, vec![0; 60], "expected 64 bytes, got 60"),
    ] {
        let answer = binary(&mut client, &head(size), &data).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains(part), "{}", answer.text());
    }
    let too_long = [("inference-header-content-length", "99")];
    assert_eq!(client.send("POST", INFER, &too_long, b"{}").await.status, 400);
    for path in ["/v2/models/small:predict", "/v2/models/small/labels/a/infer", "/v2/models/small/dance"] {
        assert_eq!(client.get(path).await.status, 404, "{path}");
    }
    server.shutdown().await;
}
