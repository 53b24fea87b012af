//! Convolutions from or to few channels, on images as they lie: the few planes are cut into [`Lines`], and the sums of
//! some outputs of some channels stay in registers while a thread goes through all that lies under their windows. A
//! vector holds pixels of a row. So nothing is brought to channels last and back, which would take longer than the
//! arithmetic.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::buffer::Pool;
use super::columns::Convolution;
use super::host::filled;
use super::lanes::Lanes;
use super::lines::Lines;
use super::simd::dispatch;

/// The few channels, at most.
const FEW: usize = 4;
/// Output channels at a time where there are many.
const OUTPUTS: usize = 8;
/// Outputs of a row that are worth a vector.
const WIDTH: usize = 16;

impl Convolution {
    fn takes_few(&self) -> bool {
        self.groups == 1 && self.in_channels <= FEW && !self.is_pointwise()
    }

    /// The output, plus `bias`, where that is fast.
    pub(super) fn planes_forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Option<Vec<f32>> {
        if !self.takes_few() || self.output[1] < WIDTH || !self.out_channels.is_multiple_of(OUTPUTS) {
            return None;
        }
        let lines = Lines::of(&self.window, self.input, self.output);
        let pixels = self.input[0] * self.input[1];
        let mut values = Pool::of_operators().take(self.batch * self.in_channels * lines.len());
        let planes = values.par_chunks_mut(lines.len()).zip(x.par_chunks(pixels));
        planes
            .with_min_len(4)
            .for_each(|(lines_of, x)| dispatch(Enter { lines: &lines, x, values: lines_of }));

        let [rows, columns] = self.window.kernel;
        let source = Source { lines: &lines, planes: self.in_channels };
        let depth = self.depth();
        let mut packed = vec![0.0; self.out_channels * depth];
        for (block, packed) in packed.chunks_exact_mut(OUTPUTS * depth).enumerate() {
            source.pack(rows, columns, OUTPUTS, packed, |out, channel, tap| {
                weight[((block * OUTPUTS + out) * self.in_channels + channel) * rows * columns + tap]
            });
        }
        let offsets = source.offsets(rows, columns);
        let blocks = self.out_channels / OUTPUTS;
        let image_len = self.in_channels * lines.len();
        let some = |index: usize, y: &mut [f32]| {
            let (image, block) = (index / blocks, index % blocks);
            dispatch(Outputs::<OUTPUTS> {
                source,
                values: &values[image * image_len..][..image_len],
                offsets: &offsets,
                columns,
                weight: &packed[block * OUTPUTS * depth..][..OUTPUTS * depth],
                bias: bias.map(|bias| &bias[block * OUTPUTS..][..OUTPUTS]),
                y,
            });
        };
        Some(filled(self.batch * self.output_len(), OUTPUTS * self.positions(), some).0)
    }

    /// The gradient of the input where that of the output is `dy`, where that is fast.
    pub(super) fn planes_input_gradient(&self, weight: &[f32], dy: &[f32]) -> Option<Vec<f32>> {
        if !self.takes_few() || self.input[1] < WIDTH || self.batch < 2 {
            return None;
        }
        let lines = Lines::turned(&self.window, self.input, self.output)?;
        let [rows, columns] = self.window.kernel;
        let taps = rows * columns;
        let source = Source { lines: &lines, planes: self.out_channels };
        let mut packed = vec![0.0; FEW * self.out_channels * taps];
        source.pack(rows, columns, FEW, &mut packed, |channel, out, tap| match channel < self.in_channels {
            true => weight[(out * self.in_channels + channel) * taps + taps - 1 - tap],
            false => 0.0,
        });
        let offsets = source.offsets(rows, columns);
        let (pool, positions, output_len) = (Pool::of_operators(), self.positions(), self.output_len());
        let image = |index: usize, dx: &mut [f32]| {
            let mut values = pool.take(self.out_channels * lines.len());
            let dy = &dy[index * output_len..][..output_len];
            for (values, dy) in values.chunks_exact_mut(lines.len()).zip(dy.chunks_exact(positions)) {
                dispatch(Enter { lines: &lines, x: dy, values });
            }
            let values = &values[..];
            let weight = &packed[..];
            dispatch(Outputs::<FEW> {
                source,
                values,
                offsets: &offsets,
                columns,
                weight,
                bias: None,
                y: dx,
            });
        };
        Some(filled(self.batch * self.image_len(), self.image_len(), image).0)
    }
}

/// Cuts a plane.
struct Enter<'a> {
    lines: &'a Lines,
    x: &'a [f32],
    values: &'a mut [f32],
}

impl WithSimd for Enter<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.lines.enter(self.x, 0.0, self.values);
    }
}

/// Planes that follow each other, cut into lines. What lies under a window goes by rows of the window, then planes, then
/// columns: then the rows that fall on the image follow each other.
#[derive(Clone, Copy)]
struct Source<'a> {
    lines: &'a Lines,
    planes: usize,
}

impl Source<'_> {
    /// Weights as they are multiplied, `outputs` beside each other for each value under a window; `weight` tells that of
    /// an output, a plane and an element of the window.
    fn pack(
        &self,
        rows: usize,
        columns: usize,
        outputs: usize,
        packed: &mut [f32],
        weight: impl Fn(usize, usize, usize) -> f32,
    ) {
        let mut packed = packed.chunks_exact_mut(outputs);
        for tap_row in 0..rows {
            for plane in 0..self.planes {
                for (tap, packed) in (tap_row * columns..).zip(packed.by_ref().take(columns)) {
                    for (output, value) in packed.iter_mut().enumerate() {
                        *value = weight(output, plane, tap);
                    }
                }
            }
        }
    }

    /// Where what lies under a window is, from the base of a row of outputs on.
    fn offsets(&self, rows: usize, columns: usize) -> Vec<usize> {
        let mut offsets = Vec::with_capacity(rows * self.planes * columns);
        for tap_row in 0..rows {
            for plane in 0..self.planes {
                let start = plane * self.lines.len();
                offsets.extend((0..columns).map(|tap| start + self.lines.offset(tap_row, tap)));
            }
        }
        offsets
    }
}

/// The outputs of up to `N` channels of an image.
struct Outputs<'a, const N: usize> {
    source: Source<'a>,
    values: &'a [f32],
    offsets: &'a [usize],
    /// Of the window.
    columns: usize,
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    y: &'a mut [f32],
}

impl<const N: usize> WithSimd for Outputs<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Outputs { source: Source { lines, planes }, values, offsets, columns, weight, bias, y } = self;
        let [height, width] = lines.output_size();
        let vectors = width.div_ceil(S::F32_LANES);
        let weight = weight.as_chunks::<N>().0;
        for row in 0..height {
            let taps = lines.tap_rows(row);
            let depths = taps.start * planes * columns..taps.end * planes * columns;
            let under = Under { values, base: lines.base(row), offsets: &offsets[depths.clone()] };
            let weight = &weight[depths];
            let mut out = Row { y: &mut *y, plane: height * width, start: row * width, width, bias };
            let mut first = 0;
            while first < vectors {
                // Registers hold so many sums, and pieces of about one size are best.
                let most = if S::REGISTER_COUNT >= 32 || N <= FEW { 3 } else { 1 };
                let count = match vectors - first {
                    2 | 4 => most.min(2),
                    1 => 1,
                    _ => most,
                };
                let at = first * S::F32_LANES;
                match count {
                    1 => out.put(simd, at, under.sums::<S, N, 1>(simd, at, weight)),
                    2 => out.put(simd, at, under.sums::<S, N, 2>(simd, at, weight)),
                    _ => out.put(simd, at, under.sums::<S, N, 3>(simd, at, weight)),
                }
                first += count;
            }
        }
    }
}

/// What lies under the windows of a row of outputs.
struct Under<'a> {
    values: &'a [f32],
    base: usize,
    offsets: &'a [usize],
}

impl Under<'_> {
    /// The sums of `VECTORS` vectors of outputs from `at` on, for `N` channels.
    #[allow(
        clippy::needless_range_loop,
        reason = "an iterator is not made of the vector instructions of its caller"
    )]
    #[inline(always)]
    fn sums<S: Simd, const N: usize, const VECTORS: usize>(
        &self,
        simd: S,
        at: usize,
        weight: &[[f32; N]],
    ) -> [[S::f32s; VECTORS]; N] {
        let zero = simd.splat_f32s(0.0);
        let mut sums = [[zero; VECTORS]; N];
        let base = self.base.wrapping_add(at);
        for depth in 0..self.offsets.len().min(weight.len()) {
            let start = self.offsets[depth].wrapping_add(base);
            let pixels = S::as_simd_f32s(&self.values[start..start + VECTORS * S::F32_LANES]).0;
            let mut right = [zero; VECTORS];
            right.copy_from_slice(&pixels[..VECTORS]);
            for n in 0..N {
                let weight = simd.splat_f32s(weight[depth][n]);
                for vector in 0..VECTORS {
                    sums[n][vector] = simd.mul_add_f32s(weight, right[vector], sums[n][vector]);
                }
            }
        }
        sums
    }
}

/// A row of outputs.
struct Row<'a> {
    /// Of all channels.
    y: &'a mut [f32],
    plane: usize,
    start: usize,
    width: usize,
    bias: Option<&'a [f32]>,
}

impl Row<'_> {
    #[allow(
        clippy::needless_range_loop,
        reason = "an iterator is not made of the vector instructions of its caller"
    )]
    #[inline(always)]
    fn put<S: Simd, const N: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        at: usize,
        sums: [[S::f32s; VECTORS]; N],
    ) {
        for n in 0..N.min(self.y.len() / self.plane) {
            let row = &mut self.y[n * self.plane + self.start..][..self.width];
            for vector in 0..VECTORS {
                let sum = match self.bias {
                    Some(bias) => simd.add_f32s(sums[n][vector], simd.splat_f32s(bias[n])),
                    None => sums[n][vector],
                };
                f32::store(simd, sum, &mut row[at + vector * S::F32_LANES..]);
            }
        }
    }
}
