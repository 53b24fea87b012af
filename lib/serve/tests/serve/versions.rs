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
/// What the log says of the version that is broken.
const BROKEN: &str = "\"version\":7001";

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

/// Waits until the log has so many lines with this text, and gives them.
async fn until_logged(text: &str, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let log = String::from_utf8(log_of_all().lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(text)).collect();
        assert!(lines.len() <= count && Instant::now() < deadline, "{count} of {text}: {log}");
        if lines.len() == count {
            return lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
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
    log_of_all();
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
    // What comes later is found by a later look: the broken one is tried once.
    for other in ["b", "c"] {
        save(folder.path(), other, 1, &small(1));
        until(&mut client, &format!("/v1/models/{other}"), |status| latest(status).is_some()).await;
    }
    let status = client.get("/v1/models/small").await.json();
    assert_eq!(latest(&status), Some("1"));
    assert_eq!(status["model_version_status"][0]["status"]["error_code"], "DATA_LOSS");
    let line = until_logged(BROKEN, 1).await.remove(0);
    assert_eq!((&line["level"], &line["fields"]["model"]), (&json!("ERROR"), &json!("small")));
    let answer = client.post(PREDICT, body()).await;
    let wanted = expected(&model, &[image(1)]).remove(0);
    assert_close(&floats(&answer.json()["predictions"][0]), &wanted);
    let mut seen = 1;
    for garbage in [vec![0xff; 64], b"\x08\0\0\0\0\0\0\0{      }".to_vec(), b"no model".to_vec()] {
        let aside = folder.path().join("aside");
        fs::write(&aside, &garbage).unwrap();
        fs::rename(&aside, &file).unwrap();
        seen += 1;
        until_logged(BROKEN, seen).await;
        assert_eq!(client.post(PREDICT, body()).await.status, 200);
    }
    // When it is mended it serves.
    small(2).save(&file).unwrap();
    until(&mut client, "/v1/models/small", |status| latest(status) == Some("7001")).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_wrong_leave_what_was_there() {
    log_of_all();
    let (folder, _) = folder(r#"{"labels": {"a": 1}}"#);
    let server = serve(folder.path(), |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    let config = folder.path().join("small/config.json");
    let aside = folder.path().join("aside");
    fs::write(&aside, r#"{"labels": {"a": 1}, "batching": 3}"#).unwrap();
    fs::rename(&aside, &config).unwrap();
    until_logged(folder.path().file_name().unwrap().to_str().unwrap(), 1).await;
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

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_or_away_for_a_moment_holds_up_nobody() {
    use std::os::unix::fs::symlink;
    log_of_all();
    let (folder, _) = folder("{}");
    let models = folder.path().join("models");
    fs::create_dir_all(models.join("pipes/1")).unwrap();
    fs::create_dir_all(models.join("config")).unwrap();
    fs::rename(folder.path().join("small"), models.join("small")).unwrap();
    // Whoever opens one waits for somebody to write into it.
    for pipe in ["pipes/1/model.onnx", "config/config.json"] {
        assert!(std::process::Command::new("mkfifo").arg(models.join(pipe)).status().unwrap().success());
    }
    symlink(models.join("loop"), models.join("loop")).unwrap();
    symlink(&models, models.join("itself")).unwrap();
    let server = serve(&models, |_| {}).await;
    let mut client = Client::connect(server.http_address()).await;
    assert_eq!(client.post(PREDICT, body()).await.status, 200);
    assert_eq!(
        client.get("/v1/models/pipes/versions/1").await.json()["model_version_status"][0]["state"],
        "END"
    );
    // The folder itself is away for some looks: what it held answers, and the log says so once.
    let away = folder.path().join("away");
    fs::rename(&models, &away).unwrap();
    let text = format!("\"folder\":\"{}\"", models.display());
    until_logged(&text, 1).await;
    assert_eq!(client.post(PREDICT, body()).await.status, 200);
    fs::rename(&away, &models).unwrap();
    publish(&models, 2, 2);
    until(&mut client, "/v1/models/small", |status| latest(status) == Some("2")).await;
    until_logged(&text, 1).await;
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
    idle.until("sconce_serve_waiting{model=\"small\",version=\"1\"} 1").await;
    server.shutdown().await;
    assert_eq!(asked.await.unwrap().status, 200);
    assert!(idle.try_send("GET", "/v2", &[], b"").await.is_err(), "idle connections are closed");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
