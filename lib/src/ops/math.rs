//! Functions of one number. Those of f32 have no branches, so that loops over them become vector code; their
//! errors are a few units in the last place of f32. Those of f64 are the usual ones.

/// What activations are made of.
pub(crate) trait Math {
    /// `eˣ`; 0 and infinity where that is out of range.
    fn exp(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
}

impl Math for f64 {
    fn exp(self) -> f64 {
        f64::exp(self)
    }

    fn erf(self) -> f64 {
        libm::erf(self)
    }

    fn tanh(self) -> f64 {
        f64::tanh(self)
    }
}

/// A rational approximation of `erf(x) / x` in `x²` for `|x| ≤ 3.92`, fitted to a relative error of 2e-8.
const ERF_NUMERATOR: [f32; 6] = [
    std::f32::consts::FRAC_2_SQRT_PI,
    0.191_545_77,
    0.052_874_837,
    0.003_807_962_4,
    0.000_284_682_55,
    0.000_002_025_935_1,
];
const ERF_DENOMINATOR: [f32; 6] =
    [1.0, 0.503_085_7, 0.114_557_74, 0.015_054_694, 0.001_170_676, 0.000_037_831_807];

impl Math for f32 {
    #[inline(always)]
    fn exp(self) -> f32 {
        // x = n ln 2 + r, so eˣ = 2ⁿ eʳ with |r| ≤ ln 2 / 2. The sum with 1.5 · 2²³ rounds to whole numbers.
        const ROUND: f32 = 12_582_912.0;
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -0.000_212_194_44;
        let x = if self > 88.8 { 88.8 } else { self };
        let x = if x < -104.0 { -104.0 } else { x };
        let shifted = x * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = (x - n * LN2_HIGH) - n * LN2_LOW;
        let series = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
        let power = series.into_iter().fold(0.0, |sum, factor| sum * r + factor);
        // The last bits of the shifted number are the whole number. A conversion, which saturates, would not become
        // vector code. Of a NaN they are anything, and the power is NaN.
        let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
        // In two steps, for powers that have no normal f32.
        let half = n >> 1;
        power * two_to(half) * two_to(n.wrapping_sub(half))
    }

    #[inline(always)]
    fn erf(self) -> f32 {
        let x = self.clamp(-3.92, 3.92);
        let square = x * x;
        let polynomial =
            |factors: [f32; 6]| factors.into_iter().rev().fold(0.0, |sum, factor| sum * square + factor);
        let inside = (x * polynomial(ERF_NUMERATOR) / polynomial(ERF_DENOMINATOR)).clamp(-1.0, 1.0);
        // Further out there is no f32 between it and 1.
        if self.abs() > 3.92 { 1.0_f32.copysign(self) } else { inside }
    }

    #[inline(always)]
    fn tanh(self) -> f32 {
        // Near 0 the quotient would lose digits, and three terms of the series have them all.
        let square = self * self;
        let near = self * (1.0 + square * (-1.0 / 3.0 + square * (2.0 / 15.0)));
        let e = Math::exp(-2.0 * self.abs());
        let far = ((1.0 - e) / (1.0 + e)).copysign(self);
        if square < 0.003 { near } else { far }
    }
}

/// 2ⁿ for n in -126..=127.
#[inline(always)]
fn two_to(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23) as u32)
}

/// `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub(super) fn sigmoid<T: super::host::Real>(x: T) -> T {
    T::one() / (T::one() + Math::exp(T::zero() - x))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every f32 between, in steps.
    fn samples() -> impl Iterator<Item = f32> {
        (-2_000_000..=2_000_000).map(|i| i as f32 * 0.000_053)
    }

    #[track_caller]
    fn near(name: &str, got: f32, wanted: f64, x: f32, tolerance: f64) {
        let error = (f64::from(got) - wanted).abs();
        assert!(error <= tolerance * wanted.abs() + 1e-37, "{name}({x}) = {got}, not {wanted}");
    }

    #[test]
    fn single_precision_is_that_of_double_precision() {
        for x in samples() {
            let double = f64::from(x);
            if x < 88.7 {
                near("exp", Math::exp(x), double.exp(), x, 3e-7);
            }
            near("erf", Math::erf(x), Math::erf(double), x, 5e-7);
            near("tanh", Math::tanh(x), double.tanh(), x, 4e-7);
        }
    }

    #[test]
    fn what_has_no_number_is_kept() {
        for f in [Math::exp, Math::erf, Math::tanh] as [fn(f32) -> f32; 3] {
            assert!(f(f32::NAN).is_nan());
        }
        assert_eq!(Math::exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(Math::exp(f32::INFINITY), f32::INFINITY);
        assert_eq!((Math::erf(f32::INFINITY), Math::tanh(f32::NEG_INFINITY)), (1.0, -1.0));
        assert_eq!((Math::exp(0.0_f32), Math::erf(0.0_f32), Math::tanh(0.0_f32)), (1.0, 0.0, 0.0));
    }
}
