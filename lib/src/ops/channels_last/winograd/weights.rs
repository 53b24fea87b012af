//! Weights in the space of the products.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::transform::{both, load, small_weight, store, weight};
use super::{Winograd, by_unit};
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
        let count = self.panels.width.div_ceil(width);
        let mut spread = self.pool.take(self.winograd.places() * count * depth * width);
        let slices = by_unit(&mut spread, count * depth * width, depth * width);
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
