//! What becomes of finished sums, and the place where it goes.

use std::marker::PhantomData;

use super::round::{Clamp, round_within};

/// Values that several threads write, each its own.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    values: PhantomData<&'a mut [T]>,
}

// SAFETY: they are plain values, borrowed mutably for as long as this lives; who writes answers for writing apart.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T: Copy> Shared<'a, T> {
    pub(super) fn new(values: &'a mut [T]) -> Shared<'a, T> {
        Shared { start: values.as_mut_ptr(), len: values.len(), values: PhantomData }
    }

    /// Writes `from` at `place`.
    ///
    /// # Safety
    /// No other thread may use these places meanwhile.
    #[inline(always)]
    pub(super) unsafe fn write(&self, place: usize, from: &[T]) {
        assert!(place <= self.len && from.len() <= self.len - place, "a result reaches over its values");
        // SAFETY: it lies inside, by the check, and is this thread's alone.
        unsafe { self.start.add(place).copy_from_nonoverlapping(from.as_ptr(), from.len()) };
    }
}

/// What becomes of sums.
#[derive(Clone, Copy)]
pub(super) enum Finish<'a> {
    /// Steps of the output.
    Steps { clamp: Clamp, y: Shared<'a, u8> },
    /// Numbers.
    Floats { y: Shared<'a, f32> },
}

/// Sums of a row that are finished at a time, at most: a panel's.
pub(super) const WIDEST: usize = 32;

impl Finish<'_> {
    /// Finishes some sums of a row, whose multipliers are given, and writes the first `count` at `place`.
    ///
    /// # Safety
    /// No other thread may use these places meanwhile.
    #[inline(always)]
    pub(super) unsafe fn finish(&self, sums: &[i32], multiplier: &[f32], place: usize, count: usize) {
        let sums = &sums[..sums.len().min(WIDEST)];
        let multiplier = &multiplier[..sums.len()];
        // SAFETY: the caller answers for the places.
        match self {
            Finish::Steps { clamp, y } => {
                let mut steps = [0; WIDEST];
                for lane in 0..sums.len() {
                    steps[lane] = round_within(sums[lane] as f32 * multiplier[lane], *clamp);
                }
                unsafe { y.write(place, &steps[..count]) }
            }
            Finish::Floats { y } => {
                let mut numbers = [0.0; WIDEST];
                for lane in 0..sums.len() {
                    numbers[lane] = sums[lane] as f32 * multiplier[lane];
                }
                unsafe { y.write(place, &numbers[..count]) }
            }
        }
    }
}
