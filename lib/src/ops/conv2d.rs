use candle_core::Tensor;

use super::columns::Convolution;
use super::composed;
use super::host::Real;
use super::operands::{batch_hint, check, check_shape, shape_error, shape_text};
use super::precision::check_precision;
use super::sums::Channels;
use super::weighted::{Weighted, apply};
use super::window::{Rounding, Sliding, Window};
use crate::{Error, Result};

/// Convolution (cross-correlation) of images `x` (B, C, H, W) with `weight` (O, C / groups, KH, KW), plus
/// `bias` (O) where there is one. Gives (B, O, OH, OW) with
/// `OH = (H + padding - dilation·(KH - 1) - 1) / stride + 1`, rounded down, and OW likewise.
///
/// The channels are cut into `groups` equal groups, in and out, that do not see each other; 1 is the plain
/// convolution, C a depthwise one.
///
/// # Errors
/// If the shapes do not fit each other, C or O is not a multiple of `groups`, the window is larger than the padded
/// image, or the tensors are not all f32 or all f64 on one device.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    sliding: Sliding,
    groups: usize,
) -> Result<Tensor> {
    let mut operands = vec![("x", x), ("weight", weight)];
    operands.extend(bias.map(|bias| ("bias", bias)));
    check("conv2d", &operands)?;
    let (&[batch, in_channels, height, width], &[out_channels, depth, kernel_height, kernel_width]) =
        (x.dims(), weight.dims())
    else {
        let expected = "images (B, C, H, W) and a weight (O, C / groups, KH, KW)";
        let got = if x.rank() == 4 { weight.dims() } else { x.dims() };
        let hint = if x.rank() == 4 { "" } else { batch_hint(x.dims()) };
        return Err(shape_error("conv2d", expected, got, hint));
    };
    check_groups("conv2d", groups, ["input", "output"], [in_channels, out_channels])?;
    if depth * groups != in_channels {
        let expected =
            format!("images with {} channels for a weight {}", depth * groups, shape_text(weight.dims()));
        return Err(shape_error("conv2d", expected, x.dims(), &groups_hint(groups)));
    }
    if let Some(bias) = bias {
        check_shape("conv2d", ("bias", bias), &[out_channels])?;
    }
    let window = Window { kernel: [kernel_height, kernel_width], sliding, rounding: Rounding::Floor };
    let input = [height, width];
    let output = window.output_size("conv2d", input)?;
    let sizes = Convolution { batch, in_channels, out_channels, groups, input, output, window };
    if composed::computes(x)? {
        return Ok(composed::conv2d(sizes, x, weight, bias)?);
    }
    check_precision("conv2d", x)?;
    apply(Conv2d(sizes), x, weight, bias)
}

/// Refuses channels that cannot be cut into `groups`.
pub(crate) fn check_groups(op: &str, groups: usize, names: [&str; 2], channels: [usize; 2]) -> Result<()> {
    for (name, channels) in names.into_iter().zip(channels) {
        if groups == 0 || channels == 0 || channels % groups != 0 {
            return Err(Error::Argument {
                op: op.into(),
                expected: format!("{name} channels in {groups} groups of one size"),
                got: channels.to_string(),
                hint: "Take a number of groups that divides the channels; 1 is a plain convolution.".into(),
            });
        }
    }
    Ok(())
}

fn groups_hint(groups: usize) -> String {
    if groups == 1 { String::new() } else { format!("The weight has C / {groups} channels.") }
}

struct Conv2d(Convolution);

impl Weighted for Conv2d {
    const NAME: &'static str = "conv2d";

    fn output_dims(&self) -> Vec<usize> {
        self.0.output_dims().to_vec()
    }

    fn output_channels(&self) -> Channels {
        Channels { count: self.0.out_channels, plane: self.0.positions() }
    }

    fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        self.0.forward(x, weight, bias)
    }

    fn input_gradient<T: Real>(&self, weight: &[T], dy: &[T]) -> Vec<T> {
        self.0.input_gradient(weight, dy)
    }

    fn weight_gradient<T: Real>(&self, x: &[T], dy: &[T]) -> Vec<T> {
        self.0.weight_gradient(x, dy)
    }

    fn gradients<T: Real>(&self, x: &[T], weight: &[T], dy: &[T]) -> (Vec<T>, Vec<T>) {
        self.0.gradients(x, weight, dy)
    }
}
