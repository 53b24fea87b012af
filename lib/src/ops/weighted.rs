use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Shape, Tensor};

use super::host::{Real, dtype, output, read, values, with_real};
use super::record::{apply2, apply3};
use super::sums::Channels;
use crate::Result;

type Gradient = Option<Tensor>;

/// An operator of an input, a weight and, where there is one, a bias that is added to each output channel.
pub(super) trait Weighted: Send + Sync + 'static {
    const NAME: &'static str;

    /// The output's shape.
    fn output_dims(&self) -> Vec<usize>;

    /// Where the values of one bias lie in the output.
    fn output_channels(&self) -> Channels;

    fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T>;

    fn input_gradient<T: Real>(&self, weight: &[T], dy: &[T]) -> Vec<T>;

    fn weight_gradient<T: Real>(&self, x: &[T], dy: &[T]) -> Vec<T>;

    /// Both gradients, where they can share something.
    fn gradients<T: Real>(&self, x: &[T], weight: &[T], dy: &[T]) -> (Vec<T>, Vec<T>) {
        (self.input_gradient(weight, dy), self.weight_gradient(x, dy))
    }
}

/// Applies an operator to inputs that fit it.
pub(super) fn apply(op: impl Weighted, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    match bias {
        Some(bias) => apply3(Applied(op), [x, weight, bias]),
        None => apply2(Applied(op), [x, weight]),
    }
}

struct Applied<W>(W);

impl<W: Weighted> Applied<W> {
    /// The gradients of `x` and `weight`, each only if something asks for it.
    fn gradients(
        &self,
        x: &Tensor,
        weight: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Gradient, Gradient)> {
        with_real!(dy.dtype(), W::NAME, T => {
            let mut gradients = (None, None);
            if x.track_op() && weight.track_op() {
                let (dx, dw) = read([x, weight, dy], |[x, weight, dy]: [&[T]; 3]| {
                    self.0.gradients(x, weight, dy)
                })?;
                gradients.0 = Some(Tensor::from_vec(dx, x.shape(), x.device())?);
                gradients.1 = Some(Tensor::from_vec(dw, weight.shape(), weight.device())?);
            } else if x.track_op() {
                let dx = read([weight, dy], |[weight, dy]: [&[T]; 2]| self.0.input_gradient(weight, dy))?;
                gradients.0 = Some(Tensor::from_vec(dx, x.shape(), x.device())?);
            } else if weight.track_op() {
                let dw = read([x, dy], |[x, dy]: [&[T]; 2]| self.0.weight_gradient(x, dy))?;
                gradients.1 = Some(Tensor::from_vec(dw, weight.shape(), weight.device())?);
            }
            Ok(gradients)
        })
    }
}

impl<W: Weighted> CustomOp2 for Applied<W> {
    fn name(&self) -> &'static str {
        W::NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        with_real!(dtype(x), W::NAME, T => {
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
    ) -> candle_core::Result<(Gradient, Gradient)> {
        self.gradients(x, weight, &dy.contiguous()?)
    }
}

impl<W: Weighted> CustomOp3 for Applied<W> {
    fn name(&self) -> &'static str {
        W::NAME
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
        with_real!(dtype(x), W::NAME, T => {
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
    ) -> candle_core::Result<(Gradient, Gradient, Gradient)> {
        let dy = dy.contiguous()?;
        let (dx, dw) = self.gradients(x, weight, &dy)?;
        let db = with_real!(dy.dtype(), W::NAME, T => {
            let channels = self.0.output_channels();
            let db = read([&dy], |[dy]: [&[T]; 1]| channels.sums(dy))?;
            let db: Vec<T> = db.into_iter().map(candle_core::WithDType::from_f64).collect();
            Tensor::from_vec(db, bias.shape(), bias.device())
        })?;
        Ok((dx, dw, Some(db)))
    }
}
