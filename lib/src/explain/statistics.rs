//! What layers give out for a batch.

use candle_core::Tensor;
use sconce_display::{Bundle, Content};

use super::subject::named;
use crate::Result;
use crate::nn::{Model, Operator};
use crate::plot::{Table, number, percent};
use crate::progress::{Progress, Unit};
use crate::rich::{Rich, Statistics};

/// Layers that are kept at once, at most, and their values, at most: 256 MB.
const TOGETHER: usize = 16;
const VALUES: usize = 1 << 26;

/// What each layer gives out for a batch. Made by [`activation_statistics`].
#[derive(Debug, Clone, PartialEq)]
pub struct ActivationStatistics {
    layers: Vec<LayerActivations>,
}

/// What one layer gives out for a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerActivations {
    /// The layer's name.
    pub layer: String,
    /// Of all its values.
    pub values: Statistics,
    /// The part of the values that are 0.
    pub zero: f64,
    /// The part of the channels (of maps), or else of the last dimension's places, that have one value for all images and
    /// places: behind a rectified linear unit those that are dead for this batch. `None` where a channel has a single value,
    /// so that this says nothing: features of one image.
    pub constant: Option<f64>,
}

/// Least, mean, greatest value and spread of what each layer gives out for a batch `x` (B, C, H, W), how much of it is 0,
/// and how many channels say the same everywhere: whether signals vanish, grow without bounds, or die. For training, look
/// at some dozens of images: few images leave many channels constant.
///
/// # Errors
/// If the model cannot take `x`; an interrupt.
pub fn activation_statistics(model: &Model, x: &Tensor) -> Result<ActivationStatistics> {
    let op = "explain::activation_statistics";
    let leads = model.leads_to_output();
    let nodes = model.graph().nodes();
    let wanted: Vec<usize> =
        (0..nodes.len()).filter(|&node| leads[node] && nodes[node].operator != Operator::Input).collect();
    let sizes = sizes(model, x, &wanted);
    let mut progress = Progress::start("activation statistics", Unit::Layers, Some(wanted.len() as u64));
    let mut layers = Vec::with_capacity(wanted.len());
    while layers.len() < wanted.len() {
        progress.at(layers.len() as u64)?;
        let together = together(&sizes[layers.len()..]);
        let wanted = &wanted[layers.len()..layers.len() + together];
        let values = model.values(x, wanted).map_err(named(op))?;
        for (&node, values) in wanted.iter().zip(values) {
            layers.push(LayerActivations {
                layer: nodes[node].name.clone(),
                values: Statistics::of(&values)?,
                zero: zeros(&values)?,
                constant: constant(&values)?,
            });
        }
    }
    Ok(ActivationStatistics { layers })
}

/// How many values each of these nodes gives for the batch.
fn sizes(model: &Model, x: &Tensor, nodes: &[usize]) -> Vec<usize> {
    let &[batch, channels, height, width] = x.dims() else {
        // The model says what is wrong with it.
        return vec![0; nodes.len()];
    };
    let shapes = model.graph().infer([channels, height, width]).unwrap_or_default();
    let size = |&node: &usize| shapes.get(node).map_or(0, |shape| shape.iter().product::<usize>() * batch);
    nodes.iter().map(size).collect()
}

/// How many of the next layers are kept at once, at least one: all would need the memory of all layers, and one at a time
/// would compute the first ones again and again.
fn together(sizes: &[usize]) -> usize {
    let mut sum = 0_usize;
    let fits = sizes.iter().take(TOGETHER).take_while(|&&size| {
        sum = sum.saturating_add(size);
        sum <= VALUES
    });
    fits.count().max(1)
}

fn zeros(values: &Tensor) -> Result<f64> {
    let values = values.flatten_all()?.to_vec1::<f32>()?;
    Ok(values.iter().filter(|&&value| value == 0.0).count() as f64 / values.len().max(1) as f64)
}

/// The part of the channels with the same value everywhere.
fn constant(values: &Tensor) -> Result<Option<f64>> {
    let channel = if values.rank() == 4 { 1 } else { values.rank().saturating_sub(1) };
    let rows = values.transpose(0, channel)?.contiguous()?.flatten_from(1)?;
    // A vector of features has a row for each image already.
    let rows = rows.reshape((values.dims()[channel], ()))?.to_vec2::<f32>()?;
    if rows.first().is_none_or(|row| row.len() < 2) {
        return Ok(None);
    }
    let same = rows.iter().filter(|row| row.iter().all(|value| Some(value) == row.first())).count();
    Ok(Some(same as f64 / rows.len() as f64))
}

impl ActivationStatistics {
    /// The layers, in the order of their computation.
    #[must_use]
    pub fn layers(&self) -> &[LayerActivations] {
        &self.layers
    }

    /// A row for each layer.
    #[must_use]
    pub fn table(&self) -> Table {
        let columns = ["layer", "min", "mean", "max", "std", "zero", "constant channels", "not finite"];
        let mut table = Table::new(&columns);
        for LayerActivations { layer, values, zero, constant } in &self.layers {
            table.push(&[
                layer.clone(),
                number(values.min),
                number(values.mean),
                number(values.max),
                number(values.std),
                percent(*zero),
                constant.map_or_else(String::new, percent),
                (values.count - values.finite()).to_string(),
            ]);
        }
        table
    }
}

impl Rich for ActivationStatistics {
    fn rich(&self) -> Bundle {
        let text = format!("what {} layers give out\n{}", self.layers.len(), self.table().text());
        self.table().rich().with("text/plain", Content::Text(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        assert_eq!(together(&[1, 1, 1]), 3);
        assert_eq!(together(&[1; 40]), TOGETHER);
        assert_eq!(together(&[VALUES / 2, VALUES / 2, 1]), 2);
        assert_eq!(together(&[VALUES * 3, 1]), 1);
        assert_eq!(together(&[1, usize::MAX, usize::MAX]), 1);
    }
}
