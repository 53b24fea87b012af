use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use candle_core::{Device, Var};
use sconce_display::Bundle;

use super::draft::Draft;
use super::graph::Graph;
use super::inputs::Inputs;
use super::model::Model;
use super::outputs::{Output, Outputs};
use super::summary::Summary;
use super::value::Value;
use crate::ops::check_environment;
use crate::rich::Rich;
use crate::{Error, Result, Seed};

/// A model without weights: its layers and their shapes. It makes any number of models.
#[derive(Debug, Clone)]
pub struct Architecture {
    graph: Arc<Graph>,
}

impl Model {
    /// Describes a model that takes images `input` = [C, H, W]: `layers` gets the images as a [`Value`]
    /// and gives the output. Layers that the output does not depend on are left out.
    ///
    /// ```
    /// use sconce::prelude::*;
    ///
    /// let net = Model::build([1, 8, 8], |x| {
    ///     let x = x.conv2d(16, 3).batch_norm().relu().named("stem");
    ///     let y = x.conv2d(16, 3).batch_norm().relu().conv2d(16, 3).batch_norm();
    ///     (x + y).relu().global_avg_pool().linear(10)
    /// })?
    /// .init(Seed(42), &Device::Cpu)?;
    /// let logits = net.forward(&Tensor::zeros((2, 1, 8, 8), DType::F32, &Device::Cpu)?, Mode::Eval)?;
    /// assert_eq!(logits.dims(), [2, 10]);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first thing that cannot be: a layer that gets a shape it cannot take, an argument out of
    /// range, a name used twice. The error names the layer, what it wanted and what it got.
    pub fn build(input: [usize; 3], layers: impl FnOnce(Value) -> Value) -> Result<Architecture> {
        let draft = Rc::new(RefCell::new(Draft::new(vec![input.to_vec()])));
        finished(&draft, layers(Value::input(&draft, 0)).into())
    }

    /// Describes a model with several outputs, the first of them the main one.
    ///
    /// ```
    /// use sconce::prelude::*;
    ///
    /// let net = Model::build_outputs([3, 32, 32], |x| {
    ///     let x = x.conv2d(16, 3).relu().named("stem");
    ///     let auxiliary = x.global_avg_pool().linear(10).named("aux");
    ///     let logits = x.conv2d(32, 3).relu().global_avg_pool().linear(10).named("fc");
    ///     Outputs::new("logits", logits).training("aux", auxiliary)
    /// })?
    /// .init(Seed(42), &Device::Cpu)?;
    /// let x = Tensor::zeros((2, 3, 32, 32), DType::F32, &Device::Cpu)?;
    /// assert_eq!(net.forward_outputs(&x, Mode::Train(Seed(1)))?.names(), ["logits", "aux"]);
    /// assert_eq!(net.forward_outputs(&x, Mode::Eval)?.names(), ["logits"]);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Model::build`]; an output without a name, or two of one name.
    pub fn build_outputs(input: [usize; 3], layers: impl FnOnce(Value) -> Outputs) -> Result<Architecture> {
        let draft = Rc::new(RefCell::new(Draft::new(vec![input.to_vec()])));
        finished(&draft, layers(Value::input(&draft, 0)))
    }

    /// Describes a model with several inputs, or one that is no image: `layers` gets a [`Value`] for each, in their
    /// order, and gives the output, or [`Outputs`]. [`Model::forward_inputs`] runs it.
    ///
    /// ```
    /// use sconce::prelude::*;
    ///
    /// let net = Model::build_inputs(Inputs::new("image", [3, 32, 32]).input("numbers", [4]), |[image, numbers]| {
    ///     let image = image.conv2d(16, 3).relu().global_avg_pool();
    ///     image.concat(&[&numbers.linear(16).relu()], 0).linear(10)
    /// })?
    /// .init(Seed(42), &Device::Cpu)?;
    /// let image = Tensor::zeros((2, 3, 32, 32), DType::F32, &Device::Cpu)?;
    /// let numbers = Tensor::zeros((2, 4), DType::F32, &Device::Cpu)?;
    /// assert_eq!(net.forward_inputs(&[&image, &numbers], Mode::Eval)?.dims(), [2, 10]);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Model::build_outputs`]; two inputs of one name, a shape that is none of images (C, H, W), tokens (N, D)
    /// or features (D), or a closure that takes another number of values.
    pub fn build_inputs<const N: usize, O: Into<Outputs>>(
        inputs: Inputs,
        layers: impl FnOnce([Value; N]) -> O,
    ) -> Result<Architecture> {
        let (names, shapes): (Vec<String>, Vec<Vec<usize>>) = inputs.entries.into_iter().unzip();
        if names.len() != N {
            return Err(Error::Argument {
                op: "Model::build_inputs".into(),
                expected: format!("a closure of a value for each input, |[{}]|", names.join(", ")),
                got: format!("one of {N} values"),
                hint: "Inputs::new(…).input(…) names the inputs, in the order of the values.".into(),
            });
        }
        let draft = Rc::new(RefCell::new(Draft::new(shapes)));
        for (node, name) in names.into_iter().enumerate() {
            draft.borrow_mut().name(node, name);
        }
        finished(&draft, layers(std::array::from_fn(|node| Value::input(&draft, node))).into())
    }
}

/// What a closure has made of a draft.
fn finished(draft: &Rc<RefCell<Draft>>, made: Outputs) -> Result<Architecture> {
    let op = "Model::build";
    let mut outputs: Vec<Output> = Vec::new();
    for (name, value, when) in made.entries {
        let node = value.node_in(draft).ok_or_else(|| Error::Argument {
            op: op.into(),
            expected: "a value made from the closure's argument".into(),
            got: "a value of another model".into(),
            hint: "Use the values of one call of Model::build only.".into(),
        })?;
        if name.trim().is_empty() || outputs.iter().any(|output| output.name == name) {
            return Err(Error::Argument {
                op: op.into(),
                expected: "outputs each with a name of its own".into(),
                got: format!("{name:?}"),
                hint: "The names are what forward_outputs() gives the outputs by.".into(),
            });
        }
        outputs.push(Output { name, node, when });
    }
    // Values that outlive the closure still share the draft, so it is taken out of its cell.
    let left_behind = draft.borrow().left_behind();
    let draft = draft.replace(left_behind);
    Ok(Architecture { graph: Arc::new(draft.finish(outputs)?) })
}

impl Architecture {
    /// A model with fresh weights, as [`Value::initial`] chose them, the others as PyTorch sets them by
    /// default: convolutions and linear layers uniform within `1 / sqrt(fan_in)`, batch norms 1 and 0.
    /// The same seed gives the same weights.
    ///
    /// # Errors
    /// If there is not enough memory on `device`.
    pub fn init(&self, seed: Seed, device: &Device) -> Result<Model> {
        check_environment()?;
        let mut vars = Vec::with_capacity(self.graph.tensors.len());
        for spec in &self.graph.tensors {
            let tensor = spec.initial.tensor(&spec.shape, seed.derive(&spec.name), device)?;
            vars.push(Var::from_tensor(&tensor)?);
        }
        Ok(Model::new(Arc::clone(&self.graph), vars, device.clone()))
    }

    /// The layers.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The layers in a table, with shapes, parameters and multiply-adds.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::new(&self.graph)
    }
}

impl Rich for Architecture {
    fn rich(&self) -> Bundle {
        self.summary().rich()
    }
}
