//! Small models on integers whose images go first through layers that compute no new numbers.

use candle_core::Device;
use sconce::nn::{Architecture, Model, Value};
use sconce::{Result, Seed};

use crate::models::filled;

pub fn first_layers() -> Result<Vec<(&'static str, Model)>> {
    let of = |layers: fn(Value) -> Value| Model::build([3, 8, 8], layers);
    let models: [(&str, Result<Architecture>); 4] = [
        ("int8_first_dropout", of(|x| x.dropout(0.1).conv2d(4, 3).relu().global_avg_pool().linear(5))),
        ("int8_first_flatten", of(|x| x.flatten().linear(16).relu().linear(5))),
        ("int8_first_pool", of(|x| x.max_pool2d(2).slice(0, 0..2).conv2d(4, 3).global_avg_pool().linear(5))),
        ("int8_first_relu", of(|x| x.relu().conv2d(4, 3).relu().flatten().linear(5))),
    ];
    let ready = models.into_iter().enumerate().map(|(seed, (name, architecture))| {
        let seed = Seed(seed as u64);
        Ok((name, filled(architecture?.init(seed, &Device::Cpu)?, seed)?))
    });
    ready.collect()
}
