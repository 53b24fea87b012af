use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Shape, Tensor};

use super::columns::Convolution;
use super::host::{dtype, output, read, values, with_real};
use super::operands::{batch_hint, check, check_shape, shape_error, shape_text};
use super::sums::Channels;
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
/// image, or the tensors are not all f32 or all f64 on the CPU.
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
    let op = Conv2d(Convolution { batch, in_channels, out_channels, groups, input, output, window });
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    Ok(match bias {
        Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, op)?,
        None => x.apply_op2(&weight, op)?,
    })
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

impl CustomOp2 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        with_real!(dtype(x), "conv2d", T => {
            let y = self.0.forward::<T>(values(x, x_layout)?, values(weight, weight_layout)?, None);
            output(y, self.0.output_dims())
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        self.gradients(x, weight, &dy.contiguous()?)
    }
}

impl CustomOp3 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        with_real!(dtype(x), "conv2d", T => {
            let bias = values(bias, bias_layout)?;
            let y = self.0.forward::<T>(values(x, x_layout)?, values(weight, weight_layout)?, Some(bias));
            output(y, self.0.output_dims())
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (dx, dw) = self.gradients(x, weight, &dy)?;
        let db = with_real!(dy.dtype(), "conv2d", T => {
            let channels = Channels { count: self.0.out_channels, plane: self.0.positions() };
            let db = read([&dy], |[dy]: [&[T]; 1]| channels.sums(dy, |_, dy| dy))?;
            let db: Vec<T> = db.into_iter().map(candle_core::WithDType::from_f64).collect();
            Tensor::from_vec(db, bias.shape(), bias.device())
        })?;
        Ok((dx, dw, Some(db)))
    }
}

impl Conv2d {
    /// The gradients of `x` and `weight`, each only if something asks for it.
    fn gradients(
        &self,
        x: &Tensor,
        weight: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        with_real!(dy.dtype(), "conv2d", T => {
            let mut gradients = (None, None);
            if x.track_op() {
                let dx = read([weight, dy], |[weight, dy]: [&[T]; 2]| self.0.input_gradient(weight, dy))?;
                gradients.0 = Some(Tensor::from_vec(dx, x.shape(), x.device())?);
            }
            if weight.track_op() {
                let dw = read([x, dy], |[x, dy]: [&[T]; 2]| self.0.weight_gradient(x, dy))?;
                gradients.1 = Some(Tensor::from_vec(dw, weight.shape(), weight.device())?);
            }
            Ok(gradients)
        })
    }
}
