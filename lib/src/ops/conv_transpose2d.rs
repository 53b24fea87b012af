use candle_core::Tensor;
use rayon::prelude::*;

use super::columns::Convolution;
use super::composed;
use super::conv2d::check_groups;
use super::host::Real;
use super::operands::{batch_hint, check, check_shape, shape_error, shape_text};
use super::precision::check_precision;
use super::sums::Channels;
use super::weighted::{Weighted, apply};
use super::window::{Rounding, Sliding, Window};
use crate::{Error, Result};

/// Transposed convolution, which learns to make images larger: every pixel of `x` (B, C, H, W) adds its multiple of the
/// window `weight` (C, O / groups, KH, KW) to the output, `stride` apart. `bias` (O) is added where there is one. Gives
/// (B, O, OH, OW) with `OH = (H - 1)·stride - padding + dilation·(KH - 1) + output_padding + 1`, and OW likewise.
///
/// It is the gradient of [`super::conv2d`] with the same window, whose several input sizes that give the size of `x`
/// differ in `output_padding`.
///
/// # Errors
/// If the shapes do not fit each other, C or O is not a multiple of `groups`, the padding leaves no output,
/// `output_padding` is not smaller than stride or dilation, or the tensors are not all f32 or all f64 on one device.
pub fn conv_transpose2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    sliding: Sliding,
    output_padding: [usize; 2],
    groups: usize,
) -> Result<Tensor> {
    let op = "conv_transpose2d";
    let mut operands = vec![("x", x), ("weight", weight)];
    operands.extend(bias.map(|bias| ("bias", bias)));
    check(op, &operands)?;
    let (&[batch, in_channels, height, width], &[depth, group_outputs, kernel_height, kernel_width]) =
        (x.dims(), weight.dims())
    else {
        let expected = "images (B, C, H, W) and a weight (C, O / groups, KH, KW)";
        let got = if x.rank() == 4 { weight.dims() } else { x.dims() };
        let hint = if x.rank() == 4 { "" } else { batch_hint(x.dims()) };
        return Err(shape_error(op, expected, got, hint));
    };
    let out_channels = group_outputs * groups;
    check_groups(op, groups, ["input", "output"], [in_channels, out_channels])?;
    if depth != in_channels {
        let expected = format!("images with {depth} channels for a weight {}", shape_text(weight.dims()));
        return Err(shape_error(op, expected, x.dims(), ""));
    }
    if let Some(bias) = bias {
        check_shape(op, ("bias", bias), &[out_channels])?;
    }
    let window = Window { kernel: [kernel_height, kernel_width], sliding, rounding: Rounding::Floor };
    let small = [height, width];
    let large = window.transposed_size(op, small, output_padding)?;
    // The convolution that this one is the gradient of goes from the large images to the small ones.
    let convolution = Convolution {
        batch,
        in_channels: out_channels,
        out_channels: in_channels,
        groups,
        input: large,
        output: small,
        window,
    };
    if composed::computes(x)? {
        return Ok(composed::conv_transpose2d(convolution, x, weight, bias)?);
    }
    check_precision("conv_transpose2d", x)?;
    apply(ConvTranspose2d(convolution), x, weight, bias)
}

impl Window {
    /// The size of the images that a transposed convolution makes of those of size `input`.
    pub(crate) fn transposed_size(
        &self,
        op: &str,
        input: [usize; 2],
        output_padding: [usize; 2],
    ) -> Result<[usize; 2]> {
        self.check(op)?;
        let Sliding { stride, dilation, padding } = self.sliding;
        for axis in 0..2 {
            if output_padding[axis] >= stride[axis].max(dilation[axis]) {
                return Err(Error::Argument {
                    op: op.into(),
                    expected: "an output_padding smaller than the stride or the dilation".into(),
                    got: shape_text(&output_padding),
                    hint: "It chooses among the sizes that a strided convolution brings to one.".into(),
                });
            }
        }
        let side = |axis: usize| -> Option<usize> {
            let [before, after] = padding.sides()[axis];
            let reach = input[axis].checked_sub(1)?.checked_mul(stride[axis])?;
            let extent = dilation[axis].checked_mul(self.kernel[axis] - 1)?;
            let padded = reach.checked_add(extent)?.checked_add(output_padding[axis] + 1)?;
            padded.checked_sub(before.checked_add(after)?).filter(|&side| side > 0)
        };
        if let (Some(height), Some(width)) = (side(0), side(1)) {
            return Ok([height, width]);
        }
        let hint = format!("The padding {padding} takes that much away from the output.");
        Err(shape_error(op, "images that give at least one output pixel", &input, &hint))
    }
}

struct ConvTranspose2d(Convolution);

impl Weighted for ConvTranspose2d {
    const NAME: &'static str = "conv_transpose2d";

    fn output_dims(&self) -> Vec<usize> {
        self.0.input_dims().to_vec()
    }

    fn output_channels(&self) -> Channels {
        Channels { count: self.0.in_channels, plane: self.0.input[0] * self.0.input[1] }
    }

    fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let mut y = self.0.input_gradient(weight, x);
        if let Some(bias) = bias {
            let pixels = self.0.input[0] * self.0.input[1];
            let planes = y.par_chunks_mut(pixels.max(1)).enumerate().with_min_len(16);
            planes.for_each(|(plane, y)| {
                let bias = bias[plane % bias.len()];
                y.iter_mut().for_each(|y| *y += bias);
            });
        }
        y
    }

    fn input_gradient<T: Real>(&self, weight: &[T], dy: &[T]) -> Vec<T> {
        self.0.forward(dy, weight, None)
    }

    fn weight_gradient<T: Real>(&self, x: &[T], dy: &[T]) -> Vec<T> {
        self.0.weight_gradient(dy, x)
    }
}
