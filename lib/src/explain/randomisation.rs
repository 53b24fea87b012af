//! Whether a map says anything about the model: what is left of it when the weights are gone.

use std::collections::BTreeSet;

use sconce_display::Bundle;

use super::attribution::Attribution;
use crate::nn::{Model, Role};
use crate::plot::{Table, number};
use crate::progress::{Progress, Quiet, Unit};
use crate::rich::Rich;
use crate::{Error, Result, Seed};

/// What [`randomisation`] found: how like the map is to that of the trained model as its layers lose what they learnt.
#[derive(Debug, Clone, PartialEq)]
pub struct Randomisation {
    method: String,
    class: Option<usize>,
    layers: Vec<RandomisedLayer>,
}

/// The map after one more layer was made random.
#[derive(Debug, Clone, PartialEq)]
pub struct RandomisedLayer {
    /// The layer whose weights are random, as those of all layers after it.
    pub layer: String,
    /// Spearman's rank correlation of the map's values with those of the trained model; `None` if either has the same
    /// value everywhere, so that it has no ranks.
    pub correlation: Option<f64>,
    /// The same of the values without their signs.
    pub correlation_of_sizes: Option<f64>,
}

/// The cascading parameter randomisation test (Adebayo et al. 2018, arXiv:1810.03292): the weights of the layers are
/// replaced by random ones of the same mean and spread, the last layer's first, and after each layer `explain` makes the map
/// anew. A map that hardly changes does not show what the model has learnt. The model itself stays as it is.
///
/// `explain` gets the model and must ask for a fixed class: with random weights another one has the highest score.
///
/// ```
/// # use sconce::{explain::{self, CamConfig}, prelude::*};
/// # let net = Model::build([1, 8, 8], |x| x.conv2d(4, 3).relu().global_avg_pool().linear(3).named("fc"))?
/// #     .init(Seed(1), &Device::Cpu)?;
/// # let image = Tensor::ones((1, 8, 8), DType::F32, &Device::Cpu)?;
/// let config = CamConfig::default().class(2);
/// let test = explain::randomisation(&net, Seed(7), |net| explain::grad_cam(net, &image, config.clone()))?;
/// assert_eq!(test.layers()[0].layer, "fc");
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// Those of `explain`; maps of different classes; a model without parameters; an interrupt.
pub fn randomisation(
    model: &Model,
    seed: Seed,
    explain: impl Fn(&Model) -> Result<Attribution>,
) -> Result<Randomisation> {
    let op = "explain::randomisation";
    let trained = explain(model)?;
    let leads = model.leads_to_output();
    let graph = model.graph();
    let has_parameters = |node: usize| {
        let tensors = &graph.nodes()[node].tensors;
        tensors.iter().any(|&tensor| graph.tensors()[tensor].role == Role::Parameter)
    };
    // From the output to the image: nodes are in the order of their computation.
    let nodes: Vec<usize> =
        (0..leads.len()).rev().filter(|&node| leads[node] && has_parameters(node)).collect();
    if nodes.is_empty() {
        return Err(Error::Argument {
            op: op.into(),
            expected: "a model with parameters".into(),
            got: "one without".into(),
            hint: "There is nothing that could be random.".into(),
        });
    }
    let mut progress = Progress::start("randomisation", Unit::Steps, Some(nodes.len() as u64));
    let mut layers = Vec::with_capacity(nodes.len());
    let random = model.copied()?;
    let mut drawn = BTreeSet::new();
    for (last, &node) in nodes.iter().enumerate() {
        // A tensor that layers share is drawn once.
        let tensors: Vec<usize> =
            graph.nodes()[node].tensors.iter().copied().filter(|&tensor| drawn.insert(tensor)).collect();
        random.redraw(&tensors, seed)?;
        let map = {
            let _quiet = Quiet::begin();
            explain(&random)?
        };
        let kind = |map: &Attribution| {
            let [height, width] = map.size();
            let class = map.class().map_or_else(|| "no class".to_owned(), |class| format!("class {class}"));
            format!("{class}, {height} x {width}")
        };
        if map.class() != trained.class() || map.size() != trained.size() {
            return Err(Error::Argument {
                op: op.into(),
                expected: format!("a map of {} for every model", kind(&trained)),
                got: format!("one of {}", kind(&map)),
                hint: "Ask for a fixed class and image: `CamConfig::default().class(3)`.".into(),
            });
        }
        layers.push(RandomisedLayer {
            layer: graph.nodes()[node].name.clone(),
            correlation: spearman(trained.values(), map.values()),
            correlation_of_sizes: spearman(&sizes(trained.values()), &sizes(map.values())),
        });
        progress.at(last as u64 + 1)?;
    }
    Ok(Randomisation { method: trained.method().to_owned(), class: trained.class(), layers })
}

impl Randomisation {
    /// The layers in the order in which they were made random, the one next to the output first.
    #[must_use]
    pub fn layers(&self) -> &[RandomisedLayer] {
        &self.layers
    }

    /// A row for each layer.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["random from the output to", "rank correlation", "without signs"]);
        let text = |value: Option<f64>| value.map_or_else(|| "none: no ranks".to_owned(), number);
        for layer in &self.layers {
            let cells = [layer.layer.clone(), text(layer.correlation), text(layer.correlation_of_sizes)];
            table.push(&cells);
        }
        table
    }
}

impl Rich for Randomisation {
    fn rich(&self) -> Bundle {
        let class = self.class.map_or_else(String::new, |class| format!(", class {class}"));
        let text = format!(
            "{}{class}: likeness to the map of the trained model\n{}",
            self.method,
            self.table().text()
        );
        self.table().rich().with("text/plain", sconce_display::Content::Text(text))
    }
}

fn sizes(values: &[f32]) -> Vec<f32> {
    values.iter().map(|value| value.abs()).collect()
}

/// Spearman's rank correlation; equal values have the mean of their ranks.
fn spearman(a: &[f32], b: &[f32]) -> Option<f64> {
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(&b) {
        ab += (a - mean) * (b - mean);
        aa += (a - mean).powi(2);
        bb += (b - mean).powi(2);
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        // -0 and 0 are equal, but not to the order.
        let equal =
            order[first..].iter().take_while(|&&at| values[at] == values[order[first]]).count().max(1);
        let rank = first as f64 + (equal as f64 - 1.0) / 2.0;
        order[first..first + equal].iter().for_each(|&at| ranks[at] = rank);
        first += equal;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: ranks 0, 1.5, 1.5, 3 against 0, 2, 1, 3.
    #[test]
    fn equal_values_share_their_rank() {
        assert_eq!(ranks(&[1.0, 2.0, 2.0, 5.0]), [0.0, 1.5, 1.5, 3.0]);
        assert_eq!(ranks(&[0.0, -0.0, -1.0]), [1.5, 1.5, 0.0]);
        let correlation = spearman(&[1.0, 2.0, 2.0, 5.0], &[0.0, 9.0, 4.0, 10.0]).unwrap_or_default();
        assert!((correlation - 4.5 / (4.5_f64 * 5.0).sqrt()).abs() < 1e-12, "{correlation}");
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[9.0, 4.0, 1.0]), Some(-1.0));
        assert_eq!(spearman(&[1.0, 1.0], &[0.0, 3.0]), None);
    }
}
