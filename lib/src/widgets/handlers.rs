use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

type Handler = Box<dyn FnMut(&Value) + Send>;

/// Functions that are called when something happens.
#[derive(Default)]
pub(super) struct Handlers(Mutex<Vec<Handler>>);

impl Handlers {
    /// Calls this one too from now on.
    pub(super) fn add(&self, handler: impl FnMut(&Value) + Send + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(handler));
    }

    /// Calls them in the order in which they were added. One may add another, which is called the next time.
    pub(super) fn call(&self, value: &Value) {
        let mut handlers = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let outcome =
            catch_unwind(AssertUnwindSafe(|| handlers.iter_mut().for_each(|handler| handler(value))));
        let mut added = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        handlers.append(&mut added);
        *added = handlers;
        drop(added);
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    }
}
