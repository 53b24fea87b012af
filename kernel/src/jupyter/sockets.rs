//! The five sockets of a kernel, bound where the connection file says.

use zeromq::{RouterSocket, Socket, XPubSocket};

use super::ServeError;
use super::connection::Connection;

/// Bound sockets.
pub(super) struct Sockets {
    /// Requests and replies.
    pub(super) shell: RouterSocket,
    /// The same for what must not wait behind a cell.
    pub(super) control: RouterSocket,
    /// Status and output to everybody.
    pub(super) iopub: XPubSocket,
    /// What a cell asks the person.
    pub(super) stdin: RouterSocket,
    /// Echoes. A ROUTER rather than a REP: it holds no state that a client could leave half done.
    pub(super) heartbeat: RouterSocket,
}

impl Sockets {
    /// Binds all five, inside a runtime. The error names the socket and its address.
    pub(super) async fn bind(connection: &Connection) -> Result<Sockets, ServeError> {
        Ok(Sockets {
            shell: bind("shell", connection.endpoint(connection.shell_port)).await?,
            control: bind("control", connection.endpoint(connection.control_port)).await?,
            iopub: bind("iopub", connection.endpoint(connection.iopub_port)).await?,
            stdin: bind("stdin", connection.endpoint(connection.stdin_port)).await?,
            heartbeat: bind("heartbeat", connection.endpoint(connection.hb_port)).await?,
        })
    }
}

async fn bind<S: Socket>(channel: &'static str, endpoint: String) -> Result<S, ServeError> {
    let mut socket = S::new();
    match socket.bind(&endpoint).await {
        Ok(_) => Ok(socket),
        Err(source) => Err(ServeError::Bind { channel, endpoint, source }),
    }
}
