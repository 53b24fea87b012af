//! Images whose every pixel comes from somewhere else: turned, sheared, bent.

use pulp::WithSimd;

use super::fill::Fill;
use super::filter::Filter;
use super::motion::Motion;
use super::refused::refused;
use super::value::{Value, on_pixels};
use crate::Result;
use crate::data::{ClassMap, Image};
use crate::ops::dispatch;

/// Where the points `[x, y]` of two images belong together; `None` for a point that belongs to none.
pub(super) trait Map {
    /// Where a point of the result comes from.
    fn source(&self, to: [f64; 2]) -> Option<[f64; 2]>;

    /// Where a point of the original goes.
    fn target(&self, from: [f64; 2]) -> Option<[f64; 2]>;

    /// Along each side of a box so many points are moved, as sides may bend; 1 moves the corners only.
    fn steps_along_a_side(&self) -> usize {
        1
    }
}

/// A motion by a map. Pixels that come from outside are filled.
pub(super) struct Warp<'a, M> {
    pub(super) op: &'static str,
    pub(super) from: [usize; 2],
    pub(super) to: [usize; 2],
    pub(super) map: M,
    pub(super) filter: Filter,
    pub(super) fill: &'a Fill,
}

impl<M: Map> Warp<'_, M> {
    /// The moved pixels, of `fill.len()` numbers each.
    fn gathered<T: Value>(&self, values: &[T], fill: &[T], filter: Filter) -> Vec<T> {
        let channels = fill.len();
        if matches!(channels, 1 | 3 | 4) {
            return dispatch(Gather { warp: self, values, fill, filter });
        }
        let mut out = vec![T::default(); self.to[0] * self.to[1] * channels];
        for (channel, &fill) in fill.iter().enumerate() {
            let plane: Vec<T> = values[channel..].iter().step_by(channels).copied().collect();
            let moved = self.gathered(&plane, &[fill], filter);
            for (to, value) in out[channel..].iter_mut().step_by(channels).zip(moved) {
                *to = value;
            }
        }
        out
    }

    fn pixels<T: Value>(&self, values: &[T], channels: usize) -> Result<Vec<T>> {
        if self.filter == Filter::Lanczos {
            return Err(refused(
                self.op,
                "Filter::Nearest, Filter::Bilinear or Filter::Bicubic",
                "Filter::Lanczos".into(),
                "Lanczos is for other sizes only.",
            ));
        }
        Ok(self.gathered(values, &self.fill.pixel(self.op, channels)?, self.filter))
    }
}

/// A warp of pixels, for the compiler to make once for each kind of CPU.
struct Gather<'a, 'b, M, T> {
    warp: &'a Warp<'b, M>,
    values: &'a [T],
    fill: &'a [T],
    filter: Filter,
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
        let pixels = self.values.as_chunks::<C>().0;
        let fill: [T; C] = std::array::from_fn(|channel| self.fill[channel]);
        let ([from_height, from_width], [height, width]) = (self.warp.from, self.warp.to);
        let [bottom, right] = self.warp.from.map(|side| side as f64);
        let mut out = vec![fill; height * width];
        for (row, line) in out.chunks_exact_mut(width).enumerate() {
            for (column, to) in line.iter_mut().enumerate() {
                let source = self.warp.map.source([column as f64 + 0.5, row as f64 + 0.5]);
                let [x, y] = source.unwrap_or([-1.0; 2]);
                // Not a number is not inside either.
                if !(x >= 0.0 && y >= 0.0 && x < right && y < bottom) {
                    continue;
                }
                *to = match N {
                    1 => pixels[y as isize as usize * from_width + x as isize as usize],
                    2 => {
                        let (columns, rows) = (straight(x, from_width), straight(y, from_height));
                        weighted(pixels, from_width, columns, rows)
                    }
                    _ => {
                        let (columns, rows) = (curved(x, from_width), curved(y, from_height));
                        weighted(pixels, from_width, columns, rows)
                    }
                };
            }
        }
        out.into_flattened()
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

/// A pixel beyond an edge is the one at the edge.
#[inline(always)]
fn within(at: isize, length: usize) -> usize {
    at.clamp(0, length as isize - 1) as usize
}

/// The two places around a coordinate with their weights.
#[inline(always)]
fn straight(coordinate: f64, length: usize) -> [(usize, f32); 2] {
    let (at, d) = before(coordinate);
    [(within(at, length), 1.0 - d), (within(at + 1, length), d)]
}

/// The four places around a coordinate with the weights of PIL's cubic for turned images, whose slope is
/// steeper (a = -1) than that for resized ones.
#[inline(always)]
fn curved(coordinate: f64, length: usize) -> [(usize, f32); 4] {
    let (at, d) = before(coordinate);
    let (square, cube) = (d * d, d * d * d);
    let weights = [-d + 2.0 * square - cube, 1.0 - 2.0 * square + cube, d + square - cube, cube - square];
    std::array::from_fn(|tap| (within(at + tap as isize - 1, length), weights[tap]))
}

#[inline(always)]
fn weighted<T: Value, const C: usize, const N: usize>(
    pixels: &[[T; C]],
    width: usize,
    columns: [(usize, f32); N],
    rows: [(usize, f32); N],
) -> [T; C] {
    let mut sums = [0.0_f32; C];
    for (row, down) in rows {
        let line = &pixels[row * width..][..width];
        for (column, across) in columns {
            let pixel = line[column];
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += value.number() * (across * down);
            }
        }
    }
    sums.map(T::from_number)
}

impl<M: Map> Motion for Warp<'_, M> {
    fn op(&self) -> &'static str {
        self.op
    }

    fn size(&self) -> [usize; 2] {
        self.to
    }

    fn image(&self, image: Image) -> Result<Image> {
        let channels = image.channels();
        on_pixels!(image, [self.to[0], self.to[1], channels], |values| self.pixels(values, channels)?)
    }

    fn mask(&self, pixels: &[u8]) -> Vec<u8> {
        self.gathered(pixels, &[0], Filter::Nearest)
    }

    fn classes(&self, classes: &[u16]) -> Vec<u16> {
        self.gathered(classes, &[ClassMap::IGNORE], Filter::Nearest)
    }

    fn point(&self, point: [f64; 2]) -> Option<[f64; 2]> {
        self.map.target(point)
    }

    fn steps_along_a_side(&self) -> usize {
        self.map.steps_along_a_side()
    }
}
