//! Which layers bear pruning.

use std::path::Path;

use sconce_display::Bundle;

use super::cut::Kept;
use super::groups::layers_in_words;
use super::prepared::Prepared;
use super::prune::PruneConfig;
use crate::nn::Model;
use crate::plot::{Curves, Table, number, percent, svg_in_html};
use crate::progress::{Progress, Unit};
use crate::rich::Rich;
use crate::{Error, Result};

/// Curves in a picture; the table has all layers.
const CURVES: usize = 8;
/// Rows of the table.
const ROWS: usize = 100;

/// What a model is still worth when one group of layers alone loses channels. Made by [`sensitivity`].
#[derive(Debug, Clone, PartialEq)]
pub struct Sensitivity {
    baseline: f64,
    /// What was asked for.
    shares: Vec<f64>,
    layers: Vec<LayerSensitivity>,
}

/// What one group of layers that hang together bears.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSensitivity {
    /// The layers.
    pub layers: Vec<String>,
    /// The share of channels that was really removed, with what the model was worth then, for each share that was asked for.
    pub points: Vec<(f64, f64)>,
}

/// Removes `shares` of the channels of one group of layers after the other, each time from the whole model, and lets `measure` say
/// what the model is worth then, without any training: its accuracy on the validation part, say. What falls early is a layer to spare
/// with [`PruneConfig::limits`]. `config` says by what channels are ranked; its target does not count.
///
/// ```
/// use sconce::{compress::{PruneConfig, sensitivity}, prelude::*};
/// # fn main() -> sconce::Result<()> {
/// let data = datasets::digits()?;
/// let net = Model::build([1, 8, 8], |x| x.conv2d(8, 3).named("stem").relu().flatten().linear(10))?
///     .init(Seed(1), &Device::Cpu)?;
/// let batch = data.batches(64).next().unwrap()?;
/// let scan = sensitivity(&net, &[0.25, 0.5], &PruneConfig::default(), |net| {
///     let mut accuracy = accuracy();
///     accuracy.update(&net.forward(&batch.images, Mode::Eval)?, &batch.labels)?;
///     accuracy.value()
/// })?;
/// assert_eq!(scan.layers()[0].layers, ["stem"]);
/// scan
/// # ; Ok(()) }
/// ```
///
/// # Errors
/// As [`super::prune_channels`]; no shares, or some that are not from 0 to below 1; those of `measure`; a value that is not finite; an
/// interrupt.
pub fn sensitivity(
    model: &Model,
    shares: &[f64],
    config: &PruneConfig,
    mut measure: impl FnMut(&Model) -> Result<f64>,
) -> Result<Sensitivity> {
    let refused = |expected: &str, got: String| Error::Argument {
        op: "sensitivity".into(),
        expected: expected.into(),
        got,
        hint: "Shares such as [0.25, 0.5, 0.75], of a model with layers between its input and its outputs."
            .into(),
    };
    if shares.is_empty() || !shares.iter().all(|share| (0.0..1.0).contains(share)) {
        return Err(refused("shares of the channels from 0 to below 1", format!("{shares:?}")));
    }
    let mut worth = |model: &Model| -> Result<f64> {
        let value = measure(model)?;
        if value.is_finite() {
            Ok(value)
        } else {
            Err(refused("a measure that is finite", value.to_string()))
        }
    };
    let prepared = Prepared::of(model, config)?;
    let choice = prepared.choice(config)?;
    let Prepared { parts, trace, groups, .. } = &prepared;
    let baseline = worth(model)?;
    let total = groups.len() * shares.len();
    let mut progress = Progress::start("sensitivity", Unit::Steps, Some(total as u64));
    let mut layers = Vec::with_capacity(groups.len());
    for (at, group) in groups.iter().enumerate() {
        let mut points = Vec::with_capacity(shares.len());
        for (done, &share) in shares.iter().enumerate() {
            progress.at((at * shares.len() + done) as u64)?;
            let removed = choice.removed_of(at, share);
            let pruned = Kept::new(trace, &removed).model(parts)?;
            // Limits and whole multiples may let less go than was asked for.
            let all: usize = group.channels.iter().sum();
            let gone = (all - group.left(&removed)) as f64 / all as f64;
            points.push((gone, worth(&pruned)?));
        }
        layers.push(LayerSensitivity { layers: group.layers.clone(), points });
    }
    progress.at(total as u64)?;
    Ok(Sensitivity { baseline, shares: shares.to_vec(), layers })
}

impl Sensitivity {
    /// What the model is worth as it is.
    #[must_use]
    pub fn baseline(&self) -> f64 {
        self.baseline
    }

    /// The groups of layers, in the order of the model.
    #[must_use]
    pub fn layers(&self) -> &[LayerSensitivity] {
        &self.layers
    }

    /// The curves of the layers that change what the model is worth most, over the share of channels that went.
    #[must_use]
    pub fn curves(&self) -> Curves {
        let change = |layer: &LayerSensitivity| {
            layer.points.iter().map(|(_, value)| (value - self.baseline).abs()).fold(0.0, f64::max)
        };
        let mut layers: Vec<&LayerSensitivity> = self.layers.iter().collect();
        layers.sort_by(|a, b| change(b).total_cmp(&change(a)));
        let shown = layers.len().min(CURVES);
        let title = match layers.len() - shown {
            0 => "what a layer bears".to_owned(),
            more => format!("what a layer bears: the {shown} that matter most of {}", shown + more),
        };
        let curves = Curves::new(&title).x_label("share of its channels removed").y_label("measure");
        layers[..shown].iter().fold(curves, |curves, layer| {
            let points = [&[(0.0, self.baseline)], layer.points.as_slice()].concat();
            curves.series(&layer.name(), &points)
        })
    }

    fn table(&self) -> Table {
        let shares = self.shares.iter().map(|share| percent(*share));
        let header: Vec<String> = ["layers".to_owned(), percent(0.0)].into_iter().chain(shares).collect();
        let mut table = Table::new(&header.iter().map(String::as_str).collect::<Vec<_>>());
        for layer in self.layers.iter().take(ROWS) {
            let values = layer.points.iter().zip(&self.shares).map(|((gone, value), asked)| {
                let other = (gone - asked).abs() > 0.005;
                if other { format!("{} at {}", number(*value), percent(*gone)) } else { number(*value) }
            });
            let row: Vec<String> = [layer.name(), number(self.baseline)].into_iter().chain(values).collect();
            table.push(&row);
        }
        table
    }

    /// Writes the curves to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.curves().save(path)
    }
}

impl LayerSensitivity {
    fn name(&self) -> String {
        layers_in_words(&self.layers)
    }
}

impl Rich for Sensitivity {
    fn rich(&self) -> Bundle {
        let more = self.layers.len().saturating_sub(ROWS);
        let note = if more == 0 { String::new() } else { format!("and {more} more layers\n") };
        let text = format!("{}{note}", self.table().text());
        match self.curves().svg() {
            Ok(svg) => Bundle::text(text.clone()).html(svg_in_html(&svg, text.trim_end())),
            Err(error) => Bundle::text(format!("{text}({error})\n")),
        }
    }
}
