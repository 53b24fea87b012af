//! What a CPU must know to multiply integers: a few instructions under a common name. All else, blocks, packing and
//! gathering, is written once, for lanes of any number and operands of either width, and tested on emulated ones.

use super::finish::LANES;
use super::product::Scratch;
use super::round::{Clamp, round_within};

/// A piece of work that is compiled for each kind of CPU.
pub(super) trait Part<D: Dot> {
    /// Does it. All that it calls in its innermost loops must be inlined, and be no closure: only so is it made of the
    /// instructions of its caller.
    fn run(self);
}

/// Dot products of short runs of depths, one in each lane of a vector. All give the same sums: integers of 32 bits, which
/// wrap around as all such sums do in any order.
pub(super) trait Dot: Copy + Send + Sync + 'static {
    /// An activation as it is multiplied.
    type X: Operand;
    /// A weight as it is multiplied.
    type W: Operand;
    /// A run of activations in every lane, or a run of weights in each.
    type Run: Copy;
    /// An `i32` in each lane.
    type Sums: Copy;
    /// Depths of a run.
    const STEP: usize;
    /// Lanes of a vector.
    const LANES: usize;
    /// Rows of a block: with two vectors each they fill the registers but for those of one step.
    const ROWS: usize;

    /// # Safety
    /// The CPU must have the instructions, and `LANES · STEP` weights must lie at `from`.
    unsafe fn weights(from: *const Self::W) -> Self::Run;
    /// # Safety
    /// The CPU must have the instructions, and `STEP` activations must lie at `from`.
    unsafe fn splat(from: *const Self::X) -> Self::Run;
    /// `sums + Σ x · w` over the run.
    ///
    /// # Safety
    /// The CPU must have the instructions.
    unsafe fn dot(sums: Self::Sums, x: Self::Run, w: Self::Run) -> Self::Sums;
    /// # Safety
    /// The CPU must have the instructions, and `LANES` sums must lie at `from`.
    unsafe fn load(from: *const i32) -> Self::Sums;
    /// # Safety
    /// The CPU must have the instructions, and `LANES` sums must have room at `to`.
    unsafe fn store(sums: Self::Sums, to: *mut i32);
    /// Rounds eight sums times their multipliers to steps, as [`round_within`] does.
    ///
    /// # Safety
    /// The CPU must have the instructions.
    #[inline(always)]
    unsafe fn round(sums: &[i32; LANES], multiplier: &[f32; LANES], clamp: Clamp) -> [u8; LANES] {
        let mut steps = [0; LANES];
        for lane in 0..LANES {
            steps[lane] = round_within(sums[lane] as f32 * multiplier[lane], clamp);
        }
        steps
    }
    /// Runs a piece of work, compiled for these instructions.
    ///
    /// # Safety
    /// The CPU must have the instructions.
    unsafe fn run(part: impl Part<Self>);
}

/// An integer that is multiplied.
pub(super) trait Operand: Copy + Default + Send + Sync + Scratch + 'static {
    /// Itself, from where all fit.
    fn from_i16(value: i16) -> Self;
}

impl Operand for i16 {
    #[inline(always)]
    fn from_i16(value: i16) -> i16 {
        value
    }
}

impl Operand for i8 {
    #[inline(always)]
    fn from_i16(value: i16) -> i8 {
        value as i8
    }
}

impl Operand for u8 {
    #[inline(always)]
    fn from_i16(value: i16) -> u8 {
        value as u8
    }
}

/// Pairs of 16 bits in plain code, as `pmaddwd` multiplies them, and what every CPU can do.
#[derive(Clone, Copy)]
pub(super) struct PlainPairs<const LANES: usize>;

impl<const LANES: usize> Dot for PlainPairs<LANES> {
    type X = i16;
    type W = i16;
    type Run = [[i16; 2]; LANES];
    type Sums = [i32; LANES];
    const STEP: usize = 2;
    const LANES: usize = LANES;
    const ROWS: usize = 4;

    #[inline(always)]
    unsafe fn weights(from: *const i16) -> Self::Run {
        // SAFETY: the caller answers for them.
        unsafe { from.cast::<Self::Run>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn splat(from: *const i16) -> Self::Run {
        // SAFETY: the caller answers for them.
        [unsafe { from.cast::<[i16; 2]>().read_unaligned() }; LANES]
    }

    #[inline(always)]
    unsafe fn dot(mut sums: Self::Sums, x: Self::Run, w: Self::Run) -> Self::Sums {
        for lane in 0..LANES {
            for place in 0..2 {
                let product = i32::from(x[lane][place]).wrapping_mul(i32::from(w[lane][place]));
                sums[lane] = sums[lane].wrapping_add(product);
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self::Sums {
        // SAFETY: the caller answers for them.
        unsafe { from.cast::<Self::Sums>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(sums: Self::Sums, to: *mut i32) {
        // SAFETY: the caller answers for the room.
        unsafe { to.cast::<Self::Sums>().write_unaligned(sums) }
    }

    #[inline(always)]
    unsafe fn run(part: impl Part<Self>) {
        part.run();
    }
}

/// Runs of four of 8 bits in plain code, as `vpdpbusd` multiplies them.
#[cfg(test)]
#[derive(Clone, Copy)]
pub(super) struct PlainQuads<const LANES: usize>;

#[cfg(test)]
impl<const LANES: usize> Dot for PlainQuads<LANES> {
    type X = u8;
    type W = i8;
    type Run = [[u8; 4]; LANES];
    type Sums = [i32; LANES];
    const STEP: usize = 4;
    const LANES: usize = LANES;
    const ROWS: usize = 14;

    unsafe fn weights(from: *const i8) -> Self::Run {
        // SAFETY: the caller answers for them; their bits are all that counts.
        unsafe { from.cast::<Self::Run>().read_unaligned() }
    }

    unsafe fn splat(from: *const u8) -> Self::Run {
        // SAFETY: the caller answers for them.
        [unsafe { from.cast::<[u8; 4]>().read_unaligned() }; LANES]
    }

    unsafe fn dot(mut sums: Self::Sums, x: Self::Run, w: Self::Run) -> Self::Sums {
        for lane in 0..LANES {
            for place in 0..4 {
                let product = i32::from(x[lane][place]) * i32::from(w[lane][place].cast_signed());
                sums[lane] = sums[lane].wrapping_add(product);
            }
        }
        sums
    }

    unsafe fn load(from: *const i32) -> Self::Sums {
        // SAFETY: the caller answers for them.
        unsafe { from.cast::<Self::Sums>().read_unaligned() }
    }

    unsafe fn store(sums: Self::Sums, to: *mut i32) {
        // SAFETY: the caller answers for the room.
        unsafe { to.cast::<Self::Sums>().write_unaligned(sums) }
    }

    unsafe fn run(part: impl Part<Self>) {
        part.run();
    }
}
