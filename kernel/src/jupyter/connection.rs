//! The connection file: where the client wants the kernel's sockets, and the key that signs messages.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use thiserror::Error;

/// A connection file that cannot be used.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// It cannot be read.
    #[error("cannot read the connection file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no JSON object.
    #[error("the connection file is not a JSON object: {0}")]
    Json(String),
    /// A field is missing or has a value that makes no sense.
    #[error("connection file: `{field}` must be {expected}, got {got}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What would be right.
        expected: &'static str,
        /// What stands there.
        got: String,
    },
}

/// How the sockets are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP ports.
    Tcp,
    /// Unix domain sockets, one file per port number.
    Ipc,
}

/// What a connection file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// How the sockets are reached.
    pub transport: Transport,
    /// The address to bind to; with [`Transport::Ipc`] the common start of the socket files' paths.
    pub ip: String,
    /// Port of the shell socket.
    pub shell_port: u16,
    /// Port of the control socket.
    pub control_port: u16,
    /// Port of the iopub socket.
    pub iopub_port: u16,
    /// Port of the stdin socket.
    pub stdin_port: u16,
    /// Port of the heartbeat socket.
    pub hb_port: u16,
    /// The HMAC-SHA256 key; empty means that messages are not signed.
    pub key: String,
}

impl Connection {
    /// Reads a connection file. Errors name the field that is off.
    pub fn read(path: &Path) -> Result<Connection, ConnectionError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConnectionError::Read { path: path.to_path_buf(), source })?;
        Connection::parse(&text)
    }

    /// Parses the text of a connection file.
    pub fn parse(text: &str) -> Result<Connection, ConnectionError> {
        let fields = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            Ok(other) => return Err(ConnectionError::Json(format!("it holds {other}"))),
            Err(error) => return Err(ConnectionError::Json(error.to_string())),
        };
        let transport = match string(&fields, "transport", "\"tcp\" or \"ipc\"")? {
            "tcp" => Transport::Tcp,
            "ipc" => Transport::Ipc,
            other => return Err(off("transport", "\"tcp\" or \"ipc\"", format!("{other:?}"))),
        };
        let key = string(&fields, "key", "a string, empty for unsigned messages")?;
        // Clients may leave the scheme out where there is nothing to sign.
        if !key.is_empty() {
            let scheme = string(&fields, "signature_scheme", "\"hmac-sha256\"")?;
            if scheme != "hmac-sha256" {
                return Err(off("signature_scheme", "\"hmac-sha256\"", format!("{scheme:?}")));
            }
        }
        Ok(Connection {
            transport,
            ip: string(&fields, "ip", "an address to bind to")?.to_owned(),
            shell_port: port(&fields, "shell_port")?,
            control_port: port(&fields, "control_port")?,
            iopub_port: port(&fields, "iopub_port")?,
            stdin_port: port(&fields, "stdin_port")?,
            hb_port: port(&fields, "hb_port")?,
            key: key.to_owned(),
        })
    }

    /// The endpoint of one of the ports, as ZeroMQ writes it.
    #[must_use]
    pub fn endpoint(&self, port: u16) -> String {
        let ip = &self.ip;
        match self.transport {
            Transport::Tcp if ip.contains(':') && !ip.starts_with('[') => format!("tcp://[{ip}]:{port}"),
            Transport::Tcp => format!("tcp://{ip}:{port}"),
            Transport::Ipc => format!("ipc://{ip}-{port}"),
        }
    }
}

fn off(field: &'static str, expected: &'static str, got: impl Into<String>) -> ConnectionError {
    ConnectionError::Field { field, expected, got: got.into() }
}

fn string<'a>(
    fields: &'a Map<String, Value>,
    field: &'static str,
    expected: &'static str,
) -> Result<&'a str, ConnectionError> {
    match fields.get(field) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(off(field, expected, other.to_string())),
        None => Err(off(field, expected, "nothing")),
    }
}

fn port(fields: &Map<String, Value>, field: &'static str) -> Result<u16, ConnectionError> {
    let expected = "a port number from 1 to 65535";
    let value = fields.get(field).ok_or_else(|| off(field, expected, "nothing"))?;
    let port = value.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|port| *port != 0);
    port.ok_or_else(|| off(field, expected, value.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn file() -> Value {
        json!({
            "shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 65535,
            "ip": "127.0.0.1", "key": "abc", "transport": "tcp", "signature_scheme": "hmac-sha256",
            "kernel_name": "rust", "jupyter_session": "x.ipynb",
        })
    }

    #[test]
    fn a_usual_file() {
        let connection = Connection::parse(&file().to_string()).unwrap();
        let ports = [connection.shell_port, connection.iopub_port, connection.stdin_port];
        assert_eq!(ports, [1, 2, 3]);
        assert_eq!([connection.control_port, connection.hb_port], [4, 65535]);
        assert_eq!(connection.key, "abc");
        assert_eq!(connection.endpoint(connection.hb_port), "tcp://127.0.0.1:65535");
    }

    #[test]
    fn endpoints_of_other_transports() {
        let mut ipc = file();
        ipc["transport"] = json!("ipc");
        ipc["ip"] = json!("/run/kernel-ipc");
        assert_eq!(Connection::parse(&ipc.to_string()).unwrap().endpoint(3), "ipc:///run/kernel-ipc-3");
        let mut six = file();
        six["ip"] = json!("::1");
        assert_eq!(Connection::parse(&six.to_string()).unwrap().endpoint(3), "tcp://[::1]:3");
    }

    #[test]
    fn an_empty_key_needs_no_scheme() {
        let mut unsigned = file();
        unsigned["key"] = json!("");
        unsigned.as_object_mut().unwrap().remove("signature_scheme");
        assert_eq!(Connection::parse(&unsigned.to_string()).unwrap().key, "");
    }

    #[test]
    fn errors_name_the_field() {
        for (field, value) in [
            ("shell_port", json!("1")),
            ("iopub_port", json!(0)),
            ("stdin_port", json!(65536)),
            ("control_port", json!(-1)),
            ("hb_port", json!(1.5)),
            ("ip", json!(127)),
            ("key", json!(null)),
            ("transport", json!("udp")),
            ("signature_scheme", json!("hmac-md5")),
        ] {
            let mut wrong = file();
            wrong[field] = value.clone();
            let message = Connection::parse(&wrong.to_string()).unwrap_err().to_string();
            assert!(message.contains(&format!("`{field}`")), "{message}");
            assert!(message.contains(&value.to_string()), "{message}");
            let mut missing = file();
            missing.as_object_mut().unwrap().remove(field);
            let message = Connection::parse(&missing.to_string()).unwrap_err().to_string();
            assert!(message.contains(&format!("`{field}`")) && message.contains("nothing"), "{message}");
        }
        assert!(Connection::parse("[1]").unwrap_err().to_string().contains("[1]"));
        assert!(Connection::parse("{").is_err());
        let missing = Connection::read(Path::new("no/such/file.json")).unwrap_err().to_string();
        assert!(missing.contains("no/such/file.json"));
    }
}
