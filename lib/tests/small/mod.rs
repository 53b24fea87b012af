//! A task that a small network learns in a second.
#![allow(dead_code)] // Not every test program needs all of it.

use candle_core::{Device, Tensor};
use sconce::Result;
use sconce::data::{DataSplit, Dataset};
use sconce::nn::Model;
use sconce::prelude::{Learner, Seed, accuracy, adamw};

/// Images of 1 x 4 x 4 of noise; the brightest of three columns is the class.
pub fn columns(images: usize, seed: u64) -> Result<Dataset> {
    let mut rng = Seed(seed).rng();
    let labels: Vec<u32> = (0..images as u32).map(|at| at % 3).collect();
    let mut pixels = Vec::with_capacity(images * 16);
    for &label in &labels {
        for column in (0..4u32).cycle().take(16) {
            pixels.push(0.8 * rng.uniform_f32() + if column == label { 0.4 } else { 0.0 });
        }
    }
    Dataset::new(Tensor::from_vec(pixels, (images, 1, 4, 4), &Device::Cpu)?, &labels, &["a", "b", "c"])
}

/// 44 images to train with, 18 each to validate and to test.
pub fn parts() -> Result<DataSplit> {
    Ok(DataSplit { train: columns(44, 1)?, valid: columns(18, 2)?, test: columns(18, 3)? })
}

pub fn net() -> Result<Model> {
    Model::build([1, 4, 4], |x| x.conv2d(4, 3).batch_norm().relu().dropout(0.2).flatten().linear(3))?
        .init(Seed(7), &Device::Cpu)
}

/// Batches of 8: five whole ones and one of four in an epoch.
pub fn learner() -> Result<Learner> {
    Ok(Learner::new(net()?, parts()?).optimizer(adamw(0.01)).metric(accuracy()).batch_size(8).seed(Seed(3)))
}

/// All that makes the model, as bits.
pub fn bits(learner: &Learner) -> Result<Vec<(String, Vec<u32>)>> {
    let state = learner.net().state()?.into_iter();
    let bits = |tensor: Tensor| -> Result<Vec<u32>> {
        Ok(tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
    };
    state.map(|(name, tensor)| Ok((name, bits(tensor)?))).collect()
}
