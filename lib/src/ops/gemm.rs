use gemm::Parallelism;

use super::host::Real;

/// A matrix inside a slice. Transposing one only swaps its strides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a, T> {
    pub(super) values: &'a [T],
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Values from a row to the next, and from a column to the next.
    pub(super) strides: [usize; 2],
}

impl<'a, T> Matrix<'a, T> {
    /// A matrix whose rows follow each other.
    pub(super) fn packed(values: &'a [T], rows: usize, columns: usize) -> Matrix<'a, T> {
        Matrix { values, rows, columns, strides: [columns, 1] }
    }

    /// Some of its rows.
    pub(super) fn rows(self, rows: std::ops::Range<usize>) -> Matrix<'a, T> {
        let start = (rows.start * self.strides[0]).min(self.values.len());
        Matrix { values: &self.values[start..], rows: rows.len(), ..self }
    }

    pub(super) fn transposed(self) -> Matrix<'a, T> {
        let [row, column] = self.strides;
        Matrix { rows: self.columns, columns: self.rows, strides: [column, row], ..self }
    }
}

/// Whether a product replaces what is in its place or is added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Update {
    Replace,
    Add,
}

/// Whether a product may use all threads or only the one it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    One,
    All,
}

/// `left · right` into `out`, whose rows lie `row_stride` values apart.
///
/// # Panics
/// If the sizes do not fit each other or a matrix reaches over its slice: a fault of the caller's.
pub(super) fn multiply<T: Real>(
    out: &mut [T],
    row_stride: usize,
    update: Update,
    left: Matrix<T>,
    right: Matrix<T>,
    threads: Threads,
) {
    assert_eq!(left.columns, right.rows, "the inner sizes of a matrix product differ");
    let [rows, columns, inner] = [left.rows, right.columns, left.columns];
    let reach = |rows: usize, columns: usize, [row, column]: [usize; 2]| {
        if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row + (columns - 1) * column + 1 }
    };
    assert!(reach(rows, columns, [row_stride, 1]) <= out.len(), "a matrix product reaches over its output");
    assert!(rows <= 1 || row_stride >= columns, "the rows of a matrix product overlap");
    for matrix in [&left, &right] {
        let reach = reach(matrix.rows, matrix.columns, matrix.strides);
        assert!(reach <= matrix.values.len(), "a matrix reaches over its values");
    }
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(0),
    };
    // SAFETY: T is f32 or f64, which gemm knows. By the checks above every element it reads or writes
    // lies inside the three slices, no element of `out` is written twice, and `out`, borrowed mutably,
    // overlaps neither input.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            row_stride as isize,
            update == Update::Add,
            left.values.as_ptr(),
            left.strides[1] as isize,
            left.strides[0] as isize,
            right.values.as_ptr(),
            right.strides[1] as isize,
            right.strides[0] as isize,
            T::one(),
            T::one(),
            false,
            false,
            false,
            parallelism,
        );
    }
}
