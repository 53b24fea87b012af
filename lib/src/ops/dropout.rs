use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::composed;
use super::elementwise::BLOCK;
use super::host::{Real, dtype, output, read, values, with_real};
use super::operands::check;
use super::record::apply1;
use crate::{Error, Result, Seed};

/// Sets each value to 0 with probability `p` and multiplies the others by `1 / (1 - p)`, so that the
/// expected value stays (Srivastava et al. 2014). The same seed and size drop the same values.
///
/// # Errors
/// If `p` is not in `[0, 1)`, or `x` is not f32 or f64.
pub fn dropout(x: &Tensor, p: f64, seed: Seed) -> Result<Tensor> {
    check("dropout", &[("x", x)])?;
    check_probability("dropout", p)?;
    let op = Dropout { p, seed };
    if composed::computes(x)? {
        return Ok(composed::dropout(&op, x)?);
    }
    apply1(op, x)
}

/// Refuses a `p` that is no probability or would drop everything.
pub(crate) fn check_probability(op: &str, p: f64) -> Result<()> {
    if (0.0..1.0).contains(&p) {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: "a probability p in [0, 1)".into(),
        got: p.to_string(),
        hint: "It is the share that is dropped.".into(),
    })
}

pub(super) struct Dropout {
    pub(super) p: f64,
    pub(super) seed: Seed,
}

impl Dropout {
    /// For each of `len` values 1 if it is kept, else 0.
    pub(super) fn kept(&self, len: usize) -> Vec<u8> {
        let mut kept = vec![0; len];
        kept.par_chunks_mut(BLOCK).enumerate().for_each(|(block, kept)| {
            let mut rng = self.seed.derive(&block.to_string()).rng();
            kept.iter_mut().for_each(|kept| *kept = u8::from(rng.uniform() >= self.p));
        });
        kept
    }

    /// Drops from the values or from their gradient: it is the same map. Each block has its own
    /// generator, so the threads need not wait for each other's numbers.
    fn apply<T: Real>(&self, x: &[T]) -> Vec<T> {
        let scale = T::from_f64(1.0 / (1.0 - self.p));
        let mut y = vec![T::zero(); x.len()];
        y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).enumerate().for_each(|(block, (y, x))| {
            let mut rng = self.seed.derive(&block.to_string()).rng();
            for (y, &x) in y.iter_mut().zip(x) {
                *y = if rng.uniform() < self.p { T::zero() } else { x * scale };
            }
        });
        y
    }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        with_real!(dtype(x), "dropout", T => output(self.apply::<T>(values(x, layout)?), layout.dims()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        with_real!(x.dtype(), "dropout", T => {
            let dx = read([&dy], |[dy]: [&[T]; 1]| self.apply(dy))?;
            Tensor::from_vec(dx, x.shape(), x.device()).map(Some)
        })
    }
}
