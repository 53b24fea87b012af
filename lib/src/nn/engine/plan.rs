use super::context::Layer;
use super::convolution::Convolution;
use super::fake_quantize::FakeQuantize;
use super::linear::Linear;
use super::norm::{Norm, Sum};
use super::other::Other;
use super::pointwise::Pointwise;
use super::pool::{GlobalAvgPool, MaxPool};
use super::shape::{Flatten, Same};
use super::tokens::{LayerNorm, MultiHeadAttention};
use crate::nn::graph::Graph;
use crate::nn::{Mode, Operator};
use crate::ops::Activation as Function;

/// The steps of a run, in an order in which they can be computed.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
}

/// Nodes that are computed together.
pub(super) struct Step {
    /// The nodes whose outputs it takes.
    pub(super) inputs: Vec<usize>,
    /// The node whose output it gives: the last of its own.
    pub(super) output: usize,
    pub(super) layer: Box<dyn Layer>,
}

/// Nodes that follow each other, the first of which decides what can come after it.
#[derive(Debug, Clone, Default)]
struct Chain {
    head: Head,
    inputs: Vec<usize>,
    /// Whether the last input is one that is added.
    sum: bool,
    norm: Option<usize>,
    relu: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Head {
    Convolution(usize),
    Linear(usize),
    Attention(usize),
    Norm,
    #[default]
    Sum,
}

impl Chain {
    fn takes_norm(&self) -> bool {
        matches!(self.head, Head::Convolution(_)) && self.norm.is_none() && !self.sum && !self.relu
    }

    fn takes_residual(&self) -> bool {
        self.head != Head::Sum && !self.sum && !self.relu
    }

    /// An attention's products end in one with a bias of its own.
    fn takes_relu(&self) -> bool {
        !self.relu && !matches!(self.head, Head::Attention(_))
    }

    fn step(self, output: usize) -> Step {
        let Chain { head, inputs, norm, relu, .. } = self;
        let layer: Box<dyn Layer> = match (head, norm) {
            (Head::Convolution(node), norm) => Box::new(Convolution { node, norm, relu }),
            (Head::Linear(node), _) => Box::new(Linear { node, relu }),
            (Head::Attention(node), _) => Box::new(MultiHeadAttention { node }),
            (_, Some(node)) => Box::new(Norm { node, relu }),
            (_, None) => Box::new(Sum { relu }),
        };
        Step { inputs, output, layer }
    }
}

/// A plan while it is made: chains wait at the node they have reached, until another takes their output.
struct Planner<'a> {
    graph: &'a Graph,
    /// How many nodes take each node's output; those that are wanted have more.
    uses: Vec<usize>,
    waiting: Vec<Option<Chain>>,
    steps: Vec<Step>,
}

impl Plan {
    pub(super) fn new(graph: &Graph, wanted: &[usize], mode: Mode) -> Plan {
        let count = wanted.iter().max().map_or(1, |&last| last + 1);
        let mut uses = vec![0_usize; count];
        wanted.iter().for_each(|&wanted| uses[wanted] += 2);
        for index in (0..count).rev() {
            if uses[index] > 0 {
                graph.nodes[index].inputs.iter().for_each(|&input| uses[input] += 1);
            }
        }
        let waiting = vec![None; count];
        let mut planner = Planner { graph, uses, waiting, steps: Vec::new() };
        for index in graph.inputs().len()..count {
            if planner.uses[index] > 0 {
                planner.node(index, mode);
            }
        }
        wanted.iter().for_each(|&wanted| planner.flush(wanted));
        Plan { steps: planner.steps }
    }
}

impl Planner<'_> {
    fn node(&mut self, index: usize, mode: Mode) {
        let node = &self.graph.nodes[index];
        let inputs = node.inputs.clone();
        let chain = match (&node.operator, inputs.as_slice()) {
            (Operator::Conv2d { config, .. }, [_]) if config.groups == 1 => {
                self.begin(Head::Convolution(index), inputs)
            }
            (Operator::Linear { .. }, [x]) if self.graph.nodes[*x].shape.len() < 3 => {
                self.begin(Head::Linear(index), inputs)
            }
            (Operator::MultiHeadAttention { .. }, _) => self.begin(Head::Attention(index), inputs),
            // The channels of tokens and the like are not what lies beside each other.
            (Operator::BatchNorm { .. }, &[x]) if matches!(node.shape.len(), 1 | 3) => {
                match self.extend(x, Chain::takes_norm) {
                    Some(chain) => Chain { norm: Some(index), ..chain },
                    None => Chain { norm: Some(index), ..self.begin(Head::Norm, inputs) },
                }
            }
            (Operator::Add, &[a, b]) if a != b && self.same_shape(a, b) => {
                let (chain, other) = match self.extend(b, Chain::takes_residual) {
                    Some(chain) => (Some(chain), a),
                    None => (self.extend(a, Chain::takes_residual), b),
                };
                match chain {
                    Some(mut chain) => {
                        self.flush(other);
                        chain.inputs.push(other);
                        Chain { sum: true, ..chain }
                    }
                    None => self.begin(Head::Sum, inputs),
                }
            }
            (Operator::Activation(Function::Relu), &[x]) => match self.extend(x, Chain::takes_relu) {
                Some(chain) => Chain { relu: true, ..chain },
                None => Chain { relu: true, ..self.begin(Head::Sum, inputs) },
            },
            (_, _) => {
                inputs.iter().for_each(|&input| self.flush(input));
                self.steps.push(Step { inputs, output: index, layer: self.single(index, mode) });
                return;
            }
        };
        self.waiting[index] = Some(chain);
    }

    /// The layer of a node that begins and continues nothing.
    fn single(&self, index: usize, mode: Mode) -> Box<dyn Layer> {
        let node = &self.graph.nodes[index];
        let is_image = |node: usize| self.graph.nodes[node].shape.len() == 3;
        match (&node.operator, node.inputs.as_slice()) {
            (Operator::MaxPool2d(config), &[_]) if MaxPool::fits(config) => Box::new(MaxPool { node: index }),
            (Operator::GlobalAvgPool, &[_]) => Box::new(GlobalAvgPool),
            (Operator::Flatten, &[x]) if is_image(x) => Box::new(Flatten),
            (Operator::Dropout { .. } | Operator::StochasticDepth { .. }, &[_]) if mode == Mode::Eval => {
                Box::new(Same)
            }
            (Operator::FakeQuantize { .. }, &[_]) => Box::new(FakeQuantize { node: index }),
            (&Operator::Activation(function), &[_]) => Box::new(Pointwise { function }),
            (Operator::LayerNorm { .. }, &[x]) if !is_image(x) => Box::new(LayerNorm { node: index }),
            _ => Box::new(Other { node: index }),
        }
    }

    fn begin(&mut self, head: Head, inputs: Vec<usize>) -> Chain {
        inputs.iter().for_each(|&input| self.flush(input));
        Chain { head, inputs, ..Chain::default() }
    }

    /// Takes the chain that waits at `node`, if nothing else needs what it gives so far and it can go on.
    fn extend(&mut self, node: usize, can: impl Fn(&Chain) -> bool) -> Option<Chain> {
        if self.uses[node] == 1 && self.waiting[node].as_ref().is_some_and(can) {
            return self.waiting[node].take();
        }
        None
    }

    /// Lets the chain that waits at `node` end there.
    fn flush(&mut self, node: usize) {
        if let Some(chain) = self.waiting[node].take() {
            self.steps.push(chain.step(node));
        }
    }

    fn same_shape(&self, a: usize, b: usize) -> bool {
        self.graph.nodes[a].shape == self.graph.nodes[b].shape
    }
}
