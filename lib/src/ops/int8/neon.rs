//! The instructions of 64-bit ARM CPUs.

use std::arch::aarch64::*;

use super::dot::{Dot, Part};

/// Single values of 16 bits in NEON, which all of these CPUs have: `smlal` adds products of 32 bits.
#[derive(Clone, Copy)]
pub(super) struct Neon;

// SAFETY of all that follows: the methods ask of their caller what the instructions need, the memory; loads and stores
// ask for no more than the alignment of their values.

impl Dot for Neon {
    type X = i16;
    type W = i16;
    type Run = int16x8_t;
    type Sums = [int32x4_t; 2];
    const STEP: usize = 1;
    const LANES: usize = 8;
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn weights(from: *const i16) -> int16x8_t {
        // SAFETY: see above.
        unsafe { vld1q_s16(from) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const i16) -> int16x8_t {
        // SAFETY: see above.
        unsafe { vdupq_n_s16(*from) }
    }

    #[inline(always)]
    unsafe fn dot([low, high]: [int32x4_t; 2], x: int16x8_t, w: int16x8_t) -> [int32x4_t; 2] {
        // SAFETY: see above.
        unsafe { [vmlal_s16(low, vget_low_s16(x), vget_low_s16(w)), vmlal_high_s16(high, x, w)] }
    }

    #[inline(always)]
    unsafe fn load(from: *const i32) -> [int32x4_t; 2] {
        // SAFETY: see above.
        unsafe { [vld1q_s32(from), vld1q_s32(from.add(4))] }
    }

    #[inline(always)]
    unsafe fn store([low, high]: [int32x4_t; 2], to: *mut i32) {
        // SAFETY: see above.
        unsafe {
            vst1q_s32(to, low);
            vst1q_s32(to.add(4), high);
        }
    }

    #[inline(always)]
    unsafe fn run(part: impl Part<Self>) {
        part.run();
    }
}
