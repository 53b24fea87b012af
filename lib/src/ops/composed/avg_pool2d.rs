use candle_core::{Result, Tensor};

use super::super::avg_pool2d::{AvgPool2d, Side};
use super::axis_sums::{AxisSums, image_sums};
use super::differentiable;
use super::sums::uploaded;

/// [`super::super::avg_pool2d`] and [`super::super::adaptive_avg_pool2d`] of any device.
pub(in super::super) fn avg_pool2d(pool: &AvgPool2d, x: &Tensor) -> Result<Tensor> {
    let sides = [&pool.rows, &pool.columns];
    let sums = [0, 1].map(|axis| AxisSums {
        inputs: pool.input[axis],
        terms: sides[axis]
            .iter()
            .map(|side| side.pixels.clone().map(|pixel| (pixel, 1.0)).collect())
            .collect(),
    });
    let shares = Shares::of(sides.map(Vec::as_slice));
    let y = shares.apply(&image_sums(&sums, &x.detach())?)?;
    let transposed = sums.map(|sums| sums.transposed());
    differentiable(pool.name, [x], y, move |given| {
        Ok([Some(image_sums(&transposed, &shares.apply(&given.dy)?)?)])
    })
}

/// What the sums are divided by, as factors.
enum Shares {
    Same(f64),
    /// One a row and one a column.
    Each([Vec<f64>; 2]),
}

impl Shares {
    fn of(sides: [&[Side]; 2]) -> Shares {
        let [rows, columns] = sides
            .map(|sides| sides.iter().map(|side| 1.0 / side.counted.max(1) as f64).collect::<Vec<f64>>());
        let same = |shares: &[f64]| shares.windows(2).all(|pair| pair[0] == pair[1]);
        match (rows.first(), columns.first()) {
            (Some(row), Some(column)) if same(&rows) && same(&columns) => Shares::Same(row * column),
            _ => Shares::Each([rows, columns]),
        }
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Shares::Same(share) => x * *share,
            Shares::Each([rows, columns]) => {
                let shares = rows.iter().flat_map(|row| columns.iter().map(move |column| row * column));
                let shape = [rows.len(), columns.len()];
                x.broadcast_mul(&uploaded(shares.collect(), &shape, x.dtype(), x.device())?)
            }
        }
    }
}
