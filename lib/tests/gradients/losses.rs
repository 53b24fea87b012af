//! Losses are composed of operators; these hold the whole to difference quotients.

use candle_core::{DType, Tensor};
use sconce::losses::{
    Loss, SetPrediction, bce_with_logits, cross_entropy, dice, distillation, focal, giou, huber, mse,
    set_loss, sigmoid_focal, smooth_l1,
};
use sconce::ops::{self, Activation, BoxFormat};
use sconce::{Result, Rng};

use crate::check::{Input, check, for_each_case, signed, size};
use crate::gpu::device;

fn labels(rng: &mut Rng, dims: &[usize], classes: usize) -> Result<Tensor> {
    let labels: Vec<u32> = (0..dims.iter().product()).map(|_| rng.below(classes) as u32).collect();
    Ok(Tensor::from_vec(labels, dims, &device())?)
}

#[test]
fn losses_of_classes() -> Result<()> {
    for_each_case("losses of classes", |rng| {
        let (batch, classes) = (size(rng, 4), 2 + rng.below(4));
        let logits = Input::new(rng, &[batch, classes], |rng| 3.0 * signed(rng))?;
        let labels = labels(rng, &[batch], classes)?;
        let weights: Vec<f64> = (0..classes).map(|_| 0.1 + rng.uniform()).collect();
        let loss: Loss = match rng.below(3) {
            0 => cross_entropy().class_weights(weights).label_smoothing(rng.uniform()).into(),
            1 => focal().gamma(3.0 * rng.uniform()).class_weights(weights).into(),
            _ => dice().smooth(0.1 + rng.uniform()).into(),
        };
        check(rng, &[logits], |t| loss.of(&t[0], &labels))
    })
}

#[test]
fn losses_of_logits_and_logits() -> Result<()> {
    for_each_case("losses of logits and logits", |rng| {
        let dims = [size(rng, 4), size(rng, 5)];
        let [student, teacher] = [Input::new(rng, &dims, signed)?, Input::new(rng, &dims, signed)?];
        let temperature = 0.5 + 4.0 * rng.uniform();
        check(rng, &[student, teacher], |t| distillation(temperature).of(&t[0], &t[1]))
    })
}

#[test]
fn losses_of_numbers() -> Result<()> {
    for_each_case("losses of numbers", |rng| {
        let dims = [size(rng, 4), size(rng, 4)];
        // Differences that are not at a bend.
        let x = Input::distinct(rng, &dims)?;
        let bound = 0.3 * rng.uniform() + 1e-3;
        let loss = [mse(), smooth_l1(bound), huber(bound)][rng.below(3)].clone();
        let targets = Tensor::zeros(&dims, DType::F64, &device())?;
        check(rng, &[x], |t| loss.of(&t[0], &targets))
    })
}

#[test]
fn losses_of_yes_and_no() -> Result<()> {
    for_each_case("losses of yes and no", |rng| {
        let dims = [size(rng, 3), size(rng, 4)];
        let x = Input::new(rng, &dims, |rng| 4.0 * signed(rng))?;
        let targets = labels(rng, &dims, 2)?.to_dtype(DType::F64)?;
        let weights: Vec<f64> = (0..dims[1]).map(|_| 0.1 + rng.uniform()).collect();
        let loss: Loss = match rng.below(2) {
            0 => bce_with_logits().pos_weights(weights).into(),
            _ => sigmoid_focal().alpha(rng.uniform()).gamma(3.0 * rng.uniform()).into(),
        };
        check(rng, &[x], |t| loss.of(&t[0], &targets))
    })
}

/// Boxes by centre and size, from 0 to 1.
fn boxes(t: &Tensor) -> Result<Tensor> {
    ops::activate(t, Activation::Sigmoid)
}

#[test]
fn losses_of_boxes() -> Result<()> {
    for_each_case("losses of boxes", |rng| {
        let count = size(rng, 4);
        let inputs = [Input::new(rng, &[count, 4], signed)?, Input::new(rng, &[count, 4], signed)?];
        let corners = |t: &Tensor| ops::convert_boxes(&boxes(t)?, BoxFormat::Cxcywh, BoxFormat::Xyxy);
        check(rng, &inputs, |t| giou().of(&corners(&t[0])?, &corners(&t[1])?))
    })
}

#[test]
fn the_set_loss() -> Result<()> {
    for_each_case("the set loss", |rng| {
        let (images, queries, classes) = (size(rng, 2), size(rng, 4), size(rng, 3));
        let mut inputs = Vec::new();
        let layers = size(rng, 2);
        for _ in 0..layers {
            inputs.push(Input::new(rng, &[images, queries, classes + 1], signed)?);
            inputs.push(Input::new(rng, &[images, queries, 4], signed)?);
        }
        let counts: Vec<usize> = (0..images).map(|_| rng.below(4)).collect();
        let labels: Vec<Vec<u32>> =
            counts.iter().map(|&count| (0..count).map(|_| rng.below(classes) as u32).collect()).collect();
        let truths: Vec<Vec<[f32; 4]>> = counts
            .iter()
            .map(|&count| (0..count).map(|_| [0.0; 4].map(|_: f32| 0.2 + 0.6 * rng.uniform_f32())).collect())
            .collect();
        check(rng, &inputs, |t| {
            let layers: Vec<SetPrediction> = t
                .chunks(2)
                .map(|pair| Ok(SetPrediction { logits: pair[0].clone(), boxes: boxes(&pair[1])? }))
                .collect::<Result<_>>()?;
            Ok(set_loss(classes).of(&layers, &labels, &truths)?.total)
        })
    })
}
