//! The program: what it logs, how it ends, and what it says when it cannot start.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Client;
use crate::models::*;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sconce-serve"));
    command.stdin(Stdio::null()).env_remove("SCONCE_SERVE_TOKEN");
    command
}

/// A server that runs, and the lines of its log.
struct Running {
    child: Child,
    log: Receiver<Value>,
}

impl Running {
    fn start(mut command: Command) -> Running {
        command.args(["--port", "0", "--grpc-port", "0", "--log-format", "json"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap_or_else(|_| json!({"message": line})));
            }
        });
        Running { child, log }
    }

    /// The next line of the log with this message.
    fn line(&self, message: &str) -> Value {
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(60)).unwrap();
            if line["message"] == message {
                return line;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_program_answers_what_was_asked_before_it_was_told_to_end() {
    let (folder, model) = folder(r#"{"batching": {"max_delay_ms": 2000}}"#);
    let mut command = program();
    command.arg(folder.path()).env("SCONCE_SERVE_TOKEN", "secret");
    let mut server = Running::start(command);
    let loaded = server.line("loaded");
    assert_eq!(
        (&loaded["level"], &loaded["model"], &loaded["version"]),
        (&json!("INFO"), &json!("small"), &json!(1))
    );
    let listening = server.line("listening");
    assert!(listening["grpc"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(listening["page"], json!(format!("http://{}/", listening["http"].as_str().unwrap())));
    let address = listening["http"].as_str().unwrap().parse().unwrap();
    assert_eq!(Client::connect(address).await.get("/v2").await.status, 401);
    let asked = tokio::spawn(async move {
        let body = json!({"instances": [nested(&image(1))]}).to_string();
        let token = [("authorization", "Bearer secret")];
        let mut client = Client::connect(address).await;
        client.send("POST", "/v1/models/small:predict", &token, body.as_bytes()).await
    });
    // Until it waits.
    let waits = "sconce_serve_waiting{model=\"small\",version=\"1\"} 1";
    let token = [("authorization", "Bearer secret")];
    let mut other = Client::connect(address).await;
    while !other.send("GET", "/metrics", &token, b"").await.text().contains(waits) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let id = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let answer = asked.await.unwrap();
    assert_close(&floats(&answer.json()["predictions"][0]), &expected(&model, &[image(1)])[0]);
    server.line("stopped");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_it_cannot_do_it_says() {
    let say = |arguments: &[&str]| {
        let output = program().args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, help) = say(&["--help"]);
    assert!(code == Some(0) && help.contains("--grpc-port") && help.contains("SCONCE_SERVE_TOKEN"), "{help}");
    let (code, problem) = say(&["no/such/folder", "--port", "0"]);
    assert!(code == Some(1) && problem.contains("no/such/folder: expected a folder of models"), "{problem}");
    let (code, problem) = say(&[".", "--poll", "-1"]);
    assert!(code == Some(1) && problem.contains("--poll: expected seconds"), "{problem}");
    assert_eq!(say(&[]).0, Some(2));
}
