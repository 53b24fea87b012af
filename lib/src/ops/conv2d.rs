use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::columns::Convolution;
use super::gemm::{Matrix, Threads, Update, multiply};
use super::host::{Real, dtype, output, read, values, with_real};
use super::operands::{batch_hint, check, check_shape, shape_error, shape_text};
use super::sums::Channels;
use super::window::{Rounding, Sliding, Window};
use crate::Result;

/// Convolution (cross-correlation) of images `x` (B, C, H, W) with `weight` (O, C, KH, KW), plus
/// `bias` (O) where there is one. Gives (B, O, OH, OW) with
/// `OH = (H + 2·padding - dilation·(KH - 1) - 1) / stride + 1`, rounded down, and OW likewise.
///
/// # Errors
/// If the shapes do not fit each other, the window is larger than the padded image, or the tensors
/// are not all f32 or all f64 on the CPU.
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, sliding: Sliding) -> Result<Tensor> {
    let mut operands = vec![("x", x), ("weight", weight)];
    operands.extend(bias.map(|bias| ("bias", bias)));
    check("conv2d", &operands)?;
    let (&[batch, in_channels, height, width], &[out_channels, depth, kernel_height, kernel_width]) =
        (x.dims(), weight.dims())
    else {
        let expected = "images (B, C, H, W) and a weight (O, C, KH, KW)";
        let got = if x.rank() == 4 { weight.dims() } else { x.dims() };
        let hint = if x.rank() == 4 { "" } else { batch_hint(x.dims()) };
        return Err(shape_error("conv2d", expected, got, hint));
    };
    if depth != in_channels || out_channels == 0 || in_channels == 0 {
        let expected = format!("images with {depth} channels for a weight {}", shape_text(weight.dims()));
        return Err(shape_error("conv2d", expected, x.dims(), "Grouped convolutions are not offered."));
    }
    if let Some(bias) = bias {
        check_shape("conv2d", ("bias", bias), &[out_channels])?;
    }
    let window = Window { kernel: [kernel_height, kernel_width], sliding, rounding: Rounding::Floor };
    let input = [height, width];
    let output = window.output_size("conv2d", input)?;
    let op = Conv2d(Convolution { batch, in_channels, out_channels, input, output, window });
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    Ok(match bias {
        Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, op)?,
        None => x.apply_op2(&weight, op)?,
    })
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

/// Rows of the weight's gradient that are worth a thread's while.
const GRADIENT_ROWS: usize = 128;
/// Parts the weight's gradient is cut into at most.
const GRADIENT_PARTS: usize = 8;

impl Convolution {
    fn output_dims(&self) -> [usize; 4] {
        [self.batch, self.out_channels, self.output[0], self.output[1]]
    }

    /// The threads one of `parts` parallel products may use.
    fn threads(parts: usize) -> Threads {
        if parts < rayon::current_num_threads() { Threads::All } else { Threads::One }
    }

    fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let (positions, depth, group) = (self.positions(), self.depth(), self.group());
        let weight = Matrix::packed(weight, self.out_channels, depth);
        let threads = Convolution::threads(self.batch.div_ceil(group));
        let mut y = vec![T::zero(); self.batch * self.output_len()];
        let groups = y.par_chunks_mut((group * self.output_len()).max(1)).enumerate();
        groups.for_each_init(<(Vec<T>, Vec<T>)>::default, |(columns, product), (index, y)| {
            let first = index * group;
            if let Some(bias) = bias {
                for (plane, &bias) in y.chunks_mut(positions).zip(bias.iter().cycle()) {
                    plane.fill(bias);
                }
            }
            for tile in self.tiles(first..(first + group).min(self.batch)) {
                let columns = self.columns(x, &tile, 0..depth, columns);
                if tile.images.len() == 1 {
                    let y = &mut y[tile.rows.start * self.output[1]..];
                    multiply(y, positions, Update::Add, weight, columns, threads);
                    continue;
                }
                let width = columns.columns;
                product.resize((self.out_channels * width).max(product.len()), T::zero());
                multiply(product, width, Update::Replace, weight, columns, threads);
                for (image, y) in y.chunks_mut(self.output_len()).enumerate() {
                    for (channel, plane) in y.chunks_mut(positions).enumerate() {
                        let product = &product[channel * width + image * positions..][..positions];
                        plane.iter_mut().zip(product).for_each(|(y, &value)| *y += value);
                    }
                }
            }
        });
        y
    }

    fn input_gradient<T: Real>(&self, weight: &[T], dy: &[T]) -> Vec<T> {
        let (depth, group) = (self.depth(), self.group());
        let weight = Matrix::packed(weight, self.out_channels, depth).transposed();
        let threads = Convolution::threads(self.batch.div_ceil(group));
        let mut dx = vec![T::zero(); self.batch * self.image_len()];
        let groups = dx.par_chunks_mut((group * self.image_len()).max(1)).enumerate();
        groups.for_each_init(<(Vec<T>, Vec<T>)>::default, |(columns, gathered), (index, dx)| {
            let first = index * group;
            for tile in self.tiles(first..(first + group).min(self.batch)) {
                let dy = self.outputs(dy, &tile, gathered);
                let len = depth * dy.columns;
                columns.resize(len.max(columns.len()), T::zero());
                multiply(columns, dy.columns, Update::Replace, weight, dy, threads);
                self.add_columns(&columns[..len], &tile, dx);
            }
        });
        dx
    }

    /// Each part of the depth goes through all images in order, so nothing has to be summed over threads.
    fn weight_gradient<T: Real>(&self, x: &[T], dy: &[T]) -> Vec<T> {
        let (depth, out_channels, group) = (self.depth(), self.out_channels, self.group());
        let parts = (depth / GRADIENT_ROWS).clamp(1, GRADIENT_PARTS);
        let part = depth.div_ceil(parts);
        let threads = Convolution::threads(parts);
        let mut transposed = vec![T::zero(); depth * out_channels];
        let blocks = transposed.par_chunks_mut(part * out_channels).enumerate();
        blocks.for_each_init(<(Vec<T>, Vec<T>)>::default, |(columns, gathered), (index, dw)| {
            let depths = index * part..((index + 1) * part).min(depth);
            for first in (0..self.batch).step_by(group) {
                for tile in self.tiles(first..(first + group).min(self.batch)) {
                    let columns = self.columns(x, &tile, depths.clone(), columns);
                    let dy = self.outputs(dy, &tile, gathered);
                    multiply(dw, out_channels, Update::Add, columns, dy.transposed(), threads);
                }
            }
        });
        let mut dw = vec![T::zero(); depth * out_channels];
        dw.par_chunks_mut(depth).enumerate().for_each(|(channel, dw)| {
            for (value, row) in dw.iter_mut().zip(transposed.chunks(out_channels)) {
                *value = row[channel];
            }
        });
        dw
    }
}
