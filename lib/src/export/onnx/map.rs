//! What each operator of the model's graph is in ONNX.

use super::attribute::{float, int, ints, text};
use super::builder::{Builder, Name};
use super::proto::Element;
use super::weights::Layout;
use crate::Result;
use crate::export::source::Weights;
use crate::nn::{Activation, Operator, Rounds, bytes_of};
use crate::ops::int8::Quantization;

impl Builder<'_> {
    /// Writes the node; gives the name of its value, which may be that of what it takes.
    pub(super) fn write(&mut self) -> Result<Name> {
        let node = self.node();
        match &node.operator {
            Operator::Input => Ok(self.value()),
            Operator::Dropout { .. } | Operator::StochasticDepth { .. } => self.input(0),
            Operator::Conv2d { config, .. } => self.conv2d(config),
            Operator::ConvTranspose2d { config, .. } => self.conv_transpose2d(config),
            Operator::BatchNorm { config, .. } => self.batch_norm(config.eps),
            Operator::LayerNorm { config, .. } => self.layer_norm(config.eps),
            Operator::LayerNorm2d { config, .. } => self.layer_norm2d(config.eps),
            Operator::GroupNorm { config, .. } => self.group_norm(config),
            Operator::Activation(activation) => self.activation(*activation),
            // Dimensions of the model's graph do not count the batch.
            Operator::Softmax { dim } => self.simple("Softmax", vec![int("axis", *dim as i64 + 1)]),
            Operator::LogSoftmax { dim } => self.simple("LogSoftmax", vec![int("axis", *dim as i64 + 1)]),
            Operator::MaxPool2d(config) => self.max_pool2d(config),
            Operator::AvgPool2d(config) => self.avg_pool2d(config),
            Operator::AdaptiveAvgPool2d { output } => self.adaptive_avg_pool2d(*output),
            Operator::GlobalAvgPool => self.global_avg_pool(),
            Operator::Interpolate { size, interpolation } => self.interpolate(*size, *interpolation),
            Operator::Pad { padding, mode } => self.pad(*padding, *mode),
            Operator::Flatten => self.simple("Flatten", vec![int("axis", 1)]),
            Operator::ImageToTokens => self.image_to_tokens(),
            Operator::Reshape { dims } => {
                let dims: Vec<i64> = [0].into_iter().chain(dims.iter().map(|&dim| dim as i64)).collect();
                let (x, dims) = (self.input(0)?, self.whole("dimensions", &dims));
                Ok(self.done("Reshape", &[&x, &dims], Vec::new()))
            }
            Operator::Permute { order } => {
                let order = [0].into_iter().chain(order.iter().map(|dim| dim + 1));
                self.simple("Transpose", vec![ints("perm", order)])
            }
            Operator::Slice { dim, range } => {
                let bounds =
                    [("start", range.start as i64), ("end", range.end as i64), ("axis", *dim as i64 + 1)];
                let bounds = bounds.map(|(what, value)| self.whole(what, &[value]));
                let x = self.input(0)?;
                Ok(self.done("Slice", &[&x, &bounds[0], &bounds[1], &bounds[2]], Vec::new()))
            }
            Operator::Concat { dim } => {
                let inputs: Vec<Name> =
                    (0..node.inputs.len()).map(|slot| self.input(slot)).collect::<Result<_>>()?;
                let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
                Ok(self.done("Concat", &inputs, vec![int("axis", *dim as i64 + 1)]))
            }
            Operator::Mean { dims } => self.mean(dims),
            Operator::Linear { .. } => self.linear(),
            Operator::ScaledDotProductAttention { num_heads } => self.attention(*num_heads),
            Operator::RelativeAttention { num_heads, grid } => self.relative_attention(*num_heads, *grid),
            Operator::FakeQuantize { .. } => self.fake_quantize(),
            Operator::Add => self.two("Add"),
            Operator::Multiply => self.two("Mul"),
            Operator::Scale { factor } => {
                let (x, factor) = (self.input(0)?, self.floats("factor", &[], &[*factor as f32]));
                Ok(self.done("Mul", &[&x, &factor], Vec::new()))
            }
            Operator::LayerScale { .. } => {
                let (x, factors) = (self.input(0)?, self.weight(0, Layout::AsIs)?);
                Ok(self.done("Mul", &[&x, &factors], Vec::new()))
            }
            Operator::ClassToken { embed_dim } => self.class_token(*embed_dim),
            Operator::PositionEmbedding { .. } => {
                let (x, embedding) = (self.input(0)?, self.weight(0, Layout::AsIs)?);
                Ok(self.done("Add", &[&x, &embedding], Vec::new()))
            }
            Operator::SinePositionEmbedding(config) => self.sine_position_embedding(*config),
            Operator::Queries { dims } => self.queries(*dims),
            Operator::MultiHeadAttention { .. } => Err(self.refused(
                "attention as the layers it is made of",
                "all in one",
                "Please report this.",
            )),
            Operator::Map(_) => Err(self.refused(
                "an operator that ONNX has words for",
                "code of your own (map)",
                "Build the layer of the library's operators, or leave it out of the model and do it outside.",
            )),
        }
    }

    /// An operation of the node's one input.
    fn simple(&mut self, op: &str, attributes: Vec<super::proto::AttributeProto>) -> Result<Name> {
        let x = self.input(0)?;
        Ok(self.done(op, &[&x], attributes))
    }

    fn two(&mut self, op: &str) -> Result<Name> {
        let (a, b) = (self.input(0)?, self.input(1)?);
        Ok(self.done(op, &[&a, &b], Vec::new()))
    }

    fn activation(&mut self, activation: Activation) -> Result<Name> {
        let x = self.input(0)?;
        let shape = self.shape().to_vec();
        match activation {
            Activation::Relu => self.simple("Relu", Vec::new()),
            Activation::LeakyRelu { slope } => self.simple("LeakyRelu", vec![float("alpha", slope)]),
            Activation::Sigmoid => self.simple("Sigmoid", Vec::new()),
            Activation::Tanh => self.simple("Tanh", Vec::new()),
            Activation::Hardswish => self.simple("HardSwish", Vec::new()),
            Activation::Hardsigmoid => {
                self.simple("HardSigmoid", vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)])
            }
            Activation::Relu6 => {
                let (low, high) = (self.floats("low", &[], &[0.0]), self.floats("high", &[], &[6.0]));
                Ok(self.done("Clip", &[&x, &low, &high], Vec::new()))
            }
            Activation::Silu => {
                let share = self.step("Sigmoid", &[&x], Vec::new(), &shape);
                Ok(self.done("Mul", &[&x, &share], Vec::new()))
            }
            Activation::Gelu if self.opset >= 20 => self.simple("Gelu", Vec::new()),
            Activation::GeluTanh if self.opset >= 20 => {
                self.simple("Gelu", vec![text("approximate", "tanh")])
            }
            Activation::Gelu => {
                let root = self.floats("root", &[], &[std::f32::consts::SQRT_2]);
                let scaled = self.step("Div", &[&x, &root], Vec::new(), &shape);
                let erf = self.step("Erf", &[&scaled], Vec::new(), &shape);
                self.gelu_of(&x, &erf)
            }
            Activation::GeluTanh => {
                // √(2/π) · (x + 0.044715 · x³)
                let cubic = self.floats("cubic", &[], &[0.044_715]);
                let scale = self.floats("scale", &[], &[0.797_884_6]);
                let square = self.step("Mul", &[&x, &x], Vec::new(), &shape);
                let cube = self.step("Mul", &[&square, &x], Vec::new(), &shape);
                let cube = self.step("Mul", &[&cube, &cubic], Vec::new(), &shape);
                let sum = self.step("Add", &[&x, &cube], Vec::new(), &shape);
                let inside = self.step("Mul", &[&sum, &scale], Vec::new(), &shape);
                let tanh = self.step("Tanh", &[&inside], Vec::new(), &shape);
                self.gelu_of(&x, &tanh)
            }
        }
    }

    /// x · (1 + y) / 2.
    fn gelu_of(&mut self, x: &str, y: &str) -> Result<Name> {
        let shape = self.shape().to_vec();
        let (one, half) = (self.floats("one", &[], &[1.0]), self.floats("half", &[], &[0.5]));
        let share = self.step("Add", &[y, &one], Vec::new(), &shape);
        let product = self.step("Mul", &[x, &share], Vec::new(), &shape);
        Ok(self.done("Mul", &[&product, &half], Vec::new()))
    }

    /// (B, C, H, W) to (B, H·W, C).
    fn image_to_tokens(&mut self) -> Result<Name> {
        let (x, dims) = (self.input(0)?, self.whole("pixels", &[0, 0, -1]));
        let shape: Vec<_> = [0, 2, 1].map(|dim: usize| self.shape()[dim].clone()).to_vec();
        let pixels = self.step("Reshape", &[&x, &dims], Vec::new(), &shape); // (B, C, H·W)
        Ok(self.done("Transpose", &[&pixels], vec![ints("perm", [0, 2, 1])]))
    }

    /// The dimensions are an attribute below opset 18, and an input from there on.
    fn mean(&mut self, dims: &[usize]) -> Result<Name> {
        let x = self.input(0)?;
        let axes: Vec<usize> = dims.iter().map(|dim| dim + 1).collect();
        if self.opset < 18 {
            return Ok(self.done("ReduceMean", &[&x], vec![ints("axes", axes), int("keepdims", 0)]));
        }
        let axes: Vec<i64> = axes.into_iter().map(|axis| axis as i64).collect();
        let axes = self.whole("axes", &axes);
        Ok(self.done("ReduceMean", &[&x, &axes], vec![int("keepdims", 0)]))
    }

    /// The bytes that the node rounds to; none where it leaves values as they are.
    pub(super) fn bytes(&self) -> Result<Option<Quantization>> {
        if matches!(self.node().operator, Operator::FakeQuantize { rounds: Rounds::Nothing, .. }) {
            return Ok(None);
        }
        match self.node().tensors.first().map(|&place| &self.source.weights[place]) {
            Some(Weights::Float(range)) => bytes_of(range),
            _ => Ok(None),
        }
    }

    fn fake_quantize(&mut self) -> Result<Name> {
        let x = self.input(0)?;
        let Some(bytes) = self.bytes()? else { return Ok(x) };
        let shape = self.shape().to_vec();
        let scale = self.floats("scale", &[], &[bytes.scale]);
        let zero = self.own("zero_point");
        self.constant(&zero, Element::U8, &[], vec![bytes.zero_point]);
        let whole = self.step_of("QuantizeLinear", &[&x, &scale, &zero], Vec::new(), Element::U8, &shape);
        Ok(self.done("DequantizeLinear", &[&whole, &scale, &zero], Vec::new()))
    }

    /// Whether the node gives what comes in.
    pub(super) fn passes(&self) -> Result<bool> {
        Ok(match self.node().operator {
            Operator::Input | Operator::Dropout { .. } | Operator::StochasticDepth { .. } => true,
            Operator::FakeQuantize { .. } => self.bytes()?.is_none(),
            _ => false,
        })
    }
}
