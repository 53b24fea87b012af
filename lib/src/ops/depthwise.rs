//! Convolutions whose output channels each see one input channel: no matrix is worth building, each row of the
//! output is the sum of shifted rows of the input.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::columns::Convolution;
use super::host::{Real, filled};
use super::lines::{LANES, Lines};
use super::simd::dispatch;

/// Pixels that a thread takes at a time, about.
const PIXELS: usize = 16 * 1024;
/// Rows of outputs that go together.
const ROWS: usize = 4;
/// Blocks of products whose sums are taken in their own precision before they go to f64.
const RUN: usize = 256;

impl Convolution {
    pub(super) fn is_depthwise(&self) -> bool {
        self.in_channels == self.groups
    }

    fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// The pixels of an input plane.
    fn pixels(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// The input plane that an output plane sees.
    fn seen(&self, output_plane: usize) -> usize {
        let (image, channel) = (output_plane / self.out_channels, output_plane % self.out_channels);
        image * self.in_channels + channel / self.group_outputs()
    }

    pub(super) fn depthwise_forward<T: Real>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let group = (PIXELS / self.positions().max(1)).max(1);
        let len = self.batch * self.output_len();
        let planes = |index, y: &mut [T]| {
            dispatch(Forward { sizes: self, first: index * group, x, weight, bias, y });
        };
        filled(len, group * self.positions(), planes).0
    }

    pub(super) fn depthwise_input_gradient<T: Real>(&self, weight: &[T], dy: &[T]) -> Vec<T> {
        let group = (PIXELS / self.pixels().max(1)).max(1);
        let len = self.batch * self.image_len();
        let planes = |index, dx: &mut [T]| {
            dispatch(InputGradient { sizes: self, first: index * group, weight, dy, dx });
        };
        filled(len, group * self.pixels(), planes).0
    }

    /// Each channel goes through the images in order, so that the sums do not depend on the threads.
    pub(super) fn depthwise_weight_gradient<T: Real>(&self, x: &[T], dy: &[T]) -> Vec<T> {
        let mut dw = vec![T::zero(); self.out_channels * self.taps()];
        dw.par_chunks_mut(self.taps().max(1)).enumerate().for_each(|(channel, dw)| {
            dispatch(WeightGradient { sizes: self, channel, x, dy, dw });
        });
        dw
    }
}

/// Some planes of the output, from number `first`.
struct Forward<'a, T> {
    sizes: &'a Convolution,
    first: usize,
    x: &'a [T],
    weight: &'a [T],
    bias: Option<&'a [T]>,
    y: &'a mut [T],
}

impl<T: Real> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Forward { sizes, first, x, weight, bias, y } = self;
        let (pixels, taps) = (sizes.pixels(), sizes.taps());
        let lines = Lines::of(&sizes.window, sizes.input, sizes.output);
        let mut values = vec![T::zero(); lines.len()];
        let mut entered = None;
        for (index, y) in y.chunks_exact_mut(sizes.positions()).enumerate() {
            let (channel, seen) = ((first + index) % sizes.out_channels, sizes.seen(first + index));
            if entered != Some(seen) {
                lines.enter(&x[seen * pixels..][..pixels], T::zero(), &mut values);
                entered = Some(seen);
            }
            y.fill(bias.map_or(T::zero(), |bias| bias[channel]));
            let weight = &weight[channel * taps..][..taps];
            add_plane(simd, (&lines, &values), sizes.window.kernel[1], weight, Turn::No, y);
        }
    }
}

/// Whether the window is turned by half.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    No,
    Half,
}

/// The convolution of a plane that was cut into lines, added to `y`. The window is `columns` wide.
#[inline(always)]
fn add_plane<S: Simd, T: Real>(
    simd: S,
    (lines, values): (&Lines, &[T]),
    columns: usize,
    weight: &[T],
    turn: Turn,
    y: &mut [T],
) {
    let of_element =
        |number: usize| weight[if turn == Turn::Half { weight.len() - 1 - number } else { number }];
    let width = lines.output_width();
    // Of each element of the window in a row of outputs: where its pixels begin, and its weight.
    let mut taps: Vec<(usize, T)> = Vec::with_capacity(weight.len());
    let mut row = 0;
    while row * width < y.len() {
        if let Some(pixel_row) = lines.rows_inside(row, ROWS) {
            let rows = &mut y[row * width..(row + ROWS) * width];
            let done = match (weight.len() / columns, columns) {
                (3, 3) => add_rows::<S, T, 3>(simd, (lines, values), pixel_row, of_element, rows),
                (5, 5) => add_rows::<S, T, 5>(simd, (lines, values), pixel_row, of_element, rows),
                (7, 7) => add_rows::<S, T, 7>(simd, (lines, values), pixel_row, of_element, rows),
                _ => false,
            };
            if done {
                row += ROWS;
                continue;
            }
        }
        taps.clear();
        for (tap_row, pixel_row) in lines.rows(row) {
            for tap in 0..columns {
                taps.push((lines.start(pixel_row, tap), of_element(tap_row * columns + tap)));
            }
        }
        for (index, y) in y[row * width..][..width].chunks_mut(T::lanes::<S>()).enumerate() {
            let first = index * T::lanes::<S>();
            let mut sums = T::load(simd, y);
            for &(start, weight) in &taps {
                let pixels = T::load(simd, &values[start + first..]);
                sums = T::mul_add(simd, T::splat(simd, weight), pixels, sums);
            }
            T::store(simd, sums, y);
        }
        row += 1;
    }
}

/// [`ROWS`] rows of outputs `y` whose windows, of `K` × `K` elements, lie on the image: a vector of pixels goes into all
/// of them that see it. Gives true.
#[allow(
    clippy::needless_range_loop,
    reason = "an iterator is not made of the vector instructions of its caller"
)]
#[inline(always)]
fn add_rows<S: Simd, T: Real, const K: usize>(
    simd: S,
    (lines, values): (&Lines, &[T]),
    pixel_row: usize,
    weight: impl Fn(usize) -> T,
    y: &mut [T],
) -> bool {
    let (width, lanes) = (lines.output_width(), T::lanes::<S>());
    let mut weights = [[T::zero(); K]; K];
    let mut starts = [0; K];
    for tap in 0..K {
        starts[tap] = lines.start(pixel_row, tap);
        for tap_row in 0..K {
            weights[tap_row][tap] = weight(tap_row * K + tap);
        }
    }
    let step = lines.start(pixel_row + 1, 0) - lines.start(pixel_row, 0);
    let mut first = 0;
    while first < width {
        let end = (first + lanes).min(width);
        let mut sums = [T::splat(simd, T::zero()); ROWS];
        for row in 0..ROWS {
            sums[row] = T::load(simd, &y[row * width + first..row * width + end]);
        }
        for line in 0..K + ROWS - 1 {
            for tap in 0..K {
                let start = starts[tap] + line * step + first;
                let pixels = T::load(simd, &values[start..start + lanes]);
                for row in 0..ROWS {
                    if line >= row && line - row < K {
                        let weight = T::splat(simd, weights[line - row][tap]);
                        sums[row] = T::mul_add(simd, weight, pixels, sums[row]);
                    }
                }
            }
        }
        for row in 0..ROWS {
            T::store(simd, sums[row], &mut y[row * width + first..row * width + end]);
        }
        first = end;
    }
    true
}

/// Some planes of the gradient of the input, from number `first`, which are 0 so far.
struct InputGradient<'a, T> {
    sizes: &'a Convolution,
    first: usize,
    weight: &'a [T],
    dy: &'a [T],
    dx: &'a mut [T],
}

impl<T: Real> WithSimd for InputGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let InputGradient { sizes, first, weight, dy, dx } = self;
        let (positions, taps, columns) = (sizes.positions(), sizes.taps(), sizes.window.kernel[1]);
        let outputs = sizes.group_outputs();
        let turned = Lines::turned(&sizes.window, sizes.input, sizes.output);
        let lines = Lines::of(&sizes.window, sizes.input, sizes.output);
        let mut values = vec![T::zero(); turned.as_ref().unwrap_or(&lines).len()];
        for (index, dx) in dx.chunks_exact_mut(sizes.pixels()).enumerate() {
            let plane = first + index;
            let (image, channel) = (plane / sizes.in_channels, plane % sizes.in_channels);
            if turned.is_none() {
                values.fill(T::zero());
            }
            for out in channel * outputs..(channel + 1) * outputs {
                let dy = &dy[(image * sizes.out_channels + out) * positions..][..positions];
                let weight = &weight[out * taps..][..taps];
                match &turned {
                    Some(turned) => {
                        turned.enter(dy, T::zero(), &mut values);
                        add_plane(simd, (turned, &values), columns, weight, Turn::Half, dx);
                    }
                    None => spread_plane(simd, &lines, dy, columns, weight, &mut values),
                }
            }
            if turned.is_none() {
                lines.leave(&values, dx);
            }
        }
    }
}

/// Adds what a plane of gradients gives to those of the pixels, which are cut into lines.
#[inline(always)]
fn spread_plane<S: Simd, T: Real>(
    simd: S,
    lines: &Lines,
    dy: &[T],
    columns: usize,
    weight: &[T],
    values: &mut [T],
) {
    for (row, dy) in dy.chunks_exact(lines.output_width()).enumerate() {
        for (tap_row, pixel_row) in lines.rows(row) {
            for tap in 0..columns {
                let weight = T::splat(simd, weight[tap_row * columns + tap]);
                let pixels = &mut values[lines.start(pixel_row, tap)..][..dy.len()];
                let blocks = pixels.chunks_mut(T::lanes::<S>()).zip(dy.chunks(T::lanes::<S>()));
                for (pixels, dy) in blocks {
                    let sum = T::mul_add(simd, weight, T::load(simd, dy), T::load(simd, pixels));
                    T::store(simd, sum, pixels);
                }
            }
        }
    }
}

/// The gradient of the weight of one output channel.
struct WeightGradient<'a, T> {
    sizes: &'a Convolution,
    channel: usize,
    x: &'a [T],
    dy: &'a [T],
    dw: &'a mut [T],
}

impl<T: Real> WithSimd for WeightGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let WeightGradient { sizes, channel, x, dy, dw } = self;
        let (pixels, positions, [height, width]) = (sizes.pixels(), sizes.positions(), sizes.output);
        let [tap_rows, columns] = sizes.window.kernel;
        let lines = Lines::of(&sizes.window, sizes.input, sizes.output);
        let padded = width.next_multiple_of(LANES);
        let mut values = vec![T::zero(); lines.len()];
        // The gradients, with zeros up to whole blocks.
        let mut gradients = vec![T::zero(); height * padded];
        let mut sums = vec![0.0; dw.len()];
        let step = (RUN * LANES / padded.max(1)).max(1);
        for image in 0..sizes.batch {
            let plane = image * sizes.out_channels + channel;
            lines.enter(&x[sizes.seen(plane) * pixels..][..pixels], T::zero(), &mut values);
            let dy = &dy[plane * positions..][..positions];
            for (to, from) in gradients.chunks_exact_mut(padded).zip(dy.chunks_exact(width)) {
                to[..width].copy_from_slice(from);
            }
            for first in (0..height).step_by(step) {
                let rows = first..(first + step).min(height);
                for tap_row in 0..tap_rows {
                    let mut tap = 0;
                    while tap < columns {
                        let element = Element { lines: &lines, rows: rows.clone(), tap_row, tap };
                        let sums = &mut sums[tap_row * columns + tap..];
                        // So many sums stay in registers.
                        tap += match columns - tap {
                            1 | 2 => element.add_sums::<S, T, 1>(simd, &values, &gradients, padded, sums),
                            3 | 4 => element.add_sums::<S, T, 3>(simd, &values, &gradients, padded, sums),
                            5 | 6 => element.add_sums::<S, T, 5>(simd, &values, &gradients, padded, sums),
                            _ => element.add_sums::<S, T, 7>(simd, &values, &gradients, padded, sums),
                        };
                    }
                }
            }
        }
        dw.iter_mut().zip(sums).for_each(|(dw, sum)| *dw = T::from_f64(sum));
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
        gradients: &[T],
        padded: usize,
        sums: &mut [f64],
    ) -> usize {
        let Element { lines, rows, tap_row, tap } = self;
        let mut products = [T::splat(simd, T::zero()); N];
        for row in rows {
            let Some(pixel_row) = lines.row(row, tap_row) else { continue };
            let gradients = &gradients[row * padded..][..padded];
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
