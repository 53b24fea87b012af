use std::time::Duration;

use super::client::{Client, Kernel, Outcome};
use super::script::{Script, Start};
use serde_json::json;

#[tokio::test]
async fn progress_is_written_over_on_stderr_of_the_first_cell() -> Outcome {
    let lines = &["1/2 candle-core", "2/2 sconce"];
    let kernel = Kernel::start(Script::starting(vec![Start::Slow(lines, Duration::from_millis(200))]));
    let mut client = Client::connect(&kernel).await?;
    let id = client.execute("out ready").await?;
    // The kernel answers while it prepares.
    client.ask("kernel_info_request", json!({})).await?;
    assert_eq!(client.reply().await?.msg_type, "kernel_info_reply");
    let (mut errors, mut outputs) = (String::new(), String::new());
    while outputs.is_empty() {
        let heard = client.heard().await?;
        if heard.msg_type == "stream" {
            assert_eq!(heard.parent.as_deref(), Some(id.as_str()));
            let text = heard.content["text"].as_str().unwrap();
            if heard.content["name"] == "stderr" { errors += text } else { outputs += text }
        }
    }
    // A line of blanks of the longer line's width is under the shorter one.
    assert_eq!((errors.as_str(), outputs.as_str()), ("\r1/2 candle-core\r2/2 sconce     \n", "ready"));
    assert_eq!(client.reply().await?.content["status"], "ok");
    client.shut_down(kernel).await
}

#[tokio::test]
async fn a_failed_start_is_each_cells_error_until_one_succeeds() -> Outcome {
    let kernel = Kernel::start(Script::starting(vec![Start::Fails, Start::Fails]));
    let mut client = Client::connect(&kernel).await?;
    for _ in 0..2 {
        client.execute("out a").await?;
        let reply = client.reply().await?.content;
        assert_eq!(
            (&reply["ename"], &reply["evalue"]),
            (&json!("PrepareError"), &json!("no rustc on the PATH"))
        );
    }
    client.execute("out a").await?;
    assert_eq!(client.reply().await?.content["status"], "ok");
    client.shut_down(kernel).await
}

#[tokio::test]
async fn an_interrupt_ends_the_wait_not_the_preparing() -> Outcome {
    // A second start would fail.
    let slow = Start::Slow(&["1/1 candle-core"], Duration::from_millis(500));
    let kernel = Kernel::start(Script::starting(vec![slow, Start::Fails]));
    let mut client = Client::connect(&kernel).await?;
    client.execute("out a").await?;
    while client.heard().await?.msg_type != "stream" {}
    client.ask_control("interrupt_request", json!({})).await?;
    client.control_reply().await?;
    assert_eq!(client.reply().await?.content["ename"], "Interrupted");
    client.execute("out a").await?;
    assert_eq!(client.reply().await?.content["status"], "ok");
    client.shut_down(kernel).await
}

#[tokio::test]
async fn a_fault_of_the_engine_is_an_error_and_the_next_cell_runs() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    client.execute("panic").await?;
    let reply = client.reply().await?.content;
    assert_eq!(reply["ename"], "KernelError");
    assert!(reply["evalue"].as_str().unwrap().contains("the engine has a fault"), "{reply}");
    client.execute("out a").await?;
    assert_eq!(client.reply().await?.content["status"], "ok");
    client.shut_down(kernel).await
}
