//! Convolutions in which each channel sees itself alone: sums of steps that lie beside each other, a vector of channels at a
//! time.

use rayon::prelude::*;

use super::backend::PerOutput;
use super::finish::{Finish, WIDEST};
use super::gather::Rows;
use crate::ops::simd::vectorized;

/// The weight, tap after tap, in each the channels.
#[derive(Debug, Clone)]
pub(super) struct Depthwise {
    weight: Vec<i16>,
    channels: usize,
}

impl Depthwise {
    /// From (channels, 1, KH, KW).
    pub(super) fn new(weight: &[i8], channels: usize) -> Depthwise {
        let taps = weight.len() / channels.max(1);
        let weight = (0..weight.len())
            .map(|place| i16::from(weight[place % channels * taps + place / channels]))
            .collect();
        Depthwise { weight, channels }
    }

    /// The convolution, finished. `finish` must be the only one that writes to its places.
    pub(super) fn run(
        &self,
        rows: Rows,
        start: &PerOutput<i32>,
        multiplier: &PerOutput<f32>,
        finish: Finish,
    ) {
        let sizes = rows.sizes;
        let padding = vec![rows.zero_point; self.channels];
        let (start, multiplier) = (start.group(0), multiplier.group(0));
        let lines = sizes.batch * sizes.output[0];
        (0..lines).into_par_iter().for_each_init(Vec::new, |taps, line| {
            vectorized(
                #[inline(always)]
                || {
                    for column in 0..sizes.output[1] {
                        self.taps(&rows, &padding, [line, column], taps);
                        let place = (line * sizes.output[1] + column) * self.channels;
                        self.pixel(taps, start, multiplier, place, finish);
                    }
                },
            );
        });
    }

    /// Where the pixels under a window lie.
    fn taps<'a>(
        &self,
        rows: &Rows<'a>,
        padding: &'a [u8],
        [line, column]: [usize; 2],
        taps: &mut Vec<&'a [u8]>,
    ) {
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
                taps.push(&rows.x[pixel * self.channels..][..self.channels]);
            }
        }
    }

    /// All channels of an output pixel.
    #[inline(always)]
    fn pixel(&self, taps: &[&[u8]], start: &[i32], multiplier: &[f32], place: usize, finish: Finish) {
        let mut first = 0;
        while first < self.channels {
            let count = WIDEST.min(self.channels - first);
            let mut sums = [0_i32; WIDEST];
            // Both have room for whole vectors.
            sums.copy_from_slice(&start[first..first + WIDEST]);
            let multiplier = &multiplier[first..first + WIDEST];
            let mut weights = first;
            for tap in taps {
                let (x, w) = (&tap[first..first + count], &self.weight[weights..weights + count]);
                if let (Some(x), Some(w)) = (x.first_chunk::<WIDEST>(), w.first_chunk::<WIDEST>()) {
                    for lane in 0..WIDEST {
                        sums[lane] += i32::from(x[lane]) * i32::from(w[lane]);
                    }
                } else {
                    for lane in 0..count {
                        sums[lane] += i32::from(x[lane]) * i32::from(w[lane]);
                    }
                }
                weights += self.channels;
            }
            // SAFETY: no other thread has this pixel.
            unsafe { finish.finish(&sums, multiplier, place + first, count) };
            first += count;
        }
    }
}
