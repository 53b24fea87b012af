use super::{at_least_one, mismatch, pair};
use crate::Result;
use crate::ops::{check_heads, shape_text};

/// Refuses values that do not end with `features` numbers.
pub(super) fn last(op: &str, shape: &[usize], features: usize) -> Result<()> {
    at_least_one(op, "features", features)?;
    if shape.last() == Some(&features) {
        return Ok(());
    }
    Err(mismatch(op, format!("{features} features"), shape, ""))
}

pub(super) fn linear(op: &str, shape: &[usize], features: [usize; 2]) -> Result<Vec<usize>> {
    let [in_features, out_features] = features;
    at_least_one(op, "output features", out_features)?;
    let [leading @ .., found] = shape else {
        return Err(mismatch(op, "features (C) or tokens (N, D)", shape, ""));
    };
    if *found != in_features {
        let hint = "Its weight was made for another image size: global_avg_pool() before it would take any.";
        return Err(mismatch(op, format!("{in_features} features"), shape, hint));
    }
    Ok([leading, &[out_features]].concat())
}

/// Queries (…, N, D), keys (…, M, D) and values (…, M, E).
pub(super) fn attention(op: &str, inputs: &[&[usize]], num_heads: usize) -> Result<Vec<usize>> {
    let expected = "queries (N, D)";
    let (q, k, v) = match inputs {
        [q, k, v] => (*q, *k, *v),
        _ => return Err(mismatch(op, "queries, keys and values", &[inputs.len()], "")),
    };
    let &[ref leading @ .., rows, features] = q else {
        return Err(mismatch(op, expected, q, "image_to_tokens() makes them of an image."));
    };
    check_heads(op, num_heads, features)?;
    let fits = |shape: &[usize]| shape.len() == q.len() && shape.starts_with(leading);
    if !fits(k) || k.last() != Some(&features) {
        return Err(mismatch(op, format!("keys (M, {features}) for queries {}", shape_text(q)), k, ""));
    }
    if !fits(v) || v[leading.len()] != k[leading.len()] {
        return Err(pair(op, "as many keys (M, D) as values (M, E)", k, v, ""));
    }
    let outputs = v.last().copied().unwrap_or_default();
    check_heads(op, num_heads, outputs)?;
    Ok([leading, &[rows, outputs]].concat())
}

pub(super) fn multi_head_attention(
    op: &str,
    inputs: &[&[usize]],
    embed_dim: usize,
    num_heads: usize,
) -> Result<Vec<usize>> {
    for shape in inputs {
        if !matches!(shape, [_, features] if *features == embed_dim) {
            let hint = "image_to_tokens() makes tokens of an image, linear() gives them another size.";
            return Err(mismatch(op, format!("tokens (N, {embed_dim})"), shape, hint));
        }
    }
    attention(op, inputs, num_heads)
}

/// Pixels (N, heads·3·D) to (N, heads·D).
pub(super) fn relative_attention(
    op: &str,
    shape: &[usize],
    num_heads: usize,
    grid: [usize; 2],
) -> Result<Vec<usize>> {
    let pixels = grid[0].saturating_mul(grid[1]);
    at_least_one(op, "pixels in the grid", pixels)?;
    match *shape {
        [tokens, features] if tokens == pixels => {
            check_heads(op, num_heads.saturating_mul(3), features)?;
            Ok(vec![tokens, features / 3])
        }
        _ => {
            let expected = format!("pixels ({pixels}, heads·3·D) of a grid {} x {}", grid[0], grid[1]);
            Err(mismatch(op, expected, shape, "Its biases were made for this number of pixels."))
        }
    }
}

pub(super) fn class_token(op: &str, shape: &[usize], embed_dim: usize) -> Result<Vec<usize>> {
    match *shape {
        [tokens, features] if features == embed_dim => Ok(vec![tokens + 1, features]),
        _ => Err(mismatch(op, "tokens (N, D)", shape, "image_to_tokens() makes them of an image.")),
    }
}

pub(super) fn position_embedding(op: &str, shape: &[usize], embedding: &[usize]) -> Result<Vec<usize>> {
    if shape.is_empty() || embedding.split_first() != Some((&1, shape)) {
        let expected = format!("values {}", shape_text(embedding.get(1..).unwrap_or_default()));
        return Err(mismatch(op, expected, shape, "The embedding was made for another image size."));
    }
    Ok(shape.to_vec())
}
