//! Comm messages between the protocol's form and the engine's.

use bytes::Bytes;
use sconce_display::comm::{Action, Packet, Payload};
use serde_json::{Map, Value, json};

use super::message::Request;
use super::replies::Said;

/// What a client says to the engine's end of a comm. The error says what the message lacks.
pub(super) fn packet(request: Request) -> Result<Packet, String> {
    let Request { msg_type, mut content, metadata, buffers, .. } = request;
    let mut text = |name: &str| match content.remove(name) {
        Some(Value::String(text)) => Ok(text),
        other => Err(format!("{msg_type}: expected a string `{name}`, got {}", other.unwrap_or_default())),
    };
    let comm = text("comm_id")?;
    let action = match msg_type.as_str() {
        "comm_open" => Action::Open { target: text("target_name")? },
        "comm_close" => Action::Close,
        _ => Action::Message,
    };
    let data = content.remove("data").unwrap_or_else(|| json!({})).to_string();
    let buffers = buffers.iter().map(|buffer| buffer.to_vec()).collect();
    Ok(Packet {
        comm,
        action,
        payload: Payload { data, metadata: Value::Object(metadata).to_string(), buffers },
    })
}

/// What the engine's end of a comm says to the clients. Text that is no JSON is not sent, and said on stderr.
pub(super) fn said(packet: &Packet) -> Said {
    let Packet { comm, action, payload } = packet;
    let parsed =
        serde_json::from_str::<Value>(&payload.data).map_err(|error| ("data", error)).and_then(|data| {
            Ok((
                data,
                serde_json::from_str::<Map<_, _>>(&payload.metadata).map_err(|error| ("metadata", error))?,
            ))
        });
    let (data, metadata) = match parsed {
        Ok((data, metadata)) => (data, Value::Object(metadata)),
        Err((part, error)) => {
            let wanted = if part == "data" { "JSON" } else { "a JSON object" };
            let text = format!("comm {comm}: a message was not sent: its {part} is not {wanted}: {error}\n");
            return Said::new("stream", json!({"name": "stderr", "text": text}));
        }
    };
    let (msg_type, content) = match action {
        Action::Open { target } => {
            ("comm_open", json!({"comm_id": comm, "target_name": target, "data": data}))
        }
        Action::Message => ("comm_msg", json!({"comm_id": comm, "data": data})),
        Action::Close => ("comm_close", json!({"comm_id": comm, "data": data})),
    };
    Said { msg_type, metadata, content, buffers: payload.buffers.iter().cloned().map(Bytes::from).collect() }
}

/// The content of a `comm_info_reply`: the open comms, or those to the target that was asked for.
pub(super) fn info(request: &Map<String, Value>, comms: Vec<(String, String)>) -> Value {
    let asked = request.get("target_name").and_then(Value::as_str);
    let comms = comms.into_iter().filter(|(_, target)| asked.is_none_or(|asked| asked == target));
    let comms: Map<String, Value> = comms.map(|(id, target)| (id, json!({"target_name": target}))).collect();
    json!({"status": "ok", "comms": comms})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_said_and_not_sent() {
        for (data, metadata, part) in [("{", "{}", "data"), ("1", "[]", "metadata")] {
            let payload = Payload { data: data.into(), metadata: metadata.into(), buffers: Vec::new() };
            let said = said(&Packet { comm: "c".into(), action: Action::Message, payload });
            assert_eq!((said.msg_type, &said.content["name"]), ("stream", &json!("stderr")));
            let wanted = format!("its {part} is not");
            assert!(said.content["text"].as_str().is_some_and(|text| text.contains(&wanted)), "{said:?}");
        }
    }
}
