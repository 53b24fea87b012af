use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::samples::Region;
use crate::Result;
use crate::ops::host::{Real, dtype, output, read, values, with_real};
use crate::ops::record::apply1;

/// The features of regions, on the CPU.
pub(super) fn apply(x: &Tensor, regions: Vec<Region>, output: [usize; 2]) -> Result<Tensor> {
    let &[_, channels, height, width] = x.dims() else { return Ok(x.clone()) };
    apply1(RoiAlign { regions, channels, input: [height, width], output }, x)
}

struct RoiAlign {
    regions: Vec<Region>,
    channels: usize,
    input: [usize; 2],
    output: [usize; 2],
}

impl RoiAlign {
    fn pixels(&self) -> usize {
        self.input[0] * self.input[1]
    }

    fn parts(&self) -> usize {
        self.output[0] * self.output[1]
    }

    fn forward<T: Real>(&self, x: &[T]) -> Vec<T> {
        let mut y = vec![T::zero(); self.regions.len() * self.channels * self.parts()];
        let [_, width] = self.input;
        y.par_chunks_mut(self.parts()).enumerate().with_min_len(16).for_each_init(
            || vec![T::zero(); width],
            |line, (index, y)| {
                let (region, channel) = (&self.regions[index / self.channels], index % self.channels);
                let x = &x[(region.image * self.channels + channel) * self.pixels()..][..self.pixels()];
                for (row, y) in region.rows.iter().zip(y.chunks_mut(self.output[1])) {
                    line.fill(T::zero());
                    for &(pixel, share) in row {
                        let (x, share) = (&x[pixel * width..], T::from_f64(share));
                        line.iter_mut().zip(x).for_each(|(sum, &x)| *sum += x * share);
                    }
                    for (column, y) in region.columns.iter().zip(y) {
                        for &(pixel, share) in column {
                            *y += line[pixel] * T::from_f64(share);
                        }
                    }
                }
            },
        );
        y
    }

    /// Goes through the planes of the input, each with all regions of its image in their order, so that the sums do
    /// not depend on the threads.
    fn backward<T: Real>(&self, len: usize, dy: &[T]) -> Vec<T> {
        let mut dx = vec![T::zero(); len];
        let [_, width] = self.input;
        dx.par_chunks_mut(self.pixels()).enumerate().for_each_init(
            || vec![T::zero(); width],
            |line, (plane, dx)| {
                let (image, channel) = (plane / self.channels, plane % self.channels);
                let regions = self.regions.iter().enumerate().filter(|(_, region)| region.image == image);
                for (index, region) in regions {
                    let dy = &dy[(index * self.channels + channel) * self.parts()..][..self.parts()];
                    for (row, dy) in region.rows.iter().zip(dy.chunks(self.output[1])) {
                        line.fill(T::zero());
                        for (column, &dy) in region.columns.iter().zip(dy) {
                            column.iter().for_each(|&(pixel, share)| line[pixel] += dy * T::from_f64(share));
                        }
                        for &(pixel, share) in row {
                            let (dx, share) = (&mut dx[pixel * width..], T::from_f64(share));
                            dx.iter_mut().zip(line.iter()).for_each(|(dx, &value)| *dx += value * share);
                        }
                    }
                }
            },
        );
        dx
    }
}

impl CustomOp1 for RoiAlign {
    fn name(&self) -> &'static str {
        "roi_align"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let shape = [self.regions.len(), self.channels, self.output[0], self.output[1]];
        with_real!(dtype(x), "roi_align", T => output(self.forward::<T>(values(x, layout)?), shape))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        with_real!(x.dtype(), "roi_align", T => {
            let dx = read([&dy], |[dy]: [&[T]; 1]| self.backward(x.elem_count(), dy))?;
            Tensor::from_vec(dx, x.shape(), x.device()).map(Some)
        })
    }
}
