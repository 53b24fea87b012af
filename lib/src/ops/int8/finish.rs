//! What becomes of finished sums, and the place where it goes.

use std::marker::PhantomData;

use super::dot::Dot;
use super::round::Clamp;

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

    /// Writes the first `count` of some lanes, all if they are fewer, at `place`.
    ///
    /// # Safety
    /// No other thread may use these places meanwhile.
    #[inline(always)]
    unsafe fn write_lanes(&self, place: usize, from: &[T; LANES], count: usize) {
        let count = count.min(LANES);
        assert!(place <= self.len && count <= self.len - place, "a result reaches over its values");
        // SAFETY: they lie inside, by the check, and are this thread's alone.
        unsafe {
            let to = self.start.add(place);
            if count == LANES {
                // A single store, where a copy of some length would be a call.
                to.cast::<[T; LANES]>().write_unaligned(*from);
            } else {
                for (lane, &value) in from[..count].iter().enumerate() {
                    to.add(lane).write(value);
                }
            }
        }
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

/// The widest panel of any CPU, in sums.
pub(super) const WIDEST: usize = 32;
/// Sums that are finished at a time; panels hold whole numbers of them.
pub(super) const LANES: usize = 8;

impl Finish<'_> {
    /// Finishes the first `count` sums of a row and writes them at `place`. Sums and multipliers have room for whole lanes.
    /// The CPU must have the instructions of `D`.
    ///
    /// # Safety
    /// No other thread may use these places meanwhile.
    #[inline(always)]
    pub(super) unsafe fn finish<D: Dot>(&self, sums: &[i32], multiplier: &[f32], place: usize, count: usize) {
        let mut first = 0;
        while first < count {
            let (Some(sums), Some(multiplier)) =
                (sums[first..].first_chunk::<LANES>(), multiplier[first..].first_chunk::<LANES>())
            else {
                return;
            };
            let (to, count) = (place + first, count - first);
            // SAFETY: the caller answers for the places and the instructions.
            unsafe {
                match self {
                    Finish::Steps { clamp, y } => {
                        y.write_lanes(to, &D::round(sums, multiplier, *clamp), count);
                    }
                    Finish::Floats { y } => {
                        let mut numbers = [0.0; LANES];
                        for lane in 0..LANES {
                            numbers[lane] = sums[lane] as f32 * multiplier[lane];
                        }
                        y.write_lanes(to, &numbers, count);
                    }
                }
            }
            first += LANES;
        }
    }
}
