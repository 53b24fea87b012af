//! A model taken apart, changed, and put together again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Device, Tensor, Var};

use super::graph::Graph;
use super::model::Model;
use super::rebuild::reshaped;
use crate::ops::shape_text;
use crate::{Error, Result};

/// What a model is made of.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) graph: Graph,
    /// The values of the graph's tensors, in its order. They are copies.
    pub(crate) tensors: Vec<Tensor>,
    /// Which of them training leaves as they are.
    pub(crate) frozen: Vec<bool>,
    /// What of them is held at 0: U8 of their shapes.
    pub(crate) masks: Vec<Option<Tensor>>,
    pub(crate) device: Device,
}

impl Graph {
    /// The graph with all shapes inferred anew from its operators.
    ///
    /// # Errors
    /// If an operator cannot take its inputs.
    pub(crate) fn inferred(self) -> Result<Graph> {
        let inputs = self.input_shapes();
        reshaped(self, &inputs)
    }

    /// Multiplications with their additions for one image, in use.
    pub(crate) fn multiply_adds(&self) -> u64 {
        let used = self.nodes.iter().zip(self.for_training_only()).filter(|(_, training)| !training);
        used.map(|(node, _)| self.multiply_adds_of(node)).sum()
    }
}

impl Model {
    /// Copies of all that the model is made of.
    pub(crate) fn parts(&self) -> Result<Parts> {
        let tensors = self.vars.iter().map(|var| Ok(var.as_detached_tensor().copy()?));
        Ok(Parts {
            graph: (*self.graph).clone(),
            tensors: tensors.collect::<Result<_>>()?,
            frozen: self.frozen.iter().map(|flag| flag.load(Ordering::Relaxed)).collect(),
            masks: self.mask_tensors(),
            device: self.device.clone(),
        })
    }

    /// A model of these parts. All shapes are inferred anew from the operators.
    ///
    /// # Errors
    /// If an operator cannot take its inputs, or a tensor has not the shape that its operator asks for.
    pub(crate) fn of_parts(parts: Parts) -> Result<Model> {
        let graph = parts.graph.inferred()?;
        for (spec, tensor) in graph.tensors.iter().zip(&parts.tensors) {
            if tensor.dims() != spec.shape {
                return Err(Error::Shape {
                    op: spec.name.clone(),
                    expected: shape_text(&spec.shape),
                    got: shape_text(tensor.dims()),
                    hint: "Please report this.".into(),
                });
            }
        }
        let vars = parts.tensors.iter().map(|tensor| Ok(Var::from_tensor(tensor)?));
        let model = Model::new(Arc::new(graph), vars.collect::<Result<_>>()?, parts.device);
        model.hold_all(parts.masks)?;
        Ok(Model { frozen: Arc::new(parts.frozen.into_iter().map(AtomicBool::new).collect()), ..model })
    }
}
