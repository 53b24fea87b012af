//! What the reference values and difference quotients do not reach: ties, what is not a number, the
//! same random numbers, blocks of images. Held against the CPU's kernels.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor, Var};

use super::super::columns::Convolution;
use super::super::max_pool2d::MaxPool2d;
use super::super::precision::Precision;
use super::super::window::{Padding, Rounding, Sliding, Window};
use super::super::{self as ops, dropout::Dropout};
use super::axis_sums::AxisSums;
use super::*;
use crate::{Result, Rng, Seed};

fn var(dims: &[usize], mut value: impl FnMut() -> f32) -> Var {
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| value()).collect();
    Var::from_vec(values, dims, &Device::Cpu).unwrap()
}

/// The bits of an output and of the gradient of `x` through it.
fn bits(y: &Tensor, x: &Var) -> Result<Vec<u32>> {
    // Upstream gradients that differ, so that each must find its place.
    let count = y.elem_count() as u32;
    let dy = Tensor::arange(1, count + 1, &Device::Cpu)?.to_dtype(DType::F32)?.reshape(y.shape())?;
    let finite = y.eq(y)?.where_cond(y, &y.zeros_like()?)?;
    let gradients = (finite * dy)?.sum_all()?.backward()?;
    let both = Tensor::cat(&[y.flatten_all()?, gradients.get(x).unwrap().flatten_all()?], 0)?;
    Ok(both.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
}

fn window(rng: &mut Rng, most_dilation: usize) -> Window {
    let kernel = [1 + rng.below(4), 1 + rng.below(4)];
    let mut side = |axis: usize| rng.below(kernel[axis] / 2 + 1);
    let padding = Padding { top: side(0), bottom: side(0), left: side(1), right: side(1) };
    let stride = [1 + rng.below(3), 1 + rng.below(3)];
    let dilation = [1 + rng.below(most_dilation), 1 + rng.below(most_dilation)];
    let rounding = if rng.below(2) == 0 { Rounding::Floor } else { Rounding::Ceil };
    Window { kernel, sliding: Sliding { stride, padding, dilation }, rounding }
}

#[test]
fn the_largest_pixel_is_the_first_of_equal_ones_and_any_that_is_no_number() -> Result<()> {
    for case in 0..200 {
        let mut rng = Seed(case).derive("max").rng();
        let window = window(&mut rng, 2);
        let image = [0, 1].map(|axis| window.sliding.dilation[axis] * (window.kernel[axis] - 1) + 1);
        let image = image.map(|side| side + rng.below(5));
        let x = var(&[2, 2, image[0], image[1]], || match rng.below(12) {
            0 => f32::NAN,
            1 => f32::NEG_INFINITY,
            number => number as f32 - 6.0,
        });
        let ours = max_pool2d(&MaxPool2d::new("max_pool2d", window, image)?, &x)?;
        let kernel = ops::max_pool2d(&x, window.kernel, window.sliding, window.rounding)?;
        // Bits of one NaN may differ from another's, so they become one.
        let same = |bits: Vec<u32>| -> Vec<u32> {
            bits.into_iter().map(|bits| if f32::from_bits(bits).is_nan() { u32::MAX } else { bits }).collect()
        };
        assert_eq!(same(bits(&ours, &x)?), same(bits(&kernel, &x)?), "case {case}: {window:?} of {image:?}");
    }
    Ok(())
}

#[test]
fn dropout_drops_what_the_cpu_drops() -> Result<()> {
    let x = var(&[3, 40_000], || 1.5);
    for (p, seed) in [(0.0, Seed(1)), (0.3, Seed(2)), (0.9, Seed(3))] {
        let ours = dropout(&Dropout { p, seed }, &x)?;
        assert_eq!(bits(&ours, &x)?, bits(&ops::dropout(&x, p, seed)?, &x)?);
    }
    Ok(())
}

#[test]
fn what_is_no_number_stays_where_it_is() -> Result<()> {
    let x = Tensor::new(&[[[[f32::NAN, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]]], &Device::Cpu)?;
    let numbers = |y: Tensor| -> Result<Vec<bool>> {
        Ok(y.flatten_all()?.to_vec1::<f32>()?.into_iter().map(|value| !value.is_nan()).collect())
    };
    let sums = |terms: [&[(usize, f64)]; 2]| AxisSums { inputs: 3, terms: terms.map(<[_]>::to_vec).into() };
    let both = [sums([&[(0, 0.5), (1, 0.5)], &[(2, 1.0)]]), sums([&[(0, 1.0)], &[(1, 0.5), (2, 0.5)]])];
    assert_eq!(numbers(axis_sums::image_sums(&both, &x)?)?, [false, true, true, true]);
    let activations = [ops::Activation::Relu, ops::Activation::Hardswish, ops::Activation::Sigmoid];
    for activation in activations {
        let numbers = numbers(activate(&x, activation)?)?;
        assert!(!numbers[0] && numbers[1..].iter().all(|&number| number), "{activation:?}");
    }
    Ok(())
}

#[test]
fn long_sums_are_those_of_their_parts() -> Result<()> {
    let mut rng = Seed(6).rng();
    for length in [1, 32, 33, 49, 64, 100] {
        let x = var(&[2, length, 3], || rng.normal() as f32);
        let difference = (sums::short_sums(&x, 1)? - x.sum(1)?)?.abs()?.max_all()?.to_scalar::<f32>()?;
        assert!(difference < 1e-4, "{length}: {difference}");
    }
    Ok(())
}

/// Where the columns of a batch are too many to be there at once.
#[test]
fn blocks_of_images_give_what_the_whole_batch_gives() -> Result<()> {
    let mut rng = Seed(8).rng();
    let sliding = Sliding { stride: [2, 1], padding: 1.into(), dilation: [1, 2] };
    let window = Window { kernel: [3, 2], sliding, rounding: Rounding::Floor };
    let (input, groups) = ([6, 7], 2);
    let output = window.output_size("conv2d", input)?;
    let sizes = Convolution { batch: 5, in_channels: 4, out_channels: 6, groups, input, output, window };
    let x = var(&[5, 4, 6, 7], || rng.normal() as f32);
    let weight = var(&[6, 2, 3, 2], || rng.normal() as f32);
    let small = var(&[5, 6, output[0], output[1]], || rng.normal() as f32);
    let run = |most| -> Result<Vec<Tensor>> {
        let columns = convolution::Columns { sizes, most, precision: Precision::Full };
        let forward = columns.forward(&x, &weight, None)?;
        let dx = columns.input_gradient(&weight, &small, None)?;
        Ok(vec![forward, dx, columns.weight_gradient(&x, &small)?])
    };
    let whole = run(usize::MAX)?;
    // Two images at a time, then one.
    for most in [2 * output[0] * output[1] * 6 * 4, 1] {
        for (whole, blocks) in whole.iter().zip(run(most)?) {
            let difference = (whole - blocks)?.abs()?.max_all()?.to_scalar::<f32>()?;
            assert!(difference < 1e-4, "{difference}");
        }
    }
    Ok(())
}

#[test]
fn an_output_that_is_a_view_of_an_input_leaves_it_whole() -> Result<()> {
    let mut number = 0.0;
    let x = var(&[2, 3], || {
        number += 1.0;
        number
    });
    for view in [x.as_detached_tensor(), x.as_detached_tensor().t()?, x.as_detached_tensor().narrow(1, 1, 2)?]
    {
        let shape = view.shape().clone();
        let wanted = view.flatten_all()?.to_vec1::<f32>()?;
        let y = differentiable("view", [&x], view, |given| Ok([Some(given.inputs[0].ones_like()?)]))?;
        assert_eq!(y.shape(), &shape);
        assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, wanted);
        assert_eq!(x.flatten_all()?.to_vec1::<f32>()?, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(y.sum_all()?.backward()?.get(&x).unwrap().to_vec2::<f32>()?, [[1.0; 3]; 2]);
    }
    Ok(())
}

/// Nothing that is computed for the gradient leads back into the way it came.
#[test]
fn gradients_keep_no_record() -> Result<()> {
    let x = var(&[2, 3, 4, 4], || 0.5);
    let weight = var(&[3], || 1.0);
    let running = [var(&[3], || 0.0), var(&[3], || 1.0)];
    let y = batch_norm_train([&x, &weight, &weight], (&running[0], &running[1]), Default::default(), 32)?;
    let gradients = y.sqr()?.sum_all()?.backward()?;
    assert!(!gradients.get(&weight).unwrap().track_op());
    Ok(())
}
