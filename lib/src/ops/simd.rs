use std::sync::LazyLock;

use pulp::{Arch, WithSimd};

/// The widest vectors that the CPU has, found once. `SCONCE_SIMD=none` computes without them, `avx2` without
/// those of AVX-512: for tests and for comparing machines.
static ARCH: LazyLock<Arch> = LazyLock::new(|| match std::env::var("SCONCE_SIMD").as_deref() {
    Ok("none") => Arch::Scalar,
    #[cfg(target_arch = "x86_64")]
    Ok("avx2") => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
    _ => Arch::new(),
});

/// Runs plain loops with the vector instructions that the CPU has: the compiler makes `loops` once for each
/// kind of CPU, if all that it calls is inlined.
#[inline(always)]
pub(crate) fn vectorized<R>(loops: impl FnOnce() -> R) -> R {
    struct Loops<F>(F);

    impl<R, F: FnOnce() -> R> WithSimd for Loops<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> R {
            (self.0)()
        }
    }

    dispatch(Loops(loops))
}

/// Runs an operation that is written for vectors of any width.
#[inline(always)]
pub(super) fn dispatch<O: WithSimd>(operation: O) -> O::Output {
    ARCH.dispatch(operation)
}
