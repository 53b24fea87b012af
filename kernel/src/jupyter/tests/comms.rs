use super::client::{Client, Kernel, Outcome};
use super::script::Script;
use serde_json::{Value, json};

fn status(state: &str) -> (String, Value) {
    ("status".into(), json!({"execution_state": state}))
}

/// A client of a kernel that has run a cell.
async fn begin() -> Result<(Kernel, Client), Box<dyn std::error::Error>> {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    let id = client.execute("out ready").await?;
    client.heard_until_idle(&id).await?;
    client.reply().await?;
    Ok((kernel, client))
}

#[tokio::test]
async fn a_client_opens_a_comm_and_talks() -> Outcome {
    let (kernel, mut client) = begin().await?;
    let id = client.ask("comm_open", json!({"comm_id": "c", "target_name": "echo", "data": {}})).await?;
    assert_eq!(client.heard_until_idle(&id).await?, [status("busy"), status("idle")]);
    for (request, comms) in [
        (json!({}), json!({"c": {"target_name": "echo"}})),
        (json!({"target_name": "echo"}), json!({"c": {"target_name": "echo"}})),
        (json!({"target_name": "other"}), json!({})),
    ] {
        let id = client.ask("comm_info_request", request).await?;
        let reply = client.reply().await?;
        assert_eq!(
            (reply.msg_type.as_str(), &reply.content),
            ("comm_info_reply", &json!({"status": "ok", "comms": comms}))
        );
        client.heard_until_idle(&id).await?;
    }
    // What the handler emits answers the message and stands between its busy and idle.
    let id = client.ask("comm_msg", json!({"comm_id": "c", "data": {"x": [1, "é"]}})).await?;
    let expected = [
        status("busy"),
        ("stream".into(), json!({"name": "stdout", "text": "{\"x\":[1,\"é\"]}"})),
        ("comm_msg".into(), json!({"comm_id": "c", "data": {"x": [1, "é"]}})),
        status("idle"),
    ];
    assert_eq!(client.heard_until_idle(&id).await?, expected);
    let id = client.ask("comm_close", json!({"comm_id": "c", "data": {}})).await?;
    client.heard_until_idle(&id).await?;
    client.ask("comm_info_request", json!({})).await?;
    assert_eq!(client.reply().await?.content["comms"], json!({}));
    client.shut_down(kernel).await
}

#[tokio::test]
async fn a_comm_that_nobody_takes_is_closed_at_once() -> Outcome {
    let open = json!({"comm_id": "c", "target_name": "unknown", "data": {}});
    let closed = ("comm_close".to_owned(), json!({"comm_id": "c", "data": {}}));
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    // Before a cell has run there is no engine to ask.
    let id = client.ask("comm_open", open.clone()).await?;
    assert_eq!(client.heard_until_idle(&id).await?, [status("busy"), closed.clone(), status("idle")]);
    client.shut_down(kernel).await?;

    let (kernel, mut client) = begin().await?;
    let id = client.ask("comm_open", open).await?;
    assert_eq!(client.heard_until_idle(&id).await?, [status("busy"), closed, status("idle")]);
    for lacking in [json!({"target_name": "echo"}), json!({"comm_id": "c", "target_name": 7})] {
        let id = client.ask("comm_open", lacking).await?;
        assert_eq!(client.heard_until_idle(&id).await?, [status("busy"), status("idle")]);
    }
    client.shut_down(kernel).await
}

#[tokio::test]
async fn messages_are_handled_while_a_cell_runs() -> Outcome {
    let (kernel, mut client) = begin().await?;
    let id = client.ask("comm_open", json!({"comm_id": "c", "target_name": "echo"})).await?;
    client.heard_until_idle(&id).await?;
    let cell = client.execute("wait 1").await?;
    for _ in ["busy", "execute_input"] {
        assert_eq!(client.heard().await?.parent.as_ref(), Some(&cell));
    }
    let message = client.ask("comm_msg", json!({"comm_id": "c", "data": 7})).await?;
    let heard = client.heard_until_idle(&message).await?;
    assert_eq!(heard[1], ("stream".into(), json!({"name": "stdout", "text": "7"})));
    // The cell still runs, and clients that show one state for all are told so.
    let busy = client.heard().await?;
    assert_eq!((busy.parent.as_ref(), busy.content), (Some(&cell), json!({"execution_state": "busy"})));
    client.ask_control("interrupt_request", json!({})).await?;
    assert_eq!(client.control_reply().await?.content["status"], "ok");
    assert_eq!(client.reply().await?.content["ename"], "Interrupted");
    client.shut_down(kernel).await
}

#[tokio::test]
async fn what_a_cell_left_running_prints_under_its_name() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    let id = client.execute("later from a thread").await?;
    client.heard_until_idle(&id).await?;
    let late = client.heard().await?;
    assert_eq!((late.parent.as_ref(), &late.content["text"]), (Some(&id), &json!("from a thread")));
    client.shut_down(kernel).await
}
