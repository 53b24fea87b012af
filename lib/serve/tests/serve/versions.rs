//! Versions that come, go, and are broken.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::models::*;

const PREDICT: &str = "/v1/models/small:predict";

fn body() -> String {
    json!({"instances": [nested(&image(1))]}).to_string()
}

/// Waits until a model's status is as wanted.
async fn until(client: &mut Client, path: &str, wanted: impl Fn(&Value) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let status = client.get(path).await.json();
        if wanted(&status) {
            return;
        }
        assert!(Instant::now() < deadline, "{status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn latest(status: &Value) -> Option<&str> {
    let entries = status["model_version_status"].as_array()?;
    entries.iter().find(|entry| entry["state"] == "AVAILABLE")?["version"].as_str()
}

/// Puts a version into its place in one step.
fn publish(folder: &Path, version: u64, seed: u64) {
    let aside = tempfile::tempdir_in(folder).unwrap();
    save(aside.path(), "small", version, &small(seed));
    let number = version.to_string();
    fs::rename(aside.path().join("small").join(&number), folder.join("small").join(&number)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_replaced_under_load_without_a_failed_request() {
    let (folder, _) = folder("{}");
    let server = serve(folder.path(), |_| {}).await;
    let address = server.http_address();
    let wanted: Arc<Vec<Vec<f32>>> =
        Arc::new((1..=4).map(|seed| expected(&small(seed), &[image(1)]).remove(0)).collect());
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (stop, answered, wanted) = (Arc::clone(&stop), Arc::clone(&answered), Arc::clone(&wanted));
        tasks.spawn(async move {
            let mut client = Client::connect(address).await;
            let mut seen = 0;
            while !stop.load(Ordering::Relaxed) {
                let answer = client.post(PREDICT, body()).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                let row = floats(&answer.json()["predictions"][0]);
                let version = wanted.iter().position(|wanted| (wanted[0] - row[0]).abs() < 1e-5).unwrap();
                assert!(version >= seen, "version {version} after {seen}");
                seen = version;
                answered.fetch_add(1, Ordering::Relaxed);
            }
            seen
        });
    }
    let mut client = Client::connect(address).await;
    for version in 2..=4 {
        publish(folder.path(), version, version);
        let number = version.to_string();
        until(&mut client, "/v1/models/small", |status| latest(status) == Some(&number)).await;
    }
    let before = answered.load(Ordering::Relaxed);
    let deadline = Instant::now() + Duration::from_secs(60);
    while answered.load(Ordering::Relaxed) < before + 100 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.store(true, Ordering::Relaxed);
    assert_eq!(tasks.join_all().await, [3; 8]);
    // A version that is taken away is missed by nobody while there is another.
    fs::remove_dir_all(folder.path().join("small/4")).unwrap();
    until(&mut client, "/v1/models/small", |status| latest(status) == Some("3")).await;
    server.shutdown().await;
}

/// What all servers of this process write into the log.
fn log_of_all() -> &'static Mutex<Vec<u8>> {
    static LOG: OnceLock<Mutex<Vec<u8>>> = OnceLock::new();
    let mut new = false;
    let log = LOG.get_or_init(|| {
        new = true;
        Mutex::default()
    });
    if new {
        struct Written;
        impl std::io::Write for Written {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                log_of_all().lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        tracing_subscriber::fmt().json().with_max_level(tracing::Level::ERROR).with_writer(|| Written).init();
    }
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_version_is_left_aside_with_a_line_in_the_log() {
    let log = log_of_all();
    let (folder, model) = folder("{}");
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    let good = fs::read(folder.path().join("small/1/model.safetensors")).unwrap();
    let place = folder.path().join("small/7001");
    fs::create_dir(&place).unwrap();
    let file = place.join("model.safetensors");
    fs::write(&file, &good[..good.len() / 2]).unwrap();
    let broken = |status: &Value| {
        let entries = status["model_version_status"].as_array().unwrap().iter();
        entries.filter(|entry| entry["state"] == "END").count() == 1
    };
    until(&mut client, "/v1/models/small", broken).await;
    // Some more looks: it is tried once.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let status = client.get("/v1/models/small").await.json();
    assert_eq!(latest(&status), Some("1"));
    assert_eq!(status["model_version_status"][0]["status"]["error_code"], "DATA_LOSS");
    let text = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("7001")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    let line: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!((&line["level"], &line["fields"]["model"]), (&json!("ERROR"), &json!("small")));
    let answer = client.post(PREDICT, body()).await;
    let wanted = expected(&model, &[image(1)]).remove(0);
    assert_close(&floats(&answer.json()["predictions"][0]), &wanted);
    for garbage in [Vec::new(), vec![0xff; 64], b"\x08\0\0\0\0\0\0\0{      }".to_vec()] {
        fs::write(&file, &garbage).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(client.post(PREDICT, body()).await.status, 200);
    }
    // When it is mended it serves.
    small(2).save(&file).unwrap();
    until(&mut client, "/v1/models/small", |status| latest(status) == Some("7001")).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_wrong_leave_what_was_there() {
    let (folder, _) = folder(r#"{"labels": {"a": 1}}"#);
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    let config = folder.path().join("small/config.json");
    fs::write(&config, r#"{"labels": {"a": 1}, "batching": 3}"#).unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(client.post("/v1/models/small/labels/a:predict", body()).await.status, 200);
    fs::write(&config, r#"{"labels": {"b": 1}}"#).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while client.get("/v1/models/small/labels/b").await.status != 200 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fs::remove_dir_all(folder.path().join("small")).unwrap();
    while client.get("/v1/models/small").await.status != 404 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_before_the_end_is_answered() {
    let (folder, _) = folder(r#"{"batching": {"max_delay_ms": 2000}}"#);
    let server = serve(folder.path(), |_| {}).await;
    let address = server.http_address();
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.get("/v2/health/ready").await.status, 200);
    let asked = tokio::spawn(async move { Client::connect(address).await.post(PREDICT, body()).await });
    // Until it waits.
    let waits = "sconce_serve_waiting{model=\"small\",version=\"1\"} 1";
    while !idle.get("/metrics").await.text().contains(waits) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.shutdown().await;
    assert_eq!(asked.await.unwrap().status, 200);
    assert!(idle.try_send("GET", "/v2", &[], b"").await.is_err(), "idle connections are closed");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
