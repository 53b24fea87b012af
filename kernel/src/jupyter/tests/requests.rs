use super::client::{Client, Kernel, LONG, Outcome};
use super::script::Script;
use serde_json::{Value, json};
use tokio::time::timeout;
use zeromq::{SocketRecv, SocketSend};

/// A reply on shell, after its busy and before its idle on iopub.
async fn answered(
    client: &mut Client,
    msg_type: &str,
    content: Value,
) -> Result<Value, Box<dyn std::error::Error>> {
    let id = client.ask(&format!("{msg_type}_request"), content).await?;
    let reply = client.reply().await?;
    assert_eq!((reply.msg_type, reply.parent), (format!("{msg_type}_reply"), Some(id.clone())));
    let states = [
        ("status".to_owned(), json!({"execution_state": "busy"})),
        ("status".to_owned(), json!({"execution_state": "idle"})),
    ];
    assert_eq!(client.heard_until_idle(&id).await?, states);
    Ok(reply.content)
}

#[tokio::test]
async fn kernel_info() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    let info = answered(&mut client, "kernel_info", json!({})).await?;
    assert_eq!((&info["status"], &info["protocol_version"]), (&json!("ok"), &json!("5.5")));
    assert_eq!(info["implementation"], "sconce");
    let language = json!({
        "name": "rust", "version": "1.95.0", "mimetype": "text/rust", "file_extension": ".rs",
        "pygments_lexer": "rust", "codemirror_mode": "rust",
    });
    assert_eq!(info["language_info"], language);
    assert!(info["banner"].as_str().unwrap().contains("1.95.0"));
    assert!(info["help_links"].as_array().unwrap().iter().all(|link| link["url"].is_string()));
    // The same on control.
    let id = client.ask_control("kernel_info_request", json!({})).await?;
    let reply = client.control_reply().await?;
    assert_eq!((reply.parent, reply.content), (Some(id), info));
    client.shut_down(kernel).await
}

#[tokio::test]
async fn small_requests() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    for (code, content) in [
        ("x", json!({"status": "complete"})),
        ("incomplete", json!({"status": "incomplete", "indent": "    "})),
        ("invalid", json!({"status": "invalid"})),
    ] {
        assert_eq!(answered(&mut client, "is_complete", json!({"code": code})).await?, content);
    }
    assert_eq!(answered(&mut client, "is_complete", json!({})).await?["status"], "error");
    assert_eq!(answered(&mut client, "comm_info", json!({})).await?, json!({"status": "ok", "comms": {}}));
    assert_eq!(answered(&mut client, "debug", json!({"command": "x"})).await?["status"], "error");
    client.shut_down(kernel).await
}

#[tokio::test]
async fn help_while_typing() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    let completions = answered(&mut client, "complete", json!({"code": "é b", "cursor_pos": 2})).await?;
    assert_eq!(completions["matches"], json!(["é", "b"]));
    assert_eq!((&completions["cursor_start"], &completions["cursor_end"]), (&json!(2), &json!(3)));
    let inspection = answered(&mut client, "inspect", json!({"code": "ab", "cursor_pos": 1})).await?;
    assert_eq!(inspection["data"]["text/plain"], "ab\n\na word");
    let nothing = answered(&mut client, "inspect", json!({"code": "unknown", "cursor_pos": 1})).await?;
    assert_eq!(nothing, json!({"status": "ok", "found": false, "data": {}, "metadata": {}}));
    for content in [json!({}), json!({"code": "ab", "cursor_pos": -1}), json!({"code": 3, "cursor_pos": 0})] {
        assert_eq!(answered(&mut client, "complete", content).await?["status"], "error");
    }
    client.shut_down(kernel).await
}

#[tokio::test]
async fn nothing_waits_for_help() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    let slow = client.ask("complete_request", json!({"code": "slow", "cursor_pos": 4})).await?;
    let cell = client.execute("out a").await?;
    // The cell is answered first, though it was sent second.
    assert_eq!(client.reply().await?.parent, Some(cell));
    let reply = client.reply().await?;
    assert_eq!((reply.parent, &reply.content["matches"]), (Some(slow), &json!(["slow"])));
    client.shut_down(kernel).await
}

#[tokio::test]
async fn history_of_the_session() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    for content in [
        json!({"code": "out a"}),
        json!({"code": "out b", "store_history": false}),
        json!({"code": "out c", "silent": true, "store_history": true}),
        json!({"code": "out d"}),
    ] {
        let id = client.ask("execute_request", content).await?;
        client.reply().await?;
        client.heard_until_idle(&id).await?;
    }
    let request = json!({"hist_access_type": "tail", "n": 10, "output": false, "raw": true});
    let history = answered(&mut client, "history", request).await?;
    assert_eq!(history["history"], json!([[1, 1, "out a"], [1, 2, "out d"]]));
    client.shut_down(kernel).await
}

#[tokio::test]
async fn a_comm_for_nobody_is_closed() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    let id = client.ask("comm_open", json!({"comm_id": "c1", "target_name": "t", "data": {}})).await?;
    let heard = client.heard_until_idle(&id).await?;
    assert_eq!(heard[1], ("comm_close".to_owned(), json!({"comm_id": "c1", "data": {}})));
    assert_eq!(heard.len(), 3);
    client.shut_down(kernel).await
}

#[tokio::test]
async fn shutdown_is_answered_everywhere() -> Outcome {
    for (restart, on_control) in [(true, true), (false, false)] {
        let kernel = Kernel::start(Script::default());
        let mut client = Client::connect(&kernel).await?;
        let content = json!({"restart": restart});
        let (id, reply) = if on_control {
            (client.ask_control("shutdown_request", content).await?, client.control_reply().await?)
        } else {
            (client.ask("shutdown_request", content).await?, client.reply().await?)
        };
        assert_eq!((reply.msg_type.as_str(), reply.parent), ("shutdown_reply", Some(id.clone())));
        let content = json!({"status": "ok", "restart": restart});
        assert_eq!(reply.content, content);
        let heard = client.heard_until_idle(&id).await?;
        assert!(heard.contains(&("shutdown_reply".to_owned(), content)), "{heard:?}");
        kernel.ended().await?;
    }
    Ok(())
}

#[tokio::test]
async fn shutdown_stops_a_running_cell() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    client.execute("out started\nwait 2").await?;
    while client.heard().await?.msg_type != "stream" {}
    client.shut_down(kernel).await
}

#[tokio::test]
async fn the_heart_beats_while_a_cell_runs() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    let cell = client.execute("out started\nwait 1").await?;
    while client.heard().await?.msg_type != "stream" {}
    for beat in ["ping", "pong"] {
        client.heartbeat.send(beat.into()).await?;
        let echo = timeout(LONG, client.heartbeat.recv()).await??;
        assert_eq!(String::try_from(echo)?, beat);
    }
    // kernel_info is answered beside the cell, and the kernel's state is busy again afterwards.
    let info = client.ask("kernel_info_request", json!({})).await?;
    assert_eq!(client.reply().await?.parent, Some(info.clone()));
    client.heard_until_idle(&info).await?;
    let again = client.heard().await?;
    assert_eq!((again.parent, again.content), (Some(cell.clone()), json!({"execution_state": "busy"})));
    let interrupt = client.ask_control("interrupt_request", json!({})).await?;
    let reply = client.control_reply().await?;
    assert_eq!((reply.msg_type.as_str(), reply.parent), ("interrupt_reply", Some(interrupt)));
    assert_eq!(reply.content, json!({"status": "ok"}));
    let reply = client.reply().await?;
    assert_eq!((reply.parent, &reply.content["ename"]), (Some(cell), &json!("Interrupted")));
    client.shut_down(kernel).await
}
