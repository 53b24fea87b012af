//! Weights in 8 bits, and the layers that compute with them.

use std::collections::HashMap;

use candle_core::{Device, Tensor};

use super::plan::{Step, Work};
use super::refused;
use crate::Result;
use crate::nn::{Graph, Operator, of_layer};
use crate::ops::int8::{Convolution, Linear, Quantization};
use crate::ops::{channel_scales, whole_numbers};

/// A tensor of a quantized model.
#[derive(Debug, Clone)]
pub(crate) enum Stored {
    /// As it is.
    Float(Tensor),
    /// A weight (O, …) in whole numbers from -127 to 127, with the size of one of them for each output channel.
    Weight { whole: Vec<i8>, scales: Vec<f32>, shape: Vec<usize> },
}

impl Stored {
    /// In f32.
    pub(super) fn tensor(&self) -> Result<Tensor> {
        match self {
            Stored::Float(tensor) => Ok(tensor.clone()),
            Stored::Weight { whole, scales, shape } => {
                let size = (whole.len() / scales.len().max(1)).max(1);
                let channels = whole.chunks(size).zip(scales);
                let values: Vec<f32> = channels
                    .flat_map(|(channel, scale)| channel.iter().map(move |&value| f32::from(value) * scale))
                    .collect();
                Ok(Tensor::from_vec(values, shape.as_slice(), &Device::Cpu)?)
            }
        }
    }
}

/// The byte that stands for 0 where a range is found when it is needed.
pub(super) const MIDDLE: u8 = 128;

/// The largest bias in whole numbers: far enough from what 32 bits hold that sums find room beside it.
const MOST_BIAS: f64 = (1 << 29) as f64;

/// The tensors of a graph, those that layers on integers multiply with in whole numbers.
pub(super) fn stored(graph: &Graph, steps: &[Step], tensors: Vec<Tensor>) -> Result<Vec<Stored>> {
    // For each weight the finest input that it meets, and its bias.
    let mut weights: HashMap<usize, (f32, Option<usize>)> = HashMap::new();
    for step in steps {
        let tensors = &graph.nodes[step.node].tensors;
        match step.work {
            Work::Layer { input, .. } => {
                let finest = weights.entry(tensors[0]).or_insert((f32::INFINITY, None));
                *finest = (finest.0.min(input.scale), tensors.get(1).copied());
            }
            // Its bias is added in f32.
            Work::Dynamic => {
                weights.entry(tensors[0]).or_insert((f32::INFINITY, None));
            }
            _ => {}
        }
    }
    check_finite(graph, steps, &tensors)?;
    let values = |tensor: &Tensor| -> Result<Vec<f32>> { Ok(tensor.flatten_all()?.to_vec1()?) };
    let mut stored = Vec::with_capacity(tensors.len());
    for (place, tensor) in tensors.iter().enumerate() {
        let Some(&(input, bias)) = weights.get(&place) else {
            stored.push(Stored::Float(tensor.clone()));
            continue;
        };
        let weight = values(tensor)?;
        let mut scales = channel_scales(&weight, tensor.dims().first().copied().unwrap_or(1));
        if let Some(bias) = bias {
            let size = (weight.len() / scales.len().max(1)).max(1);
            let channels = weight.chunks(size).zip(&mut scales);
            for ((channel, scale), bias) in channels.zip(values(&tensors[bias])?) {
                let finest = (f64::from(bias.abs()) / (f64::from(input) * MOST_BIAS)) as f32;
                // Where nothing is multiplied the bias is all that there is: as exact as 32 bits can have it. A
                // channel whose bias is huge beside its weights gets coarser ones, so that the bias is a number of
                // 32 bits.
                let only_bias =
                    bias != 0.0 && whole_numbers(channel, &[*scale]).iter().all(|&value| value == 0);
                *scale = if only_bias { finest.max(f32::MIN_POSITIVE) } else { scale.max(finest) };
            }
        }
        let whole = whole_numbers(&weight, &scales);
        stored.push(Stored::Weight { whole, scales, shape: tensor.dims().to_vec() });
    }
    Ok(stored)
}

/// Refuses weights of layers on integers that no whole number stands for.
fn check_finite(graph: &Graph, steps: &[Step], tensors: &[Tensor]) -> Result<()> {
    for step in steps.iter().filter(|step| matches!(step.work, Work::Layer { .. } | Work::Dynamic)) {
        let node = &graph.nodes[step.node];
        for &place in &node.tensors {
            let values = tensors[place].flatten_all()?.to_vec1::<f32>()?;
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(refused(
                    &node.label(),
                    "finite weights".into(),
                    format!("{value} in {}", graph.tensors[place].name),
                    "A training that has burst leaves such numbers: go back to a state before it.",
                ));
            }
        }
    }
    Ok(())
}

/// A layer on integers, made ready.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) packed: Packed,
    /// For each output channel, what a sum of 1 is in f32.
    pub(super) unit: Vec<f64>,
}

#[derive(Debug, Clone)]
pub(super) enum Packed {
    Convolution(Convolution),
    Linear(Linear),
}

impl Layer {
    /// The layer of a step, if it has one.
    pub(super) fn new(graph: &Graph, step: &Step, stored: &[Stored]) -> Result<Option<Layer>> {
        let (input, dynamic) = match step.work {
            Work::Layer { input, .. } => (input, false),
            // Its unit is the weight's alone; the batch brings the other part.
            Work::Dynamic => (Quantization { scale: 1.0, zero_point: MIDDLE }, true),
            _ => return Ok(None),
        };
        let node = &graph.nodes[step.node];
        let Some(Stored::Weight { whole, scales, shape }) = node.tensors.first().map(|&place| &stored[place])
        else {
            return Ok(None);
        };
        let unit: Vec<f64> = scales.iter().map(|scale| f64::from(input.scale) * f64::from(*scale)).collect();
        let bias = match node.tensors.get(1) {
            Some(&place) if !dynamic => stored[place].tensor()?.to_vec1::<f32>()?,
            _ => Vec::new(),
        };
        let whole_bias = |(bias, unit): (&f32, &f64)| {
            let number = (f64::from(*bias) / unit).round_ties_even();
            if number.abs() <= f64::from(i32::MAX) {
                return Ok(number as i32);
            }
            Err(refused(
                &node.label(),
                "a bias that is a whole number of 32 bits".into(),
                format!("{bias} in steps of {unit}"),
                "The file may be damaged; quantize the model again.",
            ))
        };
        let bias: Vec<i32> = bias.iter().zip(&unit).map(whole_bias).collect::<Result<_>>()?;
        let zero = input.zero_point;
        let packed = match (&node.operator, shape.as_slice()) {
            (Operator::Conv2d { config, .. }, &[o, c, h, w]) => {
                let made =
                    Convolution::new(whole, [o, c, h, w], &bias, zero, config.sliding(), config.groups);
                made.map(Packed::Convolution)
            }
            (Operator::Linear { .. }, &[o, i]) => Linear::new(whole, [o, i], &bias, zero).map(Packed::Linear),
            _ => return Ok(None),
        };
        let packed = packed.map_err(|error| of_layer(error, node.label()))?;
        Ok(Some(Layer { packed, unit }))
    }

    /// What sums are multiplied with to become steps of `scale`.
    pub(super) fn multiplier(&self, scale: f32) -> Vec<f32> {
        self.unit.iter().map(|unit| (unit / f64::from(scale)) as f32).collect()
    }
}
