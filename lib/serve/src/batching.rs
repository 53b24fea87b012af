//! Requests wait in a queue, and threads take them out in batches.
//!
//! A batch begins when it is full, or when its first request has waited long enough. What waits is bounded; a request
//! whose client is gone, or that nobody waits for any more, is never computed.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::backend::Backend;
use crate::failure::{Failure, Reason};
use crate::metrics::ModelMetrics;
use crate::settings::Settings;
use crate::tensor::Tensor;

type Reply = Result<Vec<Tensor>, Failure>;

struct Job {
    inputs: Vec<Tensor>,
    rows: usize,
    entered: Instant,
    deadline: Instant,
    reply: oneshot::Sender<Reply>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    rows: usize,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    backend: Arc<dyn Backend>,
    metrics: Arc<ModelMetrics>,
    most_rows: usize,
    most_jobs: usize,
    delay: Duration,
}

/// The queue of a version and the threads that empty it. When it is dropped, they end.
pub struct Batcher(Arc<Shared>);

impl Batcher {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn start(
        name: &str,
        backend: Arc<dyn Backend>,
        settings: &Settings,
        metrics: Arc<ModelMetrics>,
    ) -> std::io::Result<Batcher> {
        let batcher = Batcher(Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            backend,
            metrics,
            most_rows: settings.batching.max_batch_size,
            most_jobs: settings.batching.queue,
            delay: settings.batching.delay(),
        }));
        for _ in 0..settings.instances {
            let shared = Arc::clone(&batcher.0);
            thread::Builder::new().name(format!("batch {name}")).spawn(move || shared.work())?;
        }
        Ok(batcher)
    }

    /// Puts a request of `rows` images into the queue, and waits for its answer until the deadline.
    ///
    /// # Errors
    /// [`Reason::Busy`] where the queue is full, [`Reason::Timeout`] after the deadline, and what the model says.
    pub async fn infer(&self, inputs: Vec<Tensor>, rows: usize, deadline: Instant) -> Reply {
        let answer = self.submit(inputs, rows, deadline)?;
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => Err(Failure::internal("the computation was lost; the log says more")),
            Err(_) => Err(late()),
        }
    }

    fn submit(
        &self,
        inputs: Vec<Tensor>,
        rows: usize,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Reply>, Failure> {
        let (reply, answer) = oneshot::channel();
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.jobs.len() >= self.0.most_jobs {
            return Err(Failure::new(
                Reason::Busy,
                format!("{} requests wait already; try again later.", queue.jobs.len()),
            ));
        }
        let was_empty = queue.jobs.is_empty();
        queue.jobs.push_back(Job { inputs, rows, entered: Instant::now(), deadline, reply });
        queue.rows += rows;
        let is_full = queue.rows >= self.0.most_rows;
        drop(queue);
        if was_empty || is_full {
            self.0.filled.notify_one();
        }
        Ok(answer)
    }

    /// Requests that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).jobs.len()
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.0.filled.notify_all();
    }
}

/// The failure of a request whose time is over.
#[must_use]
pub fn late() -> Failure {
    Failure::new(Reason::Timeout, "the request was not answered within its time; try again later.")
}

impl Shared {
    fn work(&self) {
        while let Some(batch) = self.take() {
            self.run(batch);
        }
    }

    /// The next batch; none where there will be none.
    fn take(&self) -> Option<Vec<Job>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            let Some(first) = queue.jobs.front() else {
                if queue.closed {
                    return None;
                }
                queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if first.reply.is_closed() || first.deadline <= now {
                if let Some(job) = queue.jobs.pop_front() {
                    queue.rows -= job.rows;
                    let _ = job.reply.send(Err(late()));
                }
                continue;
            }
            let starts = first.entered + self.delay;
            if queue.closed || queue.rows >= self.most_rows || starts <= now {
                let batch = self.cut(&mut queue);
                // Another thread may begin with what is left.
                if !queue.jobs.is_empty() {
                    self.filled.notify_one();
                }
                return Some(batch);
            }
            let wait = self.filled.wait_timeout(queue, starts - now);
            queue = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes the first request, and others of the same shapes that fit beside it.
    fn cut(&self, queue: &mut Queue) -> Vec<Job> {
        let mut batch: Vec<Job> = Vec::new();
        let mut rows = 0;
        let mut at = 0;
        while let Some(job) = queue.jobs.get(at) {
            let fits = batch.first().is_none_or(|first| {
                let like = first.inputs.iter().zip(&job.inputs).all(|(a, b)| a.is_like(b));
                like && rows + job.rows <= self.most_rows
            });
            if !fits {
                at += 1;
                continue;
            }
            if let Some(job) = queue.jobs.remove(at) {
                queue.rows -= job.rows;
                rows += job.rows;
                batch.push(job);
            }
            if rows >= self.most_rows {
                break;
            }
        }
        batch
    }

    fn run(&self, batch: Vec<Job>) {
        let start = Instant::now();
        let rows: usize = batch.iter().map(|job| job.rows).sum();
        for job in &batch {
            self.metrics.queue.observe(start.duration_since(job.entered).as_secs_f64());
        }
        let outputs = self.compute(&batch);
        self.metrics.compute.observe(start.elapsed().as_secs_f64());
        self.metrics.batch.observe(rows as f64);
        match outputs {
            Ok(outputs) => {
                let mut at = 0;
                for job in batch {
                    let own = outputs.iter().map(|output| output.narrow(at, job.rows)).collect();
                    at += job.rows;
                    // Who is gone needs no answer.
                    let _ = job.reply.send(Ok(own));
                }
            }
            // One request must not take the others with it.
            Err(_) if batch.len() > 1 => batch.into_iter().for_each(|job| {
                let reply = self.compute(std::slice::from_ref(&job));
                let _ = job.reply.send(reply);
            }),
            Err(failure) => batch.into_iter().for_each(|job| drop(job.reply.send(Err(failure.clone())))),
        }
    }

    fn compute(&self, batch: &[Job]) -> Reply {
        let count = batch.first().map_or(0, |job| job.inputs.len());
        let mut inputs = Vec::with_capacity(count);
        for input in 0..count {
            let parts: Vec<&Tensor> = batch.iter().filter_map(|job| job.inputs.get(input)).collect();
            inputs.push(Tensor::join(&parts)?);
        }
        let rows = inputs.first().map_or(0, Tensor::rows);
        if rows <= self.most_rows {
            return infer(&*self.backend, &inputs);
        }
        let mut parts: Vec<Vec<Tensor>> = Vec::new();
        for start in (0..rows).step_by(self.most_rows) {
            let part: Vec<Tensor> = inputs.iter().map(|input| input.narrow(start, self.most_rows)).collect();
            for (at, output) in infer(&*self.backend, &part)?.into_iter().enumerate() {
                if parts.len() <= at {
                    parts.push(Vec::new());
                }
                parts[at].push(output);
            }
        }
        parts.iter().map(|parts| Tensor::join(&parts.iter().collect::<Vec<_>>())).collect()
    }
}

/// One run of a model. A panic is an error, and a batch whose outputs have another size is, too.
pub fn infer(backend: &dyn Backend, inputs: &[Tensor]) -> Reply {
    let rows = inputs.first().map_or(0, Tensor::rows);
    let outputs = catch_unwind(AssertUnwindSafe(|| backend.infer(inputs))).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        tracing::error!(message, "a model panicked");
        Err(Failure::internal("the model failed; the log says more"))
    })?;
    if outputs.len() != backend.outputs().len() || outputs.iter().any(|output| output.rows() != rows) {
        return Err(Failure::internal(format!(
            "the model gave {:?} for a batch of {rows}",
            outputs.iter().map(|output| output.shape().to_vec()).collect::<Vec<_>>()
        )));
    }
    Ok(outputs)
}
