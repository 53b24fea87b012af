use super::client::{Client, Kernel, Outcome};
use super::script::Script;
use serde_json::{Value, json};

fn status(state: &str) -> (String, Value) {
    ("status".into(), json!({"execution_state": state}))
}

fn stream(name: &str, text: &str) -> (String, Value) {
    ("stream".into(), json!({"name": name, "text": text}))
}

#[tokio::test]
async fn everything_a_cell_emits_in_order() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    let code = "clear\nout a\nerr b\nout c\ndisplay 0%\nupdate 50%\nout d\nresult 7";
    let id = client.execute(code).await?;
    let shown =
        |text: &str| json!({"data": {"text/plain": text}, "metadata": {}, "transient": {"display_id": "d"}});
    let expected = [
        status("busy"),
        ("execute_input".into(), json!({"code": code, "execution_count": 1})),
        ("clear_output".into(), json!({"wait": false})),
        stream("stdout", "a"),
        stream("stderr", "b"),
        stream("stdout", "c"),
        ("display_data".into(), shown("0%")),
        ("update_display_data".into(), shown("50%")),
        stream("stdout", "d"),
        ("execute_result".into(), json!({"data": {"text/plain": "7"}, "metadata": {}, "execution_count": 1})),
        status("idle"),
    ];
    assert_eq!(client.heard_until_idle(&id).await?, expected);
    let reply = client.reply().await?;
    assert_eq!((reply.msg_type.as_str(), reply.parent), ("execute_reply", Some(id)));
    let content = json!({"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []});
    assert_eq!(reply.content, content);
    client.shut_down(kernel).await
}

#[tokio::test]
async fn an_error_aborts_what_was_sent_along() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    let failing = client.execute("out a\nfail use of moved value").await?;
    let queued = [client.execute("out b").await?, client.execute("out c").await?];
    let error = json!({
        "ename": "E0382", "evalue": "use of moved value", "traceback": ["E0382!", "use of moved value"],
    });
    let heard = client.heard_until_idle(&failing).await?;
    assert_eq!(heard[2..], [stream("stdout", "a"), ("error".into(), error.clone()), status("idle")]);
    let reply = client.reply().await?;
    assert_eq!(reply.parent, Some(failing));
    let mut content = error;
    content["status"] = json!("error");
    content["execution_count"] = json!(1);
    assert_eq!(reply.content, content);
    for id in queued {
        assert_eq!(client.heard_until_idle(&id).await?, [status("busy"), status("idle")]);
        let reply = client.reply().await?;
        assert_eq!((reply.parent, reply.content), (Some(id), json!({"status": "aborted"})));
    }
    // What comes after the error reply runs, and aborted cells took no number.
    client.execute("out d").await?;
    let reply = client.reply().await?;
    assert_eq!((&reply.content["status"], &reply.content["execution_count"]), (&json!("ok"), &json!(2)));
    client.shut_down(kernel).await
}

#[tokio::test]
async fn without_stop_on_error_the_queue_goes_on() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    client.ask("execute_request", json!({"code": "fail x", "stop_on_error": false})).await?;
    client.execute("out b").await?;
    assert_eq!(client.reply().await?.content["status"], "error");
    let reply = client.reply().await?;
    assert_eq!((&reply.content["status"], &reply.content["execution_count"]), (&json!("ok"), &json!(2)));
    client.shut_down(kernel).await
}

#[tokio::test]
async fn silent_cells_say_nothing_and_take_no_number() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    for code in ["out a\nresult 1", "fail x"] {
        let id = client.ask("execute_request", json!({"code": code, "silent": true})).await?;
        assert_eq!(client.heard_until_idle(&id).await?, [status("busy"), status("idle")]);
        client.reply().await?;
    }
    let id = client.ask("execute_request", json!({"code": "out a", "store_history": false})).await?;
    assert!(client.heard_until_idle(&id).await?.contains(&stream("stdout", "a")));
    client.reply().await?;
    let expressions = json!({"n": "1 + 1", "none": 3});
    let request = json!({"code": "page p\ntimes", "user_expressions": expressions, "allow_stdin": true, "silent": true});
    let id = client.ask("execute_request", request).await?;
    client.heard_until_idle(&id).await?;
    let message = client.reply().await?;
    let reply = message.content;
    assert_eq!(reply["execution_count"], 1);
    let value = json!({"status": "ok", "data": {"text/plain": "<1 + 1>"}, "metadata": {}});
    assert_eq!(reply["user_expressions"]["n"], value);
    assert_eq!(reply["user_expressions"]["none"]["status"], "error");
    assert_eq!(reply["user_expressions"]["none"]["ename"], "SyntaxError");
    let page = json!([{"source": "page", "data": {"text/plain": "p"}, "start": 0}]);
    assert_eq!(reply["payload"], page);
    let times = (&message.metadata["compile_seconds"], &message.metadata["run_seconds"]);
    assert_eq!(times, (&json!(0.25), &json!(0.5)));
    let id = client.ask("execute_request", json!({"silent": true})).await?;
    assert_eq!(client.heard_until_idle(&id).await?, [status("busy"), status("idle")]);
    let reply = client.reply().await?.content;
    assert_eq!((&reply["status"], &reply["ename"]), (&json!("error"), &json!("BadRequest")));
    client.shut_down(kernel).await
}

#[tokio::test]
async fn interrupts_reach_only_a_running_cell() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    // Nothing runs: the request is answered and forgotten.
    client.ask_control("interrupt_request", json!({})).await?;
    client.control_reply().await?;
    client.execute("out fine").await?;
    assert_eq!(client.reply().await?.content["status"], "ok");
    // An interrupted cell is a failed one: what was sent along is aborted.
    client.execute("out started\nwait 2").await?;
    client.execute("out b").await?;
    while client.heard().await?.content != json!({"name": "stdout", "text": "started"}) {}
    for _ in 0..2 {
        client.ask_control("interrupt_request", json!({})).await?;
        client.control_reply().await?;
    }
    assert_eq!(client.reply().await?.content["ename"], "Interrupted");
    assert_eq!(client.reply().await?.content["status"], "aborted");
    client.shut_down(kernel).await
}

#[tokio::test]
async fn a_flood_arrives_whole_in_few_messages() -> Outcome {
    const LINES: usize = 300_000;
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    let id = client.execute(&format!("flood {LINES}")).await?;
    let mut text = String::new();
    let mut messages = 0;
    for (msg_type, content) in client.heard_until_idle(&id).await? {
        if msg_type == "stream" {
            let chunk = content["text"].as_str().unwrap();
            assert!(chunk.len() < 2 << 20, "{}", chunk.len());
            text.push_str(chunk);
            messages += 1;
        }
    }
    let expected: String = (0..LINES).map(|line| format!("line {line}\n")).collect();
    assert!(text == expected, "{} of {} bytes", text.len(), expected.len());
    // A round takes in what comes in its time, up to a bound.
    assert!(messages < LINES / 1000, "{messages}");
    client.shut_down(kernel).await
}

#[tokio::test]
async fn of_many_updates_the_last_arrives() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    let id = client.execute("display start\nupdates 10000\nout end").await?;
    let heard = client.heard_until_idle(&id).await?;
    let updates: Vec<_> = heard.iter().filter(|(msg_type, _)| msg_type == "update_display_data").collect();
    assert_eq!(updates.last().unwrap().1["data"]["text/plain"], "9999");
    assert_eq!(heard[heard.len() - 2], stream("stdout", "end"));
    client.shut_down(kernel).await
}

#[tokio::test]
async fn a_client_that_takes_no_output_holds_a_cell_up_only_for_a_while() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    // Far more than the connection's buffers take, and nobody reads iopub.
    client.execute("pour 600").await?;
    assert_eq!(client.reply().await?.content["status"], "ok");
    client.shut_down(kernel).await
}
