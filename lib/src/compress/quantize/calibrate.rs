//! Ranges of activations, measured.

use candle_core::Tensor;

use super::config::Calibration;
use super::histogram::Histogram;
use super::refused;
use crate::Result;
use crate::nn::Model;
use crate::progress::{Progress, Unit};

/// Values that are held at a time: 256 MiB.
pub(super) const HELD: usize = 1 << 26;

/// A batch on the model's device, in pieces of so few images that of the `nodes` no more than `held` values are there
/// at a time, or those of one image.
pub(super) fn pieces(model: &Model, nodes: &[usize], batch: &Tensor, held: usize) -> Result<Vec<Tensor>> {
    let batch = batch.to_device(model.device())?;
    let (&[images, _, height, width], &[_, built_height, built_width]) =
        (batch.dims(), model.graph().nodes()[0].shape.as_slice())
    else {
        // The model says what is wrong with it.
        return Ok(vec![batch]);
    };
    let of_node = |&node: &usize| model.graph().nodes()[node].shape.iter().product::<usize>() as f64;
    let pixels = (height * width) as f64 / (built_height * built_width).max(1) as f64;
    let of_image = nodes.iter().map(of_node).sum::<f64>() * pixels;
    let most = ((held as f64 / of_image.max(1.0)) as usize).max(1);
    if images <= most {
        return Ok(vec![batch]);
    }
    let starts = (0..images).step_by(most);
    starts.map(|start| Ok(batch.narrow(0, start, most.min(images - start))?)).collect()
}

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
        for piece in pieces(model, nodes, batch, HELD)? {
            progress.at(done as u64)?;
            for ((value, range), &node) in model.values(&piece, nodes)?.iter().zip(&mut ranges).zip(nodes) {
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
    }
    if passes == 2 {
        let size = |range: &[f32; 2]| range[0].abs().max(range[1].abs());
        let cut = |node: &usize| !whole.contains(node);
        let mut ranges: Vec<&mut [f32; 2]> =
            ranges.iter_mut().zip(nodes).filter(|(_, node)| cut(node)).map(|(range, _)| range).collect();
        let nodes: Vec<usize> = nodes.iter().copied().filter(cut).collect();
        let mut histograms: Vec<Histogram> = ranges.iter().map(|range| Histogram::new(size(range))).collect();
        for (done, batch) in batches.iter().enumerate() {
            for piece in pieces(model, &nodes, batch, HELD)? {
                progress.at((batches.len() + done) as u64)?;
                for (value, histogram) in model.values(&piece, &nodes)?.iter().zip(&mut histograms) {
                    histogram.add(&value.flatten_all()?.to_vec1::<f32>()?);
                }
            }
        }
        for (range, histogram) in ranges.iter_mut().zip(&histograms) {
            // Finding a range by entropy takes its time, too.
            progress.at((passes * batches.len()) as u64)?;
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

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::Seed;

    #[test]
    fn a_batch_goes_in_pieces_whose_values_can_be_held() -> Result<()> {
        let model = Model::build([1, 4, 4], |x| x.conv2d(3, 3).relu())?.init(Seed(1), &Device::Cpu)?;
        let batch = Tensor::arange(0_f32, 7.0 * 64.0, &Device::Cpu)?.reshape((7, 1, 8, 8))?;
        // Twice as high and wide as the model was built for: 4 · (16 + 48) values each.
        for (held, images) in [(1 << 26, vec![7]), (512, vec![2, 2, 2, 1]), (1, vec![1; 7])] {
            let pieces = pieces(&model, &[0, 1], &batch, held)?;
            assert_eq!(pieces.iter().map(|piece| piece.dims()[0]).collect::<Vec<_>>(), images);
            let whole = Tensor::cat(&pieces, 0)?.flatten_all()?.to_vec1::<f32>()?;
            assert_eq!(whole, batch.flatten_all()?.to_vec1::<f32>()?);
        }
        let ranges = |batches: &[Tensor]| ranges(&model, (&[0, 1], &[]), batches, Calibration::MinMax);
        // No images are no batch.
        assert!(ranges(&[batch.narrow(0, 0, 0)?]).is_err());
        assert!(ranges(&[batch.flatten_all()?]).is_err());
        Ok(())
    }
}
