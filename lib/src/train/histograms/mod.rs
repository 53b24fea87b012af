//! Distributions in a model while it trains.

mod series;
mod show;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::Tensor;
use candle_core::backprop::GradStore;

use self::series::{Kept, Measured, measured};
use super::callback::{Callback, Control, FitBegin, StepEnd};
use super::net::Net;
use crate::nn::{Model, Operator, Role};
use crate::pattern::matches;
use crate::plot::{HistogramsOverTime, Panels};
use crate::{Error, Result};

/// After so many moments only every other one is taken, and so on: the longer a training, the farther they lie apart.
const MOMENTS: usize = 400;
/// Layers whose outputs are kept together.
const TOGETHER: usize = 16;
/// More images are no better for a distribution.
const IMAGES: usize = 256;

/// What a [`Histograms`] shows the distribution of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistogramOf {
    /// The parameters after a step.
    Weights,
    /// The gradients that the optimizer has moved them with.
    Gradients,
    /// What layers give out for some images.
    Activations,
}

/// Histograms of weights, gradients and activations, layer by layer, every so many steps: whether they vanish, explode, or
/// stand still, and where the first NaN came from. A callback of a [`Learner`](super::Learner), or in a loop of one's own by
/// [`Histograms::record`]; clones of it share what was recorded, so that one shows what the other has seen.
///
/// ```
/// use sconce::prelude::*;
/// use sconce::train::{HistogramOf, Histograms};
/// # fn main() -> sconce::Result<()> {
/// # let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
/// # let net = Model::build([1, 8, 8], |x| x.flatten().linear(16).named("low").relu().linear(10))?
/// #     .init(Seed(42), &Device::Cpu)?;
/// let images = data.valid.images()?.narrow(0, 0, 32)?;
/// let histograms = Histograms::every(10).activations(&images, &["low"])?;
/// Learner::new(net, data).callback(histograms.clone()).fit(1)?;
/// assert_eq!(histograms.names(HistogramOf::Activations), ["low"]);
/// histograms.plot("low.weight", HistogramOf::Gradients)?
/// # ;
/// # Ok(()) }
/// ```
///
/// Of each moment about a hundred bytes a tensor are kept, and after 400 moments the steps between them double each time
/// there are as many again. A tensor of more than a million values is looked at in so many of them, evenly spread; NaN and
/// infinite values are counted in all of it.
#[derive(Debug, Clone)]
#[must_use]
pub struct Histograms {
    every: usize,
    only: String,
    activations: Option<(Tensor, Vec<String>)>,
    kept: Arc<Mutex<Kept>>,
}

impl Histograms {
    /// Of the first step and every `every`th one, at least 1: of all parameters that are trained.
    pub fn every(every: usize) -> Histograms {
        Histograms { every, only: "*".into(), activations: None, kept: Arc::default() }
    }

    /// Only of parameters whose names match `pattern`, in which `*` stands for any characters: `layer4.*`.
    pub fn only(mut self, pattern: &str) -> Histograms {
        pattern.clone_into(&mut self.only);
        self
    }

    /// Also of what the layers called `layers` give out for `images` (B, C, H, W), prepared as for the model, in
    /// [`Mode::Eval`](crate::nn::Mode::Eval); of every layer that has parameters where `layers` is empty. Each time the
    /// model runs once on them, more often if there are many layers.
    ///
    /// # Errors
    /// For images of another rank, none, or more than 256.
    pub fn activations(mut self, images: &Tensor, layers: &[&str]) -> Result<Histograms> {
        let count = images.dims().first().copied().unwrap_or_default();
        if images.rank() != 4 || count == 0 || count > IMAGES {
            return Err(Error::Shape {
                op: "Histograms::activations".into(),
                expected: format!("images (B, C, H, W), 1 to {IMAGES} of them"),
                got: crate::ops::shape_text(images.dims()),
                hint: "A batch of the validation images is enough: `images.narrow(0, 0, 64)?`.".into(),
            });
        }
        let layers = layers.iter().map(|&layer| layer.to_owned()).collect();
        self.activations = Some((images.detach(), layers));
        Ok(self)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether [`Histograms::record`] takes the step of this number.
    #[must_use]
    pub fn is_due(&self, step: usize) -> bool {
        let factor = self.kept().factor;
        let interval = self.every.saturating_mul(factor);
        step == 1 || (interval > 0 && step.is_multiple_of(interval))
    }

    /// Takes the histograms of a step if it is due: of `net`'s parameters as they are now, of their `gradients`, and of the
    /// activations that were asked for. A parameter without a gradient has a gap there.
    ///
    /// ```
    /// # use sconce::{nn::backward, prelude::*, train::{HistogramOf, Histograms}};
    /// # let net = Model::build([1, 4, 4], |x| x.flatten().linear(3))?.init(Seed(1), &Device::Cpu)?;
    /// # let images = Tensor::randn(0_f32, 1.0, (8, 1, 4, 4), &Device::Cpu)?;
    /// # let labels = Tensor::zeros(8, DType::U32, &Device::Cpu)?;
    /// let mut optimizer = adamw(1e-2).build(&net.parameters())?;
    /// let histograms = Histograms::every(2);
    /// for step in 1..=6 {
    ///     let mode = Mode::Train(Seed(step as u64));
    ///     let loss = cross_entropy().of(&net.forward(&images, mode)?, &labels)?;
    ///     let gradients = backward(&loss)?;
    ///     optimizer.step(&gradients)?;
    ///     histograms.record(step, &net, &gradients)?;
    /// }
    /// assert_eq!(histograms.plot("linear_1.weight", HistogramOf::Weights)?.len(), 4);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// If it is of every 0th step; no parameter matches the pattern; activations were asked for and `net` is no
    /// [`Model`], has no such layer, or cannot take the images.
    pub fn record(&self, step: usize, net: &dyn Net, gradients: &GradStore) -> Result<()> {
        self.check(net)?;
        if self.is_due(step) { self.take(step, net, Some(gradients)) } else { Ok(()) }
    }

    fn check(&self, net: &dyn Net) -> Result<()> {
        let refused = |expected: &str, got: String, hint: &str| {
            Err(Error::Argument {
                op: "Histograms".into(),
                expected: expected.into(),
                got,
                hint: hint.into(),
            })
        };
        if self.every == 0 {
            return refused(
                "a number of steps of at least 1",
                "0".into(),
                "`Histograms::every(50)` costs little.",
            );
        }
        if self.only != "*" && !net.parameters().iter().any(|parameter| matches(&self.only, &parameter.name))
        {
            let hint = "`net.parameters()` has their names; `*` stands for any characters.";
            return refused("a pattern that some parameter matches", format!("{:?}", self.only), hint);
        }
        match (&self.activations, net.as_model()) {
            (Some((_, layers)), Some(model)) => of_layers(model, layers).map(|_| ()),
            (Some(_), None) => {
                let hint = "Leave `.activations(…)` out, or build the model with `Model::build`.";
                refused("a model graph, whose layers have activations", "a struct of yours".into(), hint)
            }
            (None, _) => Ok(()),
        }
    }

    fn take(&self, step: usize, net: &dyn Net, gradients: Option<&GradStore>) -> Result<()> {
        crate::threads::init()?;
        let parameters = net.parameters();
        let wanted = || parameters.iter().filter(|parameter| matches(&self.only, &parameter.name));
        let weights = wanted().map(|parameter| (parameter.name.clone(), parameter.var.as_detached_tensor()));
        let mut all: Vec<(HistogramOf, Vec<Measured>)> =
            vec![(HistogramOf::Weights, measured(weights.collect())?)];
        if let Some(gradients) = gradients {
            let found = wanted().filter_map(|parameter| {
                Some((parameter.name.clone(), gradients.get(parameter.var.as_tensor())?.detach()))
            });
            all.push((HistogramOf::Gradients, measured(found.collect())?));
        }
        if let (Some((images, layers)), Some(model)) = (&self.activations, net.as_model()) {
            let images = images.to_device(model.device())?;
            for nodes in of_layers(model, layers)?.chunks(TOGETHER) {
                let names = nodes.iter().map(|&node| model.graph().nodes()[node].name.clone());
                let values = model.values(&images, nodes)?;
                all.push((HistogramOf::Activations, measured(names.zip(values).collect())?));
            }
        }
        let mut kept = self.kept();
        for (of, measured) in all {
            kept.add(of, step, measured);
        }
        kept.moment(MOMENTS);
        Ok(())
    }

    /// What there are histograms of, in the model's order.
    #[must_use]
    pub fn names(&self, of: HistogramOf) -> Vec<String> {
        self.kept().of(of).iter().map(|series| series.name.clone()).collect()
    }

    /// The histograms of one parameter or layer.
    ///
    /// # Errors
    /// If there are none of it; the error names some that there are.
    pub fn plot(&self, name: &str, of: HistogramOf) -> Result<HistogramsOverTime> {
        let kept = self.kept();
        let found = kept.of(of).iter().find(|series| series.name == name);
        found.map(|series| series.plot.clone()).ok_or_else(|| {
            let names: Vec<String> =
                kept.of(of).iter().take(6).map(|series| format!("{:?}", series.name)).collect();
            Error::Argument {
                op: "Histograms::plot".into(),
                expected: format!("a name that there are histograms of: {of:?}"),
                got: format!("{name:?}"),
                hint: match names.is_empty() {
                    true => "Nothing was recorded yet: train first.".into(),
                    false => {
                        format!("`names(HistogramOf::{of:?})` has all; the first are {}.", names.join(", "))
                    }
                },
            }
        })
    }

    /// All histograms of a kind, a plot for each parameter or layer.
    #[must_use]
    pub fn panels(&self, of: HistogramOf) -> Panels {
        Panels::histograms(self.kept().of(of).iter().map(|series| series.plot.clone()).collect())
    }
}

/// The nodes called `layers`, or all that have parameters and lead to the output.
fn of_layers(model: &Model, layers: &[String]) -> Result<Vec<usize>> {
    let graph = model.graph();
    if !layers.is_empty() {
        let index = |layer: &String| {
            graph.node(layer).map(|node| graph.nodes().iter().position(|other| other.name == node.name))
        };
        return layers.iter().filter_map(|layer| index(layer).transpose()).collect();
    }
    let leads = model.leads_to_output();
    let has_parameters = |node: usize| {
        let spec = &graph.nodes()[node];
        let trained =
            |&tensor: &usize| graph.tensors().get(tensor).is_some_and(|spec| spec.role == Role::Parameter);
        spec.operator != Operator::Input && spec.tensors.iter().any(trained)
    };
    Ok((0..graph.nodes().len()).filter(|&node| leads[node] && has_parameters(node)).collect())
}

impl Callback for Histograms {
    fn on_fit_begin(&mut self, begin: &FitBegin) -> Result<()> {
        self.check(begin.learner.net())
    }

    fn needs_gradients(&self, total_steps: usize) -> bool {
        let waiting = self.kept().waiting;
        waiting || self.is_due(total_steps)
    }

    fn on_step_end(&mut self, end: &StepEnd) -> Result<Control> {
        if self.needs_gradients(end.total_steps) {
            // Where gradients of several batches are accumulated, with the step that moves the weights.
            self.kept().waiting = !end.updated;
            if end.updated {
                self.take(end.total_steps, end.learner.net(), end.gradients)?;
            }
        }
        Ok(Control::GoOn)
    }
}
