use std::sync::LazyLock;

use pulp::{Arch, WithSimd};

use crate::{Error, Result};

/// The vectors to compute with, chosen once: the widest that the CPU has, or what `SCONCE_SIMD` says, for
/// tests and for comparing machines.
static CHOSEN: LazyLock<Chosen> = LazyLock::new(|| {
    let asked = std::env::var_os("SCONCE_SIMD").unwrap_or_default();
    Chosen::of(asked.to_string_lossy().trim())
});

struct Chosen {
    arch: Arch,
    /// What was asked for and cannot be.
    problem: Option<String>,
}

impl Chosen {
    fn of(asked: &str) -> Chosen {
        let arch = match asked {
            "" | "auto" => Some(Arch::new()),
            "none" => Some(Arch::Scalar),
            #[cfg(target_arch = "x86_64")]
            "avx2" => pulp::x86::V3::try_new().map(Arch::V3),
            #[cfg(target_arch = "x86_64")]
            "avx512" => pulp::x86::V4::try_new().map(Arch::V4),
            _ => None,
        };
        let problem = match asked {
            _ if arch.is_some() => None,
            "avx2" | "avx512" => Some(format!("{asked:?}, which this CPU does not have")),
            _ => Some(format!("{asked:?}")),
        };
        Chosen { arch: arch.unwrap_or_default(), problem }
    }
}

/// Refuses a `SCONCE_SIMD` that is none of the choices, or not the CPU's.
pub(super) fn check_choice() -> Result<()> {
    match &CHOSEN.problem {
        None => Ok(()),
        Some(problem) => Err(Error::Argument {
            op: "SCONCE_SIMD".into(),
            expected: "auto, avx512, avx2 or none".into(),
            got: problem.clone(),
            hint: "Unset it to use the widest vectors that the CPU has.".into(),
        }),
    }
}

/// The kind of CPU that is computed for.
pub(super) fn arch() -> Arch {
    CHOSEN.arch
}

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
pub(crate) fn dispatch<O: WithSimd>(operation: O) -> O::Output {
    CHOSEN.arch.dispatch(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_one_that_can_be_or_has_a_problem() {
        for asked in ["", "auto", "none"] {
            assert!(Chosen::of(asked).problem.is_none(), "{asked}");
        }
        assert!(matches!(Chosen::of("none").arch, Arch::Scalar));
        assert_eq!(Chosen::of("AVX2").problem.as_deref(), Some("\"AVX2\""));
        #[cfg(target_arch = "x86_64")]
        {
            assert_eq!(Chosen::of("avx2").problem.is_some(), pulp::x86::V3::try_new().is_none());
            assert_eq!(Chosen::of("avx512").problem.is_some(), pulp::x86::V4::try_new().is_none());
        }
    }
}
