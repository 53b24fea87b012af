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

/// The right matrix, (depth, columns), in panels of [`panel`] columns.
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

/// How many rows, how deep, and how many panels.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) rows: usize,
    pub(super) depth: usize,
    pub(super) panels: usize,
}

/// The columns of a panel: two vectors.
pub(super) const fn panel<S: Simd>() -> usize {
    2 * S::F32_LANES
}

/// The rows of a block: with two vectors each they fill the registers but for those of one step.
pub(super) const fn block_rows<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 14 } else { 6 }
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
    let Sizes { rows, depth, panels } = sizes;
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
            last(right.strides, [depth, panels]) + panel::<S>() <= right.values.len(),
            "the right matrix reaches over its values"
        );
    }
    assert!(
        last([out.stride, panel::<S>()], [rows, panels]) + panel::<S>() <= out.values.len(),
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
                let c = c.add(row * out.stride + index * panel::<S>());
                let block = Block {
                    depth,
                    a,
                    a_strides: left.strides,
                    b,
                    b_stride: right.strides[0],
                    c,
                    c_stride: out.stride,
                };
                match count {
                    1 => block.run::<S, 1>(simd, update),
                    2 => block.run::<S, 2>(simd, update),
                    3 => block.run::<S, 3>(simd, update),
                    4 => block.run::<S, 4>(simd, update),
                    5 => block.run::<S, 5>(simd, update),
                    6 => block.run::<S, 6>(simd, update),
                    7 => block.run::<S, 7>(simd, update),
                    8 => block.run::<S, 8>(simd, update),
                    9 => block.run::<S, 9>(simd, update),
                    10 => block.run::<S, 10>(simd, update),
                    11 => block.run::<S, 11>(simd, update),
                    12 => block.run::<S, 12>(simd, update),
                    13 => block.run::<S, 13>(simd, update),
                    _ => block.run::<S, 14>(simd, update),
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
    /// `ROWS` rows of `a`, one panel of `b`, both `depth` deep, and `ROWS` rows of one panel of `c` must lie in their
    /// allocations, `c` overlapping nothing else.
    #[allow(
        clippy::needless_range_loop,
        reason = "an iterator is not made of the vector instructions of its caller"
    )]
    #[inline(always)]
    unsafe fn run<S: Simd, const ROWS: usize>(self, simd: S, update: Update) {
        let zero = simd.splat_f32s(0.0);
        let mut sums = [[zero; 2]; ROWS];
        // SAFETY: every place is one of those that the caller answers for. Vectors are read and written as `S::f32s`,
        // which is plain data, without asking for alignment.
        unsafe {
            for k in 0..self.depth {
                let b = self.b.add(k * self.b_stride);
                let left = b.cast::<S::f32s>().read_unaligned();
                let right = b.add(S::F32_LANES).cast::<S::f32s>().read_unaligned();
                let a = self.a.add(k * self.a_strides[1]);
                for row in 0..ROWS {
                    let a = simd.splat_f32s(*a.add(row * self.a_strides[0]));
                    sums[row][0] = simd.mul_add_f32s(a, left, sums[row][0]);
                    sums[row][1] = simd.mul_add_f32s(a, right, sums[row][1]);
                }
            }
            for row in 0..ROWS {
                for half in 0..2 {
                    let c = self.c.add(row * self.c_stride + half * S::F32_LANES).cast::<S::f32s>();
                    let sum = match update {
                        Update::Replace => sums[row][half],
                        Update::Add => simd.add_f32s(c.read_unaligned(), sums[row][half]),
                    };
                    c.write_unaligned(sum);
                }
            }
        }
    }
}
