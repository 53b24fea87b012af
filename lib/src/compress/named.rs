//! Which channels a name means.

use std::collections::HashSet;

use super::groups::Group;
use super::heads::attention_of;
use super::trace::Trace;
use crate::nn::Graph;
use crate::pattern::matches;

/// For each group whether `pattern` means it: by the layers that make its channels or, where it names none of those, by other nodes
/// that have some of them, such as the activation behind a layer. None where nothing is called so.
pub(super) fn meant(pattern: &str, graph: &Graph, trace: &Trace, groups: &[Group]) -> Option<Vec<bool>> {
    let by_layer: Vec<bool> =
        groups.iter().map(|group| group.layers.iter().any(|layer| names(pattern, layer))).collect();
    if by_layer.contains(&true) {
        return Some(by_layer);
    }
    let named = graph.nodes.iter().zip(&trace.values).filter(|(node, _)| names(pattern, &node.name));
    let values: Vec<_> = named.map(|(_, value)| value).collect();
    if values.is_empty() {
        return None;
    }
    // What a layer has that keeps all its channels anyway, such as a head, is in no group.
    let sets: HashSet<u32> =
        values.iter().flat_map(|value| &value.units).map(|&unit| trace.ties.root(unit)).collect();
    Some(groups.iter().map(|group| group.sets.iter().any(|set| sets.contains(set))).collect())
}

/// Whether a pattern names a layer, by itself or by the attention that it is a part of.
fn names(pattern: &str, layer: &str) -> bool {
    matches(pattern, layer) || attention_of(layer).is_some_and(|attention| matches(pattern, attention))
}
