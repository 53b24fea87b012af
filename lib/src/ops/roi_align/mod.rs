//! Features of regions, by samples between pixels.
//!
//! A region's samples lie on a grid and a sample's weights are products of one for its row and one for its column, so
//! the operator is a small matrix from the left and one from the right: [`samples`] makes them, [`sparse`] applies them
//! on the CPU, where most of their values are 0, and [`dense`] with candle's products elsewhere.

mod dense;
mod samples;
mod sparse;

use candle_core::{DType, Tensor};

use self::samples::Region;
use super::composed;
use super::operands::{check, image_dims, shape_error};
use crate::{Error, Result};

/// Where a region of pixel coordinates lies in the feature map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoiAlignment {
    /// Pixel `i` has its centre at `i + ½`, as images have; torchvision's `aligned=True`.
    #[default]
    PixelCentres,
    /// Pixel `i` has its centre at `i`, and regions are at least a pixel large; `aligned=False`, as the first
    /// implementations had it.
    PixelCorners,
}

/// Options of [`roi_align`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoiAlignConfig {
    /// Parts that each region is cut into, height first.
    pub output: [usize; 2],
    /// Pixels of the feature map for a unit of the regions: 1/16 for regions in pixels of an image that is 16 times as
    /// large.
    pub spatial_scale: f64,
    /// Samples in each direction of a part; none for as many as there are pixels.
    pub sampling_ratio: Option<usize>,
    /// Where the regions lie.
    pub alignment: RoiAlignment,
}

impl Default for RoiAlignConfig {
    /// 7 × 7 parts, regions in pixels of the feature map, as many samples as pixels.
    fn default() -> RoiAlignConfig {
        RoiAlignConfig {
            output: [7, 7],
            spatial_scale: 1.0,
            sampling_ratio: None,
            alignment: RoiAlignment::default(),
        }
    }
}

/// What feature maps hold in regions of any place and size (He et al. 2017, Mask R-CNN): every region is cut into
/// `output` equal parts, and a part's value is the mean of samples between pixels, each mixed of the four around it.
/// Samples more than a pixel outside the map are 0.
///
/// `x` (B, C, H, W) and `rois` (K, 5), each the index of its image and `x1, y1, x2, y2`, give (K, C, OH, OW). The
/// gradient is that of `x`; the regions are constants.
///
/// # Errors
/// If the shapes do not fit, an index is none of the images, a coordinate is not finite, `output`, `sampling_ratio` or
/// `spatial_scale` is 0, `rois` would need a gradient, or the tensors are not all f32 or all f64.
pub fn roi_align(x: &Tensor, rois: &Tensor, config: RoiAlignConfig) -> Result<Tensor> {
    let op = "roi_align";
    check(op, &[("x", x), ("rois", rois)])?;
    let [batch, channels, height, width] = image_dims(op, x)?;
    if height * width == 0 {
        return Err(shape_error(op, "images with at least one pixel", x.dims(), ""));
    }
    check_config(op, config)?;
    if rois.track_op() {
        return Err(argument(
            op,
            "rois that are constants",
            "rois that come from trained values".into(),
            "This operator has no gradient for them: stop it with `detach()`.",
        ));
    }
    let rois = regions(op, rois, batch, config)?;
    let [out_height, out_width] = config.output;
    if rois.is_empty() {
        return Ok(Tensor::zeros((0, channels, out_height, out_width), x.dtype(), x.device())?);
    }
    let regions: Vec<Region> =
        rois.iter().map(|&(image, bounds)| Region::new(image, bounds, config, [height, width])).collect();
    if composed::computes(x)? { dense::apply(x, &regions) } else { sparse::apply(x, regions, config.output) }
}

fn check_config(op: &str, config: RoiAlignConfig) -> Result<()> {
    if config.output.contains(&0) {
        return Err(shape_error(op, "an output of at least one part", &config.output, ""));
    }
    if config.sampling_ratio == Some(0) {
        let hint = "`None` takes as many as there are pixels.";
        return Err(argument(op, "a sampling_ratio of at least 1", "0".into(), hint));
    }
    if !(config.spatial_scale > 0.0 && config.spatial_scale.is_finite()) {
        let got = config.spatial_scale.to_string();
        return Err(argument(op, "a spatial_scale above 0", got, "It is 1/16 for a map of stride 16."));
    }
    Ok(())
}

/// The image and the bounds `x1, y1, x2, y2` of each region.
fn regions(op: &str, rois: &Tensor, batch: usize, config: RoiAlignConfig) -> Result<Vec<(usize, [f64; 4])>> {
    if !matches!(rois.dims(), [_, 5]) {
        let hint = "A region is the index of its image and x1, y1, x2, y2.";
        return Err(shape_error(op, "rois (K, 5)", rois.dims(), hint));
    }
    let values = rois.to_dtype(DType::F64)?.contiguous()?.flatten_all()?.to_vec1::<f64>()?;
    let (rows, _) = values.as_chunks::<5>();
    let region = |(index, &[image, x1, y1, x2, y2]): (usize, &[f64; 5])| {
        if !(image >= 0.0 && image < batch as f64 && image.fract() == 0.0) {
            let expected = format!("the index of one of {batch} images first in each of rois");
            return Err(argument(op, &expected, format!("{image} at index {index}"), ""));
        }
        let bounds = [x1, y1, x2, y2].map(|side| side * config.spatial_scale);
        if bounds.iter().any(|side| !side.is_finite()) {
            let got = format!("{:?} at index {index}", [x1, y1, x2, y2]);
            return Err(argument(op, "finite coordinates in rois", got, ""));
        }
        Ok((image as usize, bounds))
    };
    rows.iter().enumerate().map(region).collect()
}

fn argument(op: &str, expected: &str, got: String, hint: &str) -> Error {
    Error::Argument { op: op.into(), expected: expected.into(), got, hint: hint.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use candle_core::{Device, Var};

    use super::*;
    use crate::Seed;

    /// The two ways of computing it, in values and gradients.
    #[test]
    fn products_of_whole_matrices_give_the_same() {
        let mut rng = Seed(4).rng();
        let values = (0..2 * 3 * 9 * 7).map(|_| rng.normal()).collect();
        let x = Var::from_vec::<_, f64>(values, (2, 3, 9, 7), &Device::Cpu).unwrap();
        let rois = [
            (1, [0.3, 1.2, 5.9, 8.1]),
            (0, [-4.0, 2.0, 3.0, 20.0]),
            (1, [2.0, 2.0, 2.0, 2.0]),
            (1, [50.0, 50.0, 60.0, 60.0]),
        ];
        for alignment in [RoiAlignment::PixelCentres, RoiAlignment::PixelCorners] {
            let config = RoiAlignConfig { output: [3, 2], alignment, ..RoiAlignConfig::default() };
            let regions: Vec<Region> =
                rois.iter().map(|&(image, bounds)| Region::new(image, bounds, config, [9, 7])).collect();
            let dense = dense::apply(&x, &regions).unwrap();
            let sparse = sparse::apply(&x, regions, config.output).unwrap();
            let gradient = |y: &Tensor| y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let gradients = [gradient(&dense), gradient(&sparse)];
            let [a, b] = [0, 1].map(|index: usize| gradients[index].get(&x).unwrap());
            for (a, b) in [(&dense, &sparse), (a, b)] {
                assert_eq!(a.dims(), b.dims());
                let largest = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
                assert!(largest.to_scalar::<f64>().unwrap() < 1e-12, "{alignment:?}");
            }
        }
    }
}
