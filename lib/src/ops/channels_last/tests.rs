#![allow(clippy::unwrap_used)]

use super::*;
use crate::Seed;
use crate::ops::buffer::Pool;
use crate::ops::columns::Convolution;
use crate::ops::gemm::Update;
use crate::ops::window::{Padding, Rounding, Sliding, Window};

fn values(seed: &str, len: usize) -> Vec<f32> {
    let mut rng = Seed(3).derive(seed).rng();
    (0..len).map(|_| 2.0 * rng.uniform_f32() - 1.0).collect()
}

#[track_caller]
fn near(what: &str, got: &[f32], wanted: &[f64]) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let largest = wanted.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for (place, (&got, &wanted)) in got.iter().zip(wanted).enumerate() {
        let error = (f64::from(got) - wanted).abs();
        assert!(error <= 2e-5 * largest, "{what} at {place}: {got}, not {wanted}; the largest is {largest}");
    }
}

pub(super) fn convolution(
    batch: usize,
    channels: [usize; 2],
    input: [usize; 2],
    kernel: [usize; 2],
    sliding: Sliding,
) -> Convolution {
    let window = Window { kernel, sliding, rounding: Rounding::Floor };
    let output = window.output_size("conv2d", input).unwrap();
    let [in_channels, out_channels] = channels;
    Convolution { batch, in_channels, out_channels, groups: 1, input, output, window }
}

/// Against the products of matrices in f64.
#[test]
fn it_is_the_convolution_and_its_gradients() {
    let padded = |padding: Padding| Sliding { padding, ..Sliding::default() };
    for (batch, channels, input, kernel, sliding) in [
        (2, [3, 5], [7, 6], [3, 3], padded(Padding::from(1))),
        (1, [1, 1], [1, 1], [1, 1], Sliding::default()),
        (9, [17, 33], [12, 17], [3, 2], padded(Padding { top: 0, bottom: 2, left: 1, right: 3 })),
        (3, [64, 32], [9, 8], [3, 3], Sliding { stride: [2, 2], ..padded(Padding::from(1)) }),
        (4, [3, 64], [23, 24], [7, 7], Sliding { stride: [2, 3], ..padded(Padding::from(3)) }),
        (2, [20, 40], [15, 14], [3, 3], Sliding { dilation: [2, 3], ..padded(Padding::from(2)) }),
        (2, [70, 32], [6, 5], [1, 1], Sliding { stride: [2, 2], ..Sliding::default() }),
        (2, [300, 64], [5, 6], [3, 3], padded(Padding::from(1))),
        (1, [4, 4], [3, 3], [2, 2], padded(Padding::from(2))),
        // Of few channels: with strides, gaps between rows, padding, outputs that fill panels or do not.
        (4, [3, 6], [14, 14], [5, 5], Sliding::default()),
        (3, [2, 70], [11, 9], [3, 4], Sliding { stride: [2, 3], ..padded(Padding::from(2)) }),
        (2, [16, 32], [12, 10], [3, 3], Sliding { dilation: [2, 1], ..padded(Padding::from(2)) }),
        (1, [5, 16], [40, 37], [2, 5], padded(Padding { top: 0, bottom: 1, left: 3, right: 0 })),
        // By tiles, which fill panels or do not.
        (32, [16, 16], [8, 8], [3, 3], padded(Padding::from(1))),
        (9, [17, 33], [12, 17], [3, 3], padded(Padding::from(1))),
        (35, [40, 20], [8, 12], [3, 3], padded(Padding { top: 0, bottom: 2, left: 1, right: 1 })),
        (16, [32, 64], [15, 14], [3, 3], padded(Padding::default())),
        (5, [16, 48], [33, 21], [3, 3], padded(Padding::from(2))),
        // By small tiles.
        (32, [64, 96], [4, 4], [3, 3], padded(Padding::from(1))),
        (31, [70, 65], [7, 6], [3, 3], padded(Padding { top: 2, bottom: 0, left: 1, right: 1 })),
    ] {
        let convolution = convolution(batch, channels, input, kernel, sliding);
        let [inputs, outputs] = channels;
        let (plane, positions) = (input[0] * input[1], convolution.positions());
        let taps = kernel[0] * kernel[1];
        let x = values("x", batch * inputs * plane);
        let weight = values("weight", outputs * inputs * taps);
        let dy = values("dy", batch * outputs * positions);
        let double = |values: &[f32]| -> Vec<f64> { values.iter().map(|&value| f64::from(value)).collect() };
        let (x64, weight64, dy64) = (double(&x), double(&weight), double(&dy));
        let (mut x_last, mut dy_last) = (vec![0.0; x.len()], vec![0.0; dy.len()]);
        to_channels_last(&x, &mut x_last, inputs, plane);
        to_channels_last(&dy, &mut dy_last, outputs, positions);
        let pool = Pool::default();
        let what = format!("{batch} {channels:?} {input:?} {kernel:?}");

        let (mut y_last, mut y) = (vec![f32::NAN; dy.len()], vec![0.0; dy.len()]);
        forward(&convolution, &pool, &x_last, &weight, &mut y_last, &());
        to_channels_first(&y_last, &mut y, outputs, positions);
        near(&format!("y {what}"), &y, &convolution.forward(&x64, &weight64, None));

        let (mut dx_last, mut dx) = (vec![f32::NAN; x.len()], vec![0.0; x.len()]);
        input_gradient(&convolution, &pool, &weight, &dy_last, &mut dx_last, Update::Replace);
        to_channels_first(&dx_last, &mut dx, inputs, plane);
        let wanted = convolution.input_gradient(&weight64, &dy64);
        near(&format!("dx {what}"), &dx, &wanted);
        input_gradient(&convolution, &pool, &weight, &dy_last, &mut dx_last, Update::Add);
        to_channels_first(&dx_last, &mut dx, inputs, plane);
        let twice: Vec<f64> = wanted.iter().map(|value| 2.0 * value).collect();
        near(&format!("twice dx {what}"), &dx, &twice);

        let mut dw = vec![f32::NAN; weight.len()];
        weight_gradient(&convolution, &pool, &x_last, &dy_last, &mut dw);
        near(&format!("dw {what}"), &dw, &convolution.weight_gradient(&x64, &dy64));
    }
}

/// `cargo test --release -p sconce speed_of_convolutions -- --ignored --nocapture`
#[test]
#[ignore = "prints speeds of kernels that a bench outside the crate cannot reach; asserts nothing"]
#[allow(clippy::print_stdout)]
fn speed_of_convolutions() {
    let one = Padding::from(1);
    for (batch, channels, input, kernel, stride, padding) in [
        (32, [3, 64], [32; 2], [3; 2], [1; 2], one),
        (32, [64, 64], [32; 2], [3; 2], [1; 2], one),
        (32, [64, 128], [32; 2], [3; 2], [2; 2], one),
        (32, [64, 128], [32; 2], [1; 2], [2; 2], Padding::default()),
        (32, [128, 128], [16; 2], [3; 2], [1; 2], one),
        (32, [256, 256], [8; 2], [3; 2], [1; 2], one),
        (32, [512, 512], [4; 2], [3; 2], [1; 2], one),
        (8, [3, 64], [224; 2], [7; 2], [2; 2], Padding::from(3)),
        (8, [256, 64], [56; 2], [1; 2], [1; 2], Padding::default()),
        (8, [128, 128], [56; 2], [3; 2], [2; 2], one),
        (1, [192, 576], [1576, 1], [1; 2], [1; 2], Padding::default()),
        (1, [192, 768], [1576, 1], [1; 2], [1; 2], Padding::default()),
        (1, [768, 192], [1576, 1], [1; 2], [1; 2], Padding::default()),
        (128, [3, 6], [32; 2], [5; 2], [1; 2], Padding::default()),
        (128, [6, 16], [14; 2], [5; 2], [1; 2], Padding::default()),
    ] {
        let sliding = Sliding { padding, stride, ..Sliding::default() };
        let convolution = convolution(batch, channels, input, kernel, sliding);
        let [inputs, outputs] = channels;
        let (plane, positions) = (input[0] * input[1], convolution.positions());
        let taps = kernel[0] * kernel[1];
        let x = values("x", batch * inputs * plane);
        let weight = values("weight", outputs * inputs * taps);
        let mut y = vec![0.0; batch * outputs * positions];
        let mut dx = vec![0.0; x.len()];
        let mut dw = vec![0.0; weight.len()];
        let pool = Pool::default();
        let mut least = [f64::INFINITY; 3];
        let mut time = |which: usize, work: &mut dyn FnMut()| {
            for _ in 0..6 {
                let start = std::time::Instant::now();
                work();
                least[which] = least[which].min(start.elapsed().as_secs_f64() * 1e3);
            }
        };
        time(0, &mut || forward(&convolution, &pool, &x, &weight, &mut y, &()));
        time(1, &mut || input_gradient(&convolution, &pool, &weight, &y, &mut dx, Update::Replace));
        time(2, &mut || weight_gradient(&convolution, &pool, &x, &y, &mut dw));
        let gflop = 2e-9 * (batch * positions * outputs * inputs * taps) as f64;
        let speed = least.map(|ms| format!("{ms:.2} ms ({:.0} GFLOP/s)", gflop / ms * 1e3));
        let [forward, dx, dw] = speed;
        println!(
            "{batch}x{inputs}x{0}x{0} -> {outputs} k{1} s{2}: forward {forward} dx {dx} dw {dw}",
            input[0], kernel[0], stride[0],
        );
    }
}
