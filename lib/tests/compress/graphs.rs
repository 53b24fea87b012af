//! Branching models made at random.

use candle_core::Device;
use sconce::nn::{
    AvgPool2dConfig, Conv2dConfig, ConvTranspose2dConfig, Corners, Interpolation, LinearConfig, Model,
    Outputs, PadMode, Padding, Pool2dConfig, TargetSize, Value,
};
use sconce::{Result, Rng, Seed};

/// A model of all kinds of layers, with branches that join, and its images.
pub fn random(seed: Seed) -> Result<Model> {
    let mut rng = seed.derive("graph").rng();
    let image = [1 + rng.below(3), 8, 8];
    let architecture = Model::build_outputs(image, |x| {
        let mut values = vec![conv(&x, &mut rng, 8, 1)];
        for _ in 0..3 + rng.below(7) {
            let at = rng.below(values.len());
            let value = step(&values[at].clone(), &values, &mut rng);
            values.push(value);
        }
        // Everything that nothing has taken yet goes in, one pixel each.
        let ends: Vec<Value> = values[values.len().saturating_sub(3)..].to_vec();
        let pooled: Vec<Value> = ends.iter().map(Value::global_avg_pool).collect();
        let others: Vec<&Value> = pooled[1..].iter().collect();
        let features = if others.is_empty() { pooled[0].clone() } else { pooled[0].concat(&others, 0) };
        let last = ends.last().unwrap_or(&x);
        let main = match rng.below(3) {
            0 => features.linear(12).relu().linear(5),
            1 => last.flatten().linear(7).gelu().linear(5),
            _ => tokens(last, &mut rng),
        };
        let outputs = Outputs::new("main", main);
        match rng.below(3) {
            0 => outputs.output("map", conv(last, &mut rng, 2, 1)),
            1 => outputs.training("auxiliary", features.linear(5)),
            _ => outputs,
        }
    })?;
    architecture.init(seed, &Device::Cpu)
}

fn shape(value: &Value) -> [usize; 3] {
    value.shape().unwrap().try_into().unwrap()
}

fn conv(x: &Value, rng: &mut Rng, out_channels: usize, groups: usize) -> Value {
    let kernel = [1, 3][rng.below(2)];
    let config = Conv2dConfig {
        kernel: [kernel; 2],
        padding: (kernel / 2).into(),
        groups,
        bias: rng.below(2) == 0,
        ..Conv2dConfig::default()
    };
    x.conv2d_with(out_channels, config)
}

/// One more value, of 8 by 8 pixels.
fn step(x: &Value, all: &[Value], rng: &mut Rng) -> Value {
    let channels = shape(x)[0];
    let same: Vec<&Value> = all.iter().filter(|other| shape(other) == shape(x)).collect();
    let (some, times) = (1 + rng.below(4), 1 + rng.below(2));
    match rng.below(18) {
        0 => conv(x, rng, 4 * some, 1).batch_norm().relu(),
        1 => x + conv(x, rng, channels, 1).batch_norm(),
        // Depthwise, each channel once or twice.
        2 => conv(x, rng, channels * times, channels).batch_norm().hardswish(),
        3 if channels.is_multiple_of(2) => conv(x, rng, 4 * some, 2).relu(),
        4 => x.concat(&[all.last().unwrap_or(x)], 0),
        5 => same[rng.below(same.len())] + &same[rng.below(same.len())].sigmoid(),
        // Squeeze and excitation.
        6 => {
            let weights = x.adaptive_avg_pool2d([1, 1]).conv2d(4, 1).relu().conv2d(channels, 1).sigmoid();
            x * &weights
        }
        // One factor for all channels of a pixel.
        7 => x * &conv(x, rng, 1, 1).sigmoid(),
        8 if channels > 3 => {
            let cut = 1 + rng.below(channels - 2);
            let [a, b] = [x.slice(0, 0..cut), x.slice(0, cut..channels)];
            conv(&b, rng, 4, 1).relu().concat(&[&a], 0)
        }
        // Channels shuffled between groups.
        9 if channels.is_multiple_of(4) => {
            x.reshape([4, channels / 4, 8, 8]).permute([1, 0, 2, 3]).reshape([channels, 8, 8])
        }
        10 => {
            let config = ConvTranspose2dConfig {
                // Two groups, or each channel by itself.
                groups: if channels.is_multiple_of(2) { [2, channels][times - 1] } else { 1 },
                ..ConvTranspose2dConfig::default()
            };
            x.conv_transpose2d_with(channels * times, config).max_pool2d(2)
        }
        11 => x.avg_pool2d_with(AvgPool2dConfig {
            window: Pool2dConfig {
                kernel: [3, 3],
                stride: [1, 1],
                padding: 1.into(),
                ..Pool2dConfig::default()
            },
            ..AvgPool2dConfig::default()
        }),
        12 => x.layer_scale(0.5).dropout(0.1).scale(1.5),
        13 => {
            let up = x.interpolate(TargetSize::Times([2, 2]), Interpolation::Bilinear(Corners::Edges));
            up.pad(Padding { top: 2, bottom: 0, left: 1, right: 1 }, PadMode::Reflect)
                .adaptive_avg_pool2d([8, 8])
        }
        14 => x.layer_norm2d().silu(),
        15 if channels.is_multiple_of(2) => x.group_norm(2),
        16 => x.group_norm(channels).leaky_relu(0.1),
        // A layer twice over two inputs, with the same weights.
        17 if all.len() > 1 => {
            let name = format!("shared{}", all.len());
            let one = x.conv2d(6, 1).named(name.clone());
            let other = one.relu().conv2d(channels, 1).conv2d(6, 1).shares(name);
            one + other
        }
        _ => conv(x, rng, channels, 1).relu(),
    }
}

/// A small transformer over the pixels of an image.
fn tokens(x: &Value, rng: &mut Rng) -> Value {
    let x = x.max_pool2d(2).image_to_tokens().linear(8);
    let with_class = rng.below(2) == 0;
    let mut x = if with_class { x.class_token() } else { x };
    x = x.position_embedding();
    for block in 0..1 + rng.below(2) {
        let y = if rng.below(2) == 0 { x.layer_norm() } else { x.linear(8) };
        let y = match rng.below(5) {
            0 => y.self_attention(2),
            // The same attention twice, the second time of one value to another.
            3 => {
                let name = format!("twice{block}");
                let one = y.self_attention(2).named(name.clone());
                let other = if rng.below(2) == 0 { one.relu() } else { y.clone() };
                one.multi_head_attention(&other, &other, 2).shares(name)
            }
            // Pixels that know where they lie.
            4 if !with_class => y.linear(2 * 3 * 4).relative_attention(2, [4, 4]).linear(8),
            1 => {
                let queries = y.queries([3, 8]);
                // The queries go on alone, three of them.
                let taken = queries.multi_head_attention(&y, &y, 4);
                return (&taken + taken.layer_norm().linear(8).gelu()).mean([0]).linear(5);
            }
            // By hand: heads of a reshape are no layers of their own.
            _ => {
                let part = |at: usize| y.linear(8 * (at + 1)).slice(1, 8 * at..8 * (at + 1));
                part(0).scaled_dot_product_attention(&part(1), &part(2), 2).linear(8)
            }
        };
        x = x + y;
        let config = LinearConfig { bias: rng.below(2) == 0, ..LinearConfig::default() };
        let wide = x.layer_norm().linear_with(16, config).gelu().linear(8);
        x = x + wide;
    }
    x.mean([0]).linear(5)
}
