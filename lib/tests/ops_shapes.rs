//! Values of the operators that move, drop or place values, and what they refuse.
#![allow(clippy::unwrap_used)]

mod gpu;
mod rerun;

use candle_core::{DType, Device, Tensor};
use sconce::ops::{self, PadMode, Padding, SinePositionConfig};
use sconce::{Result, Seed};

use gpu::device;

fn zeros(dims: &[usize]) -> Tensor {
    // On a GPU candle has no tensor of nothing.
    let device = if dims.contains(&0) { Device::Cpu } else { device() };
    Tensor::zeros(dims, DType::F32, &device).unwrap()
}

fn refusal(result: Result<Tensor>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn padding_by_hand() -> Result<()> {
    let x = Tensor::new(&[[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]], &device())?;
    let padding = Padding { top: 1, bottom: 0, left: 2, right: 1 };
    let rows = |mode| -> Result<Vec<Vec<f32>>> { Ok(ops::pad(&x, padding, mode)?.to_vec2()?) };
    assert_eq!(
        rows(PadMode::Constant(9.0))?,
        [[9.0, 9.0, 9.0, 9.0, 9.0, 9.0], [9.0, 9.0, 1.0, 2.0, 3.0, 9.0], [9.0, 9.0, 4.0, 5.0, 6.0, 9.0]]
    );
    assert_eq!(
        rows(PadMode::Reflect)?,
        [[6.0, 5.0, 4.0, 5.0, 6.0, 5.0], [3.0, 2.0, 1.0, 2.0, 3.0, 2.0], [6.0, 5.0, 4.0, 5.0, 6.0, 5.0]]
    );
    assert_eq!(
        rows(PadMode::Replicate)?,
        [[1.0, 1.0, 1.0, 2.0, 3.0, 3.0], [1.0, 1.0, 1.0, 2.0, 3.0, 3.0], [4.0, 4.0, 4.0, 5.0, 6.0, 6.0]]
    );
    Ok(())
}

#[test]
fn means_by_hand() -> Result<()> {
    let x = Tensor::new(&[[[1.0f32, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]], &device())?;
    assert_eq!(ops::mean(&x, &[2, 0])?.to_vec1::<f32>()?, [3.5, 5.5]);
    assert_eq!(ops::mean(&x, &[0, 1, 2])?.to_scalar::<f32>()?, 4.5);
    Ok(())
}

#[test]
fn stochastic_depth_drops_whole_rows_by_its_seed() -> Result<()> {
    let x = Tensor::ones((4000, 3), DType::F64, &device())?;
    let rows =
        |seed: u64| -> Result<Vec<Vec<f64>>> { Ok(ops::stochastic_depth(&x, 0.2, Seed(seed))?.to_vec2()?) };
    let first = rows(1)?;
    assert!(first.iter().all(|row| row == &[0.0; 3] || row == &[1.25; 3]));
    let dropped = first.iter().filter(|row| row[0] == 0.0).count();
    assert!((700..900).contains(&dropped), "{dropped} of 4000");
    assert_eq!(first, rows(1)?);
    assert_ne!(first, rows(2)?);
    assert_eq!(ops::stochastic_depth(&x, 0.0, Seed(1))?.to_vec2::<f64>()?, x.to_vec2::<f64>()?);
    Ok(())
}

/// The formula of DETR, position by position.
#[test]
fn the_sine_embedding_is_detrs() -> Result<()> {
    let config = SinePositionConfig { embed_dim: 8, ..SinePositionConfig::default() };
    let (height, width) = (3, 5);
    let embedding = ops::sine_position_embedding([height, width], config, &device())?;
    assert_eq!(embedding.dims(), [8, height, width]);
    let got = embedding.to_vec3::<f32>()?;
    for y in 0..height {
        for x in 0..width {
            let places = [(y + 1) as f64 / (height as f64 + 1e-6), (x + 1) as f64 / (width as f64 + 1e-6)];
            let mut wanted = Vec::new();
            for place in places {
                let place = place * std::f64::consts::TAU;
                for wavelength in [1.0, 10_000_f64.sqrt()] {
                    wanted.extend([(place / wavelength).sin(), (place / wavelength).cos()]);
                }
            }
            for (channel, wanted) in wanted.into_iter().enumerate() {
                let got = f64::from(got[channel][y][x]);
                assert!((got - wanted).abs() < 1e-6, "channel {channel} at {y}, {x}: {got}, not {wanted}");
            }
        }
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() {
    let x = zeros(&[2, 3, 4, 5]);
    let sine = |config| ops::sine_position_embedding([2, 2], config, &device());
    let default = SinePositionConfig::default();
    for (error, part) in [
        (refusal(ops::concat(&[], 0)), "concat: expected at least one tensor, got none"),
        (
            refusal(ops::concat(&[&x, &zeros(&[2, 3, 5, 5])], 1)),
            "concat: expected shapes like (2, 3, 4, 5) but for dimension 1, got (2, 3, 5, 5)",
        ),
        (refusal(ops::concat(&[&x, &zeros(&[2, 3])], 3)), "got (2, 3)"),
        (refusal(ops::concat(&[&x], 4)), "a dimension of (2, 3, 4, 5), counted from 0, got 4"),
        (
            refusal(ops::slice(&x, 2, 1..5)),
            "slice: expected a range within 0..4, dimension 2 of (2, 3, 4, 5), got 1..5",
        ),
        (refusal(ops::slice(&x, 2, 1..1)), "got 1..1"),
        (refusal(ops::mean(&x, &[1, 1])), "each once and not empty, got [1, 1]"),
        (refusal(ops::mean(&x, &[])), "got []"),
        (refusal(ops::mean(&zeros(&[2, 0]), &[1])), "mean: expected dimensions of (2, 0)"),
        (
            refusal(ops::pad(&zeros(&[3]), 1.into(), PadMode::Replicate)),
            "pad: expected images (…, H, W), got (3)",
        ),
        (
            refusal(ops::pad(&x, [4, 0].into(), PadMode::Reflect)),
            "images of at least 5 x 1 for the padding (4, 0), got (4, 5)",
        ),
        (refusal(ops::stochastic_depth(&x, 1.0, Seed(0))), "a probability p in [0, 1), got 1"),
        (refusal(ops::stochastic_depth(&zeros(&[]), 0.1, Seed(0))), "a batch (B, …), got ()"),
        (
            refusal(ops::position_embedding(&x, &zeros(&[3, 4]))),
            "position_embedding: expected an embedding (3, 4, 5) for x (2, 3, 4, 5), got (3, 4)",
        ),
        (
            refusal(sine(SinePositionConfig { embed_dim: 6, ..default })),
            "an embed_dim that is a multiple of 4, got 6",
        ),
        (refusal(sine(SinePositionConfig { temperature: 0.0, ..default })), "a temperature above 0, got 0"),
    ] {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn so_do_narrower_vectors() {
    rerun::with_narrower_vectors(&[]);
}

#[test]
fn so_do_composed_operators() {
    rerun::with_composed_operators(&[]);
}

#[test]
fn so_does_a_gpu() {
    gpu::again_on_a_gpu(&[]);
}
