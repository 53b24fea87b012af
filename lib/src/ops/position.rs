use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::operands::{check, shape_error, shape_text};
use crate::{Error, Result};

/// Adds an embedding of positions that is trained, the same for every image of the batch (Dosovitskiy et al. 2020): `x`
/// (B, …) and `embedding` of the dimensions behind B, such as (N, D) or (C, H, W), or with a 1 before them.
///
/// # Errors
/// If the shapes do not fit or the tensors are not both f32 or both f64.
pub fn position_embedding(x: &Tensor, embedding: &Tensor) -> Result<Tensor> {
    let op = "position_embedding";
    check(op, &[("x", x), ("embedding", embedding)])?;
    let Some((_, dims)) = x.dims().split_first() else {
        return Err(shape_error(op, "a batch (B, …)", x.dims(), ""));
    };
    let fits = embedding.dims() == dims || embedding.dims().split_first() == Some((&1, dims));
    if !fits {
        let expected = format!("an embedding {} for x {}", shape_text(dims), shape_text(x.dims()));
        return Err(shape_error(op, expected, embedding.dims(), ""));
    }
    Ok(x.broadcast_add(embedding)?)
}

/// Options of [`sine_position_embedding`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SinePositionConfig {
    /// D, the numbers for each position: half of them for its row, half for its column. A multiple of 4.
    pub embed_dim: usize,
    /// The largest wavelength over the smallest one.
    pub temperature: f64,
    /// What the last row and the last column count as, in radians.
    pub scale: f64,
}

impl Default for SinePositionConfig {
    /// As DETR has it: 256 numbers, wavelengths up to 10000 times the smallest, a full turn.
    fn default() -> SinePositionConfig {
        SinePositionConfig { embed_dim: 256, temperature: 10_000.0, scale: std::f64::consts::TAU }
    }
}

/// An embedding of positions that is not trained (Carion et al. 2020, DETR): sines and cosines of each pixel's row, then
/// of its column, at wavelengths that grow. `size` (H, W) gives (D, H, W), f32, in `[-1, 1]`.
///
/// Number `2i` of a half is the sine and `2i + 1` the cosine of `position / temperature^(4i / D)`, where the rows count
/// from `scale / H` to `scale`.
///
/// # Errors
/// If `embed_dim` is not a positive multiple of 4, or `size` has a side of 0.
pub fn sine_position_embedding(
    size: [usize; 2],
    config: SinePositionConfig,
    device: &Device,
) -> Result<Tensor> {
    let op = "sine_position_embedding";
    check_sine(op, config)?;
    if size.contains(&0) {
        return Err(shape_error(op, "images of at least one pixel", &size, ""));
    }
    let [height, width] = size;
    let (half, plane) = (config.embed_dim / 2, height * width);
    let wave = |index: usize, position: usize, count: usize| {
        // The constant of the reference, which keeps it from dividing by 0.
        let position = (position + 1) as f64 / (count as f64 + 1e-6) * config.scale;
        let angle = position / config.temperature.powf((2 * (index / 2)) as f64 / half as f64);
        if index.is_multiple_of(2) { angle.sin() as f32 } else { angle.cos() as f32 }
    };
    let mut values = Vec::with_capacity(config.embed_dim * plane);
    for index in 0..half {
        values.extend((0..height).flat_map(|row| std::iter::repeat_n(wave(index, row, height), width)));
    }
    for index in 0..half {
        let columns: Vec<f32> = (0..width).map(|column| wave(index, column, width)).collect();
        (0..height).for_each(|_| values.extend_from_slice(&columns));
    }
    Ok(Tensor::from_vec(values, (config.embed_dim, height, width), device)?) // (D, H, W)
}

/// Refuses options that give no embedding.
pub(crate) fn check_sine(op: &str, config: SinePositionConfig) -> Result<()> {
    let argument = |expected: &str, got: String, hint: &str| {
        Err(Error::Argument { op: op.into(), expected: expected.into(), got, hint: hint.into() })
    };
    if config.embed_dim == 0 || !config.embed_dim.is_multiple_of(4) {
        let hint = "A sine and a cosine for the row, and as many for the column.";
        return argument("an embed_dim that is a multiple of 4", config.embed_dim.to_string(), hint);
    }
    if !(config.temperature > 0.0 && config.temperature.is_finite()) {
        return argument("a temperature above 0", config.temperature.to_string(), "It is 10000 in DETR.");
    }
    Ok(())
}
