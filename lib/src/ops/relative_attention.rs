use candle_core::Tensor;

use super::composed;
use super::multi_head_attention::check_heads;
use super::operands::{check, shape_error};
use super::precision::check_precision;
use crate::Result;

/// Self-attention of the pixels of an image, in heads, with a bias that is learnt for each way from one pixel to another
/// (Dai et al. 2021, CoAtNet): `softmax(q · kᵀ / √D + bias) · v`.
///
/// `qkv` (B, N, heads·3·D) has for each of the N = H·W pixels of `grid` = [H, W], row by row, and for each head its query,
/// its key and its value. `table` ((2·H - 1)·(2·W - 1), heads) has the biases: the one of a pixel that looks at another `r`
/// rows below and `c` columns to the right of it is in row `(H - 1 - r)·(2·W - 1) + W - 1 - c`. Gives (B, N, heads·D).
///
/// # Errors
/// If the shapes do not fit each other or the tensors are not both f32 or both f64.
pub fn relative_attention(qkv: &Tensor, table: &Tensor, grid: [usize; 2]) -> Result<Tensor> {
    check_relative(qkv, table, grid)?;
    check_precision("relative_attention", qkv)?;
    Ok(composed::relative_attention(qkv, table, grid)?)
}

/// What [`relative_attention`] takes of each pixel for each pixel, (B, heads, N, N); each row sums to 1. No gradient goes
/// through it.
pub(crate) fn relative_attention_weights(qkv: &Tensor, table: &Tensor, grid: [usize; 2]) -> Result<Tensor> {
    check_relative(qkv, table, grid)?;
    Ok(composed::relative_attention_weights(qkv, table, grid)?)
}

fn check_relative(qkv: &Tensor, table: &Tensor, grid: [usize; 2]) -> Result<()> {
    let op = "relative_attention";
    check(op, &[("qkv", qkv), ("table", table)])?;
    let pixels = grid[0].saturating_mul(grid[1]);
    let &[batch, tokens, features] = qkv.dims() else {
        return Err(shape_error(op, "queries, keys and values (B, N, heads·3·D)", qkv.dims(), ""));
    };
    if tokens != pixels || pixels == 0 || batch == 0 {
        let expected = format!("(B, {pixels}, heads·3·D) for {} x {} pixels", grid[0], grid[1]);
        return Err(shape_error(op, expected, qkv.dims(), ""));
    }
    let rows = table_rows(grid);
    let &[found, heads] = table.dims() else {
        return Err(shape_error(op, format!("biases ({rows}, heads)"), table.dims(), ""));
    };
    if found != rows {
        return Err(shape_error(op, format!("biases ({rows}, heads)"), table.dims(), ""));
    }
    check_heads(op, heads.saturating_mul(3), features)
}

/// The ways from one pixel to another.
pub(crate) fn table_rows([height, width]: [usize; 2]) -> usize {
    let ways = |side: usize| side.saturating_mul(2).saturating_sub(1);
    ways(height).saturating_mul(ways(width))
}
