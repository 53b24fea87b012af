use candle_core::Tensor;

use super::attention::attention;
use super::linear::linear;
use super::operands::{check, check_shape, shape_error, shape_text};
use crate::{Error, Result};

/// The weights of [`multi_head_attention`] for D features, in PyTorch's layout: those of queries, keys and values one
/// below the other.
#[derive(Debug, Clone, Copy)]
pub struct AttentionWeights<'a> {
    /// (3·D, D).
    pub in_proj_weight: &'a Tensor,
    /// (3·D).
    pub in_proj_bias: &'a Tensor,
    /// (D, D).
    pub out_proj_weight: &'a Tensor,
    /// (D).
    pub out_proj_bias: &'a Tensor,
}

/// Multi-head attention (Vaswani et al. 2017): `query` (B, N, D), `key` and `value` (B, M, D) go through a linear layer
/// each, are cut into `num_heads` equal parts of which each attends by itself, and the parts together go through one more:
/// (B, N, D). Given one tensor three times, it is self-attention, and the three linear layers are one product.
///
/// # Errors
/// If the shapes do not fit each other, D is not a multiple of `num_heads`, or the tensors are not all f32 or all f64.
pub fn multi_head_attention(
    [query, key, value]: [&Tensor; 3],
    weights: AttentionWeights,
    num_heads: usize,
) -> Result<Tensor> {
    let op = "multi_head_attention";
    let AttentionWeights { in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias } = weights;
    let &[_, _, features] = query.dims() else {
        return Err(shape_error(op, "query (B, N, D)", query.dims(), ""));
    };
    for (operand, expected) in [
        (("in_proj_weight", in_proj_weight), &[3 * features, features][..]),
        (("in_proj_bias", in_proj_bias), &[3 * features]),
        (("out_proj_weight", out_proj_weight), &[features, features]),
        (("out_proj_bias", out_proj_bias), &[features]),
    ] {
        check_shape(op, operand, expected)?;
    }
    let [q, k, v] = if query.id() == key.id() && key.id() == value.id() {
        let projected = linear(query, in_proj_weight, Some(in_proj_bias))?; // (B, N, 3·D)
        let part = |index: usize| projected.narrow(2, index * features, features);
        [part(0)?, part(1)?, part(2)?]
    } else {
        let part = |x: &Tensor, index: usize| {
            let weight = in_proj_weight.narrow(0, index * features, features)?;
            linear(x, &weight, Some(&in_proj_bias.narrow(0, index * features, features)?))
        };
        [part(query, 0)?, part(key, 1)?, part(value, 2)?]
    };
    linear(&attention_in_heads(&q, &k, &v, num_heads)?, out_proj_weight, Some(out_proj_bias))
}

/// [`attention`] of `num_heads` parts of the features, each by itself: `q` (…, N, D), `k` (…, M, D) and `v` (…, M, E) give
/// (…, N, E).
///
/// # Errors
/// As [`attention`], and if D or E is not a multiple of `num_heads`.
pub fn attention_in_heads(q: &Tensor, k: &Tensor, v: &Tensor, num_heads: usize) -> Result<Tensor> {
    let op = "attention_in_heads";
    check(op, &[("q", q), ("k", k), ("v", v)])?;
    let cut = |name: &str, x: &Tensor| -> Result<Tensor> {
        let &[ref leading @ .., rows, features] = x.dims() else {
            return Err(shape_error(op, format!("{name} (…, N, D)"), x.dims(), ""));
        };
        check_heads(op, num_heads, features)?;
        let parts = [leading, &[rows, num_heads, features / num_heads]].concat();
        Ok(x.reshape(parts)?.transpose(leading.len(), leading.len() + 1)?) // (…, heads, N, D / heads)
    };
    if q.rank() != k.rank() || q.rank() != v.rank() {
        let got = [q, k, v].map(|x| shape_text(x.dims())).join(", ");
        let expected = "q, k and v of one rank".into();
        return Err(Error::Shape { op: op.into(), expected, got, hint: String::new() });
    }
    let y = attention(&cut("q", q)?, &cut("k", k)?, &cut("v", v)?)?;
    let heads = q.rank() - 2;
    Ok(y.transpose(heads, heads + 1)?.flatten_from(heads + 1)?) // (…, N, E)
}

/// Refuses features that cannot be cut into `num_heads` parts.
pub(crate) fn check_heads(op: &str, num_heads: usize, features: usize) -> Result<()> {
    if num_heads > 0 && features > 0 && features.is_multiple_of(num_heads) {
        return Ok(());
    }
    Err(Error::Argument {
        op: op.into(),
        expected: format!("features in {num_heads} heads of one size"),
        got: features.to_string(),
        hint: "Take a number of heads that divides the features.".into(),
    })
}
