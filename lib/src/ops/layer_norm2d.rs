use candle_core::Tensor;

use super::operands::image_dims;
use super::row_norm::layer_norm;
use crate::Result;

/// [`layer_norm`] over the channels of every pixel, as ConvNeXt has it (Liu et al. 2022): `x` (B, C, H, W), `weight` and
/// `bias` (C).
///
/// # Errors
/// As [`layer_norm`].
pub fn layer_norm2d(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    image_dims("layer_norm2d", x)?;
    let pixels = x.permute((0, 2, 3, 1))?; // (B, H, W, C)
    Ok(layer_norm(&pixels, weight, bias, eps)?.permute((0, 3, 1, 2))?)
}
