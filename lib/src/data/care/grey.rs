//! What can be told from the brightness of an image.

use crate::Result;
use crate::data::{Image, Pixels};

/// Brightness, 0 to 1, row by row from the top.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grey {
    height: usize,
    width: usize,
    values: Vec<f32>,
}

impl Grey {
    /// The brightness of an image with its longer side at most `side` pixels, each the mean of those it
    /// stands for. Alpha lies over white; of more than four channels the mean counts.
    pub(super) fn of(image: &Image, side: usize) -> Result<Grey> {
        let longer = image.height().max(image.width());
        let short = |length: usize| {
            if longer <= side {
                length
            } else {
                ((length as f64 * side as f64 / longer as f64).round() as usize).max(1)
            }
        };
        let size = [short(image.height()), short(image.width())];
        let from = [image.height(), image.width()];
        if image.channels() > 4 {
            let channels = image.channels();
            let mean = |sum: f32| sum / channels as f32;
            return Ok(match image.pixels() {
                Pixels::U8(values) => resized(from, size, |at| {
                    let pixel = &values[at * channels..(at + 1) * channels];
                    mean(pixel.iter().map(|&value| f32::from(value)).sum()) / 255.0
                }),
                Pixels::F32(values) => {
                    resized(from, size, |at| mean(values[at * channels..(at + 1) * channels].iter().sum()))
                }
            });
        }
        let grey = if image.channels() == 1 { None } else { Some(image.to_grey()?) };
        Ok(match grey.as_ref().unwrap_or(image).pixels() {
            Pixels::U8(values) => resized(from, size, |at| f32::from(values[at]) / 255.0),
            Pixels::F32(values) => resized(from, size, |at| values[at]),
        })
    }

    /// The same at another size `[height, width]`, whatever the sides' proportion.
    pub(super) fn at_size(&self, size: [usize; 2]) -> Grey {
        resized([self.height, self.width], size, |at| self.values[at])
    }

    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// The brightness below which this share of the pixels lies, 0 to 1.
    pub(super) fn quantile(&self, share: f64) -> f32 {
        let mut values = self.values.clone();
        let at = ((values.len() - 1) as f64 * share.clamp(0.0, 1.0)).round() as usize;
        *values.select_nth_unstable_by(at, f32::total_cmp).1
    }

    /// The variance of the Laplacian over all pixels but those of the rim, in the units of bytes (0 to 255)
    /// squared; `None` where there is nothing but a rim. Sharp edges make it large. Source: Pech-Pacheco,
    /// Cristóbal, Chamorro-Martínez and Fernández-Valdivia, *Diatom autofocusing in brightfield microscopy: a
    /// comparative study*, 2000.
    pub(super) fn sharpness(&self) -> Option<f64> {
        if self.height < 3 || self.width < 3 {
            return None;
        }
        let (mut sum, mut squares) = (0.0_f64, 0.0_f64);
        let rows: Vec<&[f32]> = self.values.chunks_exact(self.width).collect();
        for three in rows.windows(3) {
            let [above, row, below] = three else { continue };
            for ((above, row), below) in above[1..].iter().zip(row.windows(3)).zip(&below[1..]) {
                let value = f64::from(above + below + row[0] + row[2] - 4.0 * row[1]) * 255.0;
                sum += value;
                squares += value * value;
            }
        }
        let count = ((self.height - 2) * (self.width - 2)) as f64;
        let mean = sum / count;
        Some((squares / count - mean * mean).max(0.0))
    }
}

/// Which pixels a line of `to` pixels takes from one of `from`: the first of them, and how much of each.
fn shares(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f64 / to as f64;
    (0..to)
        .map(|at| {
            let (start, end) = (at as f64 * scale, ((at + 1) as f64 * scale).min(from as f64));
            let first = (start.floor() as usize).min(from - 1);
            let last = (end.ceil() as usize).clamp(first + 1, from);
            let share =
                |pixel: usize| (end.min((pixel + 1) as f64) - start.max(pixel as f64)).max(0.0) as f32;
            let shares: Vec<f32> = (first..last).map(share).collect();
            let sum: f32 = shares.iter().sum();
            (first, shares.iter().map(|share| share / sum).collect())
        })
        .collect()
}

/// The means of the pixels below each new one. `value` is asked for each pixel by its place.
fn resized(from: [usize; 2], to: [usize; 2], value: impl Fn(usize) -> f32) -> Grey {
    let ([height, width], [rows, columns]) = (from, to);
    if from == to {
        return Grey { height, width, values: (0..height * width).map(value).collect() };
    }
    let across = shares(width, columns);
    let mut values = vec![0.0; rows * columns];
    let mut line = vec![0.0; width];
    for ((first, down), row) in shares(height, rows).into_iter().zip(values.chunks_exact_mut(columns)) {
        line.fill(0.0);
        for (y, share) in (first..).zip(down) {
            for (x, sum) in line.iter_mut().enumerate() {
                *sum += share * value(y * width + x);
            }
        }
        for ((first, shares), to) in across.iter().zip(row) {
            *to = line[*first..].iter().zip(shares).map(|(value, share)| value * share).sum();
        }
    }
    Grey { height: rows, width: columns, values }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn grey(size: [usize; 2], values: &[f32]) -> Grey {
        Grey { height: size[0], width: size[1], values: values.to_vec() }
    }

    #[test]
    fn pixels_become_the_means_of_those_below() {
        let image = Image::new([2, 3, 1], Pixels::F32(vec![0.0, 0.3, 0.9, 0.6, 0.3, 0.3])).unwrap();
        let small = Grey::of(&image, 2).unwrap();
        // 3 columns on 2: a pixel and a half each; 2 rows on 1.
        assert_eq!([small.height, small.width], [1, 2]);
        for (value, expected) in small.values.iter().zip([0.3, 0.5]) {
            assert!((value - expected).abs() < 1e-6, "{:?}", small.values);
        }
        assert_eq!(Grey::of(&image, 3).unwrap().values, [0.0, 0.3, 0.9, 0.6, 0.3, 0.3]);
        let large = grey([1, 2], &[0.25, 0.75]).at_size([2, 4]);
        assert_eq!(large.values, [0.25, 0.25, 0.75, 0.75, 0.25, 0.25, 0.75, 0.75]);
        let five = Image::new([1, 1, 5], Pixels::U8(vec![0, 255, 0, 255, 0])).unwrap();
        assert!((Grey::of(&five, 9).unwrap().values[0] - 0.4).abs() < 1e-6);
    }

    #[test]
    fn quantiles_and_sharpness_have_their_values() {
        let ramp: Vec<f32> = (0..101).map(|at| at as f32 / 100.0).collect();
        assert_eq!(grey([1, 101], &ramp).quantile(0.05), 0.05);
        assert_eq!(grey([1, 101], &ramp).sharpness(), None);
        // A point of 1 / 255 in the middle of 4 x 4: Laplacians -4, 1, 1, 0 have variance 18 / 4 - 0.25.
        let mut point = [0.0; 16];
        point[5] = 1.0 / 255.0;
        assert!((grey([4, 4], &point).sharpness().unwrap() - 4.25).abs() < 1e-4);
        assert_eq!(grey([4, 4], &[0.5; 16]).sharpness(), Some(0.0));
    }
}
