use sconce::Result;
use sconce::ops::{self, Corners, Divisor, Interpolation, Rounding};

use crate::check::{Input, check, for_each_case, signed, size, window};

#[test]
fn max_pool2d() -> Result<()> {
    for_each_case("max_pool2d", |rng| {
        let (kernel, sliding, [height, width]) = window(rng, 2);
        let rounding = if rng.below(2) == 0 { Rounding::Floor } else { Rounding::Ceil };
        let dims = [size(rng, 2), size(rng, 3), height, width];
        let x = Input::distinct(rng, &dims)?;
        check(rng, &[x], |t| ops::max_pool2d(&t[0], kernel, sliding, rounding))
    })
}

#[test]
fn avg_pool2d() -> Result<()> {
    for_each_case("avg_pool2d", |rng| {
        let (kernel, sliding, [height, width]) = window(rng, 1);
        let rounding = if rng.below(2) == 0 { Rounding::Floor } else { Rounding::Ceil };
        let divisor = if rng.below(2) == 0 { Divisor::WithPadding } else { Divisor::PixelsOnly };
        let dims = [size(rng, 2), size(rng, 3), height, width];
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| ops::avg_pool2d(&t[0], kernel, sliding, rounding, divisor))?;
        let output = [size(rng, 6), size(rng, 6)];
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| ops::adaptive_avg_pool2d(&t[0], output))
    })
}

#[test]
fn global_avg_pool() -> Result<()> {
    for_each_case("global_avg_pool", |rng| {
        let dims = [size(rng, 3), size(rng, 3), size(rng, 5), size(rng, 5)];
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| ops::global_avg_pool(&t[0]))
    })
}

#[test]
fn interpolate() -> Result<()> {
    use Interpolation::{Bilinear, Nearest};
    for interpolation in [Nearest, Bilinear(Corners::Edges), Bilinear(Corners::Centres)] {
        for_each_case("interpolate", |rng| {
            let dims = [size(rng, 2), size(rng, 2), size(rng, 5), size(rng, 5)];
            let output = [size(rng, 9), size(rng, 9)];
            let x = Input::new(rng, &dims, signed)?;
            check(rng, &[x], |t| ops::interpolate(&t[0], output, interpolation))
        })?;
    }
    Ok(())
}
