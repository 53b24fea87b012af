//! Convolutions in which each channel sees itself alone: sums of steps that lie beside each other, a vector of channels at a
//! time.

use std::marker::PhantomData;

use rayon::prelude::*;

use super::dot::{Dot, Part};
use super::finish::{Finish, WIDEST};
use super::gather::Rows;

/// The weight, tap after tap, in each the channels.
pub(super) struct Depthwise<D> {
    weight: Vec<i16>,
    channels: usize,
    instructions: PhantomData<D>,
}

impl<D: Dot> Depthwise<D> {
    /// From (channels, 1, KH, KW).
    pub(super) fn new(weight: &[i8], channels: usize) -> Depthwise<D> {
        let taps = weight.len() / channels.max(1);
        let weight = (0..weight.len())
            .map(|place| i16::from(weight[place % channels * taps + place / channels]))
            .collect();
        Depthwise { weight, channels, instructions: PhantomData }
    }

    /// Bytes of the weight.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.weight.as_slice())
    }

    /// The convolution, finished. `finish` must be the only one that writes to its places.
    pub(super) fn run(&self, rows: Rows, start: &[i32], multiplier: &[f32], finish: Finish) {
        let sizes = rows.sizes;
        let padding = vec![rows.zero_point; self.channels];
        (0..sizes.batch * sizes.output[0]).into_par_iter().for_each_init(Vec::new, |taps, line| {
            let (padding, depthwise) = (&padding, self);
            let line = Line { depthwise, rows, padding, start, multiplier, finish, line, taps };
            // SAFETY: whoever chose these instructions has seen that the CPU has them.
            unsafe { D::run(line) };
        });
    }
}

/// A row of output pixels.
struct Line<'a, 'b, D> {
    depthwise: &'a Depthwise<D>,
    rows: Rows<'a>,
    padding: &'a [u8],
    start: &'a [i32],
    multiplier: &'a [f32],
    finish: Finish<'a>,
    line: usize,
    /// Memory for the pixels under a window.
    taps: &'b mut Vec<&'a [u8]>,
}

impl<D: Dot> Part<D> for Line<'_, '_, D> {
    #[inline(always)]
    fn run(mut self) {
        for column in 0..self.rows.sizes.output[1] {
            self.find_taps(column);
            self.pixel(column);
        }
    }
}

impl<D: Dot> Line<'_, '_, D> {
    /// Where the pixels under a window lie.
    fn find_taps(&mut self, column: usize) {
        let Line { rows, padding, line, .. } = *self;
        let taps = &mut *self.taps;
        let (sizes, sliding) = (rows.sizes, rows.sizes.window.sliding);
        let [height, width] = sizes.input;
        taps.clear();
        for tap_row in 0..sizes.window.kernel[0] {
            let y = line % sizes.output[0] * sliding.stride[0] + tap_row * sliding.dilation[0];
            for tap in 0..sizes.window.kernel[1] {
                let x = column * sliding.stride[1] + tap * sliding.dilation[1];
                let (Some(y), Some(x)) =
                    (y.checked_sub(sliding.padding.top), x.checked_sub(sliding.padding.left))
                else {
                    taps.push(padding);
                    continue;
                };
                if y >= height || x >= width {
                    taps.push(padding);
                    continue;
                }
                let pixel = (line / sizes.output[0] * height + y) * width + x;
                taps.push(&rows.x[pixel * sizes.in_channels..][..sizes.in_channels]);
            }
        }
    }

    /// All channels of an output pixel.
    #[inline(always)]
    fn pixel(&self, column: usize) {
        let channels = self.depthwise.channels;
        let place = (self.line * self.rows.sizes.output[1] + column) * channels;
        let mut first = 0;
        while first < channels {
            let count = WIDEST.min(channels - first);
            // Both have room for whole vectors.
            let mut sums = [0_i32; WIDEST];
            sums.copy_from_slice(&self.start[first..first + WIDEST]);
            let multiplier = &self.multiplier[first..first + WIDEST];
            let mut weights = first;
            for tap in self.taps.iter() {
                let (x, w) = (&tap[first..first + count], &self.depthwise.weight[weights..weights + count]);
                if let (Some(x), Some(w)) = (x.first_chunk::<WIDEST>(), w.first_chunk::<WIDEST>()) {
                    for lane in 0..WIDEST {
                        sums[lane] += i32::from(x[lane]) * i32::from(w[lane]);
                    }
                } else {
                    for lane in 0..count {
                        sums[lane] += i32::from(x[lane]) * i32::from(w[lane]);
                    }
                }
                weights += channels;
            }
            // SAFETY: no other thread has this pixel.
            unsafe { self.finish.finish::<D>(&sums, multiplier, place + first, count) };
            first += count;
        }
    }
}

impl<D> std::fmt::Debug for Depthwise<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Depthwise").field("channels", &self.channels).finish_non_exhaustive()
    }
}
