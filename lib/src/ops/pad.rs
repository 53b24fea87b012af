use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::operands::{check, shape_error};
use super::window::Padding;
use crate::Result;

/// What the pixels around an image are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum PadMode {
    /// This value.
    Constant(f64),
    /// The image as in a mirror whose edge is the outermost pixel, which is not repeated.
    Reflect,
    /// The outermost pixel.
    Replicate,
}

/// Images with pixels added around them: `x` (…, H, W) gives (…, H + top + bottom, W + left + right).
///
/// # Errors
/// If `x` has fewer than two dimensions, the padding of [`PadMode::Reflect`] is not smaller than the image, there is no
/// pixel to reflect or replicate, or `x` is not f32 or f64.
pub fn pad(x: &Tensor, padding: Padding, mode: PadMode) -> Result<Tensor> {
    let op = "pad";
    check(op, &[("x", x)])?;
    let &[.., height, width] = x.dims() else {
        return Err(shape_error(op, "images (…, H, W)", x.dims(), ""));
    };
    check_pad(op, [height, width], padding, mode)?;
    let mut y = x.clone();
    for (axis, sides) in padding.sides().into_iter().enumerate() {
        let dim = x.rank() - 2 + axis;
        if sides != [0, 0] {
            y = along(&y, dim, sides, mode)?;
        }
    }
    Ok(y)
}

/// Refuses a padding that cannot be made from an image of size `input`.
pub(crate) fn check_pad(op: &str, input: [usize; 2], padding: Padding, mode: PadMode) -> Result<()> {
    let least = |axis: usize| {
        let [before, after] = padding.sides()[axis];
        match mode {
            PadMode::Constant(_) => 0,
            PadMode::Replicate => 1,
            PadMode::Reflect => before.max(after).saturating_add(1),
        }
    };
    if (0..2).all(|axis| input[axis] >= least(axis)) {
        return Ok(());
    }
    let expected = format!("images of at least {} x {} for the padding {padding}", least(0), least(1));
    Err(shape_error(
        op,
        expected,
        &input,
        "`PadMode::Replicate` repeats the last pixel as often as it takes.",
    ))
}

/// Pads one dimension.
fn along(x: &Tensor, dim: usize, [before, after]: [usize; 2], mode: PadMode) -> Result<Tensor> {
    let length = x.dims()[dim];
    if let PadMode::Constant(value) = mode {
        let fill = |length: usize| {
            let mut dims = x.dims().to_vec();
            dims[dim] = length;
            Tensor::full(value, dims, x.device())?.to_dtype(x.dtype())
        };
        let mut parts = vec![x.clone()];
        if before > 0 {
            parts.insert(0, fill(before)?);
        }
        if after > 0 {
            parts.push(fill(after)?);
        }
        return Ok(Tensor::cat(&parts, dim)?);
    }
    let source = |place: usize| {
        // Places before the image are below 0, those after it from `length` on.
        let place = place as i64 - before as i64;
        let last = length as i64 - 1;
        let inside = match mode {
            PadMode::Reflect if place < 0 => -place,
            PadMode::Reflect if place > last => 2 * last - place,
            _ => place.clamp(0, last),
        };
        inside as u32
    };
    let sources: Vec<u32> = (0..before + length + after).map(source).collect();
    Ok(x.contiguous()?.index_select(&Tensor::new(sources, x.device())?, dim)?)
}
