//! Clients that send too much, too slowly, or without a token.

use std::io::Write as _;
use std::time::{Duration, Instant};

use sconce_serve::Limits;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::client::Client;
use crate::models::*;

const PREDICT: &str = "/v1/models/small:predict";

fn body(numbers: &[usize]) -> String {
    json!({"instances": numbers.iter().map(|&number| nested(&image(number))).collect::<Vec<_>>()}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_refused_and_takes_no_memory() {
    let (folder, _) = folder("{}");
    let limits = Limits { request_bytes: 1 << 16, ..Limits::default() };
    let server = serve(folder.path(), |config| config.limits = limits).await;
    let address = server.http_address();
    let long = vec![b' '; 1 << 20];
    let header = "x".repeat(1 << 20);
    let before = resident();
    for _ in 0..200 {
        let mut client = Client::connect(address).await;
        let answer = client.try_send("POST", PREDICT, &[], &long).await;
        // What was sent too much may cut off the answer.
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 413));
        let mut client = Client::connect(address).await;
        let answer = client.try_send("GET", "/v2", &[("x", &header)], b"").await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 431));
    }
    // In parts, without saying how long it will be.
    let mut client = Client::connect(address).await;
    let head = format!("POST {PREDICT} HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
    client.stream.write_all(head.as_bytes()).await.unwrap();
    let mut chunk = b"8000\r\n".to_vec();
    chunk.extend(std::iter::repeat_n(b' ', 0x8000));
    chunk.extend(b"\r\n");
    for _ in 0..3 {
        let _ = client.stream.write_all(&chunk).await;
    }
    assert_eq!(client.read().await.unwrap().status, 413);
    let claimed = [("expect", "100-continue"), ("content-length", "99999999999")];
    let head =
        claimed.iter().fold(format!("POST {PREDICT} HTTP/1.1\r\nhost: test\r\n"), |head, (name, value)| {
            head + &format!("{name}: {value}\r\n")
        });
    let mut client = Client::connect(address).await;
    client.stream.write_all((head + "\r\n").as_bytes()).await.unwrap();
    assert_eq!(client.read().await.unwrap().status, 413);
    if let (Some(before), Some(after)) = (before, resident()) {
        assert!(after < before + (64 << 20), "{before} bytes grew to {after}");
    }
    let mut client = Client::connect(address).await;
    assert_eq!(client.post(PREDICT, body(&[1])).await.status, 200, "it serves on");
    server.shutdown().await;
}

/// Bytes of this process in memory, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_let_go_and_hold_up_nobody() {
    let (folder, _) = folder("{}");
    let limits = Limits {
        header_time: Duration::from_millis(400),
        body_time: Duration::from_millis(400),
        idle_time: Duration::from_millis(800),
        ..Limits::default()
    };
    let server = serve(folder.path(), |config| config.limits = limits).await;
    let address = server.http_address();
    // A letter now and then, of a head and of a body.
    let drip = |start: String| async move {
        let mut client = Client::connect(address).await;
        client.stream.write_all(start.as_bytes()).await.unwrap();
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if client.stream.write_all(b"x").await.is_err() {
                break;
            }
        }
        client.read().await
    };
    let head = drip("GET / HTTP/1.1\r\n".into());
    let slow = drip(format!("POST {PREDICT} HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\n"));
    let idle = async {
        let mut client = Client::connect(server.grpc_address().unwrap()).await;
        tokio::time::timeout(Duration::from_secs(20), client.read()).await.unwrap()
    };
    let many = async {
        let others: Vec<_> = (0..100).map(|_| Client::connect(address)).collect();
        let mut open = Vec::new();
        for other in others {
            let mut other = other.await;
            other.stream.write_all(b"POST").await.unwrap();
            open.push(other);
        }
        let mut client = Client::connect(address).await;
        let answer = client.post(PREDICT, body(&[1])).await;
        drop(open);
        answer
    };
    let (head, slow, idle, answer) = tokio::join!(head, slow, idle, many);
    assert!(head.is_err() || head.is_ok_and(|answer| answer.status == 408), "a slow head is not waited for");
    assert_eq!(slow.unwrap().status, 408);
    assert!(idle.is_err(), "a silent connection is closed");
    assert_eq!(answer.status, 200);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_what_waits_too_long_is_told_so() {
    let (folder, _) = folder(r#"{"batching": {"max_delay_ms": 20000, "queue": 2}, "timeout_ms": 3000}"#);
    let server = serve(folder.path(), |_| {}).await;
    let address = server.http_address();
    let ask =
        |number: usize| async move { Client::connect(address).await.post(PREDICT, body(&[number])).await };
    let mut client = Client::connect(address).await;
    let mut waiting = Vec::new();
    for number in 0..2 {
        waiting.push(tokio::spawn(ask(number)));
        let waits = number + 1;
        client.until(&format!("sconce_serve_waiting{{model=\"small\",version=\"1\"}} {waits}")).await;
    }
    let refused = ask(2).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert_eq!(refused.header("retry-after"), Some("1"));
    for one in waiting {
        assert_eq!(one.await.unwrap().status, 504);
    }
    let metrics = Client::connect(address).await.get("/metrics").await.text();
    for line in [
        "sconce_serve_requests_total{model=\"small\",protocol=\"predict\",outcome=\"busy\"} 1",
        "sconce_serve_request_failures_total{model=\"small\",protocol=\"predict\",reason=\"timeout\"} 2",
        "sconce_serve_version_loaded{model=\"small\",version=\"1\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_is_taken_refuses_instead_of_growing() {
    let (folder, _) = folder("{}");
    let limits = Limits { total_bytes: 1 << 20, body_time: Duration::from_secs(30), ..Limits::default() };
    let server = serve(folder.path(), |config| config.limits = limits).await;
    let address = server.http_address();
    let head = format!("POST {PREDICT} HTTP/1.1\r\nhost: test\r\ncontent-length: 2000000\r\n\r\n");
    // Two that together take more than there is, and never end: one of them has to be refused, whichever.
    let mut holding = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(address).await;
        client.stream.write_all(head.as_bytes()).await.unwrap();
        // Who is refused early cannot write all of it.
        let _ = client.stream.write_all(&vec![b' '; 600_000]).await;
        holding.push(client);
    }
    let refused = "sconce_serve_requests_total{model=\"small\",protocol=\"predict\",outcome=\"busy\"} 1";
    Client::connect(address).await.until(refused).await;
    drop(holding);
    let deadline = Instant::now() + Duration::from_secs(20);
    while Client::connect(address).await.post(PREDICT, body(&[1])).await.status != 200 {
        assert!(Instant::now() < deadline, "memory never came back");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_nothing_is_told() {
    let (folder, _) = folder("{}");
    let server = serve(folder.path(), |config| config.token = Some("secret".into())).await;
    let mut client = Client::connect(server.http_address()).await;
    for (header, status) in [
        ("Bearer secret", 200),
        ("bearer secret", 200),
        ("Bearer secre", 401),
        ("Bearer secrets", 401),
        ("Bearer ", 401),
        ("Basic secret", 401),
        ("", 401),
    ] {
        let headers = [("authorization", header)];
        let answer = client.send("POST", PREDICT, &headers, body(&[1]).as_bytes()).await;
        assert_eq!(answer.status, status, "{header}");
    }
    for path in ["/metrics", "/v1/models", "/v1/models/small", "/v2", "/v2/models/small", "/v3"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{path}");
    }
    for path in ["/v2/health/live", "/v2/health/ready", "/"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_says_why() {
    use sconce_serve::{ServeConfig, Server, Tls};
    let start = |config| async { Server::start(config).await.err().unwrap().to_string() };
    let missing = ServeConfig { models: "no/such/folder".into(), port: 0, ..ServeConfig::default() };
    assert!(start(missing).await.contains("no/such/folder: expected a folder of models"));
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = ServeConfig { models: folder.path().into(), port, ..ServeConfig::default() };
    assert!(start(config.clone()).await.contains(&format!("cannot listen at 127.0.0.1:{port}")));
    let key = folder.path().join("key.pem");
    std::fs::File::create(&key).unwrap().write_all(b"no key").unwrap();
    let tls = Some(Tls { certificates: key.clone(), key });
    assert!(start(ServeConfig { tls, port: 0, ..config }).await.contains("key.pem: expected PEM files"));
}
