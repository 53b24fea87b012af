//! Connections: accepted within a number, encrypted where that is wanted, closed when nothing moves, and let go in
//! peace when the server stops.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::app::App;
use crate::grpc::Grpc;

/// What is spoken on a port.
#[derive(Clone)]
pub enum Protocol {
    /// HTTP/1.1.
    Http(Router),
    /// gRPC over HTTP/2.
    Grpc(Grpc),
}

/// How long to wait after a connection could not be accepted: the system has no room for one.
const PAUSE: Duration = Duration::from_millis(50);
/// Calls on one connection at the same time.
const STREAMS: u32 = 256;

/// Accepts connections until `stop` says so, and then waits for those that are there.
pub async fn accept(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    protocol: Protocol,
    mut stop: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(app.limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let slot = tokio::select! {
            () = stopped(&mut stop) => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (app, tls, protocol, stop) =
                    (Arc::clone(&app), tls.clone(), protocol.clone(), stop.clone());
                tasks.spawn(async move {
                    app.metrics.connections.fetch_add(1, Ordering::Relaxed);
                    let _open = Open(Arc::clone(&app));
                    serve(&app, stream, tls, protocol, stop).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = async { while tasks.join_next().await.is_some() {} };
    if timeout(app.limits.drain_time, drained).await.is_err() {
        tracing::warn!("connections that did not end in time are cut off");
    }
}

/// A connection that counts as long as it is there, also where it is cut off.
struct Open(Arc<App>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns once the server stops.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Whoever would say so being gone says it, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn serve(
    app: &App,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    protocol: Protocol,
    stop: watch::Receiver<bool>,
) {
    // Small answers go at once. Where that cannot be set they go a little later.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return speak(app, stream, protocol, stop).await };
    match timeout(app.limits.header_time, tls.accept(stream)).await {
        Ok(Ok(stream)) => speak(app, stream, protocol, stop).await,
        Ok(Err(error)) => tracing::debug!(%error, "no TLS"),
        Err(_) => tracing::debug!("no TLS in time"),
    }
}

async fn speak<S>(app: &App, stream: S, protocol: Protocol, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = app.limits;
    let io = TokioIo::new(Guarded::new(stream, limits.idle_time));
    let ended = match protocol {
        Protocol::Http(router) => {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.header_time)
                .max_buf_size(limits.header_bytes.max(8192))
                .serve_connection(io, TowerToHyperService::new(router));
            until(&mut stop, connection, |connection| connection.graceful_shutdown()).await
        }
        Protocol::Grpc(grpc) => {
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS)
                .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
                .keep_alive_interval(limits.idle_time / 4)
                .keep_alive_timeout(limits.idle_time / 4)
                .serve_connection(io, grpc);
            until(&mut stop, connection, |connection| connection.graceful_shutdown()).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// Waits for the end of a connection, which `finish` asks for once the server stops.
async fn until<C: Future>(
    stop: &mut watch::Receiver<bool>,
    connection: C,
    finish: impl FnOnce(Pin<&mut C>),
) -> C::Output {
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(stop) => {
            finish(connection.as_mut());
            connection.await
        }
    }
}

/// A stream that fails when no byte has moved in either direction for a time: a client that neither sends nor reads
/// is let go.
struct Guarded<S> {
    stream: S,
    time: Duration,
    moved: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<S> Guarded<S> {
    fn new(stream: S, time: Duration) -> Guarded<S> {
        Guarded { stream, time, moved: Instant::now(), timer: Box::pin(sleep(time)) }
    }

    /// Takes note of a result: of progress, or that there is none.
    fn watch<T>(&mut self, context: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.moved = Instant::now();
            return result;
        }
        // The timer is set anew only when it rings: bytes are more frequent.
        while self.timer.as_mut().poll(context).is_ready() {
            let end = self.moved + self.time;
            if end <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.timer.as_mut().reset(end);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watch(context, result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watch(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, result)
    }
}
