//! Where others connect: a TCP port, or the path of a Unix domain socket.

use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// How long accepting rests when the system refuses, mostly for want of file descriptors.
const REST: Duration = Duration::from_millis(200);

/// A stream of bytes to a peer.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A bound address.
pub(super) enum Listener {
    Tcp(TcpListener),
    Ipc(UnixListener, PathBuf),
}

impl Listener {
    /// Binds to `tcp://address:port`, where 0 is any free port, or to `ipc://path`.
    pub(super) async fn bind(endpoint: &str) -> Result<Listener> {
        match endpoint.split_once("://") {
            Some(("tcp", address)) => {
                let address = match address.strip_prefix("*:") {
                    Some(port) => format!("0.0.0.0:{port}"),
                    None => address.to_owned(),
                };
                Ok(Listener::Tcp(TcpListener::bind(address).await?))
            }
            Some(("ipc", path)) => Ok(Listener::Ipc(bind_path(Path::new(path))?, path.into())),
            _ => Err(std::io::Error::new(ErrorKind::InvalidInput, "expected tcp://… or ipc://…")),
        }
    }

    /// Where others connect to.
    #[cfg(test)]
    pub(super) fn endpoint(&self) -> Result<String> {
        Ok(match self {
            Listener::Tcp(listener) => format!("tcp://{}", listener.local_addr()?),
            Listener::Ipc(_, path) => format!("ipc://{}", path.display()),
        })
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> Box<dyn Stream> {
        loop {
            let accepted: Result<Box<dyn Stream>> = match self {
                Listener::Tcp(listener) => listener.accept().await.and_then(|(stream, _)| {
                    // A reply is small and waited for.
                    stream.set_nodelay(true)?;
                    Ok(Box::new(stream) as Box<dyn Stream>)
                }),
                Listener::Ipc(listener, _) => {
                    listener.accept().await.map(|(stream, _)| Box::new(stream) as Box<dyn Stream>)
                }
            };
            match accepted {
                Ok(stream) => return stream,
                Err(error) => {
                    super::super::log::dropped(format_args!("cannot accept a connection: {error}"));
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Ipc(_, path) = self {
            // Whoever removed it before has done what is wanted.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A socket file whose kernel was killed is in nobody's way.
fn bind_path(path: &Path) -> Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let connected = std::os::unix::net::UnixStream::connect(path);
            if !connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}
