use super::{at_least_one, image, mismatch};
use crate::nn::config::{
    AvgPool2dConfig, Conv2dConfig, ConvTranspose2dConfig, GroupNormConfig, Pool2dConfig, TargetSize,
};
use crate::ops::{
    AvgPool2d, MaxPool2d, PadMode, Padding, Rounding, SinePositionConfig, Window, check_groups, check_pad,
    check_sine,
};
use crate::{Error, Result};

/// The image's size, if it has the channels that the weights were made for.
fn of_channels(
    op: &str,
    shape: &[usize],
    [channels, out_channels]: [usize; 2],
    groups: usize,
) -> Result<[usize; 2]> {
    at_least_one(op, "output channels", out_channels)?;
    let [found, height, width] = image(op, shape)?;
    if found != channels {
        return Err(mismatch(op, format!("{channels} channels"), shape, ""));
    }
    check_groups(op, groups, ["input", "output"], [channels, out_channels])?;
    Ok([height, width])
}

pub(super) fn conv2d(
    op: &str,
    shape: &[usize],
    channels: [usize; 2],
    config: &Conv2dConfig,
) -> Result<Vec<usize>> {
    let size = of_channels(op, shape, channels, config.groups)?;
    let window = Window { kernel: config.kernel, sliding: config.sliding(), rounding: Rounding::Floor };
    let [height, width] = window.output_size(op, size)?;
    Ok(vec![channels[1], height, width])
}

pub(super) fn conv_transpose2d(
    op: &str,
    shape: &[usize],
    channels: [usize; 2],
    config: &ConvTranspose2dConfig,
) -> Result<Vec<usize>> {
    let size = of_channels(op, shape, channels, config.groups)?;
    let window = Window { kernel: config.kernel, sliding: config.sliding(), rounding: Rounding::Floor };
    let [height, width] = window.transposed_size(op, size, config.output_padding)?;
    Ok(vec![channels[1], height, width])
}

pub(super) fn max_pool2d(op: &str, shape: &[usize], config: &Pool2dConfig) -> Result<Vec<usize>> {
    let [channels, height, width] = image(op, shape)?;
    let window = Window { kernel: config.kernel, sliding: config.sliding(), rounding: config.rounding };
    let [height, width] = MaxPool2d::new(op, window, [height, width])?.output;
    Ok(vec![channels, height, width])
}

pub(super) fn avg_pool2d(op: &str, shape: &[usize], config: &AvgPool2dConfig) -> Result<Vec<usize>> {
    let [channels, height, width] = image(op, shape)?;
    let AvgPool2dConfig { window, divisor } = config;
    let window = Window { kernel: window.kernel, sliding: window.sliding(), rounding: window.rounding };
    let [height, width] = AvgPool2d::sliding(window, *divisor, [height, width])?.output();
    Ok(vec![channels, height, width])
}

pub(super) fn adaptive_avg_pool2d(op: &str, shape: &[usize], output: [usize; 2]) -> Result<Vec<usize>> {
    let [channels, _, _] = image(op, shape)?;
    if output.contains(&0) {
        return Err(mismatch(op, "an output of at least one pixel", &output, ""));
    }
    Ok(vec![channels, output[0], output[1]])
}

pub(super) fn interpolate(op: &str, shape: &[usize], like: &[usize], size: TargetSize) -> Result<Vec<usize>> {
    let [channels, height, width] = image(op, shape)?;
    let size = target_size(op, [height, width], like, size)?;
    Ok(vec![channels, size[0], size[1]])
}

/// The size that images of size `input` are brought to; `like` is the shape of the second input, if there is one.
pub(in crate::nn) fn target_size(
    op: &str,
    input: [usize; 2],
    like: &[usize],
    size: TargetSize,
) -> Result<[usize; 2]> {
    let target = match size {
        TargetSize::Pixels(size) => size,
        TargetSize::Times(times) => [0, 1].map(|axis: usize| input[axis].saturating_mul(times[axis])),
        TargetSize::Like if like.is_empty() => {
            return Err(Error::Argument {
                op: op.into(),
                expected: "a size, or how many times the size".into(),
                got: "TargetSize::Like".into(),
                hint: "With `interpolate_like` you say like what.".into(),
            });
        }
        TargetSize::Like => {
            let [_, height, width] = image(op, like)?;
            [height, width]
        }
    };
    if target.contains(&0) {
        return Err(mismatch(op, "a size of at least one pixel", &target, ""));
    }
    Ok(target)
}

pub(super) fn pad(op: &str, shape: &[usize], padding: Padding, mode: PadMode) -> Result<Vec<usize>> {
    let [channels, height, width] = image(op, shape)?;
    check_pad(op, [height, width], padding, mode)?;
    let [[top, bottom], [left, right]] = padding.sides();
    let padded =
        |length: usize, before: usize, after: usize| length.saturating_add(before).saturating_add(after);
    Ok(vec![channels, padded(height, top, bottom), padded(width, left, right)])
}

pub(super) fn group_norm(op: &str, shape: &[usize], config: &GroupNormConfig) -> Result<Vec<usize>> {
    let channels = shape.first().copied().unwrap_or_default();
    if config.groups == 0 || channels % config.groups != 0 {
        return Err(Error::Argument {
            op: op.into(),
            expected: format!("channels in {} groups of one size", config.groups),
            got: channels.to_string(),
            hint: "Take a number of groups that divides the channels.".into(),
        });
    }
    Ok(shape.to_vec())
}

pub(super) fn sine(op: &str, shape: &[usize], config: SinePositionConfig) -> Result<Vec<usize>> {
    let [_, height, width] = image(op, shape)?;
    check_sine(op, config)?;
    Ok(vec![config.embed_dim, height, width])
}
