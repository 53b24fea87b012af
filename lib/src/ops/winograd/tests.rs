#![allow(clippy::unwrap_used)]

use super::*;
use crate::Seed;
use crate::ops::window::{Padding, Rounding, Sliding, Window};

fn values(seed: &str, len: usize) -> Vec<f32> {
    let mut rng = Seed(3).derive(seed).rng();
    (0..len).map(|_| 2.0 * rng.uniform_f32() - 1.0).collect()
}

#[track_caller]
fn near(what: &str, got: &[f32], wanted: &[f64], tolerance: f64) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let largest = wanted.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for (place, (&got, &wanted)) in got.iter().zip(wanted).enumerate() {
        let error = (f64::from(got) - wanted).abs();
        assert!(
            error <= tolerance * largest,
            "{what} at {place}: {got}, not {wanted}; the largest is {largest}"
        );
    }
}

/// Against the products of matrices in f64, over sizes that fill tiles and panels and such that do not.
#[test]
fn it_is_the_convolution_and_its_gradients() {
    for (batch, channels, image, padding) in [
        (32, [16, 16], [8, 8], Padding::from(1)),
        (9, [17, 33], [12, 17], Padding::from(1)),
        (35, [40, 20], [8, 12], Padding { top: 0, bottom: 2, left: 1, right: 1 }),
        (16, [32, 64], [15, 14], Padding::default()),
        (5, [16, 48], [33, 21], Padding::from(2)),
    ] {
        let sliding = Sliding { padding, ..Sliding::default() };
        let window = Window { kernel: [3, 3], sliding, rounding: Rounding::Floor };
        let output = window.output_size("conv2d", image).unwrap();
        let [in_channels, out_channels] = channels;
        let convolution =
            Convolution { batch, in_channels, out_channels, groups: 1, input: image, output, window };
        let winograd = Winograd::can(&convolution).unwrap();
        let x = values("x", batch * in_channels * image[0] * image[1]);
        let weight = values("weight", out_channels * in_channels * 9);
        let bias = values("bias", out_channels);
        let dy = values("dy", batch * out_channels * output[0] * output[1]);
        let double = |values: &[f32]| -> Vec<f64> { values.iter().map(|&value| f64::from(value)).collect() };
        let (x64, weight64, dy64) = (double(&x), double(&weight), double(&dy));
        near(
            "y",
            &winograd.forward(&x, &weight, Some(&bias)),
            &convolution.forward(&x64, &weight64, Some(&double(&bias))),
            1e-5,
        );
        near(
            "dx",
            &winograd.input_gradient(&weight, &dy),
            &convolution.input_gradient(&weight64, &dy64),
            1e-5,
        );
        near("dw", &winograd.weight_gradient(&x, &dy), &convolution.weight_gradient(&x64, &dy64), 2e-5);
    }
}

#[test]
fn what_it_cannot_do_or_does_not_pay_is_left_to_others() {
    let window = Window {
        kernel: [3, 3],
        sliding: Sliding { padding: 1.into(), ..Sliding::default() },
        rounding: Rounding::Floor,
    };
    let good = Convolution {
        batch: 32,
        in_channels: 64,
        out_channels: 64,
        groups: 1,
        input: [32, 32],
        output: [32, 32],
        window,
    };
    assert!(Winograd::of(&good).is_some());
    let strided = Window { sliding: Sliding { stride: [2, 2], ..window.sliding }, ..window };
    let wide = Window { sliding: Sliding { padding: 3.into(), ..window.sliding }, ..window };
    for other in [
        Convolution { batch: 1, ..good },
        Convolution { in_channels: 3, ..good },
        Convolution { groups: 2, ..good },
        Convolution { input: [4, 4], output: [4, 4], ..good },
        Convolution { input: [8, 8], output: [8, 8], ..good },
        Convolution { input: [9, 32], output: [9, 32], ..good },
        Convolution { output: [16, 16], window: strided, ..good },
        Convolution { output: [36, 36], window: wide, ..good },
        Convolution { window: Window { kernel: [5, 5], ..window }, output: [30, 30], ..good },
    ] {
        assert!(Winograd::of(&other).is_none(), "{other:?}");
    }
}
