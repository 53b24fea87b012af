//! Which channels are weighed against each other.

use std::collections::{BTreeMap, HashMap};

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
    /// How many channels of a layer each of them is, of the one that has the most: one, a head's, or those that lie over each other.
    pub(super) channels: Vec<usize>,
}

/// What the layers have of a set: each by its place among those that make channels, and how many channels.
pub(super) type Owners = HashMap<u32, Vec<(usize, usize)>>;

/// By what stands for each set.
pub(super) fn owners(trace: &Trace) -> Owners {
    let mut owners = Owners::new();
    for (at, (_, units)) in trace.producers.iter().enumerate() {
        for &unit in units {
            let of_set = owners.entry(trace.ties.root(unit)).or_default();
            match of_set.last_mut() {
                Some((last, count)) if *last == at => *count += 1,
                _ => of_set.push((at, 1)),
            }
        }
    }
    owners
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
        let owners = owners(trace);
        let mut order = Vec::new();
        let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
        for ((node, _), sets) in trace.producers.iter().zip(&sets) {
            let Some(&first) = sets.first() else { continue };
            let root = together.root(first);
            let group = groups.entry(root).or_insert_with(|| {
                order.push(root);
                Group { layers: Vec::new(), sets: Vec::new(), channels: Vec::new() }
            });
            group.layers.push(graph.nodes[*node].name.clone());
            group.sets.extend(sets);
        }
        let mut groups: Vec<Group> = order.iter().filter_map(|root| groups.remove(root)).collect();
        for group in &mut groups {
            group.sets.sort_unstable();
            group.sets.dedup();
            let most = |set| owners.get(set).into_iter().flatten().map(|(_, count)| *count).max();
            group.channels = group.sets.iter().map(|set| most(set).unwrap_or(1)).collect();
        }
        groups
    }

    /// How many channels those of its sets are that do not go.
    pub(super) fn left(&self, removed: &[bool]) -> usize {
        let sets = self.sets.iter().zip(&self.channels);
        sets.filter(|(set, _)| !removed[**set as usize]).map(|(_, channels)| channels).sum()
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
