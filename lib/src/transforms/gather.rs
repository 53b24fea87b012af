//! Pixels are fetched from where a map says that they come from.

use pulp::WithSimd;

use super::filter::Filter;
use super::straight::{ONE, Row, Straight, whole};
use super::value::Value;
use super::warp::{Map, Warp};

/// A warp of pixels, for the compiler to make once for each kind of CPU.
pub(super) struct Gather<'a, 'b, M, T> {
    pub(super) warp: &'a Warp<'b, M>,
    pub(super) values: &'a [T],
    /// What pixels are that come from outside, 1, 3 or 4 numbers.
    pub(super) fill: &'a [T],
    pub(super) filter: Filter,
}

impl<M: Map, T: Value> WithSimd for Gather<'_, '_, M, T> {
    type Output = Vec<T>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Vec<T> {
        match self.filter {
            Filter::Nearest => self.of_filter::<1>(),
            Filter::Bilinear => self.of_filter::<2>(),
            Filter::Bicubic | Filter::Lanczos => self.of_filter::<4>(),
        }
    }
}

impl<M: Map, T: Value> Gather<'_, '_, M, T> {
    #[inline(always)]
    fn of_filter<const N: usize>(&self) -> Vec<T> {
        match self.fill.len() {
            3 => self.run::<3, N>(),
            4 => self.run::<4, N>(),
            _ => self.run::<1, N>(),
        }
    }

    /// Of pixels of `C` numbers, each from `N` by `N` pixels.
    #[inline(always)]
    fn run<const C: usize, const N: usize>(&self) -> Vec<T> {
        let from = Pixels { pixels: self.values.as_chunks::<C>().0, size: self.warp.from };
        let fill: [T; C] = std::array::from_fn(|channel| self.fill[channel]);
        let [height, width] = self.warp.to;
        let mut out = vec![fill; height * width];
        let lines = out.chunks_exact_mut(width).enumerate();
        let straight = self.warp.map.affine();
        match straight.and_then(|back| Straight::new(back, self.warp.from, self.warp.to)) {
            Some(straight) => lines.for_each(|(row, line)| from.along::<N>(straight.row(row), line)),
            None => lines.for_each(|(row, line)| {
                for (column, to) in line.iter_mut().enumerate() {
                    let place = self.warp.map.source([column as f64 + 0.5, row as f64 + 0.5]);
                    if let Some(pixel) = place.and_then(|place| from.at::<N>(place)) {
                        *to = pixel;
                    }
                }
            }),
        }
        out.into_flattened()
    }
}

/// An original of `[height, width]`, of pixels of `C` numbers.
struct Pixels<'a, T, const C: usize> {
    pixels: &'a [[T; C]],
    size: [usize; 2],
}

impl<T: Value, const C: usize> Pixels<'_, T, C> {
    /// The pixel at a place; none outside.
    #[inline(always)]
    fn at<const N: usize>(&self, [x, y]: [f64; 2]) -> Option<[T; C]> {
        let [bottom, right] = self.size.map(|side| side as f64);
        // Not a number is not inside either.
        let inside = x >= 0.0 && y >= 0.0 && x < right && y < bottom;
        inside.then(|| match N {
            1 => self.pixels[y as isize as usize * self.size[1] + x as isize as usize],
            _ => {
                let ((column, across), (row, down)) = (before(x), before(y));
                self.around::<N>([column, row], weights(across), weights(down))
            }
        })
    }

    /// A line of pixels that come from a straight line. Those from outside stay as they are.
    #[inline(always)]
    fn along<const N: usize>(&self, row: Row, line: &mut [[T; C]]) {
        let inside = row.inside(self.size, 0, line.len());
        let [step_x, step_y] = row.step();
        if N == 1 {
            let [mut x, mut y] = row.place(inside.start);
            for to in &mut line[inside] {
                *to = self.pixels[whole(y) * self.size[1] + whole(x)];
                (x, y) = (x + step_x, y + step_y);
            }
            return;
        }
        // Where all pixels that count are there, none has to be looked for at the edge.
        let all = row.inside(self.size, N as i64 * ONE / 2 - ONE / 2, line.len());
        let all = if all.is_empty() { inside.end..inside.end } else { all };
        for column in (inside.start..all.start).chain(all.end..inside.end) {
            let [x, y] = row.place(column).map(|place| place as f64 / ONE as f64);
            if let Some(pixel) = self.at::<N>([x, y]) {
                line[column] = pixel;
            }
        }
        // From the corner of the first pixel that counts: half a pixel back to its centre.
        let back = ONE / 2 + (N as i64 / 2 - 1) * ONE;
        let [mut x, mut y] = row.place(all.start).map(|place| place - back);
        for to in &mut line[all] {
            let first = whole(y) * self.size[1] + whole(x);
            *to = self.block::<N>(first, weights(rest(x)), weights(rest(y)));
            (x, y) = (x + step_x, y + step_y);
        }
    }

    /// What `N` by `N` pixels give, of which the first is this one; all of them are there.
    #[inline(always)]
    fn block<const N: usize>(&self, first: usize, across: [f32; N], down: [f32; N]) -> [T; C] {
        let mut sums = [0.0_f32; C];
        for (row, down) in down.into_iter().enumerate() {
            let line = &self.pixels[first + row * self.size[1]..][..N];
            for (pixel, across) in line.iter().zip(across) {
                add(&mut sums, pixel, across * down);
            }
        }
        sums.map(T::from_number)
    }

    /// The same around a place `[x, y]` near an edge: a pixel beyond it is the one at it.
    #[inline(always)]
    fn around<const N: usize>(&self, [x, y]: [isize; 2], across: [f32; N], down: [f32; N]) -> [T; C] {
        let [height, width] = self.size;
        let within = |at: isize, tap: usize, length: usize| {
            (at + tap as isize + 1 - N as isize / 2).clamp(0, length as isize - 1) as usize
        };
        let columns: [usize; N] = std::array::from_fn(|tap| within(x, tap, width));
        let mut sums = [0.0_f32; C];
        for (row, down) in down.into_iter().enumerate() {
            let line = &self.pixels[within(y, row, height) * width..][..width];
            for (&column, across) in columns.iter().zip(across) {
                add(&mut sums, &line[column], across * down);
            }
        }
        sums.map(T::from_number)
    }
}

#[inline(always)]
fn add<T: Value, const C: usize>(sums: &mut [f32; C], pixel: &[T; C], weight: f32) {
    for (sum, value) in sums.iter_mut().zip(pixel) {
        *sum += value.number() * weight;
    }
}

/// The place before a coordinate and the way on from there, 0 to 1; places may be -1.
#[inline(always)]
fn before(coordinate: f64) -> (isize, f32) {
    // Half a pixel back to the centre, and one on so that the cast rounds down.
    let place = coordinate + 0.5;
    let whole = place as isize;
    (whole - 1, (place - whole as f64) as f32)
}

/// The way on from the pixel before a place in fixed point, 0 to 1.
#[inline(always)]
fn rest(place: i64) -> f32 {
    // 24 bits are what the mantissa holds.
    ((place >> 8) as u32 & 0x00ff_ffff) as f32 * (1.0 / 16_777_216.0)
}

/// The weights of two pixels in a row by their distances, or of four by PIL's cubic for turned images, whose
/// slope is steeper (a = -1) than that for resized ones; `d` is the way on from the one before the place.
#[inline(always)]
fn weights<const N: usize>(d: f32) -> [f32; N] {
    let (square, cube) = (d * d, d * d * d);
    let cubic = [-d + 2.0 * square - cube, 1.0 - 2.0 * square + cube, d + square - cube, cube - square];
    let straight = [1.0 - d, d, 0.0, 0.0];
    let weights = if N == 4 { cubic } else { straight };
    std::array::from_fn(|tap| weights[tap])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;
    use crate::transforms::fill::Fill;
    use crate::transforms::matrix::{Matrix, Placement};

    /// The same map without saying that it is affine.
    struct Secretly(Matrix);

    impl Map for Secretly {
        fn source(&self, to: [f64; 2]) -> Option<[f64; 2]> {
            self.0.source(to)
        }
        fn target(&self, from: [f64; 2]) -> Option<[f64; 2]> {
            self.0.target(from)
        }
    }

    fn gathered<M: Map, T: Value>(map: M, values: &[T], sizes: [[usize; 2]; 2], filter: Filter) -> Vec<T> {
        let [from, to] = sizes;
        let warp = Warp { op: "test", from, to, map, filter, fill: &Fill::default() };
        let fill = vec![T::from_number(77.0); values.len() / (from[0] * from[1])];
        Gather { warp: &warp, values, fill: &fill, filter }.with_simd(pulp::Scalar::new())
    }

    /// Along straight lines a pixel comes from where it comes from by itself, at the edges and inside.
    #[test]
    fn straight_lines_give_what_single_pixels_give() {
        let mut rng = Seed(5).rng();
        let (mut seen, mut other) = (0, 0);
        for round in 0..400 {
            let sizes = [(); 2].map(|()| [1 + rng.below(40), 1 + rng.below(40)]);
            let [from, to] = sizes;
            let map = Matrix::placed(&Placement {
                degrees: rng.uniform() * 360.0,
                translate: [rng.uniform() * 20.0 - 10.0, rng.uniform() * 20.0 - 10.0],
                scale: 0.2 + 2.0 * rng.uniform(),
                shear: [rng.uniform() * 60.0 - 30.0, 0.0],
                center: [from[1] as f64 / 2.0, from[0] as f64 / 2.0],
            });
            assert!(map.affine().is_some());
            let channels = [1, 3, 4][round % 3];
            let bytes: Vec<u8> = (0..from[0] * from[1] * channels).map(|_| rng.below(256) as u8).collect();
            let [lines, single] = [
                gathered(map, &bytes, sizes, Filter::Nearest),
                gathered(Secretly(map), &bytes, sizes, Filter::Nearest),
            ];
            assert_eq!(lines.len(), to[0] * to[1] * channels);
            seen += lines.len();
            other += lines.iter().zip(&single).filter(|(a, b)| a != b).count();
            let numbers: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte)).collect();
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                let lines = gathered(map, &numbers, sizes, filter);
                let single = gathered(Secretly(map), &numbers, sizes, filter);
                for (at, (a, b)) in lines.iter().zip(&single).enumerate() {
                    assert!((a - b).abs() < 0.02, "round {round}, {filter:?}, {at}: {a} for {b}");
                }
            }
        }
        assert!(other * 10_000 <= seen, "{other} of {seen} come from another pixel");
    }
}
