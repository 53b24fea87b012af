//! The innermost product of matrices: a block of the output that stays in the CPU's registers.

use pulp::Simd;

use super::gemm::Update;

/// The left matrix, (rows, depth).
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) values: &'a [f32],
    /// Values from a row to the next, and from a depth to the next.
    pub(super) strides: [usize; 2],
}

/// The right matrix, (depth, columns), in panels.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub(super) values: &'a [f32],
    /// Values from a depth to the next, and from a panel to the next.
    pub(super) strides: [usize; 2],
}

/// The output, whose rows lie `stride` values apart.
pub(super) struct Out<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) stride: usize,
}

/// How many rows, how deep, and how many panels of so many columns.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) rows: usize,
    pub(super) depth: usize,
    pub(super) panels: usize,
    pub(super) panel: usize,
}

/// The columns of a panel of a matrix with so many columns: two vectors, or one where that holds them all.
pub(super) const fn panel<S: Simd>(columns: usize) -> usize {
    if columns <= S::F32_LANES { S::F32_LANES } else { 2 * S::F32_LANES }
}

/// The rows of a block: with two vectors each they fill the registers but for those of one step.
pub(super) const fn block_rows<S: Simd>() -> usize {
    if few_registers::<S>() { 6 } else { 14 }
}

/// Whether a block is so small that its loop and its way to memory show.
const fn few_registers<S: Simd>() -> bool {
    S::REGISTER_COUNT < 32
}

/// Asks for the memory of `len` values, at most two cache lines, which will be written after the product.
#[inline(always)]
fn soon_written(values: *const f32, len: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 CPU has the instruction, which reads nothing and may be given any address.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(values.cast());
            _mm_prefetch::<_MM_HINT_T0>(values.wrapping_add(len - 1).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, len);
}

/// `left · right` into `out`, in f32.
///
/// # Panics
/// If a matrix reaches over its values: a fault of the caller's.
#[inline(always)]
pub(super) fn product<S: Simd>(
    simd: S,
    sizes: Sizes,
    left: Left<'_>,
    right: Right<'_>,
    out: Out<'_>,
    update: Update,
) {
    let Sizes { rows, depth, panels, panel } = sizes;
    assert!(panel == S::F32_LANES || panel == 2 * S::F32_LANES, "a panel is one vector wide or two");
    if rows == 0 || panels == 0 {
        return;
    }
    let last = |[a, b]: [usize; 2], [rows, columns]: [usize; 2]| (rows - 1) * a + (columns - 1) * b;
    if depth > 0 {
        assert!(
            last(left.strides, [rows, depth]) < left.values.len(),
            "the left matrix reaches over its values"
        );
        assert!(
            last(right.strides, [depth, panels]) + panel <= right.values.len(),
            "the right matrix reaches over its values"
        );
    }
    assert!(
        last([out.stride, panel], [rows, panels]) + panel <= out.values.len(),
        "the product reaches over its output"
    );
    let (a, b, c) = (left.values.as_ptr(), right.values.as_ptr(), out.values.as_mut_ptr());
    for index in 0..panels {
        let mut row = 0;
        while row < rows {
            let count = (rows - row).min(block_rows::<S>());
            // SAFETY: the block lies in the matrices, whose ends were checked above.
            unsafe {
                let a = a.add(row * left.strides[0]);
                let b = b.add(index * right.strides[1]);
                let c = c.add(row * out.stride + index * panel);
                let block = Block {
                    depth,
                    a,
                    a_strides: left.strides,
                    b,
                    b_stride: right.strides[0],
                    c,
                    c_stride: out.stride,
                };
                if panel == S::F32_LANES {
                    block.run_rows::<S, 1>(simd, update, count);
                } else {
                    block.run_rows::<S, 2>(simd, update, count);
                }
            }
            row += count;
        }
    }
}

/// Where a block lies.
struct Block {
    depth: usize,
    a: *const f32,
    a_strides: [usize; 2],
    b: *const f32,
    b_stride: usize,
    c: *mut f32,
    c_stride: usize,
}

impl Block {
    /// # Safety
    /// That of [`Block::run`], for `rows` rows, of which there are 1 to 14.
    #[inline(always)]
    unsafe fn run_rows<S: Simd, const VECTORS: usize>(self, simd: S, update: Update, rows: usize) {
        macro_rules! run {
            ($($rows:literal)*) => {
                match rows {
                    // SAFETY: the caller answers for so many rows.
                    $($rows => unsafe { self.run::<S, $rows, VECTORS>(simd, update) },)*
                    _ => {}
                }
            };
        }
        run!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }

    /// # Safety
    /// `ROWS` rows of `a`, one panel of `VECTORS` vectors of `b`, both `depth` deep, and `ROWS` rows of one panel of `c`
    /// must lie in their allocations, `c` overlapping nothing else.
    #[allow(
        clippy::needless_range_loop,
        reason = "an iterator is not made of the vector instructions of its caller"
    )]
    #[inline(always)]
    unsafe fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, simd: S, update: Update) {
        let zero = simd.splat_f32s(0.0);
        let mut sums = [[zero; VECTORS]; ROWS];
        // SAFETY: every place is one of those that the caller answers for. Vectors are read and written as `S::f32s`,
        // which is plain data, without asking for alignment.
        unsafe {
            if few_registers::<S>() {
                for row in 0..ROWS {
                    soon_written(self.c.add(row * self.c_stride), VECTORS * S::F32_LANES);
                }
            }
            let (mut a, mut b) = (self.a, self.b);
            macro_rules! step {
                ($k:literal) => {{
                    let b = b.add($k * self.b_stride);
                    let mut right = [zero; VECTORS];
                    for vector in 0..VECTORS {
                        right[vector] = b.add(vector * S::F32_LANES).cast::<S::f32s>().read_unaligned();
                    }
                    let a = a.add($k * self.a_strides[1]);
                    for row in 0..ROWS {
                        let a = simd.splat_f32s(*a.add(row * self.a_strides[0]));
                        for vector in 0..VECTORS {
                            sums[row][vector] = simd.mul_add_f32s(a, right[vector], sums[row][vector]);
                        }
                    }
                }};
            }
            let mut left = self.depth;
            while few_registers::<S>() && left >= 4 {
                step!(0);
                step!(1);
                step!(2);
                step!(3);
                (a, b) = (a.wrapping_add(4 * self.a_strides[1]), b.wrapping_add(4 * self.b_stride));
                left -= 4;
            }
            for _ in 0..left {
                step!(0);
                (a, b) = (a.wrapping_add(self.a_strides[1]), b.wrapping_add(self.b_stride));
            }
            for row in 0..ROWS {
                for vector in 0..VECTORS {
                    let c = self.c.add(row * self.c_stride + vector * S::F32_LANES).cast::<S::f32s>();
                    let sum = match update {
                        Update::Replace => sums[row][vector],
                        Update::Add => simd.add_f32s(c.read_unaligned(), sums[row][vector]),
                    };
                    c.write_unaligned(sum);
                }
            }
        }
    }
}
