//! Which layer the rounding hurts.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use sconce_display::Bundle;

use super::model::QuantizedModel;
use super::plan::Work;
use super::{in_use, prepared, refused};
use crate::Result;
use crate::nn::{Model, Operator};
use crate::plot::{Bars, Table, svg_in_html};
use crate::progress::{Progress, Unit};
use crate::rich::Rich;

/// Bars of the picture.
const BARS: usize = 24;
/// Rows of the table.
const ROWS: usize = 200;

/// How far the values of a quantized model's layers are from the float model's, worst first. Made by
/// [`compare_layers`].
#[derive(Debug, Clone, PartialEq)]
pub struct LayerErrors {
    layers: Vec<LayerError>,
}

/// How far a layer's values are from the float model's.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerError {
    /// The layer's name.
    pub name: String,
    /// The signal-to-quantization-noise ratio in decibels: `10 · log10(Σ x² / Σ (x - q)²)` over all values. 6 dB
    /// are a bit. Infinite where nothing differs.
    pub sqnr: f64,
}

/// Runs a float model and what it was quantized to side by side, and says of each layer how far its values are
/// apart: with all that the layers before it have done. Where it falls most, a layer is to be excluded, or better
/// calibrated.
///
/// ```
/// use sconce::{compress::{QuantizeConfig, compare_layers, quantize}, prelude::*};
/// # fn main() -> sconce::Result<()> {
/// let net = Model::build([1, 8, 8], |x| x.conv2d(8, 3).relu().flatten().linear(10))?.init(Seed(1), &Device::Cpu)?;
/// let images = [Tensor::rand(0_f32, 1.0, (16, 1, 8, 8), &Device::Cpu)?];
/// let int8 = quantize(&net, &images, &QuantizeConfig::default())?;
/// let errors = compare_layers(&net, &int8.model, &images)?;
/// assert!(errors.layers()[0].sqnr > 20.0);
/// errors
/// # ; Ok(()) }
/// ```
///
/// # Errors
/// If there are no batches, values that are not finite (the error names the layer), or the quantized model was not made
/// of `model`; [`crate::Error::Interrupted`].
pub fn compare_layers(model: &Model, quantized: &QuantizedModel, batches: &[Tensor]) -> Result<LayerErrors> {
    let op = "compare_layers";
    if batches.is_empty() {
        return Err(refused(op, "at least one batch of images".into(), "none".into(), ""));
    }
    let float = Model::of_parts(in_use(prepared(model)?))?;
    let graph = &quantized.graph;
    let (mut nodes, mut of_float, mut of_quantized) = (Vec::new(), Vec::new(), Vec::new());
    for step in quantized.steps.iter().filter(|step| !matches!(step.work, Work::Same | Work::Quantize(_))) {
        // The value behind bounds and rounding is that of the layer before these.
        let mut value = step.output;
        while let (Operator::FakeQuantize { .. }, &[input]) =
            (&graph.nodes[value].operator, graph.nodes[value].inputs.as_slice())
        {
            value = input;
        }
        let same = |index: &usize| float.graph().nodes()[*index].name == graph.nodes[value].name;
        let Some(node) = (0..float.graph().nodes().len()).find(same) else { continue };
        nodes.push(&graph.nodes[step.node]);
        of_float.push(node);
        of_quantized.push(step.output);
    }
    let same_images = graph.nodes[0].shape.first() == float.graph().nodes()[0].shape.first();
    if nodes.is_empty() || !same_images {
        let expected = "a quantized model that was made of this model".into();
        return Err(refused(op, expected, "one whose layers have other names".into(), ""));
    }
    let mut progress = Progress::start("comparison", Unit::Steps, Some(batches.len() as u64));
    let mut sums = vec![[0.0_f64; 2]; nodes.len()];
    for (done, batch) in batches.iter().enumerate() {
        progress.at(done as u64)?;
        let wanted = float.values(&batch.to_device(float.device())?, &of_float)?;
        let found = quantized.values(&batch.to_device(&Device::Cpu)?, &of_quantized)?;
        for (((wanted, found), sums), node) in wanted.iter().zip(&found).zip(&mut sums).zip(&nodes) {
            if wanted.dims() != found.dims() {
                let expected = "a quantized model that was made of this model".into();
                return Err(refused(op, expected, "one whose layers have other sizes".into(), ""));
            }
            let wanted = wanted.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
            let error = (found.to_dtype(DType::F64)? - &wanted)?;
            sums[0] += wanted.sqr()?.sum_all()?.to_scalar::<f64>()?;
            sums[1] += error.sqr()?.sum_all()?.to_scalar::<f64>()?;
            if !sums[0].is_finite() || !sums[1].is_finite() {
                return Err(refused(
                    &node.label(),
                    "finite values of both models to compare".into(),
                    format!("others in batch {}", done + 1),
                    "Look at the images and the weights: a layer before it may have burst.",
                ));
            }
        }
    }
    let decibels = |[signal, noise]: [f64; 2]| match noise > 0.0 {
        true => 10.0 * (signal / noise).log10(),
        false => f64::INFINITY,
    };
    let layers = nodes
        .iter()
        .zip(sums)
        .map(|(node, sums)| LayerError { name: node.name.clone(), sqnr: decibels(sums) });
    let mut layers: Vec<LayerError> = layers.collect();
    layers.sort_by(|a, b| a.sqnr.total_cmp(&b.sqnr));
    Ok(LayerErrors { layers })
}

impl LayerErrors {
    /// The layers, the worst first.
    #[must_use]
    pub fn layers(&self) -> &[LayerError] {
        &self.layers
    }

    /// The worst layers as bars.
    ///
    /// # Errors
    /// If a bar cannot be drawn.
    pub fn bars(&self) -> Result<Bars> {
        let mut bars = Bars::new("signal to quantization noise, dB");
        for layer in self.layers.iter().take(BARS) {
            // What is exact has no length that could be drawn.
            let amount = if layer.sqnr == f64::INFINITY { 0.0 } else { layer.sqnr.max(0.0) };
            bars = bars.bar(&layer.name, amount, &decibels(layer.sqnr))?;
        }
        let more = self.layers.len().saturating_sub(BARS);
        Ok(if more == 0 { bars } else { bars.gap(&format!("{more} better ones")) })
    }

    /// Writes the bars to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.bars()?.save(path)
    }
}

fn decibels(sqnr: f64) -> String {
    if sqnr == f64::INFINITY { "exact".into() } else { format!("{sqnr:.1} dB") }
}

impl Rich for LayerErrors {
    fn rich(&self) -> Bundle {
        let mut table = Table::new(&["layer", "signal to noise"]);
        for layer in self.layers.iter().take(ROWS) {
            table.push(&[layer.name.clone(), decibels(layer.sqnr)]);
        }
        let more = self.layers.len().saturating_sub(ROWS);
        let note = if more == 0 { String::new() } else { format!("and {more} more layers\n") };
        let text = format!("{}{note}", table.text());
        match self.bars().and_then(|bars| bars.svg()) {
            Ok(svg) => Bundle::text(text.clone()).html(svg_in_html(&svg, text.trim_end())),
            Err(error) => Bundle::text(format!("{text}({error})\n")),
        }
    }
}
