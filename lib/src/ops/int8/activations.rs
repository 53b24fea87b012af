use super::round::{Clamp, round_within};
use crate::ops::operands::{check_environment, shape_error};
use crate::ops::simd::vectorized;
use crate::{Error, Result};
use rayon::prelude::*;

/// What the steps of 8 bits stand for: `value = scale · (step - zero_point)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantization {
    /// From one step to the next, in units of the value; above 0.
    pub scale: f32,
    /// The step that stands for 0.
    pub zero_point: u8,
}

impl Quantization {
    pub(super) fn check(&self, op: &str) -> Result<()> {
        // Beyond these, the inverse of a scale is no number.
        if self.scale.is_normal() && self.scale > 0.0 && (1.0 / self.scale).is_normal() {
            return Ok(());
        }
        Err(Error::Argument {
            op: op.into(),
            expected: "a scale above 0 whose inverse is finite".into(),
            got: self.scale.to_string(),
            hint: "Calibrate with data whose values differ.".into(),
        })
    }
}

/// Values of 8 bits, whose last dimension is the channels: images are (B, H, W, C).
#[derive(Debug, Clone, PartialEq)]
pub struct Activations {
    /// Row-major.
    pub values: Vec<u8>,
    /// Their shape, channels last.
    pub dims: Vec<usize>,
    /// What they stand for.
    pub quantization: Quantization,
}

/// Values that are worked on at a time.
pub(super) const CHUNK: usize = 1 << 15;

impl Activations {
    /// The nearest steps of values of shape `dims`, channels last: `round(x · (1 / scale)) + zero_point`, halves to even,
    /// clamped to 0..=255; NaN becomes 0.
    ///
    /// # Errors
    /// If the number of values is not that of the shape, or the scale is not above 0.
    pub fn quantize(x: &[f32], dims: &[usize], quantization: Quantization) -> Result<Activations> {
        let op = "int8::Activations::quantize";
        check_values(op, x.len(), dims)?;
        quantization.check(op)?;
        let mut values = vec![0; x.len()];
        values.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| {
            let rule = Nearest::of(quantization);
            vectorized(
                #[inline(always)]
                || y.iter_mut().zip(x).for_each(|(y, &x)| *y = rule.step(x)),
            );
        });
        Ok(Activations { values, dims: dims.to_vec(), quantization })
    }

    /// The same from images (B, C, H, W), which become (B, H, W, C).
    ///
    /// # Errors
    /// As [`Activations::quantize`].
    pub fn quantize_images(x: &[f32], dims: [usize; 4], quantization: Quantization) -> Result<Activations> {
        let op = "int8::Activations::quantize_images";
        check_values(op, x.len(), &dims)?;
        quantization.check(op)?;
        let [batch, channels, height, width] = dims;
        let mut values = vec![0; x.len()];
        let row = width * channels;
        values.par_chunks_mut(row.max(1)).enumerate().for_each(|(index, y)| {
            let rule = Nearest::of(quantization);
            let (image, row) = (index / height, index % height);
            for channel in 0..channels {
                let x = &x[((image * channels + channel) * height + row) * width..][..width];
                vectorized(
                    #[inline(always)]
                    || {
                        let pixels = y[channel..].iter_mut().step_by(channels);
                        pixels.zip(x).for_each(|(y, &x)| *y = rule.step(x));
                    },
                );
            }
        });
        Ok(Activations { values, dims: vec![batch, height, width, channels], quantization })
    }

    /// `scale · (step - zero_point)`, in the same shape.
    pub fn dequantize(&self) -> Vec<f32> {
        let table = self.table();
        let mut values = vec![0.0; self.values.len()];
        let chunks = values.par_chunks_mut(CHUNK).zip(self.values.par_chunks(CHUNK));
        chunks.for_each(|(y, x)| y.iter_mut().zip(x).for_each(|(y, &x)| *y = table[usize::from(x)]));
        values
    }

    /// The same of images, as (B, C, H, W).
    ///
    /// # Errors
    /// If the shape is not (B, H, W, C).
    pub fn dequantize_images(&self) -> Result<Vec<f32>> {
        let op = "int8::Activations::dequantize_images";
        let [_, height, width, channels] = self.image_dims(op)?;
        let table = self.table();
        let mut values = vec![0.0; self.values.len()];
        let plane = height * width;
        values.par_chunks_mut(plane.max(1)).enumerate().for_each(|(index, y)| {
            let (image, channel) = (index / channels, index % channels);
            let x = self.values[image * plane * channels + channel..].iter().step_by(channels);
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = table[usize::from(x)]);
        });
        Ok(values)
    }

    /// What each step stands for.
    fn table(&self) -> [f32; 256] {
        let Quantization { scale, zero_point } = self.quantization;
        std::array::from_fn(|step| scale * (step as f32 - f32::from(zero_point)))
    }

    /// Refuses values that are not those of the shape, and scales that are none.
    pub(super) fn check(&self, op: &str) -> Result<()> {
        check_values(op, self.values.len(), &self.dims)?;
        self.quantization.check(op)
    }

    /// B, H, W and C.
    pub(super) fn image_dims(&self, op: &str) -> Result<[usize; 4]> {
        self.check(op)?;
        match *self.dims {
            [b, h, w, c] => Ok([b, h, w, c]),
            ref dims => Err(shape_error(op, "images (B, H, W, C)", dims, "")),
        }
    }
}

fn check_values(op: &str, values: usize, dims: &[usize]) -> Result<()> {
    check_environment()?;
    if dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim)) == Some(values) {
        return Ok(());
    }
    let expected = format!("a shape of {values} values, as many as there are");
    Err(shape_error(op, expected, dims, ""))
}

/// Rounds a value to a step.
#[derive(Clone, Copy)]
struct Nearest {
    inverse: f32,
    clamp: Clamp,
}

impl Nearest {
    fn of(quantization: Quantization) -> Nearest {
        Nearest { inverse: 1.0 / quantization.scale, clamp: Clamp::new(quantization.zero_point, 0, 255) }
    }

    #[inline(always)]
    fn step(self, value: f32) -> u8 {
        round_within(value * self.inverse, self.clamp)
    }
}
