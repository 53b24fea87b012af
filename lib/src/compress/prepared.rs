//! A model as channels are taken out of it.

use super::choose::{Choice, refused};
use super::groups::Group;
use super::heads::unfolded;
use super::importance::scores;
use super::prune::PruneConfig;
use super::trace::Trace;
use super::whole::Whole;
use crate::Result;
use crate::nn::{Model, Parts};

/// Taken apart, its channels traced, grouped and ranked.
pub(super) struct Prepared {
    pub(super) parts: Parts,
    pub(super) trace: Trace,
    pub(super) groups: Vec<Group>,
    pub(super) scores: Vec<Option<f64>>,
    pub(super) whole: Whole,
}

impl Prepared {
    pub(super) fn of(model: &Model, config: &PruneConfig) -> Result<Prepared> {
        let parts = unfolded(model.parts()?)?;
        let trace = Trace::of(&parts.graph, config.norms)?;
        let groups = Group::of(&parts.graph, &trace);
        if groups.is_empty() {
            return Err(refused(
                "a layer whose channels can be removed".into(),
                "none: all of them come in, go out, or are taken together by a norm".into(),
                "With ChannelNorms::Prune those of layer norms are removed, too.",
            ));
        }
        let scores = scores(&parts, &trace, &config.importance, config.norms)?;
        let whole = Whole::of(model, &groups, config)?;
        Ok(Prepared { parts, trace, groups, scores, whole })
    }

    pub(super) fn choice<'a>(&'a self, config: &'a PruneConfig) -> Result<Choice<'a>> {
        Choice::new(self, config)
    }
}
