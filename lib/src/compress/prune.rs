//! Structured pruning: channels, heads and widths that are really gone afterwards.

use std::time::Instant;

use candle_core::{DType, Tensor};

use super::choose::{Choice, refused};
use super::cut::Kept;
use super::importance::Importance;
use super::prepared::Prepared;
use super::prune_report::{Cost, KeptIndices, PruneReport, PrunedGroup};
use super::trace::{ChannelNorms, Trace};
use crate::Result;
use crate::nn::{Mode, Model, Node, Parts};
use crate::progress::{Progress, Unit};

/// What is to go, and by what it is chosen. [`PruneConfig::ratio`] is where to start.
#[derive(Debug, Clone, Default)]
pub struct PruneConfig {
    /// How much is to go.
    pub target: PruneTarget,
    /// What decides which channels go.
    pub importance: Importance,
    /// Whether each layer loses its share or those that matter least do.
    pub scope: Scope,
    /// What becomes of channels that a layer norm takes together.
    pub norms: ChannelNorms,
    /// Of the channels of a layer that may go, this many or a multiple of it stays, or all: 8 suits vector units. 1 unless told. A layer
    /// that has other channels, too, which stay anyway, may have another number.
    pub round_to: usize,
    /// Names of layers, `*` for any characters, that keep all their channels, and with them all layers whose channels hang together with
    /// theirs. An attention's name stands for its heads. A name that none of the layers has that make channels may be another node's,
    /// such as that of an activation, and stands for the channels that this one has.
    pub exclude: Vec<String>,
    /// Names as in `exclude` with the largest share, from 0 to 1, that they may lose.
    pub limits: Vec<(String, f64)>,
    /// What the model was before channels went, where shares and limits are of that one, as in [`PruneConfig::steps`]. Its layers are
    /// looked at, its weights are not. The model itself unless told.
    pub since: Option<Model>,
}

/// How much is to go: shares from 0 to below 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PruneTarget {
    /// This share of the channels, or heads, of each group of layers that hang together.
    Channels(f64),
    /// As few channels as make at least this share of the multiply-adds go.
    MultiplyAdds(f64),
    /// As few channels as make a batch of so many images take at most so many milliseconds on the model's device. What is chosen depends on
    /// what the machine does else.
    Latency {
        /// The median of several runs that must not be exceeded.
        milliseconds: f64,
        /// Images in a batch.
        batch: usize,
    },
}

impl Default for PruneTarget {
    /// Half of the channels, which is some three quarters of the multiply-adds.
    fn default() -> PruneTarget {
        PruneTarget::Channels(0.5)
    }
}

/// Where channels are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// Within a layer, or layers that hang together: each loses the same share.
    #[default]
    Uniform,
    /// Over the whole model, each group's numbers divided by their mean: layers that matter less lose more.
    Global,
}

impl PruneConfig {
    /// This share of the channels goes, chosen by the size of their weights, the same share in each layer.
    #[must_use]
    pub fn ratio(share: f64) -> PruneConfig {
        PruneConfig { target: PruneTarget::Channels(share), ..PruneConfig::default() }
    }

    /// The same in so many steps from `model` on, at least 1, to be trained between them, which loses less than all at once. Each
    /// goes further by the same part of what is left, towards shares and limits that are of `model`, so that the last one is where a
    /// single one would be, however few channels a layer has. A latency is the same for each step.
    ///
    /// ```
    /// use sconce::{compress::{PruneConfig, prune_channels}, prelude::*};
    /// # fn main() -> sconce::Result<()> {
    /// let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
    /// let mut net = Model::build([1, 8, 8], |x| x.conv2d(32, 3).batch_norm().relu().flatten().linear(10))?
    ///     .init(Seed(42), &Device::Cpu)?;
    /// for step in PruneConfig::ratio(0.75).steps(&net, 2) {
    ///     net = prune_channels(&net, &step)?.model;
    ///     Learner::new(net.clone(), data.clone()).optimizer(adamw(1e-3)).fit(1)?;
    /// }
    /// assert_eq!(net.graph().tensors()[0].shape[0], 8);
    /// # Ok(()) }
    /// ```
    ///
    /// [`Importance::Taylor`] is of one model: give each step gradients of what the step before it has left.
    #[must_use]
    pub fn steps(&self, model: &Model, steps: usize) -> Vec<PruneConfig> {
        let steps = steps.max(1);
        let step = |at: usize| {
            let part = at as f64 / steps as f64;
            // The last share is the whole one to the last bit. What is no share stays what it was, to be refused as it is.
            let share = |all: f64| match (0.0..1.0).contains(&all) && at < steps {
                true => 1.0 - (1.0 - all).powf(part),
                false => all,
            };
            let target = match self.target {
                PruneTarget::Channels(all) => PruneTarget::Channels(share(all)),
                PruneTarget::MultiplyAdds(all) => PruneTarget::MultiplyAdds(share(all)),
                latency @ PruneTarget::Latency { .. } => latency,
            };
            PruneConfig { target, since: Some(model.clone()), ..self.clone() }
        };
        (1..=steps).map(step).collect()
    }

    /// At least this share of the multiply-adds goes.
    #[must_use]
    pub fn multiply_adds(share: f64) -> PruneConfig {
        PruneConfig { target: PruneTarget::MultiplyAdds(share), ..PruneConfig::default() }
    }
}

/// A smaller model, and what became of it.
#[derive(Debug, Clone)]
pub struct Pruned {
    /// The new model. It shares nothing with the old one.
    pub model: Model,
    /// What went.
    pub report: PruneReport,
}

/// Removes channels, attention heads and widths of MLPs from a model: what hangs together, by residual sums, concatenations, depthwise
/// and grouped convolutions, attention or a flattened image, goes together (DepGraph, Fang et al. 2023). `model` stays as it is; the new one
/// has the weights of what is left, under the same names, and gives for each image what the old one gives when what is removed is 0
/// where it is taken, unless [`ChannelNorms::Prune`] is asked for. It wants to be trained on a little.
///
/// Attention in PyTorch's layout becomes the layers that it is made of, so that heads can go. Channels of images that come in and of what
/// goes out stay.
///
/// ```
/// use sconce::{compress::{PruneConfig, prune_channels}, prelude::*};
/// # fn main() -> sconce::Result<()> {
/// let net = Model::build([3, 16, 16], |x| {
///     let x = x.conv2d(16, 3).batch_norm().relu();
///     (&x + x.conv2d(16, 3).batch_norm().relu()).global_avg_pool().linear(10)
/// })?.init(Seed(1), &Device::Cpu)?;
/// let pruned = prune_channels(&net, &PruneConfig::ratio(0.5))?;
/// assert_eq!(pruned.report.parameters_after(), pruned.model.num_parameters());
/// pruned.report
/// # ; Ok(()) }
/// ```
///
/// # Errors
/// An interrupt while latencies are measured. If the target is not a share below 1 or cannot be reached, a layer is of code of your own (the error names it), a name of a layer is
/// none, or weights are not finite.
pub fn prune_channels(model: &Model, config: &PruneConfig) -> Result<Pruned> {
    config.check()?;
    let prepared = Prepared::of(model, config)?;
    let choice = prepared.choice(config)?;
    let Prepared { parts, trace, groups, whole, .. } = &prepared;
    let search = Search { parts, trace, choice: &choice, multiply_adds: whole.multiply_adds as f64 };
    let removed = match config.target {
        PruneTarget::Channels(share) => choice.removed(share),
        PruneTarget::MultiplyAdds(share) => search.multiply_adds(share)?,
        PruneTarget::Latency { milliseconds, batch } => search.latency(milliseconds, batch)?,
    };
    let kept = Kept::new(trace, &removed);
    let pruned = kept.model(parts)?;
    let indices = parts.graph.tensors.iter().zip(&trace.tensors).flat_map(|(spec, axes)| {
        let kept = &kept;
        axes.iter().map(move |(dim, units)| KeptIndices {
            tensor: spec.name.clone(),
            dim: *dim,
            of: units.len(),
            kept: kept.indices(units),
        })
    });
    let indices = indices.filter(|indices| indices.kept.len() < indices.of).collect();
    let groups = groups.iter().map(|group| PrunedGroup {
        layers: group.layers.clone(),
        before: group.channels.iter().sum(),
        after: group.left(&removed),
    });
    let report = PruneReport::new(Cost::of(model), Cost::of(&pruned), groups.collect(), indices);
    Ok(Pruned { model: pruned, report })
}

/// Tries how much must go for a target.
struct Search<'a> {
    parts: &'a Parts,
    trace: &'a Trace,
    choice: &'a Choice<'a>,
    /// Of what shares are of.
    multiply_adds: f64,
}

/// Halvings of the interval that the share is looked for in.
const HALVINGS: usize = 12;
/// Forward passes whose median is a latency.
const RUNS: usize = 7;
/// Values of the images of a latency: 16 GiB.
const MOST_VALUES: usize = 1 << 32;

impl Search<'_> {
    /// The least that goes where `fits`, by halving. The error is what it comes to where all goes that may.
    fn least(
        &self,
        mut fits: impl FnMut(&[bool]) -> Result<(bool, f64)>,
    ) -> Result<std::result::Result<Vec<bool>, f64>> {
        let all = self.choice.removed(1.0);
        let (reached, value) = fits(&all)?;
        if !reached {
            return Ok(Err(value));
        }
        let none = self.choice.removed(0.0);
        if fits(&none)?.0 {
            return Ok(Ok(none));
        }
        let (mut low, mut high, mut best) = (0.0, 1.0, all);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            let removed = self.choice.removed(middle);
            if fits(&removed)?.0 {
                (high, best) = (middle, removed);
            } else {
                low = middle;
            }
        }
        Ok(Ok(best))
    }

    fn multiply_adds(&self, share: f64) -> Result<Vec<bool>> {
        let cost = |removed: &[bool]| -> Result<f64> {
            let graph = Kept::new(self.trace, removed).graph(&self.parts.graph);
            Ok(graph.inferred()?.multiply_adds() as f64)
        };
        let found = self.least(|removed| {
            let gone = 1.0 - cost(removed)? / self.multiply_adds.max(1.0);
            Ok((gone >= share, gone))
        })?;
        found.map_err(|most| {
            refused(
                format!("at most {:.1} % of the multiply-adds to go", 100.0 * most),
                format!("{:.1} %", 100.0 * share),
                "One channel stays in each layer, and what comes in and goes out stays as it is.",
            )
        })
    }

    fn latency(&self, milliseconds: f64, batch: usize) -> Result<Vec<bool>> {
        // All, none, and the halvings between.
        let total = (HALVINGS + 2) * (RUNS + 1);
        let (mut progress, mut done) = (Progress::start("latency", Unit::Steps, Some(total as u64)), 0);
        let found = self.least(|removed| {
            let model = Kept::new(self.trace, removed).model(self.parts)?;
            let inputs = model.graph().inputs();
            let values = inputs
                .iter()
                .map(|input| input.shape.iter().try_fold(batch, |values, &side| values.checked_mul(side)));
            if values.into_iter().any(|values| values.is_none_or(|values| values > MOST_VALUES)) {
                return Err(refused(
                    "a batch that fits into a memory".into(),
                    format!("{batch} images"),
                    "Take fewer images.",
                ));
            }
            let zeros = |input: &Node| {
                Tensor::zeros([&[batch], input.shape.as_slice()].concat(), DType::F32, model.device())
            };
            let inputs = inputs.iter().map(zeros).collect::<candle_core::Result<Vec<_>>>()?;
            let inputs: Vec<&Tensor> = inputs.iter().collect();
            let mut times = Vec::with_capacity(RUNS);
            // The first run makes what the others find.
            for run in 0..=RUNS {
                progress.at(done)?;
                done += 1;
                let start = Instant::now();
                let y = model.forward_inputs(&inputs, Mode::Eval)?;
                // A GPU has ended when a value is here.
                y.flatten_all()?.narrow(0, 0, 1)?.to_vec1::<f32>()?;
                if run > 0 {
                    times.push(start.elapsed().as_secs_f64() * 1e3);
                }
            }
            times.sort_by(f64::total_cmp);
            let median = times[RUNS / 2];
            Ok((median <= milliseconds, median))
        })?;
        found.map_err(|least| {
            refused(
                format!("a latency of at least {least:.3} ms, which the smallest model takes"),
                format!("{milliseconds} ms"),
                "Fewer layers or smaller images take less.",
            )
        })
    }
}

impl PruneConfig {
    fn check(&self) -> Result<()> {
        let share = |name: &str, share: f64| match (0.0..1.0).contains(&share) {
            true => Ok(()),
            false => {
                let got =
                    if share >= 1.0 { format!("{share}, which leaves nothing") } else { share.to_string() };
                let expected = format!("a share of the {name} from 0 to below 1");
                Err(refused(expected, got, "0.5 removes half of them."))
            }
        };
        match self.target {
            PruneTarget::Channels(ratio) => share("channels", ratio),
            PruneTarget::MultiplyAdds(ratio) => share("multiply-adds", ratio),
            PruneTarget::Latency { milliseconds, batch } => {
                if milliseconds > 0.0 && milliseconds.is_finite() && batch > 0 {
                    return Ok(());
                }
                let got = format!("{milliseconds} ms for {batch} images");
                Err(refused("milliseconds above 0 for at least 1 image".into(), got, ""))
            }
        }
    }
}
