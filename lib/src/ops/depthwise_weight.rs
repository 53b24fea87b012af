//! The gradient of the weights of a depthwise convolution.

use pulp::{Simd, WithSimd};

use super::channels_last::copy;
use super::columns::Convolution;
use super::host::Real;
use super::lines::{LANES, Lines};

/// Blocks of products whose sums are taken in their own precision before they go to f64.
const RUN: usize = 256;

/// The gradient of the weight of one output channel.
pub(super) struct WeightGradient<'a, T> {
    pub(super) sizes: &'a Convolution,
    pub(super) channel: usize,
    pub(super) x: &'a [T],
    pub(super) dy: &'a [T],
    pub(super) dw: &'a mut [T],
}

impl<T: Real> WithSimd for WeightGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let WeightGradient { sizes, channel, x, dy, dw } = self;
        let (pixels, positions, [height, width]) = (sizes.pixels(), sizes.positions(), sizes.output);
        let [tap_rows, columns] = sizes.window.kernel;
        let lines = Lines::of(&sizes.window, sizes.input, sizes.output);
        let mut values = vec![T::zero(); lines.len()];
        // The gradients, with zeros up to whole vectors.
        let padded = width.next_multiple_of(T::lanes::<S>());
        let mut room = vec![T::zero(); if padded == width { 0 } else { height * padded }];
        let mut sums = vec![0.0; dw.len()];
        let step = (RUN * LANES / padded.max(1)).max(1);
        for image in 0..sizes.batch {
            let plane = image * sizes.out_channels + channel;
            let x = &x[sizes.seen(plane) * pixels..][..pixels];
            let mut gradients = &dy[plane * positions..][..positions];
            if padded != width {
                for (to, from) in room.chunks_exact_mut(padded).zip(gradients.chunks_exact(width)) {
                    copy(&mut to[..width], from);
                }
                gradients = &room;
            }
            let gradients = Gradients { rows: gradients, padded };
            if lines.follow() && tap_rows == 3 && columns == 3 {
                for first in (0..sizes.input[0]).step_by(step) {
                    let rows = first..(first + step).min(sizes.input[0]);
                    lines.enter_rows(x, rows.clone(), &mut values);
                    gradients.add_window::<S, 3>(simd, (&lines, &values), rows, &mut sums);
                }
                continue;
            }
            lines.enter_rows(x, 0..sizes.input[0], &mut values);
            for first in (0..height).step_by(step) {
                let rows = first..(first + step).min(height);
                for tap_row in 0..tap_rows {
                    let mut tap = 0;
                    while tap < columns {
                        let element = Element { lines: &lines, rows: rows.clone(), tap_row, tap };
                        let sums = &mut sums[tap_row * columns + tap..];
                        // So many sums stay in registers.
                        tap += match columns - tap {
                            1 | 2 => element.add_sums::<S, T, 1>(simd, &values, gradients, sums),
                            3 | 4 => element.add_sums::<S, T, 3>(simd, &values, gradients, sums),
                            5 | 6 => element.add_sums::<S, T, 5>(simd, &values, gradients, sums),
                            _ => element.add_sums::<S, T, 7>(simd, &values, gradients, sums),
                        };
                    }
                }
            }
        }
        dw.iter_mut().zip(sums).for_each(|(dw, sum)| *dw = T::from_f64(sum));
    }
}

/// A plane of gradients of the output.
#[derive(Clone, Copy)]
struct Gradients<'a, T> {
    rows: &'a [T],
    /// Values of a row, which are whole vectors.
    padded: usize,
}

impl<T: Real> Gradients<'_, T> {
    #[inline(always)]
    fn row(&self, row: usize) -> &[T] {
        &self.rows[row * self.padded..][..self.padded]
    }

    /// Adds the products of gradients and pixels of some `rows` of the image to `sums`, for all of a window of `K` × `K`
    /// elements: each vector is read for all products that it is in. Only where [`Lines::follow`].
    #[allow(
        clippy::needless_range_loop,
        reason = "an iterator is not made of the vector instructions of its caller"
    )]
    #[inline(always)]
    fn add_window<S: Simd, const K: usize>(
        self,
        simd: S,
        (lines, values): (&Lines, &[T]),
        rows: std::ops::Range<usize>,
        sums: &mut [f64],
    ) {
        let (lanes, zero) = (T::lanes::<S>(), T::splat(simd, T::zero()));
        let mut products = [[zero; K]; K];
        for y in rows {
            let mut starts = [0; K];
            for tap in 0..K {
                starts[tap] = lines.start(y, tap);
            }
            // The first and the last row of the window tell whether all of it falls on rows of gradients.
            if let (Some(last), Some(_)) = (lines.output_row(y, K - 1), lines.output_row(y, 0)) {
                let gradients = &self.rows[last * self.padded..][..K * self.padded];
                let mut place = 0;
                while place < self.padded {
                    let mut of_row = [zero; K];
                    for row in 0..K {
                        of_row[row] = T::load(simd, &gradients[row * self.padded + place..][..lanes]);
                    }
                    for tap in 0..K {
                        let pixels = T::load(simd, &values[starts[tap] + place..][..lanes]);
                        for row in 0..K {
                            let gradients = of_row[K - 1 - row];
                            products[row][tap] = T::mul_add(simd, gradients, pixels, products[row][tap]);
                        }
                    }
                    place += lanes;
                }
                continue;
            }
            for row in 0..K {
                let Some(output_row) = lines.output_row(y, row) else { continue };
                let gradients = self.row(output_row);
                for place in (0..self.padded).step_by(lanes) {
                    let gradients = T::load(simd, &gradients[place..][..lanes]);
                    for tap in 0..K {
                        let pixels = T::load(simd, &values[starts[tap] + place..][..lanes]);
                        products[row][tap] = T::mul_add(simd, gradients, pixels, products[row][tap]);
                    }
                }
            }
        }
        for row in 0..K {
            for tap in 0..K {
                sums[row * K + tap] += T::reduce(simd, products[row][tap]).to_f64();
            }
        }
    }
}

/// An element of the window and some rows of outputs.
struct Element<'a> {
    lines: &'a Lines,
    rows: std::ops::Range<usize>,
    tap_row: usize,
    tap: usize,
}

impl Element<'_> {
    /// Adds the products of gradients and pixels to `sums`, for this element and those right of it, `N` in all. Gives
    /// `N`.
    #[allow(
        clippy::needless_range_loop,
        reason = "an iterator is not made of the vector instructions of its caller"
    )]
    #[inline(always)]
    fn add_sums<S: Simd, T: Real, const N: usize>(
        self,
        simd: S,
        values: &[T],
        gradients: Gradients<'_, T>,
        sums: &mut [f64],
    ) -> usize {
        let Element { lines, rows, tap_row, tap } = self;
        let mut products = [T::splat(simd, T::zero()); N];
        for row in rows {
            let Some(pixel_row) = lines.row(row, tap_row) else { continue };
            let gradients = gradients.row(row);
            let mut starts = [0; N];
            for n in 0..N {
                starts[n] = lines.start(pixel_row, tap + n);
            }
            for (index, gradients) in gradients.chunks_exact(T::lanes::<S>()).enumerate() {
                let gradients = T::load(simd, gradients);
                for n in 0..N {
                    let pixels = T::load(simd, &values[starts[n] + index * T::lanes::<S>()..]);
                    products[n] = T::mul_add(simd, gradients, pixels, products[n]);
                }
            }
        }
        for n in 0..N {
            sums[n] += T::reduce(simd, products[n]).to_f64();
        }
        N
    }
}
