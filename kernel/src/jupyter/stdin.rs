//! The stdin socket: what a cell asks goes to the client that runs it, and its answer to the cell.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sconce_display::{Answer, Question};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep};

use super::log;
use super::message::{Author, Request, Signer};
use super::reach::Reach;
use super::runner::Cell;
use super::zmtp::{Arrival, Message, RouterSocket};

/// How long a client may take to connect its stdin channel, which it does beside the others.
const CONNECTING: Duration = Duration::from_secs(2);
const CONNECTING_POLL: Duration = Duration::from_millis(50);
/// What clients send in place of a line for Ctrl-D.
const END_OF_TRANSMISSION: &str = "\u{4}";

/// Asks what `questions` bring, until they end, and hands the answers to the engine.
pub(super) async fn serve(
    mut socket: RouterSocket,
    author: Author,
    signer: Signer,
    mut questions: UnboundedReceiver<(Arc<Cell>, Question)>,
    engine: Arc<Reach>,
) {
    // Who is asked. The engine knows whether anybody still waits for the answer.
    let mut asked: Option<Bytes> = None;
    loop {
        tokio::select! {
            question = questions.recv() => {
                let Some((cell, question)) = question else { return };
                match ask(&mut socket, &author, &cell.request, &question).await {
                    Ok(()) => asked = cell.request.identities.first().cloned(),
                    Err(why) => drop(engine.answer(Answer::Nobody { why })),
                }
            }
            arrival = socket.next() => match arrival {
                Arrival::Message(message) => match reply(message, &signer) {
                    Ok((who, answer)) if asked.as_ref() == Some(&who) => {
                        asked = None;
                        if !engine.answer(answer) {
                            let why = "the cell does not wait for it any more";
                            log::dropped(format_args!("dropped an input_reply: {why}"));
                        }
                    }
                    Ok(_) => log::dropped(format_args!("dropped an input_reply: this client was not asked")),
                    Err(problem) => log::dropped(format_args!("dropped a message on stdin: {problem}")),
                },
                Arrival::Left(peer) if asked.as_ref() == Some(&peer) => {
                    asked = None;
                    engine.answer(Answer::Nobody { why: "the client that was asked is gone".into() });
                }
                Arrival::Left(_) => {}
            },
        }
    }
}

/// Sends the question; the error is the reason why nobody can answer.
async fn ask(
    socket: &mut RouterSocket,
    author: &Author,
    request: &Request,
    question: &Question,
) -> Result<(), String> {
    let content = json!({"prompt": question.prompt, "password": question.password});
    let until = Instant::now() + CONNECTING;
    loop {
        let frames =
            author.encode(&request.identities, "input_request", &request.header, &json!({}), &content);
        match socket.send(frames) {
            Ok(()) => return Ok(()),
            Err(_) if Instant::now() < until => sleep(CONNECTING_POLL).await,
            Err(error) => {
                return Err(format!("the client that runs the cell has no stdin channel ({error})"));
            }
        }
    }
}

/// Who replied what.
fn reply(message: Message, signer: &Signer) -> Result<(Bytes, Answer), String> {
    let request = Request::decode(message, signer).map_err(|error| error.to_string())?;
    if request.msg_type != "input_reply" {
        return Err(format!("expected an input_reply, got {:?}", request.msg_type));
    }
    let who = request.identities.first().cloned().ok_or("a reply from nobody")?;
    let answer = match request.content.get("value").and_then(Value::as_str) {
        Some(END_OF_TRANSMISSION) => Answer::End,
        Some(line) => Answer::Line(line.to_owned()),
        None => Answer::Nobody { why: "the client's input_reply has no string `value`".into() },
    };
    Ok((who, answer))
}
