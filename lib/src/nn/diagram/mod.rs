//! The graph as a picture: what is computed from what, large models by their parts.

mod groups;
mod units;

use std::collections::BTreeMap;

use super::architecture::Architecture;
use super::describe::in_words;
use super::graph::Graph;
use super::model::Model;
use super::operator::Operator;
use crate::Result;
use crate::ops::shape_text;
use crate::plot::{Diagram, DiagramBox, StandsFor, count};
use groups::Groups;
use units::Units;

/// Up to so many boxes a picture is readable.
const MOST_BOXES: usize = 64;
/// Kinds of operators that a box of several names.
const KINDS: usize = 4;

/// How much of a graph is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Every layer, or as many levels of names as give 64 boxes.
    #[default]
    Auto,
    /// Every layer; norms, activations and the like in the box of the layer before them.
    Layers,
    /// One box for all layers whose names begin with the same so many parts: of `layer1.0.conv1`, 2 make one of
    /// `layer1.0`, 1 of `layer1`.
    Levels(usize),
}

impl Graph {
    /// What is computed from what, as a picture: boxes with operators and shapes, and lines from box to box.
    ///
    /// # Errors
    /// None today; drawing may fail as that of other pictures.
    pub fn diagram(&self, detail: Detail) -> Result<Diagram> {
        let units = Units::of(self);
        let groups = match detail {
            Detail::Layers => Groups::none(&units),
            Detail::Levels(levels) => Groups::by(&units, levels),
            Detail::Auto => Some(Groups::none(&units))
                .filter(|groups| groups.len() <= MOST_BOXES)
                .or_else(|| {
                    let by = (1..=units.deepest()).rev().map(|levels| Groups::by(&units, levels));
                    by.reduce(|chosen, next| if chosen.len() <= MOST_BOXES { chosen } else { next })
                })
                .unwrap_or_else(|| Groups::none(&units)),
        };
        let mut diagram = Diagram::new("the graph of a model");
        for group in &groups.groups {
            let mut drawn = match group.units.as_slice() {
                [unit] => self.unit_box(&units.units[*unit]),
                several => self.group_box(group.title.clone(), several, &units),
            };
            drawn.inputs.clone_from(&group.inputs);
            diagram.push(drawn)?;
        }
        Ok(diagram)
    }

    fn unit_box(&self, nodes: &[usize]) -> DiagramBox {
        let (first, last) = (&self.nodes[nodes[0]], &self.nodes[nodes[nodes.len() - 1]]);
        let mut operators = vec![in_words(&first.operator)];
        operators.extend(nodes[1..].iter().map(|&node| self.nodes[node].operator.name().to_owned()));
        let mut lines = vec![operators.join(", ")];
        lines.push(shape_text(&last.shape));
        if first.operator == Operator::Input {
            lines.remove(0);
        }
        let named = nodes.iter().map(|&node| &self.nodes[node]).find(|node| units::is_named(node));
        let title = named.unwrap_or(first).name.clone();
        DiagramBox { title, lines, color: color(&first.operator), ..DiagramBox::default() }
    }

    fn group_box(&self, title: String, members: &[usize], units: &Units) -> DiagramBox {
        let nodes = || members.iter().flat_map(|&unit| &units.units[unit]).map(|&node| &self.nodes[node]);
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        nodes().for_each(|node| *kinds.entry(node.operator.name()).or_default() += 1);
        let mut kinds: Vec<(&str, usize)> = kinds.into_iter().collect();
        kinds.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let mut words: Vec<String> =
            kinds.iter().take(KINDS).map(|(name, count)| format!("{count} {name}")).collect();
        if kinds.len() > KINDS {
            words.push("…".into());
        }
        let parameters: usize = nodes().map(|node| self.parameters_of(node)).sum();
        let last = nodes().next_back().map_or_else(String::new, |node| shape_text(&node.shape));
        let lines = vec![words.join(", "), format!("{last}, {} parameters", count(parameters))];
        DiagramBox { title, lines, color: 1, stands_for: StandsFor::Several, inputs: Vec::new() }
    }
}

impl Architecture {
    /// What is computed from what, as a picture: [`Graph::diagram`].
    ///
    /// ```
    /// use sconce::prelude::*;
    ///
    /// let net = Model::build([1, 8, 8], |x| x.conv2d(4, 3).relu().flatten().linear(10))?;
    /// let picture = net.diagram(sconce::nn::Detail::Auto)?;
    /// assert_eq!(picture.boxes().len(), 3);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Graph::diagram`].
    pub fn diagram(&self, detail: Detail) -> Result<Diagram> {
        self.graph().diagram(detail)
    }
}

impl Model {
    /// What is computed from what, as a picture: [`Graph::diagram`].
    ///
    /// # Errors
    /// As [`Graph::diagram`].
    pub fn diagram(&self, detail: Detail) -> Result<Diagram> {
        self.graph().diagram(detail)
    }
}

/// What is alike has the same colour.
fn color(operator: &Operator) -> usize {
    match operator {
        Operator::Conv2d { .. } | Operator::ConvTranspose2d { .. } | Operator::Linear { .. } => 0,
        Operator::MaxPool2d(_)
        | Operator::AvgPool2d(_)
        | Operator::AdaptiveAvgPool2d { .. }
        | Operator::GlobalAvgPool
        | Operator::Interpolate { .. }
        | Operator::Mean { .. } => 2,
        Operator::MultiHeadAttention { .. } | Operator::ScaledDotProductAttention { .. } => 3,
        Operator::Add | Operator::Multiply | Operator::Concat { .. } => 4,
        Operator::Input => 6,
        _ => 5,
    }
}
