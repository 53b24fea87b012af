//! Models made of a model: with other classes, for another image size.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Tensor, Var};

use super::graph::{Graph, Node, TensorSpec, of_layer};
use super::model::Model;
use super::operator::Operator;
use super::outputs::OutputUse;
use super::positions::Grid;
use crate::{Error, Result, Seed};

impl Model {
    /// A model of the same layers and weights whose classes are others: the last linear layer or convolution of the
    /// main output gives `num_classes` numbers for each place and starts anew, from `seed`, as the layers were built to
    /// start. So do the heads of outputs for training only that had as many numbers: auxiliary classifiers. For a DETR, whose
    /// last class is "no object", count that one.
    ///
    /// The weights are copies: what is trained in one of the two models does not change the other. What is frozen stays
    /// frozen, but for the new heads.
    ///
    /// ```
    /// # use sconce::prelude::*;
    /// # let net = Model::build([3, 32, 32], |x| x.conv2d(8, 3).relu().global_avg_pool().linear(1000).named("fc"))?
    /// #     .init(Seed(1), &Device::Cpu)?;
    /// let net = net.replace_head(10, Seed(42))?;
    /// net.freeze("*")?;
    /// net.unfreeze("fc.*")?; // only the new head is trained
    /// # assert_eq!(net.parameters().len(), 2);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `num_classes` is 0, or the main output does not come from such a layer.
    pub fn replace_head(&self, num_classes: usize, seed: Seed) -> Result<Model> {
        let op = "Model::replace_head";
        if num_classes == 0 {
            return Err(Error::Argument {
                op: op.into(),
                expected: "at least 1 class".into(),
                got: "0".into(),
                hint: String::new(),
            });
        }
        let heads: Vec<Option<usize>> =
            self.graph.outputs.iter().map(|output| head_of(&self.graph, output.node)).collect();
        let Some(&Some(main)) = heads.first() else {
            let last = &self.graph.nodes[self.graph.outputs[0].node];
            return Err(Error::Argument {
                op: op.into(),
                expected: "a main output that a linear layer or a convolution makes".into(),
                got: format!("one of {}", last.label()),
                hint: "Build the model anew with the number of classes that you want.".into(),
            });
        };
        let classes = numbers(&self.graph.nodes[main].operator);
        let tensors = |head: usize| self.graph.nodes[head].tensors.iter().copied();
        let mut anew: HashSet<usize> = tensors(main).collect();
        // What other outputs are in use, such as boxes, is not about classes, nor is what has their tensors in training.
        let outputs = || self.graph.outputs.iter().zip(&heads).skip(1);
        let in_use = outputs().filter(|(output, _)| output.when == OutputUse::Always);
        let others: HashSet<usize> = in_use.filter_map(|(_, head)| *head).flat_map(tensors).collect();
        let in_training = outputs().filter(|(output, _)| output.when == OutputUse::Training);
        for head in in_training.filter_map(|(_, head)| *head) {
            let same = numbers(&self.graph.nodes[head].operator) == classes;
            if same && !tensors(head).any(|place| others.contains(&place)) {
                anew.extend(tensors(head));
            }
        }
        let mut graph = (*self.graph).clone();
        for node in
            graph.nodes.iter_mut().filter(|node| node.tensors.iter().any(|place| anew.contains(place)))
        {
            match &mut node.operator {
                Operator::Linear { out_features, .. } => *out_features = num_classes,
                Operator::Conv2d { out_channels, .. } => *out_channels = num_classes,
                _ => {}
            }
        }
        let graph = graph.inferred()?;
        self.rebuilt(graph, |place, spec| match anew.contains(&place) {
            true => Ok(Some(spec.initial.tensor(&spec.shape, seed.derive(&spec.name), self.device())?)),
            false => Ok(None),
        })
    }

    /// The names of the parameters of the layers that make the outputs: what [`Model::replace_head`] would make anew. None where the
    /// outputs do not come from a linear layer or a convolution.
    #[must_use]
    pub fn head_parameters(&self) -> Vec<String> {
        let heads = self.graph.outputs.iter().filter_map(|output| head_of(&self.graph, output.node));
        let mut tensors: Vec<usize> =
            heads.flat_map(|head| self.graph.nodes[head].tensors.iter().copied()).collect();
        tensors.sort_unstable();
        tensors.dedup();
        tensors.into_iter().map(|tensor| self.graph.tensors[tensor].name.clone()).collect()
    }

    /// A model of the same layers and weights for images of `image` = [C, H, W]. Position embeddings, which belong to an
    /// image size, are interpolated as torchvision does it, bicubically with corners aligned. The weights are copies.
    ///
    /// A model without position embeddings takes other sizes as it is, wherever its layers allow it.
    ///
    /// # Errors
    /// If a layer cannot take such images, a position embedding is not one of the pixels or patches of an image, or the
    /// model has other inputs than images alone.
    pub fn resized(&self, image: [usize; 3]) -> Result<Model> {
        self.graph.only_image("Model::resized", "Build it anew for another size.")?;
        let graph = reshaped((*self.graph).clone(), &[image.to_vec()])?;
        let mut grids = vec![None; graph.tensors.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            if matches!(node.operator, Operator::PositionEmbedding { .. })
                && node.shape != self.graph.nodes[index].shape
            {
                let [from, to] = [Grid::of(&self.graph, index)?, Grid::of(&graph, index)?];
                node.tensors.iter().for_each(|&place| grids[place] = Some((from, to)));
            }
        }
        self.rebuilt(graph, |place, _| match grids[place] {
            Some((from, to)) => Ok(Some(Grid::interpolate(from, to, self.vars[place].as_tensor())?)),
            None => Ok(None),
        })
    }

    /// A position embedding of this model's, called `name`, for its image size: `tensor`, which may belong to another
    /// one, interpolated as torchvision does it. Any other tensor as it is. This brings the weights of a vision transformer
    /// to the size that the model was built for.
    ///
    /// # Errors
    /// If `tensor` is not an embedding of a square image's patches.
    pub fn fit_positions(&self, name: &str, tensor: &Tensor) -> Result<Tensor> {
        let Some(place) = self.graph.tensors.iter().position(|spec| spec.name == name) else {
            return Ok(tensor.clone());
        };
        let is_embedding = |operator: &Operator| matches!(operator, Operator::PositionEmbedding { .. });
        let node = self
            .graph
            .nodes
            .iter()
            .position(|node| node.tensors.contains(&place) && is_embedding(&node.operator));
        match node {
            Some(node) if tensor.dims() != self.graph.tensors[place].shape => {
                let to = Grid::of(&self.graph, node)?;
                Grid::interpolate(to.square_of(name, tensor)?, to, tensor)
            }
            _ => Ok(tensor.clone()),
        }
    }

    /// A model of `graph`, whose tensors stand where this one's stand: those that `anew` gives, the others copied.
    fn rebuilt(
        &self,
        graph: Graph,
        anew: impl Fn(usize, &TensorSpec) -> Result<Option<Tensor>>,
    ) -> Result<Model> {
        let mut vars = Vec::with_capacity(self.vars.len());
        let mut frozen = Vec::with_capacity(self.vars.len());
        // A tensor that is made anew is held by nothing.
        let mut kept_whole = Vec::with_capacity(self.vars.len());
        for (place, (spec, var)) in graph.tensors.iter().zip(&self.vars).enumerate() {
            let new = anew(place, spec)?;
            let kept = new.is_none() || *var.shape().dims() == spec.shape;
            frozen.push(AtomicBool::new(kept && self.frozen[place].load(Ordering::Relaxed)));
            let tensor = match new {
                Some(tensor) => tensor,
                None => {
                    kept_whole.push(place);
                    var.as_detached_tensor().copy()?
                }
            };
            vars.push(Var::from_tensor(&tensor)?);
        }
        let model = Model::new(Arc::new(graph), vars, self.device().clone());
        for (place, mask) in self.mask_tensors().into_iter().enumerate() {
            if kept_whole.contains(&place) {
                model.hold(place, mask)?;
            }
        }
        Ok(Model { frozen: Arc::new(frozen), ..model })
    }
}

/// The layer whose numbers the output of `node` is, in another form at most.
fn head_of(graph: &Graph, node: usize) -> Option<usize> {
    let Node { operator, inputs, .. } = &graph.nodes[node];
    match operator {
        Operator::Linear { .. } => Some(node),
        Operator::Conv2d { config, .. } if config.groups == 1 => Some(node),
        Operator::Activation(_)
        | Operator::Softmax { .. }
        | Operator::LogSoftmax { .. }
        | Operator::AvgPool2d(_)
        | Operator::MaxPool2d(_)
        | Operator::AdaptiveAvgPool2d { .. }
        | Operator::GlobalAvgPool
        | Operator::Interpolate { .. }
        | Operator::Flatten
        | Operator::ImageToTokens
        | Operator::Mean { .. }
        | Operator::Scale { .. }
        | Operator::Dropout { .. } => head_of(graph, *inputs.first()?),
        // One head over several levels.
        Operator::Concat { .. } => {
            let mut heads = inputs.iter().map(|&input| head_of(graph, input));
            let first = heads.next()??;
            let same = |head: Option<usize>| {
                head.is_some_and(|head| graph.nodes[head].tensors == graph.nodes[first].tensors)
            };
            heads.all(same).then_some(first)
        }
        _ => None,
    }
}

/// The numbers that a head gives for each place.
fn numbers(operator: &Operator) -> usize {
    match operator {
        Operator::Linear { out_features, .. } => *out_features,
        Operator::Conv2d { out_channels, .. } => *out_channels,
        _ => 0,
    }
}

/// The graph for inputs of these shapes, of which the height and the width of images may be others, or after its
/// operators changed: all shapes inferred anew.
pub(super) fn reshaped(mut graph: Graph, inputs: &[Vec<usize>]) -> Result<Graph> {
    let shapes: Vec<&[usize]> = inputs.iter().map(Vec::as_slice).collect();
    graph.check_input_shapes("Model::resized", &shapes)?;
    for index in 0..graph.nodes.len() {
        if let Some(shape) = inputs.get(index) {
            graph.nodes[index].shape.clone_from(shape);
            continue;
        }
        let inputs: Vec<Vec<usize>> =
            graph.nodes[index].inputs.iter().map(|&input| graph.nodes[input].shape.clone()).collect();
        let node = &mut graph.nodes[index];
        if let (Operator::PositionEmbedding { shape }, [input]) = (&mut node.operator, inputs.as_slice()) {
            *shape = [&[1], input.as_slice()].concat();
        }
        let inputs: Vec<&[usize]> = inputs.iter().map(Vec::as_slice).collect();
        node.shape = node.operator.output_shape(&inputs).map_err(|error| of_layer(error, node.label()))?;
        for (&place, weight) in node.tensors.iter().zip(node.operator.weights()) {
            graph.tensors[place].shape = weight.shape;
        }
    }
    Ok(graph)
}
