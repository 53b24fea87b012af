//! Runs the steps of a quantized model.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::layers::{Layer, MIDDLE, Packed, Stored};
use super::model::{QuantizedModel, broken};
use super::plan::{Output, Step, Work, uses_of};
use crate::Result;
use crate::nn::{Mode, Node, Operator, evaluate, of_layer};
use crate::ops::channels_last::to_channels_first;
use crate::ops::int8::{self, Activations, Quantization, Requantize};
use crate::ops::with_values;

/// What a node gives: images (B, C, H, W) in f32, or bytes whose images lie as (B, H, W, C).
#[derive(Debug, Clone)]
pub(super) enum Value {
    Float(Tensor),
    Bytes(Arc<Activations>),
}

impl Value {
    /// In f32.
    pub(super) fn into_tensor(self) -> Result<Tensor> {
        match self {
            Value::Float(tensor) => Ok(tensor),
            Value::Bytes(bytes) => match bytes.dims[..] {
                [b, h, w, c] => Ok(Tensor::from_vec(bytes.dequantize_images()?, (b, c, h, w), &Device::Cpu)?),
                _ => Ok(Tensor::from_vec(bytes.dequantize(), bytes.dims.as_slice(), &Device::Cpu)?),
            },
        }
    }

    fn bytes(&self) -> Result<&Activations> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Float(_) => Err(broken()),
        }
    }
}

/// The values of the nodes `wanted` for images `x`.
pub(super) fn run(model: &QuantizedModel, x: &Tensor, wanted: &[usize]) -> Result<Vec<Value>> {
    model.check_input(x)?;
    let count = model.graph.nodes.len();
    let mut uses = uses_of(&model.steps, count, wanted);
    let mut values: Vec<Option<Value>> = vec![None; count];
    values[0] = Some(Value::Float(x.clone()));
    for (step, layer) in model.steps.iter().zip(&*model.layers) {
        // Its own uses all come behind it.
        if uses[step.output] == 0 {
            continue;
        }
        let mut inputs = Vec::with_capacity(step.inputs.len());
        for &input in &step.inputs {
            uses[input] -= 1;
            inputs.extend(if uses[input] == 0 { values[input].take() } else { values[input].clone() });
        }
        let node = &model.graph.nodes[step.node];
        if inputs.len() != step.inputs.len() {
            return Err(broken());
        }
        let value = compute(model, step, layer.as_ref(), inputs);
        values[step.output] = Some(value.map_err(|error| of_layer(error, node.label()))?);
    }
    wanted.iter().map(|&wanted| values[wanted].clone().ok_or_else(broken)).collect()
}

fn compute(model: &QuantizedModel, step: &Step, layer: Option<&Layer>, inputs: Vec<Value>) -> Result<Value> {
    let node = &model.graph.nodes[step.node];
    let first = || inputs.first().ok_or_else(broken);
    let made = |bytes: Activations| Ok(Value::Bytes(Arc::new(bytes)));
    match step.work {
        Work::Float => {
            let inputs = inputs.into_iter().map(Value::into_tensor).collect::<Result<Vec<_>>>()?;
            let tensors = node.tensors.iter().map(|&place| Stored::tensor(&model.stored[place]));
            let tensors = tensors.collect::<Result<Vec<_>>>()?;
            Ok(Value::Float(evaluate(node, &inputs, &tensors, Mode::Eval)?))
        }
        Work::Dynamic => dynamic(model, node, layer.ok_or_else(broken)?, inputs),
        Work::Same => inputs.into_iter().next().ok_or_else(broken),
        Work::Quantize(to) => match first()? {
            Value::Float(x) => made(quantized(x, to)?),
            Value::Bytes(x) => made(int8::requantize(x, to, [0, 255])?),
        },
        Work::Layer { output, .. } => layered(layer.ok_or_else(broken)?, first()?.bytes()?, output),
        Work::Add(Output { quantization, low, high }) => {
            let [a, b] = inputs.as_slice() else { return Err(broken()) };
            made(int8::add(a.bytes()?, b.bytes()?, quantization, [low, high])?)
        }
        Work::Concat(output) => {
            let parts = inputs.iter().map(Value::bytes).collect::<Result<Vec<_>>>()?;
            made(int8::concat(&parts, output.quantization)?)
        }
        Work::Mean(output) => made(mean(node, first()?.bytes()?, output.quantization)?),
        Work::Kept => made(kept(node, first()?.bytes()?)?),
    }
}

/// f32 values as bytes.
fn quantized(x: &Tensor, to: Quantization) -> Result<Activations> {
    let x = x.contiguous()?;
    with_values(&[&x], |values| match *x.dims() {
        [b, c, h, w] => Activations::quantize_images(values[0], [b, c, h, w], to),
        ref dims => Activations::quantize(values[0], dims, to),
    })?
}

fn layered(layer: &Layer, x: &Activations, output: Option<Output>) -> Result<Value> {
    let Some(Output { quantization, low, high }) = output else {
        let multiplier = layer.multiplier(1.0);
        return match &layer.packed {
            Packed::Convolution(convolution) => {
                let dims = convolution.output_dims(&x.dims)?;
                let values = convolution.forward_f32(x, &multiplier)?;
                Ok(Value::Float(images(&values, &dims)?))
            }
            Packed::Linear(linear) => {
                let x = features_last(x)?;
                let values = linear.forward_f32(&x, &multiplier)?;
                let mut dims = x.dims.clone();
                dims.pop();
                dims.push(multiplier.len());
                Ok(Value::Float(Tensor::from_vec(values, dims, &Device::Cpu)?))
            }
        };
    };
    let requantize = Requantize::new(layer.multiplier(quantization.scale), quantization).clamped(low, high);
    Ok(Value::Bytes(Arc::new(match &layer.packed {
        Packed::Convolution(convolution) => convolution.forward(x, &requantize)?,
        Packed::Linear(linear) => {
            let y = linear.forward(features_last(x)?.as_ref(), &requantize)?;
            match y.dims.len() {
                4 => bytes_of_tensor(
                    &Tensor::from_slice(&y.values, y.dims.as_slice(), &Device::Cpu)?,
                    quantization,
                )?,
                _ => y,
            }
        }
    })))
}

/// What a linear layer takes, with its features last. Bytes of three dimensions lie as an image's, the first of them
/// last, while a linear layer computes with the last: with C of (H, W, C).
fn features_last(x: &Activations) -> Result<Cow<'_, Activations>> {
    if x.dims.len() != 4 {
        return Ok(Cow::Borrowed(x));
    }
    let tensor = tensor_of(x)?;
    let values = tensor.flatten_all()?.to_vec1()?;
    Ok(Cow::Owned(Activations { values, dims: tensor.dims().to_vec(), quantization: x.quantization }))
}

/// A linear layer whose input is rounded to 255 numbers, evenly spread from its largest size to its negative.
fn dynamic(model: &QuantizedModel, node: &Node, layer: &Layer, inputs: Vec<Value>) -> Result<Value> {
    let x = inputs.into_iter().next().ok_or_else(broken)?.into_tensor()?.contiguous()?;
    let tensors = node.tensors.iter().map(|&place| model.stored[place].tensor());
    let most = with_values(&[&x], |values| {
        values[0]
            .iter()
            .fold(0.0_f32, |most, value| if value.is_nan() { f32::INFINITY } else { most.max(value.abs()) })
    })?;
    let Packed::Linear(linear) = &layer.packed else { return Err(broken()) };
    if !most.is_finite() {
        // What is not a number must not come out as one.
        let tensors = tensors.collect::<Result<Vec<_>>>()?;
        return Ok(Value::Float(evaluate(node, &[x], &tensors, Mode::Eval)?));
    }
    let scale = if most > 1e-20 { most / 127.0 } else { 1.0 };
    let to = Quantization { scale, zero_point: MIDDLE };
    let bytes = with_values(&[&x], |values| Activations::quantize(values[0], x.dims(), to))??;
    let unit: Vec<f32> = layer.unit.iter().map(|unit| (unit * f64::from(scale)) as f32).collect();
    let mut dims = x.dims().to_vec();
    dims.pop();
    dims.push(unit.len());
    let y = Tensor::from_vec(linear.forward_f32(&bytes, &unit)?, dims, &Device::Cpu)?;
    let mut tensors = tensors.skip(1);
    Ok(Value::Float(match tensors.next() {
        Some(bias) => y.broadcast_add(&bias?)?,
        None => y,
    }))
}

/// (B, H, W, C) as (B, C, H, W).
fn images(values: &[f32], dims: &[usize]) -> Result<Tensor> {
    let &[b, h, w, c] = dims else { return Err(broken()) };
    let mut images = vec![0.0; values.len()];
    to_channels_first(values, &mut images, c, h * w);
    Ok(Tensor::from_vec(images, (b, c, h, w), &Device::Cpu)?)
}

fn mean(node: &Node, x: &Activations, to: Quantization) -> Result<Activations> {
    match &node.operator {
        Operator::AvgPool2d(config) => {
            let window = config.window;
            int8::avg_pool2d(x, window.kernel, window.sliding(), window.rounding, config.divisor, to)
        }
        Operator::AdaptiveAvgPool2d { output } => int8::adaptive_avg_pool2d(x, *output, to),
        _ => {
            let mut mean = int8::adaptive_avg_pool2d(x, [1, 1], to)?;
            mean.dims = vec![mean.dims[0], mean.dims[3]]; // (B, C)
            Ok(mean)
        }
    }
}

/// What moves bytes or makes negative ones 0.
fn kept(node: &Node, x: &Activations) -> Result<Activations> {
    let quantization = x.quantization;
    match &node.operator {
        Operator::Activation(_) => int8::requantize(x, quantization, [quantization.zero_point, 255]),
        Operator::MaxPool2d(config) => int8::max_pool2d(x, config.kernel, config.sliding(), config.rounding),
        // Pixels lie one after the other already.
        Operator::ImageToTokens => {
            let &[b, h, w, c] = x.dims.as_slice() else { return Err(broken()) };
            Ok(Activations { values: x.values.clone(), dims: vec![b, h * w, c], quantization })
        }
        Operator::Slice { dim, range } => {
            let tensor = tensor_of(x)?.narrow(dim + 1, range.start, range.len())?;
            bytes_of_tensor(&tensor, quantization)
        }
        _ => bytes_of_tensor(&evaluate(node, &[tensor_of(x)?], &[], Mode::Eval)?, quantization),
    }
}

/// Bytes as candle has them, images as (B, C, H, W).
fn tensor_of(x: &Activations) -> Result<Tensor> {
    let tensor = Tensor::from_slice(&x.values, x.dims.as_slice(), &Device::Cpu)?;
    Ok(if x.dims.len() == 4 { tensor.permute((0, 3, 1, 2))?.contiguous()? } else { tensor })
}

fn bytes_of_tensor(tensor: &Tensor, quantization: Quantization) -> Result<Activations> {
    debug_assert_eq!(tensor.dtype(), DType::U8);
    let tensor = if tensor.rank() == 4 { tensor.permute((0, 2, 3, 1))? } else { tensor.clone() };
    let values = tensor.contiguous()?.flatten_all()?.to_vec1()?;
    Ok(Activations { values, dims: tensor.dims().to_vec(), quantization })
}
