use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::Result;
use crate::ops::{self, Buffer, Pool, channels_last};

/// A value of the graph: of each image of the batch, numbers of one shape. Those of images, (C, H, W), lie as (H, W, C).
#[derive(Debug, Clone)]
pub(super) struct Activation {
    pub(super) values: Arc<Buffer>,
    pub(super) batch: usize,
    /// As the graph has it, without the batch.
    pub(super) shape: Vec<usize>,
}

impl Activation {
    pub(super) fn new(values: Buffer, batch: usize, shape: Vec<usize>) -> Activation {
        Activation { values: Arc::new(values), batch, shape }
    }

    /// Of `tensor` (B, …), contiguous or not.
    pub(super) fn of_tensor(tensor: &Tensor, pool: &Pool) -> Result<Activation> {
        let tensor = tensor.contiguous()?;
        let mut values = pool.take(tensor.elem_count());
        let shape = tensor.dims()[1..].to_vec();
        ops::with_values(&[&tensor], |from| to_engine(from[0], &mut values, &shape))?;
        Ok(Activation::new(values, tensor.dims()[0], shape))
    }

    /// As candle has it.
    pub(super) fn tensor(&self) -> Result<Tensor> {
        let mut values = vec![0.0; self.values.len()];
        to_candle(&self.values, &mut values, &self.shape);
        Ok(Tensor::from_vec(values, self.dims(), &Device::Cpu)?)
    }

    /// The shape with the batch.
    pub(super) fn dims(&self) -> Vec<usize> {
        [&[self.batch], self.shape.as_slice()].concat()
    }

    /// Numbers of one image.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Numbers that lie beside each other: those of a pixel, or the last dimension.
    pub(super) fn channels(&self) -> usize {
        channels(&self.shape)
    }

    /// The memory, if nothing else needs it.
    pub(super) fn into_buffer(self) -> Result<Buffer, Activation> {
        let Activation { values, batch, shape } = self;
        Arc::try_unwrap(values).map_err(|values| Activation { values, batch, shape })
    }
}

/// Numbers that lie beside each other.
pub(super) fn channels(shape: &[usize]) -> usize {
    match shape {
        [channels, _, _] => *channels,
        shape => shape.last().copied().unwrap_or(1),
    }
}

/// From candle's order to the engine's.
pub(super) fn to_engine(from: &[f32], to: &mut [f32], shape: &[usize]) {
    match *shape {
        [channels, height, width] => channels_last::to_channels_last(from, to, channels, height * width),
        _ => to.copy_from_slice(from),
    }
}

/// From the engine's order to candle's.
pub(super) fn to_candle(from: &[f32], to: &mut [f32], shape: &[usize]) {
    match *shape {
        [channels, height, width] => channels_last::to_channels_first(from, to, channels, height * width),
        _ => to.copy_from_slice(from),
    }
}
