//! A model that computes on integers.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::layers::{Layer, Stored, stored};
use super::plan::{Step, Work, steps};
use super::refused;
use super::run::{Value, run};
use crate::Result;
use crate::nn::{Graph, Mode, Model, ModelOutputs, Operator, OutputUse, Parameter, Parts, WeightPrecision};
use crate::ops::shape_text;
use crate::train::Net;

/// A model whose convolutions and linear layers multiply bytes with weights of 8 bits and add them up in 32, on the
/// CPU. What stands between them (sums, concatenations, pools, ReLUs) works on the same bytes; other layers compute
/// in f32 as they always do. Made by [`super::quantize`], [`super::quantize_trained`] and
/// [`super::quantize_dynamic`]; [`QuantizedModel::open`] reads what [`QuantizedModel::save`] wrote.
///
/// It is a [`Net`], for `Learner::evaluate` and the like, without parameters to train.
#[derive(Debug, Clone)]
pub struct QuantizedModel {
    /// With the fake quantization that says where values become bytes.
    pub(super) graph: Arc<Graph>,
    pub(crate) stored: Arc<Vec<Stored>>,
    pub(crate) steps: Arc<Vec<Step>>,
    /// What the steps of layers compute with, at their places.
    pub(super) layers: Arc<Vec<Option<Layer>>>,
}

impl QuantizedModel {
    /// Of a simulation.
    pub(super) fn lowered(parts: Parts) -> Result<QuantizedModel> {
        let Parts { graph, tensors, .. } = parts;
        let tensors: Vec<Tensor> =
            tensors.iter().map(|tensor| Ok(tensor.to_device(&Device::Cpu)?)).collect::<Result<_>>()?;
        let steps = steps(&graph, |place| Ok(tensors[place].clone()))?;
        let stored = stored(&graph, &steps, tensors)?;
        QuantizedModel::of_stored(graph, stored, steps)
    }

    pub(super) fn of_stored(graph: Graph, stored: Vec<Stored>, steps: Vec<Step>) -> Result<QuantizedModel> {
        let mut layers = Vec::with_capacity(steps.len());
        for step in &steps {
            layers.push(Layer::new(&graph, step, &stored)?);
        }
        let (stored, steps, layers) = (Arc::new(stored), Arc::new(steps), Arc::new(layers));
        Ok(QuantizedModel { graph: Arc::new(graph), stored, steps, layers })
    }

    /// The main output for a batch `x` (B, C, H, W), f32, as [`Model::forward`] gives it in [`Mode::Eval`]: the
    /// same bits on any CPU wherever all of it is computed on integers. What is not a number in `x` counts there as the
    /// least of its range.
    ///
    /// # Errors
    /// If `x` is not such a batch on the CPU, or a layer cannot take its image size.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let main = self.graph.outputs[0].node;
        let values = run(self, x, &[main])?;
        values.into_iter().next().map_or_else(|| Err(broken()), Value::into_tensor)
    }

    /// All outputs for a batch `x` (B, C, H, W), f32, by name, as [`Model::forward_outputs`] gives them in [`Mode::Eval`].
    ///
    /// # Errors
    /// As [`QuantizedModel::forward`].
    pub fn forward_outputs(&self, x: &Tensor) -> Result<ModelOutputs> {
        let outputs = self.graph.outputs.iter().filter(|output| output.when == OutputUse::Always);
        let (names, nodes): (Vec<String>, Vec<usize>) =
            outputs.map(|output| (output.name.clone(), output.node)).unzip();
        Ok(ModelOutputs::new(names.into_iter().zip(self.values(x, &nodes)?).collect()))
    }

    /// The values of some nodes of the graph, in f32: of those that are computed at all.
    pub(crate) fn values(&self, x: &Tensor, nodes: &[usize]) -> Result<Vec<Tensor>> {
        run(self, x, nodes)?.into_iter().map(Value::into_tensor).collect()
    }

    /// The layers, with the fake quantization between them: where bytes are.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The same in f32: a model whose weights are those that the integers stand for, and whose activations are
    /// rounded as they are here, but for what is rounded in the range of its batch. Its outputs are these within
    /// the last bits of sums and what these make of a rounding here and there.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn simulated(&self) -> Result<Model> {
        let mut graph = (*self.graph).clone();
        for step in self.steps.iter() {
            if let Work::Layer { .. } | Work::Dynamic = step.work {
                match &mut graph.nodes[step.node].operator {
                    Operator::Conv2d { config, .. } => config.weights = WeightPrecision::Float,
                    Operator::Linear { config, .. } => config.weights = WeightPrecision::Float,
                    _ => {}
                }
            }
        }
        let tensors: Vec<Tensor> = self.stored.iter().map(Stored::tensor).collect::<Result<_>>()?;
        let frozen = vec![false; tensors.len()];
        let masks = vec![None; tensors.len()];
        Model::of_parts(Parts { graph, tensors, frozen, masks, device: Device::Cpu })
    }

    /// Bytes of all weights, scales and biases.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        let bytes = |stored: &Stored| match stored {
            Stored::Float(tensor) => 4 * tensor.elem_count(),
            Stored::Weight { whole, scales, .. } => whole.len() + 4 * scales.len(),
        };
        self.stored.iter().map(bytes).sum()
    }

    pub(super) fn check_input(&self, x: &Tensor) -> Result<()> {
        let built = &self.graph.nodes[0].shape;
        let fits =
            matches!(x.dims(), &[batch, channels, _, _] if batch > 0 && built.first() == Some(&channels));
        if !fits || x.dtype() != DType::F32 || !x.device().is_cpu() {
            let got =
                format!("{} {} on {:?}", x.dtype().as_str(), shape_text(x.dims()), x.device().location());
            let expected = format!("images f32 {} on the CPU", shape_text(built).replacen('(', "(B, ", 1));
            return Err(refused(
                "QuantizedModel::forward",
                expected,
                got,
                "For a single image add `unsqueeze(0)?`.",
            ));
        }
        Ok(())
    }
}

impl Net for QuantizedModel {
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        match mode {
            Mode::Eval => QuantizedModel::forward(self, x),
            Mode::Train(_) => Err(refused(
                "QuantizedModel",
                "a model that can be trained".into(),
                "one of integers".into(),
                "Train what compress::qat makes, and quantize that with compress::quantize_trained.",
            )),
        }
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn device(&self) -> Device {
        Device::Cpu
    }
}

/// What a fault of ours looks like.
pub(super) fn broken() -> crate::Error {
    refused(
        "QuantizedModel::forward",
        "steps in the order of their computation".into(),
        "a value that is not there".into(),
        "Please report this.",
    )
}
