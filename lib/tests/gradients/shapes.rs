use candle_core::Tensor;
use sconce::Result;
use sconce::ops::{self, PadMode, Padding};

use crate::check::{Input, check, for_each_case, signed, size};

#[test]
fn concat() -> Result<()> {
    for_each_case("concat", |rng| {
        let (dims, dim) = ([size(rng, 3), size(rng, 3), size(rng, 4)], rng.below(3));
        let mut inputs = Vec::new();
        for _ in 0..size(rng, 3) {
            let mut dims = dims;
            dims[dim] = size(rng, 3);
            inputs.push(Input::new(rng, &dims, signed)?);
        }
        check(rng, &inputs, |t| ops::concat(&t.iter().collect::<Vec<_>>(), dim))
    })
}

/// The same tensor twice: its gradients add up.
#[test]
fn concat_with_itself() -> Result<()> {
    for_each_case("concat_with_itself", |rng| {
        let (dims, dim) = ([size(rng, 3), size(rng, 3)], rng.below(2));
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| ops::concat(&[&t[0], &t[0]], dim))
    })
}

#[test]
fn slice() -> Result<()> {
    for_each_case("slice", |rng| {
        let (dims, dim) = ([size(rng, 4), size(rng, 4), size(rng, 5)], rng.below(3));
        let start = rng.below(dims[dim]);
        let range = start..start + size(rng, dims[dim] - start);
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| ops::slice(&t[0], dim, range.clone()))
    })
}

#[test]
fn pad() -> Result<()> {
    for mode in [PadMode::Constant(0.5), PadMode::Reflect, PadMode::Replicate] {
        for_each_case("pad", |rng| {
            let dims = [size(rng, 2), size(rng, 3), size(rng, 5), size(rng, 5)];
            let most = if mode == PadMode::Reflect { [dims[2], dims[3]] } else { [4, 4] };
            let padding = Padding {
                top: rng.below(most[0]),
                bottom: rng.below(most[0]),
                left: rng.below(most[1]),
                right: rng.below(most[1]),
            };
            let x = Input::new(rng, &dims, signed)?;
            check(rng, &[x], |t| ops::pad(&t[0], padding, mode))
        })?;
    }
    Ok(())
}

#[test]
fn mean() -> Result<()> {
    for_each_case("mean", |rng| {
        let dims = [size(rng, 3), size(rng, 4), size(rng, 3), size(rng, 5)];
        let mut over: Vec<usize> = (0..4).collect();
        rng.shuffle(&mut over);
        over.truncate(size(rng, 4));
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| ops::mean(&t[0], &over))
    })
}

#[test]
fn stochastic_depth() -> Result<()> {
    for_each_case("stochastic_depth", |rng| {
        let dims = [size(rng, 6), size(rng, 3), size(rng, 4)];
        let (p, seed) = (rng.uniform() * 0.9, sconce::Seed(rng.next_u64()));
        let rank = size(rng, 3);
        let x = Input::new(rng, &dims[..rank], signed)?;
        check(rng, &[x], |t| ops::stochastic_depth(&t[0], p, seed))
    })
}

#[test]
fn position_embedding() -> Result<()> {
    for_each_case("position_embedding", |rng| {
        let dims = [size(rng, 3), size(rng, 4), size(rng, 3), size(rng, 3)];
        let dims = &dims[..2 + rng.below(3)];
        let mut embedding = dims.to_vec();
        embedding[0] = 1;
        let embedding = if rng.below(2) == 0 { &embedding[..] } else { &embedding[1..] };
        let inputs = [Input::new(rng, dims, signed)?, Input::new(rng, embedding, signed)?];
        check(rng, &inputs, |t| ops::position_embedding(&t[0], &t[1]))
    })
}

/// What the graph takes from candle as it is.
#[test]
fn candles_reshape_permute_and_transpose() -> Result<()> {
    for_each_case("reshape", |rng| {
        let dims = [size(rng, 3), size(rng, 4), size(rng, 5)];
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| Ok(t[0].reshape((dims[2], dims[0] * dims[1]))?))?;
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| Ok(t[0].flatten_from(1)?))?;
        let mut order = vec![0, 1, 2];
        rng.shuffle(&mut order);
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| Ok(t[0].permute(order.as_slice())?))?;
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| {
            Ok(t[0].transpose(order[0], order[1])?.reshape(dims.iter().product::<usize>())?)
        })
    })
}

#[test]
fn candles_product_with_broadcasting() -> Result<()> {
    for_each_case("multiply", |rng| {
        let dims = [size(rng, 3), size(rng, 3), size(rng, 4), size(rng, 3)];
        let smaller = dims.map(|dim| if rng.below(2) == 0 { 1 } else { dim });
        let inputs = [Input::new(rng, &dims, signed)?, Input::new(rng, &smaller, signed)?];
        check(rng, &inputs, |t| Ok(t[0].broadcast_mul(&t[1])?))?;
        let [a, b] = [Input::new(rng, &smaller, signed)?, Input::new(rng, &dims, signed)?];
        check(rng, &[a, b], |t: &[Tensor]| Ok(t[0].broadcast_mul(&t[1])?))
    })
}
