//! The instructions of x86-64 CPUs.

use std::arch::x86_64::*;

use super::dot::{Dot, Part};
use super::finish::LANES;
use super::round::Clamp;

/// Pairs of 16 bits in AVX2: `pmaddwd` adds their products exactly. (`pmaddubsw`, which takes 8 bits, would saturate.)
#[derive(Clone, Copy)]
pub(super) struct Avx2;

/// Runs of four of 8 bits in AVX-512 with VNNI: `vpdpbusd`, the form that does not saturate.
#[derive(Clone, Copy)]
pub(super) struct Vnni;

/// Pairs of 16 bits in AVX-512 with VNNI: `vpdpwssd`, the form that does not saturate.
#[derive(Clone, Copy)]
pub(super) struct VnniPairs;

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
    unsafe fn round(sums: &[i32; LANES], multiplier: &[f32; LANES], clamp: Clamp) -> [u8; LANES] {
        // SAFETY: see above.
        unsafe { round(sums, multiplier, clamp) }
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

/// [`round_within`](super::round::round_within) of eight sums, of the same operations one by one: the conversion rounds
/// halves to even, too.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn round(sums: &[i32; LANES], multiplier: &[f32; LANES], clamp: Clamp) -> [u8; LANES] {
    let mut steps = [0; LANES];
    // SAFETY: the caller answers for the instructions; both arrays hold a vector, and `steps` half of one.
    unsafe {
        let sums = _mm256_cvtepi32_ps(_mm256_loadu_si256(sums.as_ptr().cast()));
        let values = _mm256_mul_ps(sums, _mm256_loadu_ps(multiplier.as_ptr()));
        let values = _mm256_max_ps(values, _mm256_set1_ps(clamp.low));
        let values = _mm256_min_ps(values, _mm256_set1_ps(clamp.high));
        let rounded = _mm256_add_epi32(_mm256_cvtps_epi32(values), _mm256_set1_epi32(clamp.zero_point));
        let words = _mm_packs_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256::<1>(rounded));
        _mm_storel_epi64(steps.as_mut_ptr().cast(), _mm_packus_epi16(words, words));
    }
    steps
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
            unsafe fn round(sums: &[i32; LANES], multiplier: &[f32; LANES], clamp: Clamp) -> [u8; LANES] {
                // SAFETY: see above.
                unsafe { round(sums, multiplier, clamp) }
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
avx512!(VnniPairs, i16, i16, 2, _mm512_dpwssd_epi32);
