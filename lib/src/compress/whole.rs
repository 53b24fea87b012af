//! What shares are shares of: the model, or what it was before channels went.

use super::choose::refused;
use super::groups::Group;
use super::heads::unfolded;
use super::prune::PruneConfig;
use super::trace::Trace;
use crate::Result;
use crate::nn::Model;

/// The whole that shares are of.
pub(super) struct Whole {
    /// For each group how many sets it has, or had.
    pub(super) sets: Vec<f64>,
    pub(super) multiply_adds: u64,
}

impl Whole {
    /// Of a model with these groups.
    pub(super) fn of(model: &Model, groups: &[Group], config: &PruneConfig) -> Result<Whole> {
        let Some(before) = &config.since else {
            let sets = groups.iter().map(|group| group.sets.len() as f64).collect();
            return Ok(Whole { sets, multiply_adds: model.graph().multiply_adds() });
        };
        let graph = unfolded(before.parts()?)?.graph;
        let known = Group::of(&graph, &Trace::of(&graph, config.norms)?);
        let mut places = Vec::with_capacity(groups.len());
        for group in groups {
            let has = |known: &Group| group.layers.iter().all(|layer| known.layers.contains(layer));
            let place = known.iter().position(has).ok_or_else(|| other(&group.name()))?;
            places.push(place);
        }
        // Layers that hung together may have nothing in common any more. Each then has its part of what they had.
        let mut left = vec![0_usize; known.len()];
        groups.iter().zip(&places).for_each(|(group, &place)| left[place] += group.sets.len());
        let mut sets = Vec::with_capacity(groups.len());
        for (group, &place) in groups.iter().zip(&places) {
            let had = known[place].sets.len();
            if had < left[place] {
                return Err(other(&group.name()));
            }
            sets.push(had as f64 * group.sets.len() as f64 / left[place] as f64);
        }
        Ok(Whole { sets, multiply_adds: before.graph().multiply_adds() })
    }
}

fn other(layers: &str) -> crate::Error {
    refused(
        "for PruneConfig::since what the model was before channels went".into(),
        format!("a model whose channels of {layers} are not those"),
        "Take the model that PruneConfig::steps was given, or none.",
    )
}
