use candle_core::{Device, Tensor};

use super::samples::{Region, Shares};
use crate::Result;

/// The features of regions, wherever the images are: two products for each image, with the shares of all its regions.
pub(super) fn apply(x: &Tensor, regions: &[Region]) -> Result<Tensor> {
    let &[batch, channels, height, width] = x.dims() else { return Ok(x.clone()) };
    let mut features = Vec::new();
    // The regions in the order in which their features come.
    let mut order = Vec::with_capacity(regions.len());
    for image in 0..batch {
        let own: Vec<usize> = (0..regions.len()).filter(|&index| regions[index].image == image).collect();
        if own.is_empty() {
            continue;
        }
        let sides = |side: fn(&Region) -> &Vec<Shares>, input: usize| -> Result<Tensor> {
            let lines = own.iter().flat_map(|&index| side(&regions[index]));
            Ok(matrix(lines, input)?.to_dtype(x.dtype())?.to_device(x.device())?)
        };
        let rows = sides(|region| &region.rows, height)?; // (K·OH, H)
        let columns = sides(|region| &region.columns, width)?; // (K·OW, W)
        let (count, out_height) = (own.len(), rows.dim(0)? / own.len());
        let out_width = columns.dim(0)? / count;
        let columns = columns.reshape((count, out_width, width))?.transpose(1, 2)?.contiguous()?; // (K, W, OW)
        let plane = x.narrow(0, image, 1)?.squeeze(0)?.transpose(0, 1)?.contiguous()?; // (H, C, W)
        let lines = rows.matmul(&plane.reshape((height, channels * width))?)?; // (K·OH, C·W)
        let lines = lines.reshape((count, out_height * channels, width))?;
        let parts = lines.matmul(&columns)?.reshape((count, out_height, channels, out_width))?;
        features.push(parts.transpose(1, 2)?.contiguous()?); // (K, C, OH, OW)
        order.extend(own);
    }
    let mut places = vec![0_u32; order.len()];
    order.iter().enumerate().for_each(|(place, &region)| places[region] = place as u32);
    let features = Tensor::cat(&features, 0)?;
    Ok(features.index_select(&Tensor::new(places, x.device())?, 0)?)
}

/// Lines of shares as a matrix, f64.
fn matrix<'a>(lines: impl Iterator<Item = &'a Shares>, width: usize) -> Result<Tensor> {
    let mut values = Vec::new();
    for line in lines {
        let start = values.len();
        values.resize(start + width, 0.0);
        line.iter().for_each(|&(pixel, share)| values[start + pixel] += share);
    }
    let height = values.len() / width;
    Ok(Tensor::from_vec(values, (height, width), &Device::Cpu)?)
}
