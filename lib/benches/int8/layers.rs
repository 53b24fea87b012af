//! What the rows compute.

use candle_core::Device;
use sconce::nn::{Conv2dConfig, Model, Value};
use sconce::{Seed, models};

use super::Failed;

/// A convolution that keeps the image's size but for the stride, and ReLU.
fn conv(x: &Value, channels: usize, kernel: usize, stride: usize) -> Value {
    let config = Conv2dConfig {
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: (kernel / 2).into(),
        ..Conv2dConfig::default()
    };
    x.conv2d_with(channels, config).relu()
}

/// The name of a row, the shape of an image, and the model.
type Row = (String, [usize; 3], Model);

/// All rows, but for their batches.
pub fn models() -> Result<Vec<Row>, Failed> {
    let mut rows = Vec::new();
    let mut layers = |name: &str, shape: [usize; 3], build: &dyn Fn(Value) -> Value| -> sconce::Result<()> {
        let [channels, height, width] = shape;
        let name = format!("convolutions/{name}_{channels}x{height}x{width}");
        rows.push((name, shape, Model::build(shape, build)?.init(Seed(0), &Device::Cpu)?));
        Ok(())
    };
    layers("stem", [3, 224, 224], &|x| conv(&x, 64, 7, 2))?;
    for (channels, side) in [(64, 56), (128, 28), (256, 14), (512, 7)] {
        layers("four_3x3", [channels, side, side], &|x| (0..4).fold(x, |x, _| conv(&x, channels, 3, 1)))?;
        layers("two_bottlenecks", [4 * channels, side, side], &|x| {
            (0..2).fold(x, |x, _| {
                let x = conv(&conv(&x, channels, 1, 1), channels, 3, 1);
                conv(&x, 4 * channels, 1, 1)
            })
        })?;
    }
    let others = [
        "mobilenet_v2",
        "mobilenet_v3_large",
        "efficientnet_b0",
        "inception_v3",
        "convnext_tiny",
        "vit_s_16",
    ];
    for (kind, names) in [("model", &["resnet18", "resnet50"][..]), ("zoo", &others)] {
        for name in names {
            let net = models::create(name, models::ModelConfig::default())?.init(Seed(0), &Device::Cpu)?;
            rows.push((format!("{kind}/{name}"), [3, 224, 224], net));
        }
    }
    Ok(rows)
}
