use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use candle_core::{Device, Tensor, Var};
use sconce_display::Bundle;

use super::engine;
use super::feature_maps::FeatureMaps;
use super::graph::{Graph, of_layer};
use super::masks::as_tensor;
use super::mode::Mode;
use super::outputs::{ModelOutputs, OutputUse};
use super::summary::Summary;
use super::weights::Role;
use crate::ops::{Mask, Parameter, Pool, check_precision, has_kernels};
use crate::rich::Rich;
use crate::{Error, Result, Seed};

/// A graph of layers with its weights. Made by [`Model::build`] and
/// [`init`](crate::nn::Architecture::init).
///
/// Clones are handles to the same weights.
#[derive(Debug, Clone)]
pub struct Model {
    pub(super) graph: Arc<Graph>,
    /// The values of the graph's tensors, in their order.
    pub(super) vars: Vec<Var>,
    pub(super) device: Device,
    /// Which of the tensors are frozen, the same for all handles.
    pub(super) frozen: Arc<Vec<AtomicBool>>,
    /// What of each tensor is held at 0.
    pub(super) masks: Vec<Mask>,
    /// Memory that the runs on the CPU use again.
    pub(super) pool: Pool,
}

impl Model {
    pub(super) fn new(graph: Arc<Graph>, vars: Vec<Var>, device: Device) -> Model {
        let frozen = Arc::new(vars.iter().map(|_| AtomicBool::new(false)).collect());
        let masks = vars.iter().map(|_| Mask::default()).collect();
        Model { graph, vars, device, frozen, masks, pool: Pool::default() }
    }

    /// The output for a batch `x` (B, C, H, W), f32. The image size may differ from the one the model
    /// was built with wherever the layers allow it. In [`Mode::Train`] batch norms update their
    /// running statistics.
    ///
    /// # Errors
    /// If `x` is not such a batch, or a layer cannot take its image size; the error names the layer. If the model has
    /// several inputs; the error names them.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_inputs(&[x], mode)
    }

    /// The main output of a model of any number of inputs: a batch for each, in the order of [`Graph::inputs`], all of
    /// the same size. Otherwise it is [`Model::forward`]; gradients reach each input that has a tape.
    ///
    /// # Errors
    /// If these are not a batch for each input, or a layer cannot take an image's size; the error names the input or the
    /// layer.
    pub fn forward_inputs(&self, inputs: &[&Tensor], mode: Mode) -> Result<Tensor> {
        let outputs = self.run(inputs, mode, &[self.graph.outputs[0].node])?;
        outputs.into_iter().next().ok_or_else(broken)
    }

    /// All outputs for a batch `x`, as [`Model::forward`] gives the main one; those for training only in
    /// [`Mode::Train`] only. Add the losses of all before you go back: there is one backward pass for a
    /// forward pass.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub fn forward_outputs(&self, x: &Tensor, mode: Mode) -> Result<ModelOutputs> {
        self.forward_inputs_outputs(&[x], mode)
    }

    /// All outputs of a model of any number of inputs: [`Model::forward_outputs`] for what [`Model::forward_inputs`] takes.
    ///
    /// # Errors
    /// As [`Model::forward_inputs`].
    pub fn forward_inputs_outputs(&self, inputs: &[&Tensor], mode: Mode) -> Result<ModelOutputs> {
        let training = matches!(mode, Mode::Train(_));
        let outputs = self.graph.outputs.iter();
        let (names, nodes): (Vec<String>, Vec<usize>) = outputs
            .filter(|output| training || output.when == OutputUse::Always)
            .map(|output| (output.name.clone(), output.node))
            .unzip();
        Ok(ModelOutputs::new(names.into_iter().zip(self.run(inputs, mode, &nodes)?).collect()))
    }

    /// The outputs of the nodes `wanted`.
    pub(super) fn run(&self, inputs: &[&Tensor], mode: Mode, wanted: &[usize]) -> Result<Vec<Tensor>> {
        self.check_inputs(inputs)?;
        match has_kernels(&self.device) {
            true => {
                inputs.iter().try_for_each(|x| check_precision("Model::forward", x))?;
                engine::forward(self, inputs, mode, wanted)
            }
            false => self.run_nodes(inputs, mode, wanted),
        }
    }

    /// Computes the nodes `wanted` and what they need, each by the operator that candle sees.
    pub(super) fn run_nodes(&self, inputs: &[&Tensor], mode: Mode, wanted: &[usize]) -> Result<Vec<Tensor>> {
        self.run_nodes_given(inputs, mode, wanted, None)
    }

    /// The same, where the node `given` has a value that is not computed.
    pub(super) fn run_nodes_given(
        &self,
        inputs: &[&Tensor],
        mode: Mode,
        wanted: &[usize],
        given: Option<(usize, &Tensor)>,
    ) -> Result<Vec<Tensor>> {
        let known = |index: usize| given.filter(|(node, _)| *node == index).map(|(_, value)| value);
        let trained = self.trained(mode);
        let last = wanted.iter().max().map_or(0, |&last| last + 1);
        let nodes = &self.graph.nodes[..last];
        // How many times each value is still needed; it is freed after the last.
        let mut uses = vec![0_usize; nodes.len()];
        wanted.iter().for_each(|&wanted| uses[wanted] += 1);
        for index in (0..nodes.len()).rev() {
            if uses[index] > 0 && known(index).is_none() {
                nodes[index].inputs.iter().for_each(|&input| uses[input] += 1);
            }
        }
        let mut values: Vec<Option<Tensor>> = vec![None; nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            if uses[index] == 0 {
                continue;
            }
            if let Some(value) = known(index) {
                values[index] = Some(value.clone());
                continue;
            }
            if let Some(&x) = inputs.get(index) {
                values[index] = Some(x.clone());
                continue;
            }
            let mut taken = Vec::with_capacity(node.inputs.len());
            for &input in &node.inputs {
                uses[input] -= 1;
                taken.extend(if uses[input] == 0 { values[input].take() } else { values[input].clone() });
            }
            let value = self.compute(node, &taken, mode, &trained);
            values[index] = Some(value.map_err(|error| of_layer(error, node.label()))?);
        }
        wanted.iter().map(|&wanted| values[wanted].clone().ok_or_else(broken)).collect()
    }

    /// What one layer makes of an image (C, H, W) or (1, C, H, W), in [`Mode::Eval`]: a map per channel.
    ///
    /// # Errors
    /// If no layer is called `layer` (the error lists them), its output is no image, or the model
    /// cannot take `image`.
    pub fn feature_maps(&self, image: &Tensor, layer: &str) -> Result<FeatureMaps> {
        let index = self.graph.index(layer)?;
        let batch = if image.rank() == 3 { image.unsqueeze(0)? } else { image.clone() };
        let maps = self.run(&[&batch], Mode::Eval, &[index])?;
        FeatureMaps::new(&self.graph.nodes[index], maps.first().ok_or_else(broken)?)
    }

    /// What the layers called `layers` make of a batch `x` (B, C, H, W), in [`Mode::Eval`] and in one run:
    /// the tensors by these names. Of a model made to classify this makes one that describes images.
    ///
    /// ```
    /// # use sconce::prelude::*;
    /// # let net = Model::build([1, 8, 8], |x| {
    /// #     x.conv2d(4, 3).relu().named("low").conv2d(8, 3).relu().named("high").global_avg_pool().linear(10)
    /// # })?.init(Seed(1), &Device::Cpu)?;
    /// # let x = Tensor::zeros((2, 1, 8, 8), DType::F32, &Device::Cpu)?;
    /// let features = net.features(&x, &["low", "high"])?;
    /// assert_eq!(features.get("high")?.dims(), [2, 8, 8, 8]);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such layer (the error lists them), `layers` is empty, or the model cannot take `x`.
    pub fn features(&self, x: &Tensor, layers: &[&str]) -> Result<ModelOutputs> {
        let wanted = layers.iter().map(|layer| self.graph.index(layer)).collect::<Result<Vec<_>>>()?;
        if wanted.is_empty() {
            return Err(Error::Argument {
                op: "Model::features".into(),
                expected: "names of layers".into(),
                got: "none".into(),
                hint: "The summary lists the layers.".into(),
            });
        }
        let tensors = self.run(&[x], Mode::Eval, &wanted)?;
        let names = layers.iter().map(|&layer| layer.to_owned());
        Ok(ModelOutputs::new(names.zip(tensors).collect()))
    }

    /// What the optimizer changes, in the order of the graph: all parameters but those that are
    /// [frozen](Model::freeze). Clones of a variable are handles to it.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        let trained = self.trained(Mode::Train(Seed(0)));
        let tensors = self.masked_tensors().zip(trained).filter(|(_, trained)| *trained);
        tensors
            .map(|((spec, var, mask), _)| Parameter {
                name: spec.name.clone(),
                var: var.clone(),
                mask: mask.clone(),
            })
            .collect()
    }

    /// What the optimizer never changes: the running statistics of the batch norms, and tensors that were
    /// built [`frozen`](crate::nn::Value::frozen).
    #[must_use]
    pub fn buffers(&self) -> Vec<Parameter> {
        let tensors = self.tensors().filter(|(spec, _)| spec.role == Role::Buffer);
        tensors.map(|(spec, var)| Parameter::new(&spec.name, var.clone())).collect()
    }

    pub(super) fn tensors(&self) -> impl Iterator<Item = (&super::graph::TensorSpec, &Var)> {
        self.graph.tensors.iter().zip(&self.vars)
    }

    /// Parameters and buffers with their names, layer by layer: all that is needed to come back to this
    /// model. The tensors are copies: training does not change them. Where values of a parameter are held at 0, its mask is there, too, under
    /// its name and `.mask`: U8 (ceil(n / 8)), a bit for each value, row by row, the first in the lowest bit of a byte.
    ///
    /// # Errors
    /// If there is not enough memory on the device.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let tensors =
            self.tensors().map(|(spec, var)| Ok((spec.name.clone(), var.as_tensor().copy()?.detach())));
        let masks = self.packed_masks()?.into_iter().map(|(name, bytes)| Ok((name, as_tensor(bytes)?)));
        tensors.chain(masks).collect()
    }

    /// The number of values of all parameters, frozen ones too.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        let parameters = self.tensors().filter(|(spec, _)| spec.role == Role::Parameter);
        parameters.map(|(_, var)| var.elem_count()).sum()
    }

    /// The layers.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Where the weights lie.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The layers in a table, with shapes, parameters and multiply-adds.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::new(&self.graph)
    }
}

/// What a fault of ours looks like.
pub(super) fn broken() -> Error {
    Error::Argument {
        op: "Model::forward".into(),
        expected: "a graph in the order of its computation".into(),
        got: "a node without its inputs".into(),
        hint: "Please report this.".into(),
    }
}

impl Rich for Model {
    fn rich(&self) -> Bundle {
        self.summary().rich()
    }
}
