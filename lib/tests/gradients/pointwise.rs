use sconce::ops::{self, Activation};
use sconce::{Result, Seed};

use crate::check::{Input, check, for_each_case, signed, size};

#[test]
fn activations() -> Result<()> {
    use Activation::{Gelu, GeluTanh, Hardsigmoid, Hardswish, LeakyRelu, Relu, Relu6, Sigmoid, Silu, Tanh};
    let all =
        [Relu, LeakyRelu { slope: 0.2 }, Gelu, GeluTanh, Silu, Sigmoid, Hardswish, Relu6, Hardsigmoid, Tanh];
    for activation in all {
        for_each_case(activation.name(), |rng| {
            let dims = [size(rng, 4), size(rng, 5), size(rng, 5)];
            // Away from the bends at -3, 0, 3 and 6.
            let ranges = [-4.0, -1.6, 1.5, 4.1, 7.2];
            let x = Input::new(rng, &dims, |rng| ranges[rng.below(5)] + 0.9 * signed(rng))?;
            check(rng, &[x], |t| ops::activate(&t[0], activation))
        })?;
    }
    Ok(())
}

#[test]
fn dropout() -> Result<()> {
    for_each_case("dropout", |rng| {
        let dims = [size(rng, 6), size(rng, 7)];
        let (p, seed) = (rng.uniform() * 0.9, Seed(rng.next_u64()));
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| ops::dropout(&t[0], p, seed))
    })
}

#[test]
fn linear() -> Result<()> {
    for_each_case("linear", |rng| {
        let (inputs, outputs) = (size(rng, 5), size(rng, 5));
        let dims = if rng.below(2) == 0 {
            vec![size(rng, 4), inputs]
        } else {
            vec![size(rng, 3), size(rng, 3), inputs]
        };
        let x = Input::new(rng, &dims, signed)?;
        let weight = Input::new(rng, &[outputs, inputs], signed)?;
        if rng.below(3) == 0 {
            return check(rng, &[x, weight], |t| ops::linear(&t[0], &t[1], None));
        }
        let bias = Input::new(rng, &[outputs], signed)?;
        check(rng, &[x, weight, bias], |t| ops::linear(&t[0], &t[1], Some(&t[2])))
    })
}

/// The graph adds with candle's own addition.
#[test]
fn candles_addition() -> Result<()> {
    for_each_case("add", |rng| {
        let dims = [size(rng, 3), size(rng, 3), size(rng, 4)];
        let [a, b] = [Input::new(rng, &dims, signed)?, Input::new(rng, &dims, signed)?];
        check(rng, &[a, b], |t| Ok((&t[0] + &t[1])?))
    })
}
