//! An image in another size: two passes, first along the rows, then along the columns, as PIL does it.
//!
//! Every pixel that the filter reaches counts, also where the image shrinks by much, so that nothing flickers
//! (antialiasing). Bytes are rounded between the passes, as in PIL; weights are PIL's numbers of 22 bits, which
//! an f32 holds exactly, so that sums differ from PIL's only where they lie halfway between two bytes.

use pulp::WithSimd;

use super::filter::Filter;
use super::value::Value;
use crate::ops::dispatch;

/// The part of an image that is resized, and to what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resampling {
    /// `[height, width]` of the image.
    pub(super) from: [usize; 2],
    /// Row and column of the part's left upper corner.
    pub(super) corner: [usize; 2],
    /// `[height, width]` of the part. Pixels outside do not count.
    pub(super) part: [usize; 2],
    /// `[height, width]` of the result.
    pub(super) to: [usize; 2],
}

impl Resampling {
    /// The resized pixels, of `channels` numbers each.
    pub(super) fn filtered<T: Value>(&self, values: &[T], channels: usize, filter: Filter) -> Vec<T> {
        if filter == Filter::Nearest {
            return self.nearest(values, channels);
        }
        if channels > 4 {
            return self.by_channels(values, channels, filter);
        }
        let [across, down] = [1, 0].map(|axis| Taps::new(self.part[axis], self.to[axis], filter));
        dispatch(Passes { resampling: self, values, channels, across: &across, down: &down })
    }

    /// Channel by channel.
    fn by_channels<T: Value>(&self, values: &[T], channels: usize, filter: Filter) -> Vec<T> {
        let mut out = vec![T::default(); self.to[0] * self.to[1] * channels];
        for channel in 0..channels {
            let plane: Vec<T> = values[channel..].iter().step_by(channels).copied().collect();
            let resized = self.filtered(&plane, 1, filter);
            for (to, value) in out[channel..].iter_mut().step_by(channels).zip(resized) {
                *to = value;
            }
        }
        out
    }

    /// The pixels that the new ones fall into.
    pub(super) fn nearest<T: Copy>(&self, values: &[T], channels: usize) -> Vec<T> {
        let [height, width] = self.to;
        let source = |axis: usize| {
            let scale = self.part[axis] as f64 / self.to[axis] as f64;
            let last = self.part[axis] - 1;
            let place = move |at: usize| (((at as f64 + 0.5) * scale) as usize).min(last);
            (0..self.to[axis]).map(move |at| self.corner[axis] + place(at))
        };
        let columns: Vec<usize> = source(1).map(|column| column * channels).collect();
        let mut taken: Vec<T> = Vec::with_capacity(height * width * channels);
        let mut before = None;
        for row in source(0) {
            if before == Some(row) {
                taken.extend_from_within(taken.len() - width * channels..);
                continue;
            }
            before = Some(row);
            let line = &values[row * self.from[1] * channels..][..self.from[1] * channels];
            match channels {
                1 => taken.extend(columns.iter().map(|&column| line[column])),
                3 => columns.iter().for_each(|&at| taken.extend_from_slice(&line[at..at + 3])),
                _ => columns.iter().for_each(|&at| taken.extend_from_slice(&line[at..at + channels])),
            }
        }
        taken
    }
}

/// Of what each pixel along one side of the result is made: of as many pixels for all, so that loops over them
/// are as long every time; some of the weights are 0.
struct Taps {
    count: usize,
    /// The first pixel that counts.
    first: Vec<usize>,
    /// `count` weights for each pixel of the result.
    weights: Vec<f32>,
}

impl Taps {
    fn new(from: usize, to: usize, filter: Filter) -> Taps {
        // PIL keeps weights as whole numbers of this many parts.
        const PARTS: f64 = (1u32 << 22) as f64;
        let scale = from as f64 / to as f64;
        // A smaller image takes as much wider a filter.
        let stretch = scale.max(1.0);
        let support = filter.support() * stretch;
        let reach = |at: usize| {
            let center = (at as f64 + 0.5) * scale;
            let start = ((center - support + 0.5).max(0.0) as usize).min(from - 1);
            (center, start, ((center + support + 0.5) as usize).clamp(start + 1, from))
        };
        let count = (0..to).map(reach).map(|(_, start, end)| end - start).max().unwrap_or(1);
        let mut taps = Taps { count, first: Vec::with_capacity(to), weights: vec![0.0; to * count] };
        for (at, weights) in taps.weights.chunks_exact_mut(count).enumerate() {
            let (center, start, end) = reach(at);
            let weight = |x: usize| filter.weight((x as f64 - center + 0.5) / stretch);
            let sum: f64 = (start..end).map(weight).sum();
            let first = start.min(from - count);
            for x in start..end {
                weights[x - first] = ((weight(x) / sum * PARTS).round() / PARTS) as f32;
            }
            taps.first.push(first);
        }
        taps
    }

    #[inline(always)]
    fn of(&self, at: usize) -> (usize, &[f32]) {
        (self.first[at], &self.weights[at * self.count..][..self.count])
    }
}

/// Both passes, for the compiler to make once for each kind of CPU.
struct Passes<'a, T> {
    resampling: &'a Resampling,
    values: &'a [T],
    channels: usize,
    across: &'a Taps,
    down: &'a Taps,
}

/// So many rows are summed along themselves at once, their pixels beside each other: one vector.
const ROWS: usize = 4;
/// So many sums of whole rows are made at once: what fits into registers.
const TILE: usize = 32;

impl<T: Value> WithSimd for Passes<'_, T> {
    type Output = Vec<T>;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Vec<T> {
        match self.channels {
            1 => self.run::<1, { ROWS }>(),
            2 => self.run::<2, { 2 * ROWS }>(),
            _ => self.run::<4, { 4 * ROWS }>(),
        }
    }
}

impl<T: Value> Passes<'_, T> {
    /// With pixels of `C` numbers in vectors of `N`, at least as many as there are channels: a pixel is read
    /// and written with what follows it, and the next one is written over that.
    #[inline(always)]
    fn run<const C: usize, const N: usize>(&self) -> Vec<T> {
        let &Resampling { from, corner, part, to } = self.resampling;
        let channels = self.channels;
        let (row, slack) = (to[1] * channels, C);
        // Only the rows that are summed next are kept, in a ring.
        let stride = row + slack;
        let kept = (self.down.count + 2 * ROWS).next_multiple_of(ROWS);
        let mut ring = vec![0.0_f32; kept * stride];
        let mut flat = vec![0.0_f32; part[1] * channels + slack];
        let mut lines = vec![[0.0_f32; N]; part[1]];
        let mut ready = 0;
        let mut places = vec![0; self.down.count];
        let mut out = vec![T::default(); to[0] * row];
        for (y, out) in out.chunks_exact_mut(row).enumerate() {
            let (first, weights) = self.down.of(y);
            while ready < first + weights.len() {
                for at in 0..ROWS {
                    let y = (ready + at).min(part[0] - 1);
                    let source = &self.values[((corner[0] + y) * from[1] + corner[1]) * channels..];
                    for (to, from) in flat.iter_mut().zip(&source[..part[1] * channels]) {
                        *to = from.number();
                    }
                    for (line, pixel) in lines.iter_mut().zip(flat.windows(C).step_by(channels)) {
                        line[at * C..][..C].copy_from_slice(pixel);
                    }
                }
                across::<T, C, N>(
                    self.across,
                    &lines,
                    &mut ring[ready % kept * stride..],
                    [stride, channels],
                );
                ready += ROWS;
            }
            for (tap, place) in places.iter_mut().enumerate() {
                *place = (first + tap) % kept * stride;
            }
            down(&ring, &places, weights, out);
        }
        out
    }
}

/// Sums along some rows at once, written `stride` apart.
#[inline(always)]
fn across<T: Value, const C: usize, const N: usize>(
    taps: &Taps,
    lines: &[[f32; N]],
    out: &mut [f32],
    [stride, channels]: [usize; 2],
) {
    for at in 0..taps.first.len() {
        let (first, weights) = taps.of(at);
        let mut sums = [0.0_f32; N];
        for (pixels, &weight) in lines[first..][..weights.len()].iter().zip(weights) {
            for (sum, value) in sums.iter_mut().zip(pixels) {
                *sum += value * weight;
            }
        }
        for sum in &mut sums {
            *sum = T::settled(*sum);
        }
        for (at_row, pixel) in sums.chunks_exact(C).enumerate() {
            out[at_row * stride + at * channels..][..C].copy_from_slice(pixel);
        }
    }
}

/// Sums of whole rows, one weight for each.
#[inline(always)]
fn down<T: Value>(ring: &[f32], places: &[usize], weights: &[f32], out: &mut [T]) {
    let (tiles, rest) = out.as_chunks_mut::<TILE>();
    let done = tiles.len() * TILE;
    for (at, tile) in tiles.iter_mut().enumerate() {
        let mut sums = [0.0_f32; TILE];
        for (&place, &weight) in places.iter().zip(weights) {
            for (sum, value) in sums.iter_mut().zip(&ring[place + at * TILE..][..TILE]) {
                *sum += value * weight;
            }
        }
        for (to, sum) in tile.iter_mut().zip(sums) {
            *to = T::from_settled(T::settled(sum));
        }
    }
    for (at, to) in rest.iter_mut().enumerate() {
        let taps = places.iter().zip(weights);
        let sum: f32 = taps.fold(0.0, |sum, (&place, &weight)| sum + ring[place + done + at] * weight);
        *to = T::from_settled(T::settled(sum));
    }
}
