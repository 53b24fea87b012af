use candle_core::{D, Result, Tensor};

use super::super::precision::Precision;
use super::sums::column_sums;
use super::weighted;
use super::weighted::Gradients;

/// [`super::super::linear`] of any device.
pub(in super::super) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (out_features, in_features) = weight.dims2()?;
    let (held, dims) = (weight.detach().contiguous()?, x.dims().to_vec());
    let precision = Precision::current();
    let mut y = precision.matmul(&rows(&x.detach(), in_features)?, &held.t()?)?; // (R, O)
    if let Some(bias) = bias {
        y = y.broadcast_add(&bias.detach())?;
    }
    let mut output = dims.clone();
    output.pop();
    output.push(out_features);
    let y = y.reshape(output)?; // (…, O)
    let gradients = Gradients {
        input: Box::new(move |weight, dy| {
            precision.matmul(&rows(dy, out_features)?, &weight.contiguous()?)?.reshape(dims.as_slice()) // (…, I)
        }),
        weight: Box::new(move |x, dy| {
            precision.matmul(&rows(dy, out_features)?.t()?, &rows(x, in_features)?)
        }),
        bias: |dy| column_sums(&rows(dy, dy.dim(D::Minus1)?)?),
    };
    weighted("linear", (x, weight, bias), y, gradients)
}

/// The last dimension as rows of a matrix.
fn rows(x: &Tensor, length: usize) -> Result<Tensor> {
    x.contiguous()?.reshape(((), length))
}
