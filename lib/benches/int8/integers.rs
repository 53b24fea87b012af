//! Layers of integers, put together by hand.

use sconce::Seed;
use sconce::ops::int8::{
    Activations, Convolution, Linear, Quantization, Requantize, adaptive_avg_pool2d, add, max_pool2d,
};
use sconce::ops::{Padding, Rounding, Sliding};

use super::Failed;

/// What all activations are in: their values do not count.
const STEPS: Quantization = Quantization { scale: 0.05, zero_point: 0 };

/// A convolution and what becomes of its sums; with ReLU, as the zero point is 0.
struct Layer(Convolution, Requantize);

impl Layer {
    fn new(inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Result<Layer, Failed> {
        let depth = inputs * kernel * kernel;
        let sliding = Sliding { stride: [stride; 2], padding: Padding::from(kernel / 2), dilation: [1, 1] };
        let weight = weights(outputs * depth);
        let convolution =
            Convolution::new(&weight, [outputs, inputs, kernel, kernel], &[], STEPS.zero_point, sliding, 1)?;
        let multiplier = vec![0.02 / (depth as f32).sqrt(); outputs];
        Ok(Layer(convolution, Requantize::new(multiplier, STEPS)))
    }

    fn forward(&self, x: &Activations) -> sconce::Result<Activations> {
        self.0.forward(x, &self.1)
    }
}

/// Weights as layers have them: of a normal distribution, the largest 127.
fn weights(len: usize) -> Vec<i8> {
    let mut rng = Seed(2).rng();
    (0..len).map(|_| (32.0 * rng.normal()).clamp(-127.0, 127.0) as i8).collect()
}

/// Layers one after the other, and what they are added to.
struct Block {
    layers: Vec<Layer>,
    /// None where nothing is added; `Some(None)` for the input itself.
    beside: Option<Option<Layer>>,
}

/// A model of integers.
pub struct Integers {
    stem: Option<Layer>,
    blocks: Vec<Block>,
    head: Option<Linear>,
}

impl Integers {
    /// Convolutions one after the other, each (inputs, outputs, kernel, stride).
    pub fn chain(convolutions: &[[usize; 4]]) -> Result<Integers, Failed> {
        let layer =
            |&[inputs, outputs, kernel, stride]: &[usize; 4]| Layer::new(inputs, outputs, kernel, stride);
        let layers = convolutions.iter().map(layer).collect::<Result<_, _>>()?;
        Ok(Integers { stem: None, blocks: vec![Block { layers, beside: None }], head: None })
    }

    /// A ResNet of blocks of two convolutions, or of three that are `wide` times as wide at their end (He et al. 2016).
    pub fn resnet(blocks: [usize; 4], wide: usize) -> Result<Integers, Failed> {
        let mut inputs = 64;
        let mut made = Vec::new();
        for (stage, (channels, blocks)) in [64, 128, 256, 512].into_iter().zip(blocks).enumerate() {
            for block in 0..blocks {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let outputs = wide * channels;
                let layers = if wide == 1 {
                    vec![Layer::new(inputs, channels, 3, stride)?, Layer::new(channels, channels, 3, 1)?]
                } else {
                    vec![
                        Layer::new(inputs, channels, 1, 1)?,
                        Layer::new(channels, channels, 3, stride)?,
                        Layer::new(channels, outputs, 1, 1)?,
                    ]
                };
                let same = stride == 1 && inputs == outputs;
                let beside = if same { None } else { Some(Layer::new(inputs, outputs, 1, stride)?) };
                made.push(Block { layers, beside: Some(beside) });
                inputs = outputs;
            }
        }
        let head = Linear::new(&weights(1000 * inputs), [1000, inputs], &[], STEPS.zero_point)?;
        Ok(Integers { stem: Some(Layer::new(3, 64, 7, 2)?), blocks: made, head: Some(head) })
    }

    /// From images (B, C, H, W) in f32 to what the last layer gives in f32.
    pub fn forward(&self, x: &[f32], dims: [usize; 4]) -> sconce::Result<Vec<f32>> {
        let mut x = Activations::quantize_images(x, dims, STEPS)?;
        if let Some(stem) = &self.stem {
            let sliding = Sliding { stride: [2, 2], padding: Padding::from(1), dilation: [1, 1] };
            x = max_pool2d(&stem.forward(&x)?, [3, 3], sliding, Rounding::Floor)?;
        }
        for block in &self.blocks {
            let mut y = None;
            for layer in &block.layers {
                y = Some(layer.forward(y.as_ref().unwrap_or(&x))?);
            }
            let Some(y) = y else { continue };
            x = match &block.beside {
                None => y,
                Some(None) => add(&x, &y, STEPS, [0, 255])?,
                Some(Some(beside)) => add(&beside.forward(&x)?, &y, STEPS, [0, 255])?,
            };
        }
        match &self.head {
            Some(head) => head.forward_f32(&adaptive_avg_pool2d(&x, [1, 1], STEPS)?, &[0.001; 1000]),
            None => x.dequantize_images(),
        }
    }
}
