use candle_core::{Tensor, Var};
use sconce::ops::{self, Sliding};
use sconce::{Result, Rng, Seed};

use crate::check::{Input, check, close, for_each_case, signed, size, window};
use crate::gpu::device;

/// Channels in and out in a number of groups: one, several, or one channel each.
fn channels(rng: &mut Rng) -> (usize, usize, usize) {
    match rng.below(3) {
        0 => (size(rng, 3), size(rng, 3), 1),
        1 => (4, 6, 2),
        _ => {
            let groups = size(rng, 4);
            (groups, groups * size(rng, 2), groups)
        }
    }
}

#[test]
fn conv2d() -> Result<()> {
    for_each_case("conv2d", |rng| {
        let (kernel, sliding, [height, width]) = window(rng, 2);
        let (batch, (inputs, outputs, groups)) = (size(rng, 3), channels(rng));
        let x = Input::new(rng, &[batch, inputs, height, width], signed)?;
        let weight = Input::new(rng, &[outputs, inputs / groups, kernel[0], kernel[1]], signed)?;
        if rng.below(3) == 0 {
            return check(rng, &[x, weight], |t| ops::conv2d(&t[0], &t[1], None, sliding, groups));
        }
        let bias = Input::new(rng, &[outputs], signed)?;
        check(rng, &[x, weight, bias], |t| ops::conv2d(&t[0], &t[1], Some(&t[2]), sliding, groups))
    })
}

/// Larger than one tile and with several groups of images, where the sums are cut up.
#[test]
fn conv2d_in_tiles_is_conv2d_image_by_image() -> Result<()> {
    let mut rng = Seed(5).rng();
    let sliding = Sliding { padding: 1.into(), ..Sliding::default() };
    for (dims, outputs, kernel) in [([1, 7, 90, 70], 5, 3), ([37, 40, 9, 7], 9, 3), ([19, 33, 5, 5], 70, 1)] {
        let [batch, channels, height, width] = dims;
        let sliding = if kernel == 1 { Sliding::default() } else { sliding };
        let var = |rng: &mut Rng, dims: &[usize]| -> Result<Var> {
            let values: Vec<f64> = (0..dims.iter().product()).map(|_| signed(rng)).collect();
            Ok(Var::from_vec(values, dims, &device())?)
        };
        let x = var(&mut rng, &[batch, channels, height, width])?;
        let weight = var(&mut rng, &[outputs, channels, kernel, kernel])?;
        let y = ops::conv2d(&x, &weight, None, sliding, 1)?;
        let dy = var(&mut rng, y.dims())?.as_detached_tensor();
        let gradients = (&y * &dy)?.sum_all()?.backward()?;

        // The same from its definition: the sum over the window's elements of shifted images times
        // matrices, and for the gradients the transposed of the same.
        let pad = sliding.padding.top;
        let padded = x.as_detached_tensor().pad_with_zeros(2, pad, pad)?.pad_with_zeros(3, pad, pad)?;
        let rows = |t: &Tensor| -> Result<Tensor> {
            Ok(t.permute((1, 0, 2, 3))?.contiguous()?.flatten_from(1)?) // (C, B·H·W)
        };
        let dy_rows = rows(&dy)?;
        let mut wanted_y = dy_rows.zeros_like()?;
        let mut wanted_dx = padded.zeros_like()?;
        for i in 0..kernel {
            for j in 0..kernel {
                let shifted = rows(&padded.narrow(2, i, height)?.narrow(3, j, width)?)?;
                let w = weight.as_detached_tensor().narrow(2, i, 1)?.narrow(3, j, 1)?.flatten_from(1)?;
                wanted_y = (wanted_y + w.matmul(&shifted)?)?;
                let dw = dy_rows.matmul(&shifted.t()?)?;
                let got =
                    gradients.get(&weight).unwrap().narrow(2, i, 1)?.narrow(3, j, 1)?.flatten_from(1)?;
                close(&got, &dw)?;
                let dx = w.t()?.matmul(&dy_rows)?.reshape((channels, batch, height, width))?;
                let dx = dx.permute((1, 0, 2, 3))?.contiguous()?;
                let dx = dx.pad_with_zeros(2, i, 2 * pad - i)?.pad_with_zeros(3, j, 2 * pad - j)?;
                wanted_dx = (wanted_dx + dx)?;
            }
        }
        close(&rows(&y)?, &wanted_y)?;
        let wanted_dx = wanted_dx.narrow(2, pad, height)?.narrow(3, pad, width)?;
        close(gradients.get(&x).unwrap(), &wanted_dx)?;
    }
    Ok(())
}

#[test]
fn conv_transpose2d() -> Result<()> {
    for_each_case("conv_transpose2d", |rng| {
        let (kernel, sliding, _) = window(rng, 2);
        let output_padding = [0, 1].map(|axis| rng.below(sliding.stride[axis].max(sliding.dilation[axis])));
        let (batch, (outputs, inputs, groups)) = (size(rng, 2), channels(rng));
        // Large enough for what the padding takes away.
        let [height, width] = [2 + size(rng, 2), 2 + size(rng, 2)];
        let x = Input::new(rng, &[batch, inputs, height, width], signed)?;
        let weight = Input::new(rng, &[inputs, outputs / groups, kernel[0], kernel[1]], signed)?;
        let transposed =
            |t: &[Tensor]| ops::conv_transpose2d(&t[0], &t[1], t.get(2), sliding, output_padding, groups);
        if rng.below(3) == 0 {
            return check(rng, &[x, weight], transposed);
        }
        let bias = Input::new(rng, &[outputs], signed)?;
        check(rng, &[x, weight, bias], transposed)
    })
}
