//! A convolution and its two gradients as products of matrices.

use rayon::prelude::*;

use super::buffer::{Buffer, Pool};
use super::channels_last::{self, Epilogue, to_channels_first, to_channels_last};
use super::columns::Convolution;
use super::gemm::{Matrix, Threads, Update, multiply};
use super::host::{Real, filled};

/// Pixels of an image that are worth a product of matrices.
const PRODUCT_POSITIONS: usize = 256;
/// Rows of the weight's gradient that are worth a thread's while.
const GRADIENT_ROWS: usize = 128;
/// Parts the weight's gradient is cut into at most.
const GRADIENT_PARTS: usize = 8;

impl Convolution {
    pub(crate) fn output_dims(&self) -> [usize; 4] {
        [self.batch, self.out_channels, self.output[0], self.output[1]]
    }

    pub(crate) fn input_dims(&self) -> [usize; 4] {
        [self.batch, self.in_channels, self.input[0], self.input[1]]
    }

    /// The threads one of `parts` parallel products may use.
    fn threads(parts: usize) -> Threads {
        if parts < rayon::current_num_threads() { Threads::All } else { Threads::One }
    }

    /// Whether each image is a matrix that the weight is multiplied with as it lies, large enough for that to be faster
    /// than many images at a time.
    fn is_product(&self) -> bool {
        self.is_pointwise() && self.groups == 1 && self.positions() >= PRODUCT_POSITIONS
    }

    /// Whether f32 images are brought to channels last for it.
    fn goes_channels_last(&self) -> bool {
        self.groups == 1 && !self.is_product()
    }

    /// The convolution of `x` with `weight`, plus `bias`.
    pub(super) fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
        let single_bias = bias.and_then(T::single);
        if let (Some(x), Some(weight)) = (T::single(x), T::single(weight))
            && let Some(y) = self.planes_forward(x, weight, single_bias)
            && let Some(y) = T::from_single(y)
        {
            return y;
        }
        if self.goes_channels_last()
            && let (Some(x), Some(weight)) = (T::single(x), T::single(weight))
            && let Some(y) = T::from_single(self.forward_channels_last(x, weight, single_bias))
        {
            return y;
        }
        if self.is_depthwise() {
            return self.depthwise_forward(x, weight, bias);
        }
        if self.is_product() {
            let weight = Matrix::packed(weight, self.out_channels, self.in_channels);
            return self.images(weight, x, bias);
        }
        let mut y = vec![T::zero(); self.batch * self.output_len()];
        if let Some(bias) = bias {
            let planes = y.par_chunks_mut(self.positions().max(1)).enumerate();
            planes.with_min_len(16).for_each(|(plane, y)| y.fill(bias[plane % self.out_channels]));
        }
        let (positions, depth, group) = (self.positions(), self.depth(), self.group());
        let (weight, outputs) = (Matrix::packed(weight, self.out_channels, depth), self.group_outputs());
        let threads = Convolution::threads(self.batch.div_ceil(group));
        let groups = y.par_chunks_mut((group * self.output_len()).max(1)).enumerate();
        groups.for_each_init(<(Vec<T>, Vec<T>)>::default, |(columns, product), (index, y)| {
            let first = index * group;
            for tile in self.tiles(first..(first + group).min(self.batch)) {
                for channels in 0..self.groups {
                    let columns = self.columns(x, &tile, self.group_depths(channels), columns);
                    let out = channels * outputs;
                    let weight = weight.rows(out..out + outputs);
                    if tile.images.len() == 1 {
                        let y = &mut y[out * positions + tile.rows.start * self.output[1]..];
                        multiply(y, positions, Update::Add, weight, columns, threads);
                        continue;
                    }
                    let width = columns.columns;
                    product.resize((outputs * width).max(product.len()), T::zero());
                    multiply(product, width, Update::Replace, weight, columns, threads);
                    for (image, y) in y.chunks_mut(self.output_len()).enumerate() {
                        let planes = y[out * positions..].chunks_mut(positions).take(outputs);
                        for (channel, plane) in planes.enumerate() {
                            let product = &product[channel * width + image * positions..][..positions];
                            plane.iter_mut().zip(product).for_each(|(y, &value)| *y += value);
                        }
                    }
                }
            }
        });
        y
    }

    /// `weight` times each image of `x`, plus `bias`, where the images are matrices (channels, positions).
    fn images<T: Real>(&self, weight: Matrix<T>, x: &[T], bias: Option<&[T]>) -> Vec<T> {
        let (positions, threads) = (self.positions(), Convolution::threads(self.batch));
        let [from, to] = [weight.columns * positions, weight.rows * positions];
        let product = |image: usize, y: &mut [T]| {
            let x = Matrix::packed(&x[image * from..][..from], weight.columns, positions);
            if let Some(bias) = bias {
                y.chunks_exact_mut(positions).zip(bias).for_each(|(y, &bias)| y.fill(bias));
            }
            let update = if bias.is_some() { Update::Add } else { Update::Replace };
            multiply(y, positions, update, weight, x, threads);
        };
        filled(self.batch * to, to, product).0
    }

    /// The gradient of `x` where that of the output is `dy`: the transposed convolution of `dy`.
    pub(super) fn input_gradient<T: Real>(&self, weight: &[T], dy: &[T]) -> Vec<T> {
        if let Some(dx) = self.planes_gradient(weight, dy) {
            return dx;
        }
        if self.goes_channels_last()
            && let (Some(weight), Some(dy)) = (T::single(weight), T::single(dy))
            && let Some(dx) =
                T::from_single(self.input_gradient_channels_last(weight, &self.outputs_last(dy)))
        {
            return dx;
        }
        if self.is_depthwise() {
            return self.depthwise_input_gradient(weight, dy);
        }
        if self.is_product() {
            let weight = Matrix::packed(weight, self.out_channels, self.in_channels);
            return self.images(weight.transposed(), dy, None);
        }
        let mut dx = vec![T::zero(); self.batch * self.image_len()];
        let (depth, group, outputs) = (self.depth(), self.group(), self.group_outputs());
        let weight = Matrix::packed(weight, self.out_channels, depth);
        let threads = Convolution::threads(self.batch.div_ceil(group));
        let groups = dx.par_chunks_mut((group * self.image_len()).max(1)).enumerate();
        groups.for_each_init(<(Vec<T>, Vec<T>)>::default, |(columns, gathered), (index, dx)| {
            let first = index * group;
            for tile in self.tiles(first..(first + group).min(self.batch)) {
                let dy = self.outputs(dy, &tile, gathered);
                let len = depth * dy.columns;
                columns.resize(len.max(columns.len()), T::zero());
                for channels in 0..self.groups {
                    let rows = channels * outputs..(channels + 1) * outputs;
                    let (weight, dy) = (weight.rows(rows.clone()).transposed(), dy.rows(rows));
                    multiply(columns, dy.columns, Update::Replace, weight, dy, threads);
                    self.add_columns(&columns[..len], &tile, self.group_depths(channels), dx);
                }
            }
        });
        dx
    }

    fn planes_gradient<T: Real>(&self, weight: &[T], dy: &[T]) -> Option<Vec<T>> {
        T::from_single(self.planes_input_gradient(T::single(weight)?, T::single(dy)?)?)
    }

    /// The gradient of the weight. Each part of the depth goes through all images in order, so nothing has to be
    /// summed over threads.
    pub(super) fn weight_gradient<T: Real>(&self, x: &[T], dy: &[T]) -> Vec<T> {
        if self.goes_channels_last()
            && let (Some(x), Some(dy)) = (T::single(x), T::single(dy))
            && let Some(dw) = T::from_single(self.weight_gradient_channels_last(x, &self.outputs_last(dy)))
        {
            return dw;
        }
        if self.is_depthwise() {
            return self.depthwise_weight_gradient(x, dy);
        }
        let (depth, outputs, group) = (self.depth(), self.group_outputs(), self.group());
        // A part lies in one group of channels.
        let parts = if self.groups > 1 { 1 } else { (depth / GRADIENT_ROWS).clamp(1, GRADIENT_PARTS) };
        let part = depth.div_ceil(parts);
        let threads = Convolution::threads(parts * self.groups);
        let mut transposed = vec![T::zero(); self.groups * depth * outputs];
        let blocks = transposed.par_chunks_mut((part * outputs).max(1)).enumerate();
        blocks.for_each_init(<(Vec<T>, Vec<T>)>::default, |(columns, gathered), (index, dw)| {
            let start = index * part;
            let depths = start..(start + part).min(self.groups * depth);
            let out = start / depth * outputs;
            for first in (0..self.batch).step_by(group) {
                for tile in self.tiles(first..(first + group).min(self.batch)) {
                    let columns = self.columns(x, &tile, depths.clone(), columns);
                    let dy = self.outputs(dy, &tile, gathered).rows(out..out + outputs);
                    multiply(dw, outputs, Update::Add, columns, dy.transposed(), threads);
                }
            }
        });
        let mut dw = vec![T::zero(); self.out_channels * depth];
        dw.par_chunks_mut(depth.max(1)).enumerate().for_each(|(channel, dw)| {
            let group = &transposed[channel / outputs * depth * outputs..];
            for (value, row) in dw.iter_mut().zip(group.chunks(outputs)) {
                *value = row[channel % outputs];
            }
        });
        dw
    }

    /// The gradients of `x` and of the weight.
    pub(super) fn gradients<T: Real>(&self, x: &[T], weight: &[T], dy: &[T]) -> (Vec<T>, Vec<T>) {
        if self.goes_channels_last()
            && let (Some(x), Some(weight), Some(dy)) = (T::single(x), T::single(weight), T::single(dy))
        {
            let dx = self.planes_input_gradient(weight, dy);
            let dy = self.outputs_last(dy);
            let dx = dx.unwrap_or_else(|| self.input_gradient_channels_last(weight, &dy));
            let dx = T::from_single(dx);
            let dw = T::from_single(self.weight_gradient_channels_last(x, &dy));
            if let (Some(dx), Some(dw)) = (dx, dw) {
                return (dx, dw);
            }
        }
        (self.input_gradient(weight, dy), self.weight_gradient(x, dy))
    }

    fn forward_channels_last(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let pool = Pool::of_operators();
        let mut last = pool.take(x.len());
        to_channels_last(x, &mut last, self.in_channels, self.input[0] * self.input[1]);
        let mut y_last = pool.take(self.batch * self.output_len());
        let finish = Epilogue { bias, ..Epilogue::default() };
        channels_last::forward(self, pool, &last, weight, &mut y_last, &finish);
        channels_first(&y_last, self.out_channels, self.positions())
    }

    /// Values of the output with the channels of a pixel beside each other.
    fn outputs_last(&self, y: &[f32]) -> Buffer {
        let mut last = Pool::of_operators().take(y.len());
        to_channels_last(y, &mut last, self.out_channels, self.positions());
        last
    }

    fn input_gradient_channels_last(&self, weight: &[f32], dy_last: &[f32]) -> Vec<f32> {
        let pool = Pool::of_operators();
        let mut dx_last = pool.take(self.batch * self.image_len());
        channels_last::input_gradient(self, pool, weight, dy_last, &mut dx_last, Update::Replace);
        channels_first(&dx_last, self.in_channels, self.input[0] * self.input[1])
    }

    fn weight_gradient_channels_last(&self, x: &[f32], dy_last: &[f32]) -> Vec<f32> {
        let pool = Pool::of_operators();
        let mut x_last = pool.take(x.len());
        to_channels_last(x, &mut x_last, self.in_channels, self.input[0] * self.input[1]);
        let mut dw = vec![0.0; self.out_channels * self.depth()];
        channels_last::weight_gradient(self, pool, &x_last, dy_last, &mut dw);
        dw
    }
}

/// Images (B, pixels, C) as (B, C, pixels), in memory of their own.
fn channels_first(last: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    let len = channels * pixels;
    let image = |image: usize, first: &mut [f32]| {
        to_channels_first(&last[image * len..][..len], first, channels, pixels);
    };
    filled(last.len(), len, image).0
}
