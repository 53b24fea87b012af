//! The innermost product: a block of sums that stays in the CPU's registers.

use super::dot::Dot;

/// Vectors of a panel of weights, at most.
pub(super) const VECTORS: usize = 2;

/// Sums of a block, whatever the CPU.
pub(super) const BLOCK: usize = 14 * VECTORS * 16;

/// A block: rows of activations times one panel of weights.
pub(super) struct Block<D: Dot> {
    /// Depths, in runs of `D::STEP`.
    pub(super) runs: usize,
    /// The activations of the first row.
    pub(super) x: *const D::X,
    /// Activations from a row to the next.
    pub(super) stride: usize,
    /// The panel: for each run so many vectors.
    pub(super) panel: *const D::W,
    /// What the sums begin with, in each row.
    pub(super) start: *const i32,
    /// The sums, row after row.
    pub(super) sums: *mut i32,
    /// Sums from a row to the next.
    pub(super) sums_stride: usize,
}

impl<D: Dot> Block<D> {
    /// Multiplies `rows` rows, 1 to `D::ROWS`, with `vectors` vectors, 1 or 2.
    ///
    /// # Safety
    /// The CPU must have the instructions of `D`. Rows, panel, starts and sums must lie in their allocations, the sums
    /// overlapping nothing else.
    #[inline(always)]
    pub(super) unsafe fn multiply(&self, rows: usize, vectors: usize) {
        macro_rules! run {
            ($($rows:literal)*) => {
                match rows {
                    // SAFETY: the caller answers for so many rows and vectors.
                    $($rows if $rows <= D::ROWS => unsafe {
                        if vectors == 1 { self.run::<$rows, 1>() } else { self.run::<$rows, 2>() }
                    },)*
                    _ => {}
                }
            };
        }
        run!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }

    /// # Safety
    /// That of [`Block::multiply`].
    #[allow(
        clippy::needless_range_loop,
        reason = "an iterator is not made of the vector instructions of its caller"
    )]
    #[inline(always)]
    unsafe fn run<const ROWS: usize, const VECTORS: usize>(&self) {
        // SAFETY: every place is one of those that the caller answers for.
        unsafe {
            let mut start = [D::load(self.start); VECTORS];
            for vector in 1..VECTORS {
                start[vector] = D::load(self.start.add(vector * D::LANES));
            }
            let mut sums = [start; ROWS];
            for run in 0..self.runs {
                let panel = self.panel.add(run * VECTORS * D::LANES * D::STEP);
                let mut weights = [D::weights(panel); VECTORS];
                for vector in 1..VECTORS {
                    weights[vector] = D::weights(panel.add(vector * D::LANES * D::STEP));
                }
                let x = self.x.add(run * D::STEP);
                for row in 0..ROWS {
                    let x = D::splat(x.add(row * self.stride));
                    for vector in 0..VECTORS {
                        sums[row][vector] = D::dot(sums[row][vector], x, weights[vector]);
                    }
                }
            }
            for row in 0..ROWS {
                for vector in 0..VECTORS {
                    D::store(sums[row][vector], self.sums.add(row * self.sums_stride + vector * D::LANES));
                }
            }
        }
    }
}
