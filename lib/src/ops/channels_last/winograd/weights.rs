//! Weights in the space of the products.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::Winograd;
use super::transform::{both, load, small_weight, store, weight};
use crate::ops::buffer::{Buffer, Pool};
use crate::ops::channels_last::panels::Panels;
use crate::ops::micro::panel;
use crate::ops::simd::dispatch;

/// The panels of a 3 × 3 window, (panels, 9·C, panel), as the products take them: (places, panels, C, panel).
pub(super) fn spread(winograd: &Winograd, pool: &Pool, panels: &Panels) -> Buffer {
    dispatch(Spread { winograd, pool, panels })
}

struct Spread<'a> {
    winograd: &'a Winograd,
    pool: &'a Pool,
    panels: &'a Panels,
}

impl WithSimd for Spread<'_> {
    type Output = Buffer;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Buffer {
        let (depth, width) = (self.panels.depth / 9, panel::<S>(self.panels.width));
        let (count, all) = (self.panels.width.div_ceil(width), self.winograd.places());
        let mut spread = self.pool.take(all * count * depth * width);
        // Every place has its own slice of each panel.
        let mut slices: Vec<Vec<&mut [f32]>> = (0..count).map(|_| Vec::with_capacity(all)).collect();
        for place in spread.chunks_exact_mut(count * depth * width) {
            place
                .chunks_exact_mut(depth * width)
                .zip(&mut slices)
                .for_each(|(slice, slices)| slices.push(slice));
        }
        let panels = self.panels.values.par_chunks_exact(9 * depth * width);
        slices.into_par_iter().zip(panels).for_each(|(places, panel)| {
            dispatch(SpreadPanel { places, panel, tap: depth * width, small: self.winograd.side == 2 });
        });
        spread
    }
}

struct SpreadPanel<'a> {
    places: Vec<&'a mut [f32]>,
    panel: &'a [f32],
    /// Values of each element of the window.
    tap: usize,
    small: bool,
}

impl WithSimd for SpreadPanel<'_> {
    type Output = ();

    #[allow(
        clippy::needless_range_loop,
        reason = "an iterator is not made of the vector instructions of its caller"
    )]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let SpreadPanel { mut places, panel, tap, small } = self;
        let zero = simd.splat_f32s(0.0);
        for at in (0..tap).step_by(S::F32_LANES) {
            let mut taps = [[zero; 3]; 3];
            for row in 0..3 {
                for column in 0..3 {
                    taps[row][column] = load::<S>(panel, (3 * row + column) * tap + at);
                }
            }
            if small {
                let values = both!(taps, 3 to 4, zero, |line| small_weight(simd, line));
                for place in 0..16 {
                    store::<S>(places[place], at, values[place / 4][place % 4]);
                }
                continue;
            }
            let values = both!(taps, 3 to 6, zero, |line| weight(simd, line));
            for place in 0..36 {
                store::<S>(places[place], at, values[place / 6][place % 6]);
            }
        }
    }
}
