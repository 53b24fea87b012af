use candle_core::{D, Tensor, Var};
use sconce::ops;
use sconce::{Result, Seed};

use crate::check::{Input, check, close, for_each_case, signed, size};
use crate::gpu::device;

#[test]
fn attention() -> Result<()> {
    for_each_case("attention", |rng| {
        let leading = [size(rng, 2), size(rng, 2)];
        let [queries, keys] = [size(rng, 4), size(rng, 4)];
        let [features, outputs] = [size(rng, 4), size(rng, 4)];
        let dims = |rows: usize, columns: usize| [leading[0], leading[1], rows, columns];
        let q = Input::new(rng, &dims(queries, features), |rng| 2.0 * signed(rng))?;
        let k = Input::new(rng, &dims(keys, features), |rng| 2.0 * signed(rng))?;
        let v = Input::new(rng, &dims(keys, outputs), signed)?;
        check(rng, &[q, k, v], |t| ops::attention(&t[0], &t[1], &t[2]))
    })
}

/// More queries than are weighed at a time.
#[test]
fn attention_in_blocks_is_attention_as_a_whole() -> Result<()> {
    let mut rng = Seed(9).rng();
    let mut var = |rows: usize| -> Result<Var> {
        let values: Vec<f64> = (0..2 * rows * 8).map(|_| 2.0 * signed(&mut rng)).collect();
        Ok(Var::from_vec(values, (2, rows, 8), &device())?)
    };
    let (q, k, v, dy) = (var(150)?, var(70)?, var(70)?, var(150)?);
    let gradients = (ops::attention(&q, &k, &v)? * dy.as_detached_tensor())?.sum_all()?.backward()?;
    let scores = (q.matmul(&k.t()?)? / 8_f64.sqrt())?;
    let whole = ops::softmax(&scores, D::Minus1)?.matmul(&v)?;
    close(&ops::attention(&q, &k, &v)?, &whole)?;
    let wanted = (whole * dy.as_detached_tensor())?.sum_all()?.backward()?;
    for var in [&q, &k, &v] {
        close(gradients.get(var).unwrap(), wanted.get(var).unwrap())?;
    }
    Ok(())
}

#[test]
fn softmax_and_its_logarithm() -> Result<()> {
    for_each_case("softmax", |rng| {
        let dims = [size(rng, 3), size(rng, 4), size(rng, 5)];
        let dim = rng.below(3);
        let x = Input::new(rng, &dims, |rng| 4.0 * signed(rng))?;
        check(rng, &[x], |t| ops::softmax(&t[0], dim))?;
        let x = Input::new(rng, &dims, |rng| 4.0 * signed(rng))?;
        check(rng, &[x], |t| ops::log_softmax(&t[0], dim))
    })
}

#[test]
fn softmax_cross_entropy() -> Result<()> {
    for_each_case("softmax_cross_entropy", |rng| {
        let (batch, classes) = (size(rng, 5), size(rng, 6));
        let targets: Vec<u32> = (0..batch).map(|_| rng.below(classes) as u32).collect();
        let targets = Tensor::new(targets, &device())?;
        let smoothing = if rng.below(2) == 0 { 0.0 } else { rng.uniform() };
        let logits = Input::new(rng, &[batch, classes], |rng| 4.0 * signed(rng))?;
        check(rng, &[logits], |t| ops::softmax_cross_entropy(&t[0], &targets, smoothing))
    })
}
