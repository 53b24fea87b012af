//! Vectors of either floating point type, for loops that the compiler does not make of vector instructions by itself:
//! those that keep several sums at a time.

use std::mem::MaybeUninit;

use pulp::Simd;

/// A number that vectors hold.
pub(crate) trait Lanes: Copy {
    /// A vector of the CPU's.
    type Vector<S: Simd>: Copy;

    /// Numbers of a vector.
    fn lanes<S: Simd>() -> usize;
    /// One number in all lanes.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    /// The first of `values`, zeros where there are fewer than lanes.
    fn load<S: Simd>(simd: S, values: &[Self]) -> Self::Vector<S>;
    /// Puts a vector into the first of `values`, as much of it as has room there.
    fn store<S: Simd>(simd: S, vector: Self::Vector<S>, values: &mut [Self]);
    /// The same where there are no values yet. Writes to each of `values` that there is a lane for.
    fn put<S: Simd>(simd: S, vector: Self::Vector<S>, values: &mut [MaybeUninit<Self>]);
    /// `a + b`.
    fn add_vectors<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a - b`.
    fn sub_vectors<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a · b`.
    fn mul_vectors<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a · b + c`, rounded once.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// The sum of all lanes.
    fn reduce<S: Simd>(simd: S, vector: Self::Vector<S>) -> Self;
}

macro_rules! lanes {
    ($real:ty, $vector:ident, $lanes:ident, $as_simd:ident, $as_mut_simd:ident,
     $as_uninit_mut_simd:ident, $splat:ident, $load:ident,
     $store:ident, $add:ident, $sub:ident, $mul:ident, $mul_add:ident, $reduce:ident) => {
        impl Lanes for $real {
            type Vector<S: Simd> = S::$vector;

            #[inline(always)]
            fn lanes<S: Simd>() -> usize {
                S::$lanes
            }

            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }

            #[inline(always)]
            fn load<S: Simd>(simd: S, values: &[Self]) -> S::$vector {
                match S::$as_simd(values).0 {
                    [vector, ..] => *vector,
                    [] => simd.$load(values),
                }
            }

            #[inline(always)]
            fn store<S: Simd>(simd: S, vector: S::$vector, values: &mut [Self]) {
                match S::$as_mut_simd(values) {
                    ([first, ..], _) => *first = vector,
                    ([], values) => simd.$store(values, vector),
                }
            }

            #[inline(always)]
            fn put<S: Simd>(simd: S, vector: S::$vector, values: &mut [MaybeUninit<Self>]) {
                if let ([first, ..], _) = S::$as_uninit_mut_simd(values) {
                    first.write(vector);
                    return;
                }
                for value in &mut *values {
                    value.write(0.0);
                }
                // SAFETY: each was just written.
                simd.$store(unsafe { values.assume_init_mut() }, vector);
            }

            #[inline(always)]
            fn add_vectors<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }

            #[inline(always)]
            fn sub_vectors<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$sub(a, b)
            }

            #[inline(always)]
            fn mul_vectors<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$mul(a, b)
            }

            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$mul_add(a, b, c)
            }

            #[inline(always)]
            fn reduce<S: Simd>(simd: S, vector: S::$vector) -> Self {
                simd.$reduce(vector)
            }
        }
    };
}

lanes!(
    f32,
    f32s,
    F32_LANES,
    as_simd_f32s,
    as_mut_simd_f32s,
    as_uninit_mut_simd_f32s,
    splat_f32s,
    partial_load_f32s,
    partial_store_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    mul_add_f32s,
    reduce_sum_f32s
);
lanes!(
    f64,
    f64s,
    F64_LANES,
    as_simd_f64s,
    as_mut_simd_f64s,
    as_uninit_mut_simd_f64s,
    splat_f64s,
    partial_load_f64s,
    partial_store_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    mul_add_f64s,
    reduce_sum_f64s
);
