use candle_core::{D, Result, Tensor};

use super::sums::column_sums;
use super::weighted;
use super::weighted::Gradients;

/// [`super::super::linear`] of any device.
pub(in super::super) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (out_features, in_features) = weight.dims2()?;
    let (held, dims) = (weight.detach().contiguous()?, x.dims().to_vec());
    let mut y = rows(&x.detach(), in_features)?.matmul(&held.t()?)?; // (R, O)
    if let Some(bias) = bias {
        y = y.broadcast_add(&bias.detach())?;
    }
    let mut output = dims.clone();
    output.pop();
    output.push(out_features);
    let y = y.reshape(output)?; // (…, O)
    let gradients = Gradients {
        input: Box::new(move |weight, dy| {
            rows(dy, out_features)?.matmul(&weight.contiguous()?)?.reshape(dims.as_slice()) // (…, I)
        }),
        weight: Box::new(move |x, dy| rows(dy, out_features)?.t()?.matmul(&rows(x, in_features)?)),
        bias: |dy| column_sums(&rows(dy, dy.dim(D::Minus1)?)?),
    };
    weighted("linear", (x, weight, bias), y, gradients)
}

/// The last dimension as rows of a matrix.
fn rows(x: &Tensor, length: usize) -> Result<Tensor> {
    x.contiguous()?.reshape(((), length))
}
