//! Gradients against finite differences, in f64, over random shapes. Every input is tried as it is, as
//! a transposed view and as a broadcast of a smaller tensor.
#![allow(clippy::unwrap_used)]

use candle_core::{D, DType, Device, Tensor, Var};
use sconce::ops::{self, Activation, BatchNormConfig, Divisor, Padding, Rounding, Sliding};
use sconce::{Result, Rng, Seed};

const CASES: u64 = 60;
const STEP: f64 = 1e-5;

/// How an operator sees a variable.
#[derive(Debug, Clone, Copy)]
enum View {
    Plain,
    /// The variable holds the dimensions in reverse order.
    Transposed,
    /// The variable has a single entry in the first dimension.
    Broadcast,
    /// The variable is one longer in the last dimension.
    Narrowed,
}

/// A variable and the view of it that an operator gets.
struct Input {
    var: Var,
    view: View,
    dims: Vec<usize>,
}

impl Input {
    fn new(rng: &mut Rng, dims: &[usize], mut value: impl FnMut(&mut Rng) -> f64) -> Result<Input> {
        let view = [View::Plain, View::Transposed, View::Broadcast, View::Narrowed][rng.below(4)];
        let mut held = dims.to_vec();
        match view {
            View::Plain => {}
            View::Transposed => held.reverse(),
            View::Broadcast => held[0] = 1,
            View::Narrowed => *held.last_mut().unwrap() += 1,
        }
        let values: Vec<f64> = (0..held.iter().product()).map(|_| value(rng)).collect();
        Ok(Input { var: Var::from_vec(values, held, &Device::Cpu)?, view, dims: dims.to_vec() })
    }

    /// Without broadcasting, where equal values would make the result ambiguous.
    fn distinct(rng: &mut Rng, dims: &[usize]) -> Result<Input> {
        loop {
            let input = Input::new(rng, dims, |_| 0.0)?;
            if matches!(input.view, View::Broadcast) {
                continue;
            }
            // A shuffled ladder: no two values closer than two steps of the difference quotient.
            let count = input.var.elem_count();
            let mut values: Vec<f64> = (0..count).map(|i| (i as f64 + 0.5) / count as f64 - 0.5).collect();
            rng.shuffle(&mut values);
            input.var.set(&Tensor::from_vec(values, input.var.dims(), &Device::Cpu)?)?;
            return Ok(input);
        }
    }

    fn tensor(&self) -> Result<Tensor> {
        let tensor = self.var.as_tensor();
        Ok(match self.view {
            View::Plain => tensor.clone(),
            View::Transposed => {
                let order: Vec<usize> = (0..tensor.rank()).rev().collect();
                tensor.permute(order)?
            }
            View::Broadcast => tensor.broadcast_as(self.dims.as_slice())?,
            View::Narrowed => tensor.narrow(D::Minus1, 1, *self.dims.last().unwrap())?,
        })
    }
}

fn signed(rng: &mut Rng) -> f64 {
    2.0 * rng.uniform() - 1.0
}

/// A size in `1..=most`.
fn size(rng: &mut Rng, most: usize) -> usize {
    1 + rng.below(most)
}

/// Compares the gradients of `f`, weighted with random upstream gradients, to difference quotients in
/// every value of every input.
fn check(rng: &mut Rng, inputs: &[Input], f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<()> {
    let run = || -> Result<Tensor> {
        let tensors: Vec<Tensor> = inputs.iter().map(Input::tensor).collect::<Result<_>>()?;
        f(&tensors)
    };
    let y = run()?;
    let upstream: Vec<f64> = (0..y.elem_count()).map(|_| signed(rng)).collect();
    let upstream = Tensor::from_vec(upstream, y.dims(), &Device::Cpu)?;
    let objective = |y: &Tensor| -> Result<Tensor> { Ok((y * &upstream)?.sum_all()?) };
    let gradients = objective(&y)?.backward()?;
    for (index, input) in inputs.iter().enumerate() {
        let got = gradients.get(&input.var).unwrap_or_else(|| panic!("no gradient for input {index}"));
        let got = got.flatten_all()?.to_vec1::<f64>()?;
        let values = input.var.as_detached_tensor().copy()?.flatten_all()?.to_vec1::<f64>()?;
        let at = |element: usize, shift: f64| -> Result<f64> {
            let mut values = values.clone();
            values[element] += shift;
            input.var.set(&Tensor::from_vec(values, input.var.dims(), &Device::Cpu)?)?;
            Ok(objective(&run()?)?.to_scalar::<f64>()?)
        };
        let wanted: Vec<f64> = (0..values.len())
            .map(|element| Ok((at(element, STEP)? - at(element, -STEP)?) / (2.0 * STEP)))
            .collect::<Result<_>>()?;
        input.var.set(&Tensor::from_vec(values, input.var.dims(), &Device::Cpu)?)?;
        let scale = wanted.iter().fold(1.0_f64, |scale, value| scale.max(value.abs()));
        for (element, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            assert!(
                (got - wanted).abs() <= 1e-6 * scale,
                "input {index} {:?} {:?}, value {element}: gradient {got}, difference quotient {wanted}",
                input.view,
                input.dims
            );
        }
    }
    Ok(())
}

/// Runs `case` with a generator of its own for every case.
fn for_each_case(name: &str, case: impl Fn(&mut Rng) -> Result<()>) -> Result<()> {
    for index in 0..CASES {
        case(&mut Seed(index).derive(name).rng())?;
    }
    Ok(())
}

/// A window and how it moves; the image is at least as large as it.
fn window(rng: &mut Rng, most_dilation: usize) -> ([usize; 2], Sliding, [usize; 2]) {
    let kernel = [size(rng, 3), size(rng, 3)];
    let sliding = Sliding {
        stride: [size(rng, 3), size(rng, 3)],
        padding: {
            let mut side = |axis: usize| rng.below(kernel[axis] / 2 + 1);
            Padding { top: side(0), bottom: side(0), left: side(1), right: side(1) }
        },
        dilation: [size(rng, most_dilation), size(rng, most_dilation)],
    };
    let image = [0, 1].map(|axis| sliding.dilation[axis] * (kernel[axis] - 1) + size(rng, 4));
    (kernel, sliding, image)
}

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
            Ok(Var::from_vec(values, dims, &Device::Cpu)?)
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

fn close(got: &Tensor, wanted: &Tensor) -> Result<()> {
    let difference = (got - wanted)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f64>()?;
    let scale = wanted.abs()?.flatten_all()?.max(0)?.to_scalar::<f64>()?;
    assert!(difference <= 1e-12 * scale, "difference {difference}, largest value {scale}");
    Ok(())
}

#[test]
fn batch_norm_in_training() -> Result<()> {
    for_each_case("batch_norm_train", |rng| {
        let channels = size(rng, 4);
        let mut dims = vec![1 + size(rng, 3), channels];
        if rng.below(3) > 0 {
            dims.extend([size(rng, 3), size(rng, 3)]);
        }
        let mut x = Input::new(rng, &dims, signed)?;
        // Equal images have the variance 0 in a channel of one pixel, where the gradient is huge.
        while matches!(x.view, View::Broadcast) {
            x = Input::new(rng, &dims, signed)?;
        }
        let [weight, bias] = [Input::new(rng, &[channels], signed)?, Input::new(rng, &[channels], signed)?];
        let running =
            [Var::zeros(channels, DType::F64, &Device::Cpu)?, Var::ones(channels, DType::F64, &Device::Cpu)?];
        let config = BatchNormConfig { eps: 1e-2, ..BatchNormConfig::default() };
        check(rng, &[x, weight, bias], |t| {
            ops::batch_norm_train(&t[0], &t[1], &t[2], (&running[0], &running[1]), config)
        })
    })
}

#[test]
fn batch_norm_in_use() -> Result<()> {
    for_each_case("batch_norm_eval", |rng| {
        let channels = size(rng, 4);
        let dims = [size(rng, 3), channels, size(rng, 4), size(rng, 4)];
        let x = Input::new(rng, &dims, signed)?;
        let [weight, bias] = [Input::new(rng, &[channels], signed)?, Input::new(rng, &[channels], signed)?];
        let mean: Vec<f64> = (0..channels).map(|_| signed(rng)).collect();
        let var: Vec<f64> = (0..channels).map(|_| 0.1 + rng.uniform()).collect();
        let (mean, var) = (Tensor::new(mean, &Device::Cpu)?, Tensor::new(var, &Device::Cpu)?);
        check(rng, &[x, weight, bias], |t| {
            ops::batch_norm_eval(&t[0], &t[1], &t[2], (&mean, &var), BatchNormConfig::default())
        })
    })
}

#[test]
fn activations() -> Result<()> {
    use Activation::{Gelu, GeluTanh, Hardswish, LeakyRelu, Relu, Sigmoid, Silu};
    for activation in [Relu, LeakyRelu { slope: 0.2 }, Gelu, GeluTanh, Silu, Sigmoid, Hardswish] {
        for_each_case(activation.name(), |rng| {
            let dims = [size(rng, 4), size(rng, 5), size(rng, 5)];
            // Away from the bends at -3, 0 and 3.
            let ranges = [-4.0, -1.6, 1.5, 4.1];
            let x = Input::new(rng, &dims, |rng| ranges[rng.below(4)] + 0.9 * signed(rng))?;
            check(rng, &[x], |t| ops::activate(&t[0], activation))
        })?;
    }
    Ok(())
}

#[test]
fn max_pool2d() -> Result<()> {
    for_each_case("max_pool2d", |rng| {
        let (kernel, sliding, [height, width]) = window(rng, 2);
        let rounding = if rng.below(2) == 0 { Rounding::Floor } else { Rounding::Ceil };
        let dims = [size(rng, 2), size(rng, 3), height, width];
        let x = Input::distinct(rng, &dims)?;
        check(rng, &[x], |t| ops::max_pool2d(&t[0], kernel, sliding, rounding))
    })
}

#[test]
fn avg_pool2d() -> Result<()> {
    for_each_case("avg_pool2d", |rng| {
        let (kernel, sliding, [height, width]) = window(rng, 1);
        let rounding = if rng.below(2) == 0 { Rounding::Floor } else { Rounding::Ceil };
        let divisor = if rng.below(2) == 0 { Divisor::WithPadding } else { Divisor::PixelsOnly };
        let dims = [size(rng, 2), size(rng, 3), height, width];
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| ops::avg_pool2d(&t[0], kernel, sliding, rounding, divisor))?;
        let output = [size(rng, 6), size(rng, 6)];
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| ops::adaptive_avg_pool2d(&t[0], output))
    })
}

#[test]
fn layer_norm() -> Result<()> {
    for_each_case("layer_norm", |rng| {
        let mut dims = vec![size(rng, 3), size(rng, 3), 1 + size(rng, 5)];
        if rng.below(2) == 0 {
            dims.push(1 + size(rng, 3));
        }
        let normalized = dims[dims.len() - 1 - rng.below(2)..].to_vec();
        let x = Input::new(rng, &dims, |rng| 2.0 * signed(rng))?;
        let [weight, bias] = [Input::new(rng, &normalized, signed)?, Input::new(rng, &normalized, signed)?];
        check(rng, &[x, weight, bias], |t| ops::layer_norm(&t[0], &t[1], &t[2], 1e-2))
    })
}

#[test]
fn group_norm() -> Result<()> {
    for_each_case("group_norm", |rng| {
        let (groups, each) = (size(rng, 3), size(rng, 3));
        let dims = [size(rng, 3), groups * each, size(rng, 3), 1 + size(rng, 3)];
        let x = Input::new(rng, &dims, |rng| 2.0 * signed(rng))?;
        let [weight, bias] =
            [Input::new(rng, &[groups * each], signed)?, Input::new(rng, &[groups * each], signed)?];
        check(rng, &[x, weight, bias], |t| ops::group_norm(&t[0], groups, &t[1], &t[2], 1e-2))
    })
}

#[test]
fn global_avg_pool() -> Result<()> {
    for_each_case("global_avg_pool", |rng| {
        let dims = [size(rng, 3), size(rng, 3), size(rng, 5), size(rng, 5)];
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| ops::global_avg_pool(&t[0]))
    })
}

#[test]
fn linear() -> Result<()> {
    for_each_case("linear", |rng| {
        let (inputs, outputs) = (size(rng, 5), size(rng, 5));
        let dims = if rng.below(2) == 0 {
            vec![size(rng, 4), inputs]
        } else {
            vec![size(rng, 3), size(rng, 3), inputs]
        };
        let x = Input::new(rng, &dims, signed)?;
        let weight = Input::new(rng, &[outputs, inputs], signed)?;
        if rng.below(3) == 0 {
            return check(rng, &[x, weight], |t| ops::linear(&t[0], &t[1], None));
        }
        let bias = Input::new(rng, &[outputs], signed)?;
        check(rng, &[x, weight, bias], |t| ops::linear(&t[0], &t[1], Some(&t[2])))
    })
}

#[test]
fn dropout() -> Result<()> {
    for_each_case("dropout", |rng| {
        let dims = [size(rng, 6), size(rng, 7)];
        let (p, seed) = (rng.uniform() * 0.9, Seed(rng.next_u64()));
        let x = Input::new(rng, &dims, signed)?;
        check(rng, &[x], |t| ops::dropout(&t[0], p, seed))
    })
}

#[test]
fn softmax_and_its_logarithm() -> Result<()> {
    for_each_case("softmax", |rng| {
        let dims = [size(rng, 3), size(rng, 4), size(rng, 5)];
        let dim = rng.below(3);
        let x = Input::new(rng, &dims, |rng| 4.0 * signed(rng))?;
        check(rng, &[x], |t| ops::softmax(&t[0], dim))?;
        let x = Input::new(rng, &dims, |rng| 4.0 * signed(rng))?;
        check(rng, &[x], |t| ops::log_softmax(&t[0], dim))
    })
}

#[test]
fn softmax_cross_entropy() -> Result<()> {
    for_each_case("softmax_cross_entropy", |rng| {
        let (batch, classes) = (size(rng, 5), size(rng, 6));
        let targets: Vec<u32> = (0..batch).map(|_| rng.below(classes) as u32).collect();
        let targets = Tensor::new(targets, &Device::Cpu)?;
        let smoothing = if rng.below(2) == 0 { 0.0 } else { rng.uniform() };
        let logits = Input::new(rng, &[batch, classes], |rng| 4.0 * signed(rng))?;
        check(rng, &[logits], |t| ops::softmax_cross_entropy(&t[0], &targets, smoothing))
    })
}

/// The graph adds with candle's own addition.
#[test]
fn candles_addition() -> Result<()> {
    for_each_case("add", |rng| {
        let dims = [size(rng, 3), size(rng, 3), size(rng, 4)];
        let [a, b] = [Input::new(rng, &dims, signed)?, Input::new(rng, &dims, signed)?];
        check(rng, &[a, b], |t| Ok((&t[0] + &t[1])?))
    })
}
