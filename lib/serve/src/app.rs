//! What all protocols share: the models, the counters, and who may ask how much.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::batching::late;
use crate::failure::{Failure, Reason};
use crate::metrics::Metrics;
use crate::repository::Repository;

/// Bytes of a permit of the memory that requests share.
const PERMIT: usize = 1024;

/// What clients may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub request_bytes: usize,
    /// Bytes of the bodies of all requests that are read or answered at the same time, over every protocol, and of the
    /// inputs that files of pictures in them become. What numbers and lists become takes up to eight times their
    /// bytes beside it.
    pub total_bytes: usize,
    /// Bytes of a request's head; at least 8192.
    pub header_bytes: usize,
    /// Connections of each protocol; others wait to be accepted.
    pub connections: usize,
    /// How long a request's head may take.
    pub header_time: Duration,
    /// How long a request's body may take.
    pub body_time: Duration,
    /// How long a connection may be without a byte in either direction.
    pub idle_time: Duration,
    /// How long answers may take after the server was told to stop.
    pub drain_time: Duration,
}

impl Default for Limits {
    /// 32 MiB a request, 512 MiB in all, heads of 32 KiB, 1024 connections; 10 s for a head, 60 s for a body, 120 s
    /// of silence, 30 s to drain.
    fn default() -> Limits {
        Limits {
            request_bytes: 32 << 20,
            total_bytes: 512 << 20,
            header_bytes: 32 << 10,
            connections: 1024,
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(120),
            drain_time: Duration::from_secs(30),
        }
    }
}

/// What all protocols share.
pub struct App {
    /// The models.
    pub repository: Arc<Repository>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// What clients may take.
    pub limits: Limits,
    /// Pictures that are decoded at the same time.
    decoding: Arc<Semaphore>,
    token: Option<String>,
    memory: Arc<Semaphore>,
    leaving: AtomicBool,
}

impl App {
    /// For these models; clients have to bring the token, where there is one.
    #[must_use]
    pub fn new(
        repository: Arc<Repository>,
        metrics: Arc<Metrics>,
        limits: Limits,
        token: Option<String>,
    ) -> App {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let permits = (limits.total_bytes / PERMIT).clamp(1, Semaphore::MAX_PERMITS);
        App {
            repository,
            metrics,
            limits,
            decoding: Arc::new(Semaphore::new(cores)),
            token,
            memory: Arc::new(Semaphore::new(permits)),
            leaving: AtomicBool::new(false),
        }
    }

    /// Memory for some bytes of a request.
    ///
    /// # Errors
    /// [`Reason::Busy`] where requests have taken all of it.
    pub fn memory(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Failure> {
        let permits = u32::try_from(bytes.div_ceil(PERMIT)).unwrap_or(u32::MAX);
        Arc::clone(&self.memory).try_acquire_many_owned(permits).map_err(|_| {
            Failure::new(Reason::Busy, "the requests that are being read fill the memory; try again later.")
        })
    }

    /// A place among the pictures that are decoded at the same time, as many as there are cores.
    ///
    /// # Errors
    /// [`Reason::Timeout`] where there is none until the deadline.
    pub async fn decoder(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Failure> {
        let place = Arc::clone(&self.decoding).acquire_owned();
        let place = tokio::time::timeout_at(deadline.into(), place).await;
        place.ok().and_then(Result::ok).ok_or_else(late)
    }

    /// Does what a decoder's place is for, beside the tasks. Work that has begun goes on when its request is gone, and
    /// keeps its place until it ends.
    ///
    /// # Errors
    /// As [`App::decoder`], and what the work says; [`Reason::Internal`] where it panics.
    pub async fn decode<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let place = self.decoder(deadline).await?;
        let work = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        work.await.unwrap_or_else(|_| Err(Failure::internal("the picture's decoder failed")))
    }

    /// Holds a request to bringing the token.
    ///
    /// # Errors
    /// [`Reason::Unauthorized`].
    pub fn authorize(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
        let scheme = given.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
        let given = given.get(7..).filter(|_| scheme).unwrap_or_default();
        match is_same(given, token.as_bytes()) {
            true => Ok(()),
            false => Err(Failure::new(
                Reason::Unauthorized,
                "expected the header `Authorization: Bearer TOKEN` with the server's token, got none or another.",
            )),
        }
    }

    /// Whether requests are answered.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.leaving.load(Ordering::Relaxed)
    }

    /// From now on the server is not ready.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Takes note of how a request ended. Names of models that there are not are not kept.
    pub fn note(&self, model: &str, protocol: &'static str, start: Instant, failure: Option<&Failure>) {
        let model = if self.repository.models().contains_key(model) { model } else { "" };
        self.metrics.request(model, protocol, start, failure);
    }
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let differ = a.iter().zip(b).fold(a.len() ^ b.len(), |differ, (a, b)| differ | usize::from(a ^ b));
    std::hint::black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_decoder_keeps_its_place_when_its_client_is_gone() {
        let metrics = Arc::new(Metrics::default());
        let repository = Arc::new(Repository::new("models".into(), Arc::clone(&metrics)));
        let app = App::new(repository, metrics, Limits::default(), None);
        let soon = || Instant::now() + Duration::from_secs(60);
        let mut others = Vec::new();
        while app.decoding.available_permits() > 1 {
            others.push(app.decoder(soon()).await.unwrap());
        }
        let (begun, begins) = channel();
        let (finish, finished) = channel::<()>();
        let asked = app.decode(soon(), move || {
            begun.send(()).unwrap();
            finished.recv().map_err(|_| Failure::internal("nobody finished it"))
        });
        // Whoever asked waits for a moment, and goes.
        assert!(tokio::time::timeout(Duration::from_millis(1), asked).await.is_err());
        begins.recv().unwrap();
        let refused = app.decoder(Instant::now()).await.unwrap_err();
        assert_eq!(refused.reason, Reason::Timeout, "its place is taken as long as it decodes");
        finish.send(()).unwrap();
        drop(app.decoder(soon()).await.unwrap());
        // Work that panics gives its place back, too.
        let panics: Result<(), Failure> = app.decode(soon(), || panic!("a damaged picture")).await;
        assert_eq!(panics.unwrap_err().reason, Reason::Internal);
        drop(app.decoder(soon()).await.unwrap());
    }
}
