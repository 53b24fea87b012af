//! The server as a whole: starting, looking for models, stopping.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::{App, Limits};
use crate::connection::{Protocol, accept};
use crate::grpc::Grpc;
use crate::http::router;
use crate::metrics::Metrics;
use crate::repository::Repository;
use crate::tls::Tls;

/// What is served, where, and to whom.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// The folder with the models: `NAME/VERSION/model.safetensors`.
    pub models: PathBuf,
    /// The address to listen at.
    pub host: IpAddr,
    /// The port for HTTP; 0 for any that is free.
    pub port: u16,
    /// The port for gRPC; 0 for any that is free, none for no gRPC.
    pub grpc_port: Option<u16>,
    /// How often to look for new versions.
    pub poll: Duration,
    /// What clients have to bring as `Authorization: Bearer TOKEN`.
    pub token: Option<String>,
    /// Certificates, for encrypted connections only.
    pub tls: Option<Tls>,
    /// What clients may take.
    pub limits: Limits,
}

impl Default for ServeConfig {
    /// The folder `models`, on this machine only, at the ports 8000 and 8001; a look every 2 s; no token, no TLS.
    fn default() -> ServeConfig {
        ServeConfig {
            models: PathBuf::from("models"),
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8000,
            grpc_port: Some(8001),
            poll: Duration::from_secs(2),
            token: None,
            tls: None,
            limits: Limits::default(),
        }
    }
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The folder of models cannot be read.
    #[error("{}: expected a folder of models, NAME/VERSION/model.safetensors: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It cannot listen at an address.
    #[error("cannot listen at {address}: {source}; choose another port, 0 for any that is free")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A certificate or key is not good.
    #[error("{}: expected PEM files of a certificate and its key: {problem}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The system gives no thread.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
}

/// A server that runs. When it is dropped, it stops without waiting for answers; [`Server::shutdown`] waits.
pub struct Server {
    app: Arc<App>,
    http: SocketAddr,
    grpc: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    listeners: Vec<JoinHandle<()>>,
    /// The thread that looks for models ends when this is gone.
    _looking: Sender<()>,
}

impl Server {
    /// Loads what is in the folder, and answers from then on. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the folder cannot be read, an address is taken, or a certificate is not good. A model that cannot be loaded
    /// is no error: it is left aside, with a line in the log.
    pub async fn start(config: ServeConfig) -> Result<Server, ServeError> {
        let folder = |source| ServeError::Folder { path: config.models.clone(), source };
        drop(std::fs::read_dir(&config.models).map_err(folder)?);
        let [http_tls, grpc_tls] = ["http/1.1", "h2"]
            .map(|protocol| config.tls.as_ref().map(|tls| tls.acceptor(protocol)).transpose());
        let (http_tls, grpc_tls) = (http_tls?, grpc_tls?);
        let (http_listener, http) = listen(config.host, config.port).await?;
        let grpc_listener = match config.grpc_port {
            Some(port) => Some(listen(config.host, port).await?),
            None => None,
        };
        let models = config.models.clone();
        let metrics = Arc::new(Metrics::default());
        let repository = Arc::new(Repository::new(config.models, Arc::clone(&metrics)));
        let looking = start_looking(Arc::clone(&repository), config.poll).await?;
        let app = Arc::new(App::new(repository, metrics, config.limits, config.token));
        let (stop, stopped) = watch::channel(false);
        let protocol = Protocol::Http(router(&app));
        let mut listeners =
            vec![tokio::spawn(accept(Arc::clone(&app), http_listener, http_tls, protocol, stopped.clone()))];
        let grpc = grpc_listener.as_ref().map(|(_, address)| *address);
        if let Some((listener, _)) = grpc_listener {
            let protocol = Protocol::Grpc(Grpc::new(Arc::clone(&app)));
            listeners.push(tokio::spawn(accept(Arc::clone(&app), listener, grpc_tls, protocol, stopped)));
        }
        if app.repository.states().is_empty() {
            let folder = models.display();
            tracing::warn!(%folder, "no model is served yet: expected NAME/VERSION/model.safetensors in the folder");
        }
        let page = format!("{}://{http}/", if config.tls.is_some() { "https" } else { "http" });
        tracing::info!(%http, grpc = grpc.map(|it| it.to_string()), page, "listening");
        Ok(Server { app, http, grpc, stop, listeners, _looking: looking })
    }

    /// Where it answers over HTTP.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Where it answers over gRPC, if it does.
    #[must_use]
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.grpc
    }

    /// Stops: is not ready any more, accepts nothing new, answers what it has, and then closes all connections, at
    /// the latest after the limit's `drain_time`.
    pub async fn shutdown(self) {
        self.app.leave();
        tracing::info!("stopping");
        let _ = self.stop.send(true);
        for listener in self.listeners {
            let _ = listener.await;
        }
        tracing::info!("stopped");
    }
}

async fn listen(host: IpAddr, port: u16) -> Result<(TcpListener, SocketAddr), ServeError> {
    let address = SocketAddr::new(host, port);
    let wrong = |source| ServeError::Address { address, source };
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?;
    Ok((listener, address))
}

/// Looks for models on a thread of its own, since loading computes; returns after the first look.
async fn start_looking(repository: Arc<Repository>, poll: Duration) -> Result<Sender<()>, ServeError> {
    let (ended, end) = channel::<()>();
    let (looked, first) = tokio::sync::oneshot::channel();
    let looking = move || {
        repository.look();
        let _ = looked.send(());
        while end.recv_timeout(poll) == Err(RecvTimeoutError::Timeout) {
            repository.look();
        }
    };
    thread::Builder::new().name("look for models".into()).spawn(looking).map_err(ServeError::Thread)?;
    let _ = first.await;
    Ok(ended)
}
