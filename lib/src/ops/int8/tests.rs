#![allow(clippy::unwrap_used)]

use super::backend::Backend;
use super::*;
use crate::ops::window::{Padding, Rounding, Sliding, Window};
use crate::ops::{Divisor, channels_last};
use crate::{Result, Seed};

/// Steps: at random, or only the extremes, whose products are largest.
#[derive(Debug, Clone, Copy)]
enum Steps {
    Random,
    Extreme,
}

fn activations(seed: &str, dims: &[usize], zero_point: u8, steps: Steps) -> Activations {
    let mut rng = Seed(5).derive(seed).rng();
    let step = |_| match steps {
        Steps::Random => rng.below(256) as u8,
        Steps::Extreme => [0, 255, 255][rng.below(3)],
    };
    let values = (0..dims.iter().product()).map(step).collect();
    Activations { values, dims: dims.to_vec(), quantization: Quantization { scale: 0.02, zero_point } }
}

fn weights(seed: &str, len: usize, steps: Steps) -> Vec<i8> {
    let mut rng = Seed(6).derive(seed).rng();
    let step = |_| match steps {
        Steps::Random => (rng.below(255) as i32 - 127) as i8,
        Steps::Extreme => [-127, 127, 127][rng.below(3)],
    };
    (0..len).map(step).collect()
}

/// The rule of rounding, by the standard library.
fn rounded(value: f32, zero_point: u8, low: u8, high: u8) -> u8 {
    (value.round_ties_even() + f32::from(zero_point)).clamp(f32::from(low), f32::from(high)) as u8
}

/// Sums of a convolution as they are defined, (B, OH, OW, O).
fn sums(
    x: &Activations,
    weight: &[i8],
    dims: [usize; 4],
    bias: &[i32],
    sliding: Sliding,
    groups: usize,
) -> Vec<i32> {
    let (&[batch, height, width, channels], [outputs, depth, kernel_height, kernel_width]) = (&*x.dims, dims)
    else {
        panic!("no images");
    };
    let window = Window { kernel: [kernel_height, kernel_width], sliding, rounding: Rounding::Floor };
    let [rows, columns] = window.output_size("conv2d", [height, width]).unwrap();
    let mut sums = Vec::new();
    for image in 0..batch {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            for output in 0..outputs {
                let mut sum = bias.get(output).map_or(0, |&bias| i64::from(bias));
                for tap in 0..kernel_height * kernel_width {
                    let at = |axis: usize, position: usize, tap: usize, before: usize, size: usize| {
                        (position * sliding.stride[axis] + tap * sliding.dilation[axis])
                            .checked_sub(before)
                            .filter(|&place| place < size)
                    };
                    let y = at(0, row, tap / kernel_width, sliding.padding.top, height);
                    let x_place = at(1, column, tap % kernel_width, sliding.padding.left, width);
                    let (Some(y), Some(x_place)) = (y, x_place) else { continue };
                    for channel in 0..depth {
                        let group = output / (outputs / groups);
                        let pixel = (image * height + y) * width + x_place;
                        let step = i64::from(x.values[pixel * channels + group * depth + channel]);
                        let weight = weight[(output * depth + channel) * kernel_height * kernel_width + tap];
                        sum += (step - i64::from(x.quantization.zero_point)) * i64::from(weight);
                    }
                }
                sums.push(i32::try_from(sum).unwrap());
            }
        }
    }
    sums
}

fn multipliers(outputs: usize, depth: usize) -> Vec<f32> {
    let mut rng = Seed(7).rng();
    (0..outputs).map(|_| (0.5 + rng.uniform_f32()) / (60.0 * 60.0 * (depth as f32).sqrt())).collect()
}

#[test]
fn a_convolution_is_its_definition_on_every_cpu() {
    let mut by_tiles = 0;
    let padded = |padding: Padding| Sliding { padding, ..Sliding::default() };
    for (batch, groups, weight, input, sliding) in [
        (2, 1, [5, 3, 3, 3], [7, 6], padded(Padding::from(1))),
        (1, 1, [1, 1, 1, 1], [1, 1], Sliding::default()),
        (3, 1, [33, 17, 3, 2], [6, 9], padded(Padding { top: 0, bottom: 2, left: 1, right: 3 })),
        (2, 1, [32, 20, 3, 3], [9, 8], Sliding { stride: [2, 2], ..padded(Padding::from(1)) }),
        (1, 1, [64, 3, 7, 7], [23, 24], Sliding { stride: [2, 3], ..padded(Padding::from(3)) }),
        (2, 1, [40, 7, 3, 3], [11, 10], Sliding { dilation: [2, 3], ..padded(Padding::from(2)) }),
        (2, 1, [48, 70, 1, 1], [6, 5], Sliding { stride: [2, 2], ..Sliding::default() }),
        (1, 1, [24, 130, 1, 1], [5, 7], Sliding::default()),
        (1, 1, [16, 16, 3, 3], [13, 5], padded(Padding::from(1))),
        (2, 1, [20, 12, 3, 3], [5, 6], padded(Padding { top: 2, bottom: 0, left: 1, right: 2 })),
        (1, 1, [9, 40, 3, 3], [4, 4], padded(Padding::from(1))),
        // By tiles, where the weights are not all large.
        (1, 1, [17, 32, 3, 3], [16, 13], padded(Padding::from(1))),
        (3, 1, [48, 32, 3, 3], [9, 12], padded(Padding { top: 0, bottom: 2, left: 3, right: 1 })),
        // In groups, and each channel by itself.
        (2, 2, [6, 5, 3, 3], [5, 6], padded(Padding::from(1))),
        (1, 4, [80, 2, 3, 1], [6, 6], Sliding { stride: [1, 2], ..Sliding::default() }),
        (2, 35, [35, 1, 3, 3], [9, 8], padded(Padding::from(1))),
        (
            1,
            64,
            [64, 1, 5, 3],
            [9, 11],
            Sliding { stride: [2, 1], dilation: [1, 2], ..padded(Padding::from(2)) },
        ),
        (1, 3, [6, 1, 3, 3], [5, 5], padded(Padding::from(1))),
    ] {
        let [outputs, channels, height, width] = weight;
        let depth = channels * height * width;
        for steps in [Steps::Random, Steps::Extreme] {
            for zero_point in [0, 131, 255] {
                let what = format!("{weight:?} {groups} {input:?} {sliding:?} {steps:?} {zero_point}");
                let x =
                    activations(&what, &[batch, input[0], input[1], channels * groups], zero_point, steps);
                let values = weights(&what, outputs * depth, steps);
                let bias: Vec<i32> = (0..outputs).map(|output| 4000 - 900 * output as i32).collect();
                let sums = sums(&x, &values, weight, &bias, sliding, groups);
                let multiplier = multipliers(outputs, depth);
                let output = Quantization { scale: 0.1, zero_point: 100 };
                let requantize = Requantize::new(multiplier.clone(), output).clamped(20, 250);
                let scaled = |(place, &sum): (usize, &i32)| sum as f32 * multiplier[place % outputs];
                let floats: Vec<f32> = sums.iter().enumerate().map(scaled).collect();
                let steps: Vec<u8> = floats.iter().map(|&value| rounded(value, 100, 20, 250)).collect();
                for backend in Backend::all() {
                    let layer =
                        Convolution::packed_for(backend, &values, weight, &bias, zero_point, sliding, groups)
                            .unwrap();
                    let y = layer.forward(&x, &requantize).unwrap();
                    assert_eq!(y.values, steps, "{what} by {backend:?}");
                    by_tiles += usize::from(layer.goes_by_tiles(&x.dims).unwrap());
                    assert_eq!(y.dims, layer.output_dims(&x.dims).unwrap(), "{what}");
                    assert_eq!(y.quantization, output);
                    let y = layer.forward_f32(&x, &multiplier).unwrap();
                    assert_eq!(y, floats, "{what} by {backend:?}");
                }
            }
        }
    }
    assert_eq!(by_tiles, 2 * 6 * Backend::all().len());
}

/// What tiles compute is known by 26 bits: sums at the very ends of that range, and weights beyond it.
#[test]
fn tiles_are_exact_to_the_ends_of_their_range() {
    let sliding = Sliding { padding: Padding::from(1), ..Sliding::default() };
    for channels in [224, 240] {
        let depth = 9 * channels;
        let mut values = vec![0; 16 * depth];
        for (output, weights) in values.chunks_mut(depth).enumerate() {
            for (place, weight) in weights.iter_mut().enumerate() {
                *weight = if place % 16 < output { 127 } else { -127 };
            }
        }
        assert_eq!(winograd::middles(&values, depth).is_some(), channels == 224);
        let mut x = activations("range", &[3, 6, 7, channels], 9, Steps::Extreme);
        // One image of the largest steps, one of those that give the largest sums, and one at random.
        let pixels = 6 * 7 * channels;
        x.values[..pixels].fill(255);
        for (place, step) in x.values[pixels..2 * pixels].iter_mut().enumerate() {
            *step = if place % 16 < 8 { 255 } else { 0 };
        }
        let wanted = sums(&x, &values, [16, channels, 3, 3], &[], sliding, 1);
        let wanted: Vec<f32> = wanted.into_iter().map(|sum| sum as f32).collect();
        let layer = Convolution::new(&values, [16, channels, 3, 3], &[], 9, sliding, 1).unwrap();
        assert_eq!(layer.goes_by_tiles(&x.dims).unwrap(), channels == 224);
        assert_eq!(layer.forward_f32(&x, &[1.0; 16]).unwrap(), wanted, "{channels} channels");
    }
}

#[test]
fn a_linear_layer_is_its_definition_on_every_cpu() {
    for (rows, outputs, depth) in [(1, 1, 1), (1, 1000, 13), (7, 33, 130), (100, 16, 64), (3, 32, 2051)] {
        for steps in [Steps::Random, Steps::Extreme] {
            let what = format!("{rows} {outputs} {depth} {steps:?}");
            let x = activations(&what, &[rows, 1, depth], 77, steps);
            let values = weights(&what, outputs * depth, steps);
            let sums = sums(
                &Activations { dims: vec![rows, 1, 1, depth], ..x.clone() },
                &values,
                [outputs, depth, 1, 1],
                &[],
                Sliding::default(),
                1,
            );
            let multiplier = multipliers(outputs, depth);
            let requantize = Requantize::new(multiplier.clone(), Quantization { scale: 1.0, zero_point: 9 });
            let scaled = |(place, &sum): (usize, &i32)| sum as f32 * multiplier[place % outputs];
            let floats: Vec<f32> = sums.iter().enumerate().map(scaled).collect();
            for backend in Backend::all() {
                let layer = Linear::packed_for(backend, &values, [outputs, depth], &[], 77).unwrap();
                let y = layer.forward(&x, &requantize).unwrap();
                assert_eq!(y.dims, [rows, 1, outputs]);
                let steps: Vec<u8> = floats.iter().map(|&value| rounded(value, 9, 0, 255)).collect();
                assert_eq!(y.values, steps, "{what} by {backend:?}");
                assert_eq!(layer.forward_f32(&x, &multiplier).unwrap(), floats, "{what} by {backend:?}");
            }
        }
    }
}

#[test]
fn threads_change_nothing() -> Result<()> {
    let x = activations("threads", &[1, 14, 14, 64], 120, Steps::Random);
    let values = weights("threads", 96 * 64 * 9, Steps::Random);
    let sliding = Sliding { padding: Padding::from(1), ..Sliding::default() };
    let layer = Convolution::new(&values, [96, 64, 3, 3], &[], 120, sliding, 1)?;
    let requantize = Requantize::new(multipliers(96, 576), Quantization { scale: 1.0, zero_point: 0 });
    let by = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| layer.forward(&x, &requantize).unwrap())
    };
    let one = by(1);
    for threads in [2, 3, 16] {
        assert_eq!(by(threads), one, "{threads} threads");
    }
    Ok(())
}

#[test]
fn sums_that_leave_32_bits_are_refused() {
    let deep = |weight: i8, depth: usize| Linear::new(&vec![weight; depth], [1, depth], &[], 0);
    assert!(deep(127, 66_311).is_ok());
    let error = deep(127, 66_312).unwrap_err().to_string();
    assert!(error.contains("66312") && error.contains("output 0"), "{error}");
    assert!(deep(-127, 66_312).is_err());
    assert!(deep(1, 66_312).is_ok(), "small weights may be deeper");
    assert!(Linear::new(&[1], [1, 1], &[i32::MAX], 0).is_err());
    // The largest sum that there may be is right.
    let x = Activations {
        values: vec![255; 66_311],
        dims: vec![1, 66_311],
        quantization: Quantization { scale: 1.0, zero_point: 0 },
    };
    for backend in Backend::all() {
        let layer = Linear::packed_for(backend, &vec![127; 66_311], [1, 66_311], &[], 0).unwrap();
        assert_eq!(layer.forward_f32(&x, &[1.0]).unwrap(), [(66_311 * 255 * 127) as f32]);
    }
}

#[test]
fn bad_input_is_refused_by_name() {
    let refused = |result: Result<Activations>, words: &[&str]| {
        let error = result.unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{error:?} does not say {word:?}");
        }
    };
    let x = activations("bad", &[1, 4, 4, 3], 7, Steps::Random);
    let good = Requantize::new(vec![0.1; 2], Quantization { scale: 1.0, zero_point: 0 });
    let new =
        |weight: &[i8], dims, groups| Convolution::new(weight, dims, &[], 7, Sliding::default(), groups);
    let layer = new(&[1; 6], [2, 3, 1, 1], 1).unwrap();
    let other = Activations { quantization: Quantization { scale: 1.0, zero_point: 8 }, ..x.clone() };
    refused(layer.forward(&other, &good), &["zero point 7", "8"]);
    let wide = Activations { dims: vec![1, 4, 3, 4], ..x.clone() };
    refused(layer.forward(&wide, &good), &["3 channels", "(1, 4, 3, 4)"]);
    let short = Activations { values: vec![0; 5], ..x.clone() };
    refused(layer.forward(&short, &good), &["5 values"]);
    let few = Requantize { multiplier: vec![0.1], ..good.clone() };
    refused(layer.forward(&x, &few), &["2 finite multipliers", "1"]);
    let nan = Requantize { multiplier: vec![0.1, f32::NAN], ..good.clone() };
    refused(layer.forward(&x, &nan), &["NaN for output 1"]);
    refused(layer.forward(&x, &good.clone().clamped(3, 2)), &["3 and 2"]);
    let zero = Requantize { output: Quantization { scale: 0.0, zero_point: 0 }, ..good };
    refused(layer.forward(&x, &zero), &["a scale above 0", "0"]);
    assert!(new(&[1; 5], [2, 3, 1, 1], 1).is_err());
    assert!(new(&[-128, 1, 1, 1, 1, 1], [2, 3, 1, 1], 1).unwrap_err().to_string().contains("-128"));
    assert!(new(&[1; 6], [2, 3, 1, 1], 0).is_err());
    assert!(new(&[], [2, 3, 0, 1], 1).is_err());
    assert!(concat(&[], x.quantization).is_err());
    assert!(add(&x, &wide, x.quantization, [0, 255]).is_err());
    let window = |kernel| max_pool2d(&x, kernel, Sliding::default(), Rounding::Floor);
    refused(window([5, 1]), &["max_pool2d", "(5, 1)"]);
}

#[test]
fn rounding_is_to_the_nearest_step_and_halves_to_even() {
    let quantization = Quantization { scale: 0.5, zero_point: 10 };
    let x = [0.0, 0.25, 0.75, -0.25, -0.75, 1.2, -5.0, -5.1, 122.5, 1e30, -1e30, f32::INFINITY, f32::NAN];
    let y = Activations::quantize(&x, &[13], quantization).unwrap();
    assert_eq!(y.values, [10, 10, 12, 10, 8, 12, 0, 0, 255, 255, 0, 255, 0]);
    assert_eq!(y.dequantize()[..5], [0.0, 0.0, 1.0, 0.0, -1.0]);
    // Against the standard library.
    let mut rng = Seed(8).rng();
    let x: Vec<f32> = (0..20_000).map(|_| 300.0 * (rng.uniform_f32() - 0.4)).collect();
    let quantization = Quantization { scale: 0.7, zero_point: 90 };
    let y = Activations::quantize(&x, &[20_000], quantization).unwrap();
    let wanted: Vec<u8> = x.iter().map(|&x| rounded(x * (1.0 / 0.7), 90, 0, 255)).collect();
    assert_eq!(y.values, wanted);
}

#[test]
fn images_change_their_layout_on_the_way() {
    let dims = [2, 3, 5, 4];
    let x: Vec<f32> = (0..120).map(|value| value as f32).collect();
    let quantization = Quantization { scale: 0.5, zero_point: 3 };
    let y = Activations::quantize_images(&x, dims, quantization).unwrap();
    assert_eq!(y.dims, [2, 5, 4, 3]);
    let mut last = vec![0.0; 120];
    channels_last::to_channels_last(&x, &mut last, 3, 20);
    assert_eq!(y, Activations::quantize(&last, &[2, 5, 4, 3], quantization).unwrap());
    let back = y.dequantize_images().unwrap();
    let clamped: Vec<f32> = x.iter().map(|x| x.min(126.0)).collect();
    assert_eq!(back, clamped);
}

#[test]
fn pools_are_their_definition() {
    let sliding = Sliding { stride: [2, 1], padding: Padding::from(1), dilation: [1, 1] };
    let x = activations("pools", &[2, 7, 6, 37], 40, Steps::Random);
    let output = Quantization { scale: 0.03, zero_point: 17 };
    let largest = max_pool2d(&x, [3, 3], sliding, Rounding::Floor).unwrap();
    let mean = |divisor| avg_pool2d(&x, [3, 3], sliding, Rounding::Floor, divisor, output).unwrap();
    let (with_padding, pixels_only) = (mean(Divisor::WithPadding), mean(Divisor::PixelsOnly));
    assert_eq!(largest.dims, [2, 4, 6, 37]);
    assert_eq!((&with_padding.dims, with_padding.quantization), (&largest.dims, output));
    for place in 0..largest.values.len() {
        let (channel, column, row, image) =
            (place % 37, place / 37 % 6, place / (37 * 6) % 4, place / (37 * 6 * 4));
        let mut steps = Vec::new();
        for y in (2 * row).saturating_sub(1)..(2 * row + 2).min(7) {
            for x_place in column.saturating_sub(1)..(column + 2).min(6) {
                steps.push(x.values[((image * 7 + y) * 6 + x_place) * 37 + channel]);
            }
        }
        assert_eq!(largest.values[place], *steps.iter().max().unwrap());
        let sum: i32 = steps.iter().map(|&step| i32::from(step) - 40).sum();
        let wanted = |count: usize| rounded(sum as f32 * (0.02 / 0.03 / count as f32), 17, 0, 255);
        assert_eq!(with_padding.values[place], wanted(9));
        assert_eq!(pixels_only.values[place], wanted(steps.len()));
    }
    let whole = adaptive_avg_pool2d(&x, [1, 1], output).unwrap();
    let sum: i32 = x.values[..42 * 37].iter().step_by(37).map(|&step| i32::from(step) - 40).sum();
    assert_eq!(whole.dims, [2, 1, 1, 37]);
    assert_eq!(whole.values[0], rounded(sum as f32 * (0.02 / 0.03 / 42.0), 17, 0, 255));
}

#[test]
fn sums_and_concatenations_bring_scales_together() {
    let a = activations("a", &[3, 2, 50], 30, Steps::Random);
    let mut b = activations("b", &[3, 2, 50], 200, Steps::Random);
    b.quantization.scale = 0.05;
    let output = Quantization { scale: 0.06, zero_point: 128 };
    let step = |x: &Activations, place: usize| {
        (f32::from(x.values[place]) - f32::from(x.quantization.zero_point)) * (x.quantization.scale / 0.06)
    };
    let sum = add(&a, &b, output, [128, 240]).unwrap();
    let wanted: Vec<u8> =
        (0..300).map(|place| rounded(step(&a, place) + step(&b, place), 128, 128, 240)).collect();
    assert_eq!((sum.values, sum.dims, sum.quantization), (wanted, vec![3, 2, 50], output));
    let narrow = activations("c", &[3, 2, 7], 10, Steps::Random);
    let both = concat(&[&b, &narrow], output).unwrap();
    assert_eq!(both.dims, [3, 2, 57]);
    for row in 0..6 {
        for channel in 0..57 {
            let value = if channel < 50 {
                step(&b, row * 50 + channel)
            } else {
                step(&narrow, row * 7 + channel - 50)
            };
            assert_eq!(both.values[row * 57 + channel], rounded(value, 128, 0, 255));
        }
    }
    assert_eq!(concat(&[&a], a.quantization).unwrap(), a);
    let clamped = requantize(&b, output, [130, 255]).unwrap();
    assert_eq!(clamped.values[17], rounded(step(&b, 17), 128, 130, 255));
}
