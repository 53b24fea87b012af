//! How much a channel matters.

use std::collections::HashSet;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};

use super::heads::unfolded;
use super::trace::{ChannelNorms, Trace};
use crate::nn::{Graph, Model, Operator, Parts};
use crate::{Error, Result, Seed};

/// By what channels are ranked: those that matter least go first. All that goes together, such as the channel of each layer that a sum of
/// residual blocks joins, counts as one.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Importance {
    /// The mean size of the weights that a channel has, in the layers that make it and in those that take it (Li et al. 2017).
    L1,
    /// The mean square of the same weights.
    #[default]
    L2,
    /// The mean size of its factors in batch norms (network slimming, Liu et al. 2017). Each channel needs one.
    BatchNormScale,
    /// How much the loss would change without it, to first order (Molchanov et al. 2019).
    Taylor(Taylor),
    /// By chance: what any other must be better than.
    Random(Seed),
}

/// Gathers how much the loss depends on each channel, batch by batch: the square of the sum of weight times gradient over the weights that
/// take it, which is by how much the loss would change, to first order, if they were 0.
///
/// ```
/// use sconce::{compress::{ChannelNorms, Importance, PruneConfig, Taylor, prune_channels}, nn::backward, prelude::*};
/// # fn main() -> sconce::Result<()> {
/// let data = datasets::digits()?;
/// let net = Model::build([1, 8, 8], |x| x.conv2d(8, 3).relu().flatten().linear(10))?.init(Seed(1), &Device::Cpu)?;
/// let (mut taylor, loss) = (Taylor::new(&net, ChannelNorms::Keep)?, Loss::from(cross_entropy()));
/// for batch in data.batches(64).shuffle(Seed(1)).take(4) {
///     let batch = batch?;
///     let loss = loss.of(&net.forward(&batch.images, Mode::Train(Seed(1)))?, &batch.labels)?;
///     taylor.add(&backward(&loss)?)?;
/// }
/// let config = PruneConfig { importance: Importance::Taylor(taylor), ..PruneConfig::ratio(0.5) };
/// assert!(prune_channels(&net, &config)?.report.parameters_after() < net.num_parameters());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Taylor {
    model: Model,
    norms: ChannelNorms,
    /// Of the model's graph, which stays what it is.
    trace: Box<Trace>,
    scores: Vec<f64>,
    batches: usize,
}

impl Taylor {
    /// Nothing yet, of `model`, whose channels are to be removed with the same `norms`.
    ///
    /// # Errors
    /// As [`super::prune_channels`].
    pub fn new(model: &Model, norms: ChannelNorms) -> Result<Taylor> {
        let trace = Box::new(Trace::of(&unfolded(model.parts()?)?.graph, norms)?);
        let scores = vec![0.0; trace.ties.len()];
        Ok(Taylor { model: model.clone(), norms, trace, scores, batches: 0 })
    }

    /// Adds what the gradients of a batch say, before any step of an optimizer with them.
    ///
    /// # Errors
    /// Gradients that are not this model's, or not finite; a layer with a frozen weight, whose gradient nobody has.
    pub fn add(&mut self, gradients: &GradStore) -> Result<()> {
        let mut parts = self.model.parts()?;
        let parameters = self.model.parameters();
        let learnt: HashSet<&str> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let taken = sides(&parts.graph);
        for (spec, _) in parts.graph.tensors.iter().zip(&taken).filter(|(_, side)| side.is_some()) {
            if !learnt.contains(spec.name.as_str()) {
                let got = format!("{}, which is frozen", spec.name);
                let hint =
                    "Unfreeze it while batches are added: without a gradient it would seem to need nothing.";
                return Err(refused("weights that are trained", &got, hint));
            }
        }
        let mut found = 0;
        for (spec, tensor) in parts.graph.tensors.iter().zip(&mut parts.tensors) {
            let parameter = parameters.iter().find(|parameter| parameter.name == spec.name);
            let gradient = parameter.and_then(|parameter| gradients.get(&parameter.var));
            found += usize::from(gradient.is_some());
            *tensor = match gradient {
                Some(gradient) => (&*tensor * gradient)?.detach(),
                None => tensor.zeros_like()?,
            };
        }
        if found == 0 {
            return Err(refused(
                "gradients of this model's parameters",
                "none of them",
                "Take those of backward(&loss).",
            ));
        }
        let (parts, trace) = (unfolded(parts)?, &self.trace);
        let mut sums = vec![0.0; trace.ties.len()];
        for (tensor, dim, units, _) in weights(&parts, trace).filter(|(_, _, _, side)| *side == Side::Takes) {
            for (unit, sum) in units.iter().zip(along(tensor, dim, |values| Ok(values.clone()))?) {
                sums[trace.ties.root(*unit) as usize] += sum;
            }
        }
        if sums.iter().any(|sum| !sum.is_finite()) {
            return Err(refused("finite gradients", "NaN or infinity", "Look at the loss of this batch."));
        }
        self.scores.iter_mut().zip(sums).for_each(|(score, sum)| *score += sum * sum);
        self.batches += 1;
        Ok(())
    }
}

/// Whether a layer makes channels or takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Makes,
    Takes,
}

/// The weights of products, each with a dimension, its units and what the layer does with them.
fn weights<'a>(
    parts: &'a Parts,
    trace: &'a Trace,
) -> impl Iterator<Item = (&'a Tensor, usize, &'a [u32], Side)> {
    let sides = sides(&parts.graph);
    let tensors = parts.tensors.iter().zip(&trace.tensors).zip(sides);
    tensors.flat_map(|((tensor, axes), sides)| {
        let axes = axes.iter().filter(move |_| sides.is_some());
        axes.map(move |(dim, units)| {
            let side = sides.and_then(|sides: [Side; 2]| sides.get(*dim).copied()).unwrap_or(Side::Makes);
            (tensor, *dim, units.as_slice(), side)
        })
    })
}

/// For each tensor what its first two dimensions are, where it is the weight of a product.
fn sides(graph: &Graph) -> Vec<Option<[Side; 2]>> {
    let mut sides = vec![None; graph.tensors.len()];
    for node in &graph.nodes {
        let of = match &node.operator {
            Operator::Conv2d { .. } | Operator::Linear { .. } => [Side::Makes, Side::Takes],
            Operator::ConvTranspose2d { .. } => [Side::Takes, Side::Makes],
            _ => continue,
        };
        node.tensors.first().into_iter().for_each(|&tensor| sides[tensor] = Some(of));
    }
    sides
}

/// The sums of a function of the values, for each index of a dimension.
fn along(
    tensor: &Tensor,
    dim: usize,
    of: impl Fn(&Tensor) -> candle_core::Result<Tensor>,
) -> Result<Vec<f64>> {
    let values = of(&tensor.to_dtype(DType::F64)?)?;
    let others: Vec<usize> = (0..values.rank()).filter(|&other| other != dim).collect();
    Ok(values.sum(others)?.to_vec1()?)
}

/// What each set of channels counts, by what stands for it. Higher counts more.
pub(super) fn scores(
    parts: &Parts,
    trace: &Trace,
    importance: &Importance,
    norms: ChannelNorms,
) -> Result<Vec<Option<f64>>> {
    let units = trace.ties.len();
    let means = |sums: Vec<(f64, usize)>| {
        sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / count as f64)).collect::<Vec<_>>()
    };
    let mut sums = vec![(0.0, 0_usize); units];
    let mut add = |tensor: &Tensor, dim: usize, units: &[u32], power: i32| -> Result<()> {
        let each = tensor.elem_count() / units.len().max(1);
        let found = along(tensor, dim, |values| if power == 1 { values.abs() } else { values.sqr() })?;
        for (&unit, sum) in units.iter().zip(found) {
            let (total, count) = &mut sums[trace.ties.root(unit) as usize];
            *total += sum;
            *count += each;
        }
        Ok(())
    };
    match importance {
        Importance::L1 | Importance::L2 => {
            let power = if matches!(importance, Importance::L1) { 1 } else { 2 };
            for (tensor, dim, units, _) in weights(parts, trace) {
                add(tensor, dim, units, power)?;
            }
            Ok(means(sums))
        }
        Importance::BatchNormScale => {
            for node in
                parts.graph.nodes.iter().filter(|node| matches!(node.operator, Operator::BatchNorm { .. }))
            {
                let Some(&place) = node.tensors.first() else { continue };
                for (dim, units) in &trace.tensors[place] {
                    add(&parts.tensors[place], *dim, units, 1)?;
                }
            }
            Ok(means(sums))
        }
        Importance::Taylor(taylor) => {
            let known = &taylor.trace;
            let same = known.tensors == trace.tensors && known.ties.alike(&trace.ties);
            if taylor.batches == 0 || !same || taylor.norms != norms {
                let got = match taylor.batches {
                    0 => "none".to_owned(),
                    batches => format!("{batches} batches of another model or with other norms"),
                };
                return Err(refused(
                    "gradients of batches of this model",
                    &got,
                    "Call Taylor::add for each batch.",
                ));
            }
            Ok(taylor.scores.iter().map(|&score| Some(score)).collect())
        }
        Importance::Random(seed) => {
            let mut rng = seed.derive("pruning").rng();
            Ok((0..units).map(|_| Some(f64::from(rng.uniform_f32()))).collect())
        }
    }
}

fn refused(expected: &str, got: &str, hint: &str) -> Error {
    Error::Argument { op: "Importance".into(), expected: expected.into(), got: got.into(), hint: hint.into() }
}
