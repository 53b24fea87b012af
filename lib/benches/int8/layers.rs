//! What the rows compute.

use candle_core::Device;
use sconce::nn::{Conv2dConfig, Model};
use sconce::{Seed, models};

use super::Failed;
use super::integers::Integers;

/// The names of all rows, but for their batches.
pub const NAMES: [&str; 11] = [
    "convolutions/stem",
    "convolutions/four_3x3_64x56x56",
    "convolutions/four_3x3_128x28x28",
    "convolutions/four_3x3_256x14x14",
    "convolutions/four_3x3_512x7x7",
    "convolutions/two_bottlenecks_256x56x56",
    "convolutions/two_bottlenecks_512x28x28",
    "convolutions/two_bottlenecks_1024x14x14",
    "convolutions/two_bottlenecks_2048x7x7",
    "model/resnet18",
    "model/resnet50",
];

/// The convolutions of a row, each (inputs, outputs, kernel, stride), and the side of the image; none for a model.
fn convolutions(name: &str) -> Option<(Vec<[usize; 4]>, usize)> {
    let (kind, shape) = name.strip_prefix("convolutions/")?.rsplit_once('_').unwrap_or(("stem", ""));
    let mut sizes = shape.split('x').filter_map(|size| size.parse().ok());
    let (channels, side): (usize, usize) = (sizes.next().unwrap_or(3), sizes.next().unwrap_or(224));
    let narrow = channels / 4;
    let convolutions = match kind {
        "four_3x3" => vec![[channels, channels, 3, 1]; 4],
        "two_bottlenecks" => {
            [[channels, narrow, 1, 1], [narrow, narrow, 3, 1], [narrow, channels, 1, 1]].repeat(2)
        }
        _ => vec![[3, 64, 7, 2]],
    };
    Some((convolutions, side))
}

/// A row's model in f32, and the shape of its images.
pub fn model(name: &str) -> Result<(Model, [usize; 3]), Failed> {
    let Some((convolutions, side)) = convolutions(name) else {
        let name = name.strip_prefix("model/").unwrap_or(name);
        let net = models::create(name, models::ModelConfig::default())?;
        return Ok((net.init(Seed(0), &Device::Cpu)?, [3, 224, 224]));
    };
    let shape = [convolutions[0][0], side, side];
    let net = Model::build(shape, |x| {
        convolutions.iter().fold(x, |x, &[_, outputs, kernel, stride]| {
            let config = Conv2dConfig {
                kernel: [kernel; 2],
                stride: [stride; 2],
                padding: (kernel / 2).into(),
                ..Conv2dConfig::default()
            };
            x.conv2d_with(outputs, config).relu()
        })
    })?;
    Ok((net.init(Seed(0), &Device::Cpu)?, shape))
}

/// The same of integers.
pub fn integers(name: &str) -> Result<Integers, Failed> {
    match convolutions(name) {
        Some((convolutions, _)) => Integers::chain(&convolutions),
        None if name.ends_with("50") => Integers::resnet([3, 4, 6, 3], 4),
        None => Integers::resnet([2, 2, 2, 2], 1),
    }
}
