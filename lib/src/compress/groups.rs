//! Which channels are weighed against each other.

use std::collections::BTreeMap;

use super::ties::Ties;
use super::trace::Trace;
use crate::nn::Graph;

/// Sets of channels of the same layers, of which some are removed and the others stay.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// The names of the layers that make them.
    pub(super) layers: Vec<String>,
    /// What stands for each set, in the order of the channels.
    pub(super) sets: Vec<u32>,
    /// How many channels of a layer a set is: one, or a head's.
    pub(super) channels: usize,
}

impl Group {
    /// The groups of a graph, in the order of their layers.
    pub(super) fn of(graph: &Graph, trace: &Trace) -> Vec<Group> {
        // Sets that a layer has together belong together.
        let mut together = Ties::new();
        together.units(trace.ties.len());
        let sets: Vec<Vec<u32>> = trace.producers.iter().map(|(_, units)| free(units, &trace.ties)).collect();
        for sets in &sets {
            sets.windows(2).for_each(|pair| together.tie(pair[0], pair[1]));
        }
        let mut order = Vec::new();
        let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
        for ((node, units), sets) in trace.producers.iter().zip(&sets) {
            let Some(&first) = sets.first() else { continue };
            let root = together.root(first);
            let group = groups.entry(root).or_insert_with(|| {
                order.push(root);
                let of_first = units.iter().filter(|&&unit| trace.ties.root(unit) == first).count();
                Group { layers: Vec::new(), sets: Vec::new(), channels: of_first }
            });
            group.layers.push(graph.nodes[*node].name.clone());
            group.sets.extend(sets);
        }
        let mut groups: Vec<Group> = order.iter().filter_map(|root| groups.remove(root)).collect();
        for group in &mut groups {
            group.sets.sort_unstable();
            group.sets.dedup();
        }
        groups
    }

    /// The layers as errors name them.
    pub(super) fn name(&self) -> String {
        layers_in_words(&self.layers)
    }
}

/// Layers that hang together, in few words.
pub(super) fn layers_in_words(layers: &[String]) -> String {
    match layers {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        few => few.join(", "),
    }
}

/// What stands for the sets of these units that may be removed, each once.
fn free(units: &[u32], ties: &Ties) -> Vec<u32> {
    let mut sets: Vec<u32> =
        units.iter().filter(|&&unit| !ties.is_fixed(unit)).map(|&unit| ties.root(unit)).collect();
    sets.sort_unstable();
    sets.dedup();
    sets
}
