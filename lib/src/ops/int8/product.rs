//! Convolutions and linear layers as products: rows of steps times panels of weights.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::block::{BLOCK, Block};
use super::dot::{Dot, Part};
use super::finish::Finish;
use super::gather::Rows;
use super::panels::Panels;

/// Bytes of rows that are gathered at a time: they stay in a core's cache beside a panel of weights.
const ROWS_BYTES: usize = 192 << 10;
/// Pixels that are worth to read all weights for.
const FEWEST: usize = 24;
/// Pixels that are gathered at a time, at most.
const MOST: usize = 192;

/// What all parts of a product share.
#[derive(Clone, Copy)]
pub(super) struct Product<'a, D: Dot> {
    pub(super) rows: Rows<'a>,
    /// The weights of a group.
    pub(super) panels: &'a Panels<D>,
    pub(super) group: usize,
    /// What the sums begin with, for whole panels.
    pub(super) start: &'a [i32],
    /// For whole panels.
    pub(super) multiplier: &'a [f32],
    pub(super) finish: Finish<'a>,
}

impl<D: Dot> Product<'_, D> {
    /// Computes it on all threads. It must be the only one that writes to its places.
    pub(super) fn run(&self) {
        let sizes = self.rows.sizes;
        let pixels = sizes.all_positions();
        if pixels == 0 {
            return;
        }
        let wanted = 3 * rayon::current_num_threads();
        let stride = self.panels.runs() * D::STEP;
        let cached = (ROWS_BYTES / (stride * size_of::<D::X>()).max(1)).clamp(FEWEST, MOST);
        let step = pixels.div_ceil(wanted).max(FEWEST).min(cached).next_multiple_of(D::ROWS);
        let blocks = pixels.div_ceil(step);
        // Where pixels are few, the outputs are cut as well.
        let cuts = wanted.div_ceil(blocks).min(self.panels.count()).max(1);
        let width = self.panels.count().div_ceil(cuts);
        (0..blocks * cuts).into_par_iter().for_each(|index| {
            let pixels = index / cuts * step..((index / cuts + 1) * step).min(pixels);
            let panels = index % cuts * width..((index % cuts + 1) * width).min(self.panels.count());
            if panels.is_empty() {
                return;
            }
            with_scratch::<D::X, _>(pixels.len() * stride, |rows| {
                let part = Piece { product: self, pixels, panels, stride, rows };
                // SAFETY: whoever packed panels for these instructions has seen that the CPU has them.
                unsafe { D::run(part) };
            });
        });
    }
}

/// Some pixels and some panels.
struct Piece<'a, D: Dot> {
    product: &'a Product<'a, D>,
    pixels: Range<usize>,
    panels: Range<usize>,
    stride: usize,
    rows: &'a mut [D::X],
}

impl<D: Dot> Part<D> for Piece<'_, D> {
    #[inline(always)]
    fn run(self) {
        let Piece { product, pixels, panels, stride, rows } = self;
        product.rows.gather(pixels.clone(), product.group, stride, rows);
        let (outputs, weights) = (product.rows.sizes.out_channels, product.panels);
        let width = weights.width();
        let mut sums = [0; BLOCK];
        for panel in panels {
            let (first, values) = (panel * width, &weights.values[panel * weights.len()..][..weights.len()]);
            let count = width.min(weights.outputs - first);
            let (start, multiplier) =
                (&product.start[first..first + width], &product.multiplier[first..first + width]);
            let mut row = 0;
            while row < pixels.len() {
                let block = D::ROWS.min(pixels.len() - row);
                let x = &rows[row * stride..][..block * stride];
                // SAFETY: the rows, the panel and what the sums begin with were just cut out; a block of sums has room for
                // the rows and vectors of any CPU. The CPU has the instructions, as this runs.
                unsafe {
                    Block::<D> {
                        runs: weights.runs(),
                        x: x.as_ptr(),
                        stride,
                        panel: values.as_ptr(),
                        start: start.as_ptr(),
                        sums: sums.as_mut_ptr(),
                        sums_stride: width,
                    }
                    .multiply(block, weights.vectors);
                }
                for line in 0..block {
                    let place =
                        (pixels.start + row + line) * outputs + product.group * weights.outputs + first;
                    // SAFETY: no other part has these pixels and panels.
                    unsafe {
                        product.finish.finish::<D>(&sums[line * width..][..width], multiplier, place, count);
                    }
                }
                row += block;
            }
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<u32>>> = const { RefCell::new(Vec::new()) };
}

/// Hands `len` integers, whatever they are, to `work`: memory that the thread keeps.
pub(super) fn with_scratch<T: Scratch, R>(len: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
    // Taken out of its place: while a thread waits in `work` for others it may do another piece of work.
    let mut values = SCRATCH.with(|scratch| scratch.borrow_mut().pop()).unwrap_or_default();
    let words = (len * size_of::<T>()).div_ceil(size_of::<u32>());
    if values.len() < words {
        values.resize(words, 0);
    }
    // SAFETY: integers of up to 32 bits, of which any bits are one.
    let result = work(&mut unsafe { values.align_to_mut::<T>() }.1[..len]);
    SCRATCH.with(|scratch| scratch.borrow_mut().push(values));
    result
}

/// An integer of up to 32 bits.
///
/// # Safety
/// Any bits must be one.
pub(super) unsafe trait Scratch {}
// SAFETY: they are.
unsafe impl Scratch for u8 {}
// SAFETY: they are.
unsafe impl Scratch for i8 {}
// SAFETY: they are.
unsafe impl Scratch for i16 {}
// SAFETY: they are.
unsafe impl Scratch for i32 {}
