//! Layers on integers: what has bytes coming in and a range to go to.
//!
//! The ranges stand in the graph as fake quantizations. A layer takes the one behind it, and a ReLU between them as a
//! bound, as `compress` does when it runs the same graph.

use super::arrange::permuted;
use super::lower::Lowering;
use super::program::{Bound, Data, Function, Kind, Op, Pair, Reach, ValueId};
use super::stored::Stored;
use crate::Result;
use crate::compress::{has_fixed_range, moves_numbers};
use crate::export::source::Weights;
use crate::nn::{Activation, Node, Operator, Rounds, bytes_of};
use crate::ops::int8::Quantization;

/// What the result of a layer becomes.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) bytes: Quantization,
    pub(super) bound: Bound,
    /// The node whose value that is.
    pub(super) end: usize,
}

/// A weight as it is computed with.
pub(super) enum Weight {
    Float(ValueId),
    /// Whole numbers, with the size of one of them for each output.
    Whole(ValueId, Vec<f32>),
}

/// What a fake quantization does to values.
fn rounds(node: &Node) -> Option<Rounds> {
    match node.operator {
        Operator::FakeQuantize { rounds, .. } => Some(rounds),
        _ => None,
    }
}

/// The bytes that the specification of 8 bits has for a function's values.
fn fixed_range(operator: &Operator) -> Quantization {
    let (scale, zero_point) = match operator {
        // -1 to 1.
        Operator::Activation(Activation::Tanh) => (1.0 / 128.0, 128),
        // -16 to 0.
        Operator::LogSoftmax { .. } => (16.0 / 256.0, 255),
        // 0 to 1.
        _ => (1.0 / 256.0, 0),
    };
    Quantization { scale, zero_point }
}

/// Sums and biases stay below this, so that they fit 32 bits.
const MOST_BIAS: f64 = (1 << 30) as f64;

impl Lowering<'_> {
    pub(super) fn bytes(&self, value: ValueId) -> Option<Quantization> {
        match self.b.program.values[value].kind {
            Kind::Bytes(bytes) => Some(bytes),
            Kind::Float | Kind::Int => None,
        }
    }

    /// f32 of what may be bytes.
    pub(super) fn dequantized(&mut self, value: ValueId) -> ValueId {
        if self.bytes(value).is_none() {
            return value;
        }
        if let Some(&known) = self.wide.get(&value) {
            return known;
        }
        let dims = self.b.dims(value).to_vec();
        let wide = self.b.step(Op::Dequantize, vec![value], dims);
        self.wide.insert(value, wide);
        wide
    }

    /// Bytes of what is f32 or other bytes.
    fn quantized(&mut self, value: ValueId, to: Quantization) -> ValueId {
        if self.bytes(value) == Some(to) {
            return value;
        }
        let dims = self.b.dims(value).to_vec();
        self.b.made(Op::Quantize, vec![value], dims, Kind::Bytes(to))
    }

    /// The range of a fake quantization's values.
    fn range(&self, node: &Node) -> Result<Option<Quantization>> {
        match node.tensors.first().map(|&place| &self.source.weights[place]) {
            Some(Weights::Float(range)) => bytes_of(range),
            _ => Ok(None),
        }
    }

    pub(super) fn fake_quantize(&mut self, node: &Node, x: &Stored) -> Result<Stored> {
        match self.range(node)? {
            Some(to) if rounds(node) == Some(Rounds::Values) => Ok(x.with(self.quantized(x.id, to))),
            _ => Ok(x.clone()),
        }
    }

    /// The bytes that a node's value is rounded to, be it behind others that only move its numbers or make negative
    /// ones 0, if anything takes it so.
    pub(super) fn range_behind(&self, mut index: usize) -> Result<Option<Quantization>> {
        let nodes = self.source.graph.nodes();
        loop {
            let takes = |node: &&Node| node.inputs == [index] && rounds(node) == Some(Rounds::Values);
            if let Some(node) = nodes.iter().find(takes) {
                return self.range(node);
            }
            let keeps = |operator: &Operator| {
                moves_numbers(operator) || matches!(operator, Operator::Activation(Activation::Relu))
            };
            match nodes.iter().position(|node| node.inputs == [index]) {
                Some(next) if self.uses[index] == 1 && keeps(&nodes[next].operator) => index = next,
                _ => return Ok(None),
            }
        }
    }

    /// Whether the range at a node is one that values may be rounded to.
    fn is_range(&self, index: usize) -> bool {
        match (rounds(&self.source.graph.nodes()[index]), self.reach) {
            (None, _) => false,
            (Some(Rounds::Values), _) | (_, Reach::Inside | Reach::All) => true,
            (Some(Rounds::Nothing), Reach::Model) => false,
            (Some(Rounds::Nothing), Reach::Outputs) => {
                self.source.graph.outputs().iter().any(|output| output.node == index)
            }
        }
    }

    /// The range right behind a node, or behind a function that can be a bound, if nothing else takes the value.
    pub(super) fn target(&self, index: usize) -> Result<Option<Target>> {
        let nodes = self.source.graph.nodes();
        let only = |index: usize| {
            let next = (index + 1..nodes.len()).find(|&next| nodes[next].inputs.contains(&index))?;
            (self.uses[index] == 1).then_some(next)
        };
        let Some(next) = only(index) else { return Ok(None) };
        if self.is_range(next) {
            let bytes = self.range(&nodes[next])?;
            return Ok(bytes.map(|bytes| Target { bytes, bound: Bound::None, end: next }));
        }
        let bound = match nodes[next].operator {
            Operator::Activation(Activation::Relu) => Bound::Relu,
            Operator::Activation(Activation::Relu6) => Bound::Relu6,
            _ => return Ok(None),
        };
        let takes = matches!(
            nodes[index].operator,
            Operator::Conv2d { .. } | Operator::Linear { .. } | Operator::Add
        );
        match only(next) {
            Some(end) if takes && self.is_range(end) => {
                Ok(self.range(&nodes[end])?.map(|bytes| Target { bytes, bound, end }))
            }
            _ => Ok(None),
        }
    }

    /// A node of which all that comes in is bytes, if it can be computed on them.
    pub(super) fn on_bytes(
        &mut self,
        index: usize,
        node: &Node,
        inputs: &[Stored],
    ) -> Result<Option<Stored>> {
        let Some(first) = inputs.first() else { return Ok(None) };
        if !inputs.iter().all(|input| self.bytes(input.id).is_some()) {
            return Ok(None);
        }
        let shape = self.shape_of(node, 0);
        // Numbers that move stay what they are.
        match &node.operator {
            Operator::Activation(Activation::Relu) => {
                let dims = self.b.dims(first.id).to_vec();
                return Ok(Some(first.with(self.b.moved(
                    Op::Function(Function::Relu),
                    vec![first.id],
                    dims,
                ))));
            }
            Operator::FakeQuantize { .. } => return self.computed(node, inputs).map(Some),
            operator if moves_numbers(operator) => return self.computed(node, inputs).map(Some),
            operator if self.reach.is_whole() && has_fixed_range(operator) => {
                let y = self.computed(node, inputs)?;
                self.b.program.values[y.id].kind = Kind::Bytes(fixed_range(operator));
                return Ok(Some(y));
            }
            _ => {}
        }
        let Some(target) = self.target(index)? else { return Ok(None) };
        let y = match &node.operator {
            Operator::Conv2d { .. } | Operator::Linear { .. } => {
                if !self.fits(node, first)? {
                    return Ok(None);
                }
                self.computed(node, inputs)?
            }
            Operator::Add => self.pair(Pair::Add, first, &inputs[1]),
            Operator::GlobalAvgPool => self.mean(&[1, 2], &shape, first),
            Operator::AdaptiveAvgPool2d { output: [1, 1] } => {
                self.adaptive_avg_pool2d(node, [1, 1], first)?
            }
            Operator::Concat { .. } => {
                // The format joins only what has one range.
                let same: Vec<Stored> =
                    inputs.iter().map(|input| input.with(self.quantized(input.id, target.bytes))).collect();
                let y = self.computed(node, &same)?;
                self.ahead.insert(target.end, y.clone());
                return Ok(Some(y));
            }
            Operator::AvgPool2d(_) | Operator::AdaptiveAvgPool2d { .. }
                if self.reach.is_whole() && self.is_plain_mean(node) =>
            {
                // The format's means of windows keep the range.
                let y = self.computed(node, inputs)?;
                let y = y.with(self.quantized(y.id, target.bytes));
                self.ahead.insert(target.end, y.clone());
                return Ok(Some(y));
            }
            _ => return Ok(None),
        };
        let Some(step) = self.b.program.steps.last_mut() else { return Ok(None) };
        step.bound = target.bound;
        self.b.program.values[step.output].kind = Kind::Bytes(target.bytes);
        for between in index + 1..=target.end {
            let nodes = self.source.graph.nodes();
            if between == target.end || nodes[target.end].inputs.contains(&between) {
                self.ahead.insert(between, y.clone());
            }
        }
        Ok(Some(y))
    }

    /// Whether the layer's weight is whole numbers and its bias fits beside their sums.
    fn fits(&self, node: &Node, x: &Stored) -> Result<bool> {
        let weight = node.tensors.first().map(|&place| &self.source.weights[place]);
        let (Some(Weights::Whole { scales, .. }), Some(bytes)) = (weight, self.bytes(x.id)) else {
            return Ok(false);
        };
        if node.tensors.len() < 2 {
            return Ok(true);
        }
        let bias = self.tensor(node, 1)?;
        let mut all = bias.iter().zip(scales);
        Ok(all.all(|(&bias, &scale)| {
            (f64::from(bias) / (f64::from(scale) * f64::from(bytes.scale))).abs() < MOST_BIAS
        }))
    }

    /// The weight (O, …) of a layer that takes `x`, of shape `from` with its dimensions in another order, `to` in the
    /// file. Whole numbers stay so where `x` is bytes.
    pub(super) fn weight(
        &mut self,
        node: &Node,
        x: ValueId,
        (from, order): (&[usize], &[usize]),
        to: &[usize],
    ) -> Result<Weight> {
        let Some(&place) = node.tensors.first() else { return Ok(Weight::Float(0)) };
        let Weights::Whole { values, scales, .. } = &self.source.weights[place] else {
            let values = permuted(&self.tensor(node, 0)?, from, order);
            return Ok(Weight::Float(self.b.float("weight", to, values)));
        };
        let values = permuted(values, from, order);
        let dim = order.iter().position(|&dim| dim == 0).unwrap_or_default();
        let scales = scales.clone();
        let data = Data::Whole { values, scales: scales.clone(), dim };
        let dims: Vec<i32> = to.iter().map(|&dim| dim as i32).collect();
        let kind = Kind::Bytes(Quantization { scale: 1.0, zero_point: 128 });
        let whole = self.b.value("weight", dims.clone(), kind, Some(data));
        if self.bytes(x).is_some() {
            return Ok(Weight::Whole(whole, scales));
        }
        Ok(Weight::Float(self.b.step(Op::Dequantize, vec![whole], dims)))
    }

    /// The weight of a layer that takes `x`, and the bias for it, zeros if the layer has none.
    pub(super) fn bias(
        &mut self,
        node: &Node,
        outputs: usize,
        weight: Weight,
        x: ValueId,
    ) -> Result<[ValueId; 2]> {
        let bias = if node.tensors.len() > 1 { self.tensor(node, 1)? } else { vec![0.0; outputs] };
        Ok(match (weight, self.bytes(x)) {
            (Weight::Whole(weight, scales), Some(bytes)) => {
                let units: Vec<f64> =
                    scales.iter().map(|&scale| f64::from(scale) * f64::from(bytes.scale)).collect();
                let values = bias
                    .iter()
                    .zip(&units)
                    .map(|(&bias, unit)| (f64::from(bias) / unit).round_ties_even() as i32)
                    .collect();
                let scales = units.iter().map(|&unit| unit as f32).collect();
                let data = Some(Data::Sums { values, scales });
                [weight, self.b.value("bias", vec![outputs as i32], Kind::Int, data)]
            }
            (Weight::Whole(weight, _) | Weight::Float(weight), _) => {
                [weight, self.b.float("bias", &[outputs], bias)]
            }
        })
    }
}
