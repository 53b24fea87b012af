//! A body that has to come within its time, and to fit into the memory that requests share.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tonic::Status;

use crate::app::App;
use crate::failure::{Failure, Reason};

type Wrong = Box<dyn std::error::Error + Send + Sync>;

/// A body that has to come within its time.
pub struct Timed {
    body: Incoming,
    end: Pin<Box<Sleep>>,
    app: Arc<App>,
    held: Held,
}

/// The memory that a message takes, until nobody holds it any more.
#[derive(Clone, Default)]
pub struct Held(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Held {
    fn add(&self, more: OwnedSemaphorePermit) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *held {
            Some(held) => held.merge(more),
            None => *held = Some(more),
        }
    }
}

impl Timed {
    /// Of a request that has just come; what it takes is added to what is held.
    pub fn new(body: Incoming, app: &Arc<App>, held: Held) -> Timed {
        let end = Box::pin(sleep(app.limits.body_time));
        Timed { body, end, app: Arc::clone(app), held }
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = Wrong;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Wrong>>> {
        if self.end.as_mut().poll(context).is_ready() {
            let slow = Failure::new(Reason::Slow, "the request did not come within its time");
            return Poll::Ready(Some(Err(Status::from(slow).into())));
        }
        let frame = match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        };
        match self.app.memory(frame.data_ref().map_or(0, Bytes::len)) {
            Ok(more) => self.held.add(more),
            Err(failure) => return Poll::Ready(Some(Err(Status::from(failure).into()))),
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
