//! Memory that is used again: fresh memory costs a page fault for every 4 KiB, which for large images is as much as
//! the arithmetic.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Uses of the pool after which a buffer that nothing took is given back to the system.
const PATIENCE: u64 = 4;

/// The memory of operators that candle's tape leads through one by one.
static OPERATORS: LazyLock<Pool> = LazyLock::new(Pool::default);

/// Buffers that are free. Clones are handles to one pool.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool(Arc<Mutex<Free>>);

#[derive(Debug, Default)]
struct Free {
    /// Each with the time it was given back.
    buffers: Vec<(u64, Vec<f32>)>,
    time: u64,
}

impl Pool {
    /// The pool of operators that belong to no graph, for another use.
    pub(super) fn of_operators() -> &'static Pool {
        OPERATORS.begin();
        &OPERATORS
    }

    /// Begins another use of the pool: what earlier ones left over for long is given up.
    pub(crate) fn begin(&self) {
        self.with(|free| {
            free.time += 1;
            let oldest = free.time.saturating_sub(PATIENCE);
            free.buffers.retain(|(time, _)| *time >= oldest);
        });
    }

    /// A buffer of `len` values, whatever they are.
    pub(crate) fn take(&self, len: usize) -> Buffer {
        let found = self.with(|free| {
            // Of those that fit without wasting much the smallest, and of these the one that was used last.
            let fits = |(_, buffer): &(u64, Vec<f32>)| (len..=len + len / 8).contains(&buffer.len());
            let fitting = free.buffers.iter().enumerate().rev().filter(|(_, entry)| fits(entry));
            let index = fitting.min_by_key(|(_, (_, buffer))| buffer.len()).map(|(index, _)| index);
            index.map(|index| free.buffers.remove(index).1)
        });
        let values = found.unwrap_or_else(|| vec![0.0; len]);
        Buffer { values, len, pool: self.clone() }
    }

    /// Values of all buffers that are free.
    #[cfg(test)]
    pub(crate) fn free_values(&self) -> usize {
        self.with(|free| free.buffers.iter().map(|(_, buffer)| buffer.len()).sum())
    }

    fn with<R>(&self, work: impl FnOnce(&mut Free) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Values of a [`Pool`], which get back to it when they are dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// At least `len`.
    values: Vec<f32>,
    len: usize,
    pool: Pool,
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        self.pool.with(|free| free.buffers.push((free.time, values)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_given_up_when_nothing_takes_it() {
        let pool = Pool::default();
        let mut first = pool.take(1000);
        first.fill(3.0);
        let place = first.as_ptr();
        drop(first);
        let again = pool.take(990);
        assert_eq!(again.as_ptr(), place);
        assert_eq!(again.len(), 990);
        drop(again);
        assert_ne!(pool.take(500).as_ptr(), place, "half of a buffer is not worth keeping the rest for");
        for _ in 0..=PATIENCE {
            pool.begin();
        }
        assert!(pool.with(|free| free.buffers.is_empty()));
    }
}
