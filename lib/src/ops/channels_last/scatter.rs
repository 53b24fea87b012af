//! The gradient of a convolution's input for windows that leave pixels out: every output gives its part to the pixels
//! under its window.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::depths::blocks;
use super::direct::step;
use super::gather::{Pixel, Place, Places, add};
use super::panels::Panels;
use super::scratch;
use crate::ops::columns::Convolution;
use crate::ops::gemm::Update;
use crate::ops::micro::{Left, Out, Right, Sizes, panel, product};
use crate::ops::simd::dispatch;

/// Into `dx` (B, H, W, C), where the gradient of the output is `dy` (B, OH, OW, O); `weight` are the panels of
/// (O, KH·KW·C).
pub(super) fn input_gradient(
    convolution: &Convolution,
    weight: &Panels,
    dy: &[f32],
    dx: &mut [f32],
    update: Update,
) {
    let image = convolution.image_len();
    let positions = convolution.positions();
    // Windows overlap within an image, so one thread takes all of it.
    dx.par_chunks_mut(image.max(1)).enumerate().for_each(|(index, dx)| {
        if update == Update::Replace {
            dx.fill(0.0);
        }
        let step = step(positions);
        scratch(step * weight.width.next_multiple_of(64), |rows| {
            for first in (0..positions).step_by(step) {
                let pixels = first..(first + step).min(positions);
                dispatch(Scatter { convolution, weight, dy, dx, image: index, pixels, rows });
            }
        });
    });
}

/// Adds what some output pixels give to the gradient of an image.
struct Scatter<'a> {
    convolution: &'a Convolution,
    weight: &'a Panels,
    dy: &'a [f32],
    dx: &'a mut [f32],
    image: usize,
    pixels: Range<usize>,
    rows: &'a mut [f32],
}

impl WithSimd for Scatter<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Scatter { convolution, weight, dy, dx, image, pixels, rows } = self;
        let (outputs, width) = (convolution.out_channels, panel::<S>(weight.width));
        let panels = weight.width.div_ceil(width);
        let stride = panels * width;
        let start = (image * convolution.positions() + pixels.start) * outputs;
        let left = Left { values: &dy[start..start + pixels.len() * outputs], strides: [outputs, 1] };
        let right = Right { values: &weight.values, strides: [width, weight.depth * width] };
        let sizes = Sizes { rows: pixels.len(), depth: outputs, panels, panel: width };
        product(simd, sizes, left, right, Out { values: rows, stride }, Update::Replace);
        let places = Places::of(convolution);
        let runs = &blocks(convolution, usize::MAX, 1)[0].runs;
        let mut pixel = Pixel { image: 0, ..Pixel::number(pixels.start, convolution.output) };
        for row in 0..pixels.len() {
            let mut from = &rows[row * stride..];
            for run in runs {
                let Place { start, taps } = places.find(pixel, run);
                let len = taps.len() * run.channels;
                add(simd, &mut dx[start..start + len], &from[taps.start * run.channels..][..len]);
                from = &from[run.len()..];
            }
            pixel.step(convolution.output);
        }
    }
}
