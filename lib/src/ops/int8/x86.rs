//! The instructions of x86-64 CPUs.

use std::arch::x86_64::*;

use super::dot::{Dot, Part};

/// Pairs of 16 bits in AVX2: `pmaddwd` adds their products exactly. (`pmaddubsw`, which takes 8 bits, would saturate.)
#[derive(Clone, Copy)]
pub(super) struct Avx2;

/// Runs of four of 8 bits in AVX-512 with VNNI: `vpdpbusd`, the form that does not saturate.
#[derive(Clone, Copy)]
pub(super) struct Vnni;

// SAFETY of all that follows: the methods ask of their caller what the instructions need, the features and the memory;
// loads and stores are the unaligned ones.

impl Dot for Avx2 {
    type X = i16;
    type W = i16;
    type Run = __m256i;
    type Sums = __m256i;
    const STEP: usize = 2;
    const LANES: usize = 8;
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn weights(from: *const i16) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const i16) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn dot(sums: __m256i, x: __m256i, w: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(x, w)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const i32) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(sums: __m256i, to: *mut i32) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_si256(to.cast(), sums) }
    }

    #[inline(always)]
    unsafe fn run(part: impl Part<Self>) {
        #[target_feature(enable = "avx2")]
        fn run(part: impl Part<Avx2>) {
            part.run();
        }
        // SAFETY: see above.
        unsafe { run(part) }
    }
}

macro_rules! avx512 {
    ($name:ident, $x:ty, $w:ty, $step:literal, $dot:ident) => {
        impl Dot for $name {
            type X = $x;
            type W = $w;
            type Run = __m512i;
            type Sums = __m512i;
            const STEP: usize = $step;
            const LANES: usize = 16;
            const ROWS: usize = 14;

            #[inline(always)]
            unsafe fn weights(from: *const $w) -> __m512i {
                // SAFETY: see above.
                unsafe { _mm512_loadu_si512(from.cast()) }
            }

            #[inline(always)]
            unsafe fn splat(from: *const $x) -> __m512i {
                // SAFETY: see above.
                unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
            }

            #[inline(always)]
            unsafe fn dot(sums: __m512i, x: __m512i, w: __m512i) -> __m512i {
                // SAFETY: see above.
                unsafe { $dot(sums, x, w) }
            }

            #[inline(always)]
            unsafe fn load(from: *const i32) -> __m512i {
                // SAFETY: see above.
                unsafe { _mm512_loadu_si512(from.cast()) }
            }

            #[inline(always)]
            unsafe fn store(sums: __m512i, to: *mut i32) {
                // SAFETY: see above.
                unsafe { _mm512_storeu_si512(to.cast(), sums) }
            }

            #[inline(always)]
            unsafe fn run(part: impl Part<Self>) {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
                fn run(part: impl Part<$name>) {
                    part.run();
                }
                // SAFETY: see above.
                unsafe { run(part) }
            }
        }
    };
}

avx512!(Vnni, u8, i8, 4, _mm512_dpbusd_epi32);
