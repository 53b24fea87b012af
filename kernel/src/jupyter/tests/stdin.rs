use super::client::{Client, Kernel, Outcome};
use super::script::Script;
use serde_json::{Value, json};

fn asking(code: &str) -> Value {
    json!({"code": code, "allow_stdin": true})
}

#[tokio::test]
async fn questions_go_to_the_client_and_answers_to_the_cell() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    let id = client.ask("execute_request", asking("out hello\nask name: \npassword \nask more")).await?;
    for (prompt, password, value) in
        [("name: ", false, "Ada"), ("", true, "secret"), ("more", false, "\u{4}")]
    {
        let question = client.asked().await?;
        assert_eq!((question.msg_type.as_str(), &question.parent), ("input_request", &Some(id.clone())));
        assert_eq!(question.content, json!({"prompt": prompt, "password": password}));
        client.answer("input_reply", json!({"value": value})).await?;
    }
    let heard = client.heard_until_idle(&id).await?;
    let printed: String = heard.iter().filter_map(|(_, content)| content["text"].as_str()).collect();
    assert_eq!(printed, "helloAdasecretend");
    assert_eq!(client.reply().await?.content["status"], "ok");
    client.shut_down(kernel).await
}

#[tokio::test]
async fn where_nobody_can_answer_the_cell_is_told() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    for request in [json!({"code": "ask name"}), json!({"code": "ask name", "allow_stdin": false})] {
        client.ask("execute_request", request).await?;
        let reply = client.reply().await?.content;
        assert_eq!(reply["ename"], "Nobody");
        let why = "the client that runs the cell takes no questions (`allow_stdin` is false)";
        assert_eq!(reply["evalue"], why);
    }
    // A reply without a value is no answer either.
    client.ask("execute_request", asking("ask name")).await?;
    client.asked().await?;
    client.answer("input_reply", json!({"value": 7})).await?;
    let reply = client.reply().await?.content;
    assert_eq!(reply["evalue"], "the client's input_reply has no string `value`");
    client.shut_down(kernel).await
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_is_asked_ends_the_wait() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut watcher = Client::connect(&kernel).await?;
    let mut asked = Client::connect(&kernel).await?;
    let id = asked.ask("execute_request", asking("ask name")).await?;
    asked.asked().await?;
    drop(asked);
    let error = loop {
        let message = watcher.heard().await?;
        if message.msg_type == "error" {
            break message;
        }
    };
    assert_eq!(
        (error.parent, &error.content["evalue"]),
        (Some(id), &json!("the client that was asked is gone"))
    );
    watcher.shut_down(kernel).await
}

#[tokio::test]
async fn an_interrupt_ends_the_wait_and_a_late_answer_is_to_nothing() -> Outcome {
    let kernel = Kernel::start(Script::default());
    let mut client = Client::connect(&kernel).await?;
    client.ask("execute_request", asking("ask name")).await?;
    client.asked().await?;
    client.ask_control("interrupt_request", json!({})).await?;
    assert_eq!(client.control_reply().await?.content["status"], "ok");
    assert_eq!(client.reply().await?.content["ename"], "Interrupted");
    client.answer("input_reply", json!({"value": "late"})).await?;
    client.answer("input_request", json!({"value": "not a reply"})).await?;
    client.ask("execute_request", asking("ask again")).await?;
    client.asked().await?;
    client.answer("input_reply", json!({"value": "in time"})).await?;
    assert_eq!(client.reply().await?.content["status"], "ok");
    client.shut_down(kernel).await
}
