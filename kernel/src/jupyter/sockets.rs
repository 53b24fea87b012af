//! The five sockets of a kernel, bound where the connection file says.

use super::ServeError;
use super::connection::Connection;
use super::zmtp::{PublisherSocket, RouterSocket};

/// Bound sockets.
pub(super) struct Sockets {
    /// Requests and replies.
    pub(super) shell: RouterSocket,
    /// The same for what must not wait behind a cell.
    pub(super) control: RouterSocket,
    /// Status and output to everybody.
    pub(super) iopub: PublisherSocket,
    /// What a cell asks the person.
    pub(super) stdin: RouterSocket,
    /// Echoes. A ROUTER rather than a REP: it holds no state that a client could leave half done.
    pub(super) heartbeat: RouterSocket,
}

impl Sockets {
    /// Binds all five, inside a runtime. The error names the socket and its address.
    pub(super) async fn bind(connection: &Connection) -> Result<Sockets, ServeError> {
        let at = |channel, port| Address { channel, endpoint: connection.endpoint(port) };
        Ok(Sockets {
            shell: at("shell", connection.shell_port).router().await?,
            control: at("control", connection.control_port).router().await?,
            iopub: at("iopub", connection.iopub_port).publisher().await?,
            stdin: at("stdin", connection.stdin_port).router().await?,
            heartbeat: at("heartbeat", connection.hb_port).router().await?,
        })
    }
}

struct Address {
    channel: &'static str,
    endpoint: String,
}

impl Address {
    async fn router(self) -> Result<RouterSocket, ServeError> {
        RouterSocket::bind(&self.endpoint).await.map_err(|source| self.error(source))
    }

    async fn publisher(self) -> Result<PublisherSocket, ServeError> {
        PublisherSocket::bind(&self.endpoint).await.map_err(|source| self.error(source))
    }

    fn error(self, source: std::io::Error) -> ServeError {
        ServeError::Bind { channel: self.channel, endpoint: self.endpoint, source }
    }
}
