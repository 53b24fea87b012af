//! How a model is quantized.

use super::refused;
use super::rewrite::uses;
use crate::Result;
use crate::compress::heads::attention_of;
use crate::nn::{Graph, Operator};
use crate::pattern::matches;

/// How [`super::quantize`] goes about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QuantizeConfig {
    /// What the range of each activation is taken from.
    pub calibration: Calibration,
    /// Names of layers, `*` for any characters, that are computed in f32, and whatever shares weights with them. An
    /// attention's name stands for its projections, that of a function for the layer right before it, too.
    pub exclude: Vec<String>,
    /// Whether biases make up for what rounding does to a layer's mean.
    pub bias_correction: BiasCorrection,
}

/// What the range of an activation's 256 numbers is taken from. What lies outside it is clamped.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Calibration {
    /// The least and the greatest value of all batches.
    #[default]
    MinMax,
    /// So many percent of the values, from 50 to 100, lie below the greatest of the range, and as many above its
    /// least: 99.99 leaves out one of 10,000 at either end.
    Percentile(f64),
    /// The range whose rounded values lose the least information about the distribution of the values (Migacz 2017,
    /// TensorRT): 2048 bins of their sizes, and the least Kullback-Leibler divergence.
    Entropy,
}

/// Whether biases are corrected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BiasCorrection {
    /// They stay what they are.
    #[default]
    Off,
    /// Layer by layer, each channel's bias gives back what the rounding of weights and of all before it takes from
    /// the channel's mean over the calibration batches (Nagel et al. 2019, §4.2). It runs the model once for each
    /// layer.
    Empirical,
}

impl QuantizeConfig {
    /// Of each node of a graph, whether it is left in f32.
    pub(super) fn excluded(&self, graph: &Graph) -> Result<Vec<bool>> {
        if let Calibration::Percentile(percent) = self.calibration
            && !(50.0..=100.0).contains(&percent)
        {
            return Err(refused(
                "quantize",
                "a percentile from 50 to 100".into(),
                percent.to_string(),
                "99.99 leaves out one value of 10,000 at either end.",
            ));
        }
        let mut excluded = vec![false; graph.nodes.len()];
        for pattern in &self.exclude {
            let mut found = false;
            for (node, excluded) in graph.nodes.iter().zip(&mut excluded) {
                let of_attention =
                    attention_of(&node.name).is_some_and(|attention| matches(pattern, attention));
                if matches(pattern, &node.name) || of_attention {
                    (*excluded, found) = (true, true);
                }
            }
            if !found {
                let layers = graph.nodes.iter().filter(|node| {
                    matches!(node.operator, Operator::Conv2d { .. } | Operator::Linear { .. })
                });
                let names: Vec<&str> = layers.map(|node| node.name.as_str()).collect();
                return Err(refused(
                    "quantize",
                    format!("names of layers to exclude, such as {}", names.join(", ")),
                    format!("{pattern:?}, which none of them has"),
                    "`*` stands for any characters: \"layer1.*\".",
                ));
            }
        }
        // `x.conv2d(8, 3).relu().named("stem")`: the name is the function's, and means the layer.
        let uses = uses(graph);
        for index in (0..excluded.len()).rev() {
            let node = &graph.nodes[index];
            if let (Operator::Activation(_) | Operator::BatchNorm { .. }, &[before]) =
                (&node.operator, node.inputs.as_slice())
            {
                excluded[before] |= excluded[index] && uses[before] == 1;
            }
        }
        // Layers that share weights have them in one kind of numbers.
        let owner = |index: usize| graph.nodes[index].shares.unwrap_or(index);
        for index in 0..excluded.len() {
            excluded[owner(index)] |= excluded[index];
        }
        for index in 0..excluded.len() {
            excluded[index] |= excluded[owner(index)];
        }
        Ok(excluded)
    }
}
