//! Convolutions, pools and what else is done to images.

use super::attribute::{float, int, ints, text};
use super::builder::{Builder, Dim, Name};
use super::proto::AttributeProto;
use super::weights::Layout;
use crate::Result;
use crate::nn::{
    AvgPool2dConfig, Conv2dConfig, ConvTranspose2dConfig, Divisor, PadMode, Padding, Pool2dConfig, Rounding,
};
use crate::ops::Sliding;

/// Above, left, below, right, as ONNX has them.
fn pads(padding: Padding) -> [usize; 4] {
    [padding.top, padding.left, padding.bottom, padding.right]
}

fn window(kernel: [usize; 2], sliding: Sliding) -> Vec<AttributeProto> {
    vec![
        ints("kernel_shape", kernel),
        ints("strides", sliding.stride),
        ints("pads", pads(sliding.padding)),
        ints("dilations", sliding.dilation),
    ]
}

/// What pixels at the far edge that do not fill a window need.
enum Rest {
    /// So many more rows below and columns to the right, which are not counted.
    Pixels([usize; 2]),
    /// The attribute `ceil_mode`: how many depends on the image.
    Ceil,
}

impl Builder<'_> {
    pub(super) fn conv2d(&mut self, config: &Conv2dConfig) -> Result<Name> {
        let (x, weight) = (self.input(0)?, self.weight(0, Layout::AsIs)?);
        let bias = self.bias()?;
        let mut attributes = window(config.kernel, config.sliding());
        attributes.push(int("group", config.groups as i64));
        let inputs = [x.as_str(), &weight].into_iter().chain(bias.as_deref());
        Ok(self.done("Conv", &inputs.collect::<Vec<_>>(), attributes))
    }

    pub(super) fn conv_transpose2d(&mut self, config: &ConvTranspose2dConfig) -> Result<Name> {
        let (x, weight) = (self.input(0)?, self.weight(0, Layout::AsIs)?);
        let bias = self.bias()?;
        let mut attributes = window(config.kernel, config.sliding());
        attributes.push(ints("output_padding", config.output_padding));
        attributes.push(int("group", config.groups as i64));
        let inputs = [x.as_str(), &weight].into_iter().chain(bias.as_deref());
        Ok(self.done("ConvTranspose", &inputs.collect::<Vec<_>>(), attributes))
    }

    pub(super) fn batch_norm(&mut self, eps: f64) -> Result<Name> {
        let mut inputs = vec![self.input(0)?];
        for slot in 0..4 {
            inputs.push(self.weight(slot, Layout::AsIs)?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        Ok(self.done("BatchNormalization", &inputs, vec![float("epsilon", eps)]))
    }

    pub(super) fn max_pool2d(&mut self, config: &Pool2dConfig) -> Result<Name> {
        let x = self.input(0)?;
        let attributes = match self.rest(config)? {
            Rest::Pixels(more) => window(config.kernel, with_more(config, more)),
            Rest::Ceil => [window(config.kernel, config.sliding()), vec![int("ceil_mode", 1)]].concat(),
        };
        Ok(self.done("MaxPool", &[&x], attributes))
    }

    /// Pixels beyond the padding are never counted here; ONNX counts either all that is around the image or nothing.
    pub(super) fn avg_pool2d(
        &mut self,
        AvgPool2dConfig { window: config, divisor }: &AvgPool2dConfig,
    ) -> Result<Name> {
        let mut x = self.input(0)?;
        let mut config = *config;
        let rest = self.rest(&config)?;
        let has_rest = !matches!(rest, Rest::Pixels([0, 0]));
        let count_padding = *divisor == Divisor::WithPadding && config.padding != Padding::default();
        if count_padding && has_rest {
            // Padding that counts becomes pixels, so that what is beyond it does not.
            let [height, width] = [2, 3].map(|axis| self.input_shape(0)[axis].clone());
            let size = self.lengths(&[height, width], 0)?;
            let padding = config.padding;
            let padded = [size[0] + padding.top + padding.bottom, size[1] + padding.left + padding.right];
            let mut shape = self.input_shape(0).to_vec();
            (shape[2], shape[3]) = (Dim::Fixed(padded[0]), Dim::Fixed(padded[1]));
            let around = self.whole("padding", &around(4, padding));
            let zero = self.floats("zero", &[], &[0.0]);
            x = self.step("Pad", &[&x, &around, &zero], vec![text("mode", "constant")], &shape);
            config.padding = Padding::default();
        }
        let counted = int("count_include_pad", i64::from(count_padding && !has_rest));
        let (sliding, ceil) = match rest {
            Rest::Pixels(more) => (with_more(&config, more), 0),
            Rest::Ceil => (config.sliding(), 1),
        };
        // Windows here have no gaps, and older versions of the operator no word for them.
        let mut attributes = window(config.kernel, sliding);
        attributes.retain(|attribute| attribute.name != "dilations");
        attributes.extend([counted, int("ceil_mode", ceil)]);
        Ok(self.done("AveragePool", &[&x], attributes))
    }

    /// What lies beyond the last whole window. Where it is a matter of the image's size, `ceil_mode` says the same as
    /// [`Rounding::Ceil`] only if no window can begin behind the image.
    fn rest(&self, config: &Pool2dConfig) -> Result<Rest> {
        if config.rounding == Rounding::Floor {
            return Ok(Rest::Pixels([0, 0]));
        }
        let [input, output] = [self.input_shape(0), self.shape()];
        if let (Ok(input), Ok(output)) = (self.lengths(input, 2), self.lengths(output, 2)) {
            let more = |axis: usize| {
                let padding = config.padding.sides()[axis];
                let reach = (output[axis] - 1) * config.stride[axis] + config.kernel[axis];
                reach.saturating_sub(input[axis] + padding[0] + padding[1])
            };
            return Ok(Rest::Pixels([more(0), more(1)]));
        }
        let safe = |axis: usize| {
            config.padding.sides()[axis] == [0, 0] && config.stride[axis] <= config.kernel[axis]
        };
        if safe(0) && safe(1) {
            return Ok(Rest::Ceil);
        }
        Err(self.refused(
            "a pool of whole windows, for images of any size",
            "Rounding::Ceil with padding or gaps between windows",
            "Export it with ImageSize::AsBuilt.",
        ))
    }

    pub(super) fn adaptive_avg_pool2d(&mut self, output: [usize; 2]) -> Result<Name> {
        let x = self.input(0)?;
        if output == [1, 1] {
            return Ok(self.done("GlobalAveragePool", &[&x], Vec::new()));
        }
        let size = self.lengths(self.input_shape(0), 2)?;
        let sides = [0, 1].map(|axis| parts(size[axis], output[axis]));
        if let [Some(rows), Some(columns)] = [uniform(&sides[0]), uniform(&sides[1])] {
            let attributes =
                vec![ints("kernel_shape", [rows[0], columns[0]]), ints("strides", [rows[1], columns[1]])];
            return Ok(self.done("AveragePool", &[&x], attributes));
        }
        // Parts of several sizes: a matrix from each side that takes their means.
        let columns = means(&sides[1], size[1]);
        let turned: Vec<f32> = (0..size[1])
            .flat_map(|pixel| (0..output[1]).map(move |part| (part, pixel)))
            .map(|(part, pixel)| columns[part * size[1] + pixel])
            .collect();
        let columns = self.floats("columns", &[size[1], output[1]], &turned);
        let rows = self.floats("rows", &[output[0], size[0]], &means(&sides[0], size[0]));
        let mut shape = self.input_shape(0).to_vec();
        shape[3] = Dim::Fixed(output[1]);
        let y = self.step("MatMul", &[&x, &columns], Vec::new(), &shape); // (B, C, H, OW)
        Ok(self.done("MatMul", &[&rows, &y], Vec::new())) // (B, C, OH, OW)
    }

    pub(super) fn global_avg_pool(&mut self) -> Result<Name> {
        let x = self.input(0)?;
        let shape = [self.shape(), &[Dim::Fixed(1), Dim::Fixed(1)]].concat();
        let pooled = self.step("GlobalAveragePool", &[&x], Vec::new(), &shape); // (B, C, 1, 1)
        Ok(self.done("Flatten", &[&pooled], vec![int("axis", 1)]))
    }

    pub(super) fn pad(&mut self, padding: Padding, mode: PadMode) -> Result<Name> {
        let x = self.input(0)?;
        let amounts = self.whole("padding", &around(self.shape().len(), padding));
        let name = match mode {
            PadMode::Constant(_) => "constant",
            PadMode::Reflect => "reflect",
            PadMode::Replicate => "edge",
        };
        let mut inputs = vec![x, amounts];
        if let PadMode::Constant(value) = mode {
            inputs.push(self.floats("fill", &[], &[value as f32]));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        Ok(self.done("Pad", &inputs, vec![text("mode", name)]))
    }
}

/// How a pool's window moves over an image with so many more rows and columns.
fn with_more(config: &Pool2dConfig, [rows, columns]: [usize; 2]) -> Sliding {
    let mut sliding = config.sliding();
    sliding.padding.bottom += rows;
    sliding.padding.right += columns;
    sliding
}

/// What is added before each of `rank` dimensions, and then behind each.
fn around(rank: usize, padding: Padding) -> Vec<i64> {
    let mut amounts = vec![0; 2 * rank];
    for (axis, [before, after]) in padding.sides().into_iter().enumerate() {
        amounts[rank - 2 + axis] = before as i64;
        amounts[2 * rank - 2 + axis] = after as i64;
    }
    amounts
}

/// The first pixel of each of `output` parts and the one behind its last, as [`crate::ops::adaptive_avg_pool2d`] cuts.
fn parts(input: usize, output: usize) -> Vec<[usize; 2]> {
    (0..output).map(|part| [part * input / output, ((part + 1) * input).div_ceil(output)]).collect()
}

/// The length of the parts and the way from one to the next, if these are all the same.
fn uniform(parts: &[[usize; 2]]) -> Option<[usize; 2]> {
    let [first, end] = *parts.first()?;
    let (length, step) = (end - first, parts.get(1).map_or(end - first, |next| next[0] - first));
    let fits = |(index, part): (usize, &[usize; 2])| *part == [index * step, index * step + length];
    (step > 0 && parts.iter().enumerate().all(fits)).then_some([length, step])
}

/// A row for each part, which takes the mean of its pixels.
fn means(parts: &[[usize; 2]], pixels: usize) -> Vec<f32> {
    let share = |[first, end]: [usize; 2], pixel: usize| match (first..end).contains(&pixel) {
        true => 1.0 / (end - first) as f32,
        false => 0.0,
    };
    parts.iter().flat_map(|&part| (0..pixels).map(move |pixel| share(part, pixel))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_parts_are_a_window() {
        assert_eq!(uniform(&parts(14, 7)), Some([2, 2]));
        assert_eq!(uniform(&parts(7, 7)), Some([1, 1]));
        assert_eq!(uniform(&parts(9, 1)), Some([9, 9]));
        // Three overlapping parts of 5 pixels: 0 to 2, 1 to 4, 3 to 5.
        assert_eq!(uniform(&parts(5, 3)), None);
        // More parts than pixels.
        assert_eq!(uniform(&parts(2, 4)), None);
        let halves = means(&parts(3, 2), 3);
        assert_eq!(halves, [0.5, 0.5, 0.0, 0.0, 0.5, 0.5]);
    }
}
