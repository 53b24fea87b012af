//! Ranges of activations, measured.

use candle_core::Tensor;

use super::config::Calibration;
use super::histogram::Histogram;
use super::refused;
use crate::Result;
use crate::nn::Model;
use crate::progress::{Progress, Unit};

/// The range of the value of each of the `nodes`, in the order of their list, for some batches of images: of those
/// that are in `whole`, too, from the least to the greatest, whatever the calibration says. A value that is 0 everywhere
/// gets 0 to 1.
pub(super) fn ranges(
    model: &Model,
    (nodes, whole): (&[usize], &[usize]),
    batches: &[Tensor],
    calibration: Calibration,
) -> Result<Vec<[f32; 2]>> {
    if batches.is_empty() {
        return Err(refused(
            "calibration",
            "at least one batch of images".into(),
            "none".into(),
            "Some hundred images like those that the model is for: `let batch = data.batches(64).next()`.",
        ));
    }
    let passes = if calibration == Calibration::MinMax { 1 } else { 2 };
    let mut progress = Progress::start("calibration", Unit::Steps, Some((passes * batches.len()) as u64));
    let mut ranges = vec![[f32::INFINITY, f32::NEG_INFINITY]; nodes.len()];
    for (done, batch) in batches.iter().enumerate() {
        progress.at(done as u64)?;
        for ((value, range), &node) in model.values(batch, nodes)?.iter().zip(&mut ranges).zip(nodes) {
            for value in value.flatten_all()?.to_vec1::<f32>()? {
                if !value.is_finite() {
                    let label = model.graph().nodes()[node].label();
                    let got = format!("{value} in batch {}", done + 1);
                    let hint = "Look at the images and the weights: a layer before it may have burst.";
                    return Err(refused(&label, "finite values for calibration".into(), got, hint));
                }
                *range = [range[0].min(value), range[1].max(value)];
            }
        }
    }
    if passes == 2 {
        let size = |range: &[f32; 2]| range[0].abs().max(range[1].abs());
        let cut = |node: &usize| !whole.contains(node);
        let mut ranges: Vec<&mut [f32; 2]> =
            ranges.iter_mut().zip(nodes).filter(|(_, node)| cut(node)).map(|(range, _)| range).collect();
        let nodes: Vec<usize> = nodes.iter().copied().filter(cut).collect();
        let mut histograms: Vec<Histogram> = ranges.iter().map(|range| Histogram::new(size(range))).collect();
        for (done, batch) in batches.iter().enumerate() {
            progress.at((batches.len() + done) as u64)?;
            for (value, histogram) in model.values(batch, &nodes)?.iter().zip(&mut histograms) {
                histogram.add(&value.flatten_all()?.to_vec1::<f32>()?);
            }
        }
        for (range, histogram) in ranges.iter_mut().zip(&histograms) {
            let [low, high] = match calibration {
                Calibration::Percentile(percent) => histogram.percentile(percent),
                _ => histogram.entropy(),
            };
            **range = [range[0].max(low), range[1].min(high)];
        }
    }
    for range in &mut ranges {
        *range = [range[0].min(0.0), range[1].max(0.0)];
        if *range == [0.0, 0.0] {
            *range = [0.0, 1.0];
        }
    }
    Ok(ranges)
}
