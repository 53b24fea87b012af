//! Files without f32.

use super::{TfliteConfig, TfliteInterface};
use crate::compress::{has_fixed_range, moves_numbers};
use crate::export::nhwc::{Asked, Kind, Program, Reach, lowered};
use crate::export::source::Source;
use crate::nn::{Activation, Node, Operator, WeightPrecision};
use crate::{Error, Result};

/// The source on integers as far as they can go.
pub(super) fn program(source: &Source, config: &TfliteConfig, op: &str) -> Result<Program> {
    let lowered = |reach| lowered(source, Asked { batch: config.batch, size: config.size }, reach, op);
    match config.interface {
        TfliteInterface::Float32 if !has_ranges(source) => lowered(Reach::Model),
        TfliteInterface::Float32 => {
            let whole = lowered(Reach::Inside)?;
            if whole.in_float.is_none() { Ok(whole) } else { lowered(Reach::Outputs) }
        }
        TfliteInterface::Int8 => {
            let whole = lowered(Reach::All)?;
            if let Some(node) = whole.in_float {
                return Err(stays(source, node));
            }
            let in_float = whole.inputs.iter().find(|(_, id)| whole.values[*id].kind == Kind::Float);
            match in_float.map(|(name, _)| name.clone()) {
                Some(name) => Err(input_stays(op, &name)),
                None => Ok(whole),
            }
        }
    }
}

fn has_ranges(source: &Source) -> bool {
    source.graph.nodes().iter().any(|node| matches!(node.operator, Operator::FakeQuantize { .. }))
}

/// Whether an operator without weights is computed on integers wherever what stands before and behind it is.
fn could_be(operator: &Operator) -> bool {
    let computed = matches!(
        operator,
        Operator::Activation(Activation::Relu | Activation::Relu6)
            | Operator::FakeQuantize { .. }
            | Operator::Add
            | Operator::Concat { .. }
            | Operator::AvgPool2d(_)
            | Operator::AdaptiveAvgPool2d { .. }
            | Operator::GlobalAvgPool
    );
    computed || moves_numbers(operator) || has_fixed_range(operator)
}

/// The error of a model that takes f32 though none of its layers does.
fn input_stays(op: &str, name: &str) -> Error {
    Error::Argument {
        op: op.into(),
        expected: "inputs that the model rounds to 8 bits, as TfliteInterface::Int8 wants all to be".into(),
        got: format!("{name:?}, which no range is known of"),
        hint:
            "Let a layer on integers be the first that computes with it, or leave the interface at Float32."
                .into(),
    }
}

/// The error of a model of which the layer at `index` stays in f32.
fn stays(source: &Source, index: usize) -> Error {
    let nodes = source.graph.nodes();
    let is_rounded = |index: usize| nodes[index].operator.weight_precision() == WeightPrecision::Int8;
    let taker = |index: usize| nodes.iter().position(|node| node.inputs.contains(&index));
    let (mut by, mut next) = (index, Some(index).filter(|_| has_ranges(source) && is_rounded(index)));
    // A layer on integers gives f32 because of what takes it, be it behind others that could be on integers.
    while let Some(here) = next {
        by = here;
        next = taker(here).filter(|_| here == index || could_be(&nodes[here].operator));
    }
    let is_end = has_ranges(source) && (is_rounded(by) || could_be(&nodes[by].operator));
    let node = &nodes[if is_end { index } else { by }];
    let rounds = |node: &Node| matches!(node.operator, Operator::FakeQuantize { .. });
    let is_behind = |node: &Node| node.inputs.iter().any(|&at| at == index || nodes[at].inputs == [index]);
    let hint = if !has_ranges(source) {
        match (0..nodes.len()).any(is_rounded) {
            true => "compress::quantize measures the ranges that compress::quantize_dynamic does without.",
            false => "compress::quantize makes a model on integers of it, with some hundred images.",
        }
    } else if is_end && !nodes.iter().any(|node| rounds(node) && is_behind(node)) {
        "The range of its values is not known, as in files of older models: quantize the model again."
    } else {
        match node.operator {
            Operator::Conv2d { .. } | Operator::Linear { .. } => {
                "Quantize the model without excluding this layer, or leave the interface at Float32."
            }
            _ => "Build the model of other layers, or leave the interface at Float32.",
        }
    };
    Error::Argument {
        op: node.label(),
        expected: "a layer on integers, as TfliteInterface::Int8 wants all to be".into(),
        got: "one that is computed in f32".into(),
        hint: hint.into(),
    }
}
