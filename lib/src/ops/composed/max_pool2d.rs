use candle_core::{Result, Tensor};

use super::super::max_pool2d::MaxPool2d;
use super::differentiable;
use super::grid_index::NOTHING;
use super::sums::{constant, indices};

/// [`super::super::max_pool2d`] of any device: the largest of every row's part of a window, then the
/// largest of those. Ties go to the first of the row, then to the first row, as in one walk.
pub(in super::super) fn max_pool2d(pool: &MaxPool2d, x: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::super::cuda::computes(&[x]) {
        return super::super::cuda::max_pool2d(pool, x);
    }
    let [height, width] = pool.input;
    let device = x.device();
    let [rows, columns] = [0, 1].map(|axis| windows(pool, axis));
    let values = x.detach().contiguous()?;
    let number = |count: usize| Tensor::arange(0, count as u32, device);
    // Which pixel is the largest is for the gradient only.
    let pixels = if x.track_op() { Some(number(width)?.reshape((1, 1, 1, width))?) } else { None };
    let (values, pixels) = largest(&values, pixels.as_ref(), 3, &columns)?; // (B, C, H, OW)
    let pixels = match pixels {
        Some(pixels) => {
            let starts = Tensor::arange_step(0, (height * width) as u32, width as u32, device)?;
            Some(pixels.broadcast_add(&starts.reshape((1, 1, height, 1))?)?)
        }
        None => None,
    };
    let (y, pixels) = largest(&values, pixels.as_ref(), 2, &rows)?; // (B, C, OH, OW)
    let pixels = match pixels {
        Some(pixels) => pixels.contiguous()?,
        None => return Ok(y),
    };
    let over = [over(&rows, height), over(&columns, width)];
    differentiable("max_pool2d", [x], y, move |given| {
        let (dy, device) = (&given.dy, given.dy.device());
        let (batch, channels, _, _) = dy.dims4()?;
        let lengths = [0, 1].map(|axis| over[axis].first().map_or(1, Vec::len));
        let [of_rows, of_columns] =
            [0, 1].map(|axis| indices(over[axis].iter().flatten().copied().collect(), device));
        let (of_rows, of_columns) = (of_rows?, of_columns?);
        let shape = [batch, channels, height, lengths[0], width, lengths[1]];
        // Around every pixel the windows that it lies in.
        let around = |t: &Tensor| t.index_select(&of_rows, 2)?.index_select(&of_columns, 3)?.reshape(&shape);
        let own = Tensor::arange(0, (height * width) as u32, device)?.reshape((1, 1, height, 1, width, 1))?;
        let dy = around(dy)?;
        let hit = around(&pixels)?.eq(&own.broadcast_as(dy.shape())?)?;
        let dx = hit.where_cond(&dy, &constant(0.0, &dy)?)?;
        let dx = if lengths == [1, 1] { dx } else { dx.sum((3, 5))? };
        Ok([Some(dx.reshape((batch, channels, height, width))?)])
    })
}

/// The pixels of an axis that lie in each window.
fn windows(pool: &MaxPool2d, axis: usize) -> Vec<Vec<u32>> {
    let (window, input, output) = (pool.window, pool.input[axis], pool.output[axis]);
    let mut windows = vec![Vec::new(); output];
    for tap in 0..window.kernel[axis] {
        for position in window.inside(axis, tap, input, output) {
            windows[position].push(window.pixel(axis, tap, position) as u32);
        }
    }
    windows
}

/// The windows of an axis that each pixel lies in, lists of one length.
fn over(windows: &[Vec<u32>], input: usize) -> Vec<Vec<u32>> {
    let mut over = vec![Vec::new(); input];
    for (position, pixels) in windows.iter().enumerate() {
        pixels.iter().for_each(|&pixel| over[pixel as usize].push(position as u32));
    }
    let longest = over.iter().map(Vec::len).max().unwrap_or(0).max(1);
    over.iter_mut().for_each(|list| list.resize(longest, NOTHING));
    over
}

/// The first largest value of every window along `axis`, and what `places` has there.
fn largest(
    values: &Tensor,
    places: Option<&Tensor>,
    axis: usize,
    windows: &[Vec<u32>],
) -> Result<(Tensor, Option<Tensor>)> {
    let longest = windows.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let mut best: Option<(Tensor, Option<Tensor>)> = None;
    for tap in 0..longest {
        // A shorter window sees its last pixel again, which changes nothing. Of no pixel there is 0.
        let seen = |pixels: &Vec<u32>| pixels.get(tap).or(pixels.last()).copied().unwrap_or(NOTHING);
        let seen = indices(windows.iter().map(seen).collect(), values.device())?;
        let value = values.index_select(&seen, axis)?;
        let place = match places {
            Some(places) => Some(places.index_select(&seen, axis)?.broadcast_as(value.shape())?),
            None => None,
        };
        best = Some(match best {
            None => (value, place),
            Some((best, best_place)) => {
                // What is not a number is largest, the first of them.
                let stays = (value.le(&best)? + best.ne(&best)?)?;
                let place = match (best_place, place) {
                    (Some(best), Some(place)) => Some(stays.where_cond(&best, &place)?),
                    _ => None,
                };
                (stays.where_cond(&best, &value)?, place)
            }
        });
    }
    best.ok_or_else(|| candle_core::Error::Msg("max_pool2d: a window without pixels".into()))
}
