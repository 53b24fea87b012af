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

#[test]
fn attention_in_heads() -> Result<()> {
    for_each_case("attention_in_heads", |rng| {
        let (batch, heads) = (size(rng, 2), size(rng, 3));
        let [queries, keys] = [size(rng, 4), size(rng, 4)];
        let [features, outputs] = [heads * size(rng, 3), heads * size(rng, 3)];
        let q = Input::new(rng, &[batch, queries, features], |rng| 2.0 * signed(rng))?;
        let k = Input::new(rng, &[batch, keys, features], |rng| 2.0 * signed(rng))?;
        let v = Input::new(rng, &[batch, keys, outputs], signed)?;
        check(rng, &[q, k, v], |t| ops::attention_in_heads(&t[0], &t[1], &t[2], heads))
    })
}

fn weights(t: &[Tensor]) -> ops::AttentionWeights<'_> {
    ops::AttentionWeights {
        in_proj_weight: &t[0],
        in_proj_bias: &t[1],
        out_proj_weight: &t[2],
        out_proj_bias: &t[3],
    }
}

#[test]
fn multi_head_attention() -> Result<()> {
    for_each_case("multi_head_attention", |rng| {
        let (batch, heads) = (size(rng, 2), size(rng, 2));
        let ([queries, keys], features) = ([size(rng, 3), size(rng, 3)], heads * size(rng, 2));
        let mut inputs = Vec::new();
        for dims in [&[3 * features, features][..], &[3 * features], &[features, features], &[features]] {
            inputs.push(Input::new(rng, dims, signed)?);
        }
        inputs.push(Input::new(rng, &[batch, queries, features], signed)?);
        check(rng, &inputs, |t| ops::multi_head_attention([&t[4]; 3], weights(t), heads))?;
        for _ in 0..2 {
            inputs.push(Input::new(rng, &[batch, keys, features], signed)?);
        }
        check(rng, &inputs, |t| ops::multi_head_attention([&t[4], &t[5], &t[6]], weights(t), heads))
    })
}

#[test]
fn relative_attention() -> Result<()> {
    for_each_case("relative_attention", |rng| {
        let (batch, heads, features) = (size(rng, 2), size(rng, 2), size(rng, 3));
        let grid = [size(rng, 3), size(rng, 3)];
        let qkv = [batch, grid[0] * grid[1], heads * 3 * features];
        let qkv = Input::new(rng, &qkv, |rng| 2.0 * signed(rng))?;
        let table = Input::new(rng, &[(2 * grid[0] - 1) * (2 * grid[1] - 1), heads], signed)?;
        check(rng, &[qkv, table], |t| ops::relative_attention(&t[0], &t[1], grid))
    })
}

/// Without biases it is attention, and a bias that is large for one way picks the pixel there.
#[test]
fn relative_attention_is_attention_with_biases() -> Result<()> {
    let (heads, features, grid) = (2, 3, [2, 3]);
    let mut rng = Seed(9).rng();
    let values: Vec<f64> = (0..2 * 6 * heads * 3 * features).map(|_| signed(&mut rng)).collect();
    let qkv = Tensor::from_vec(values, (2, 6, heads, 3, features), &device())?;
    let part = |index: usize| qkv.narrow(3, index, 1)?.reshape((2, 6, heads * features));
    let (q, k, v) = (part(0)?, part(1)?, part(2)?);
    let packed = qkv.flatten_from(2)?;
    let table = Tensor::zeros((15, heads), candle_core::DType::F64, &device())?;
    close(&ops::relative_attention(&packed, &table, grid)?, &ops::attention_in_heads(&q, &k, &v, heads)?)?;
    // Row (H - 1 - r)·(2·W - 1) + W - 1 - c for a pixel 1 row below and 1 column to the right: pixel 0 sees pixel 4.
    let mut biases = vec![0.0; 15 * heads];
    biases[heads..2 * heads].fill(1e4);
    let table = Tensor::from_vec(biases, (15, heads), &device())?;
    let y = ops::relative_attention(&packed, &table, grid)?;
    close(&y.narrow(1, 0, 1)?, &v.narrow(1, 4, 1)?)
}

/// Self-attention in one product is attention of three tensors that are the same.
#[test]
fn self_attention_is_attention_of_equal_inputs() -> Result<()> {
    let mut rng = Seed(3).rng();
    let mut tensor = |dims: &[usize]| -> Result<Tensor> {
        let values: Vec<f64> = (0..dims.iter().product()).map(|_| signed(&mut rng)).collect();
        Ok(Tensor::from_vec(values, dims, &device())?)
    };
    let x = tensor(&[2, 5, 6])?;
    let tensors = [tensor(&[18, 6])?, tensor(&[18])?, tensor(&[6, 6])?, tensor(&[6])?];
    let together = ops::multi_head_attention([&x; 3], weights(&tensors), 3)?;
    close(&together, &ops::multi_head_attention([&x, &x.copy()?, &x.copy()?], weights(&tensors), 3)?)
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
