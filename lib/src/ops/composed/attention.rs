use candle_core::{D, Result, Tensor};

use super::super::precision::Precision;
use super::super::softmax::Scale;
use super::differentiable;
use super::softmax::{backward, forward};

/// Weights that are there at a time: 512 MiB of f32.
const WEIGHTS: usize = 1 << 27;

/// [`super::super::attention`] of any device. As there, the weights are made for a block of queries at
/// a time, and made again in the gradient.
pub(in super::super) fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    in_blocks(q, k, v, WEIGHTS)
}

fn in_blocks(q: &Tensor, k: &Tensor, v: &Tensor, most_weights: usize) -> Result<Tensor> {
    let [q_heads, k_heads, v_heads] = [q, k, v].map(|t| heads(&t.detach()));
    let (q_heads, k_heads, v_heads) = (q_heads?, k_heads?, v_heads?);
    let (count, queries, features) = q_heads.dims3()?;
    let (scale, precision) = (1.0 / (features as f64).sqrt(), Precision::current());
    let weights = move |q: &Tensor, k: &Tensor| {
        forward(&precision.matmul(&(q.contiguous()? * scale)?, &k.t()?)?, 2, Scale::Plain)
    };
    let block = (most_weights / (count * k_heads.dim(1)?).max(1)).max(1);
    let blocks = move || (0..queries).step_by(block).map(move |first| (first, block.min(queries - first)));
    let outputs: Vec<Tensor> = blocks()
        .map(|(first, len)| precision.matmul(&weights(&q_heads.narrow(1, first, len)?, &k_heads)?, &v_heads))
        .collect::<Result<_>>()?;
    let mut dims = q.dims().to_vec();
    dims.pop();
    dims.push(v.dim(D::Minus1)?);
    let y = Tensor::cat(&outputs, 1)?.reshape(dims)?; // (…, N, E)
    differentiable("attention", [q, k, v], y, move |given| {
        let [q, k, v] = &given.inputs;
        let [q_heads, k_heads, v_heads, dy] = [q, k, v, &given.dy].map(heads);
        let (q_heads, k_heads, v_heads, dy) = (q_heads?, k_heads?, v_heads?, dy?);
        let mut dq = Vec::new();
        let mut sums: Option<(Tensor, Tensor)> = None;
        for (first, len) in blocks() {
            let q_block = q_heads.narrow(1, first, len)?.contiguous()?;
            let dy = dy.narrow(1, first, len)?.contiguous()?;
            let p = weights(&q_block, &k_heads)?; // (heads, n, M)
            let dv = precision.matmul(&p.t()?, &dy)?;
            let slopes = (backward(&p, &precision.matmul(&dy, &v_heads.t()?)?, 2)? * scale)?;
            dq.push(precision.matmul(&slopes, &k_heads)?);
            let dk = precision.matmul(&slopes.t()?, &q_block)?;
            sums = Some(match sums {
                Some((dk_sum, dv_sum)) => ((dk_sum + dk)?, (dv_sum + dv)?),
                None => (dk, dv),
            });
        }
        let (dk, dv) = sums.unzip();
        let shaped = |t: Option<Tensor>, like: &Tensor| t.map(|t| t.reshape(like.shape())).transpose();
        Ok([Some(Tensor::cat(&dq, 1)?.reshape(q.shape())?), shaped(dk, k)?, shaped(dv, v)?])
    })
}

/// (…, N, D) as (heads, N, D).
fn heads(x: &Tensor) -> Result<Tensor> {
    let (rows, columns) = (x.dim(D::Minus2)?, x.dim(D::Minus1)?);
    x.contiguous()?.reshape(((), rows, columns))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::{Result, Seed};

    #[test]
    fn blocks_give_what_the_whole_gives() -> Result<()> {
        let mut rng = Seed(4).rng();
        let mut var = |dims: (usize, usize, usize)| -> Result<Var> {
            let values: Vec<f64> = (0..dims.0 * dims.1 * dims.2).map(|_| rng.normal()).collect();
            Ok(Var::from_vec(values, dims, &Device::Cpu)?)
        };
        let (q, k, v) = (var((2, 7, 3))?, var((2, 5, 3))?, var((2, 5, 4))?);
        let gradients = |most| -> Result<Vec<Tensor>> {
            let y = in_blocks(&q, &k, &v, most)?;
            let store = y.sqr()?.sum_all()?.backward()?;
            let mut all = vec![y];
            all.extend([&q, &k, &v].map(|var| store.get(var).unwrap().clone()));
            Ok(all)
        };
        // Two queries of both heads at a time, then one, then all.
        let whole = gradients(WEIGHTS)?;
        for most in [20, 1] {
            for (whole, blocks) in whole.iter().zip(gradients(most)?) {
                let difference = (whole - blocks)?.abs()?.max_all()?.to_scalar::<f64>()?;
                assert!(difference < 1e-12, "{difference}");
            }
        }
        Ok(())
    }
}
