//! Four samples in one.

use super::fill::Fill;
use super::filter::Filter;
use super::motion::moved;
use super::objects::ObjectRule;
use super::refused::unfit;
use super::resample::Resampling;
use super::resize::Scaled;
use super::size::Size;
use super::span::check_probability;
use super::window::{PadMode, Window};
use crate::data::{ClassMap, Join, Pixels, PixelsMut, Sample};
use crate::{Result, Rng, Seed};

/// Puts four samples around a random point of one image, each in its quarter, which it fills: a part of random
/// place and the quarter's proportions, as large as the image has one, is resized to it. For detectors: more
/// objects, smaller ones, and other surroundings (Bochkovskiy et al. 2020, "YOLOv4", §3.3).
///
/// Labels are those of all four, each once; a class map is made if one of them has one, and pixels of the
/// others do not count.
#[derive(Debug, Clone, PartialEq)]
pub struct Mosaic {
    size: Size,
    p: f64,
    filter: Filter,
    objects: ObjectRule,
}

impl Mosaic {
    /// Of `size` pixels a side, or `[height, width]`, at least 4 each; bilinear. In
    /// [`Dataset::join`](crate::data::Dataset::join) every sample becomes one.
    #[must_use]
    pub fn new(size: impl Into<Size>) -> Mosaic {
        Mosaic { size: size.into(), p: 1.0, filter: Filter::Bilinear, objects: ObjectRule::default() }
    }

    /// Sets how many of the samples of a data set become a mosaic, 0 to 1; the others stay alone, in their own
    /// size.
    #[must_use]
    pub fn probability(mut self, p: f64) -> Mosaic {
        self.p = p;
        self
    }

    /// Sets how pixels are made.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Mosaic {
        self.filter = filter;
        self
    }

    /// Sets which objects stay.
    #[must_use]
    pub fn objects(mut self, rule: ObjectRule) -> Mosaic {
        self.objects = rule;
        self
    }

    /// One sample of four: upper left, upper right, lower left, lower right. The point where they meet is
    /// between a quarter and three quarters of each side.
    ///
    /// # Errors
    /// When a side is below 4, or the images have different channels or dtypes.
    pub fn join(&self, samples: [Sample; 4], seed: Seed) -> Result<Sample> {
        self.of_four(samples, &mut seed.rng())
    }

    fn of_four(&self, samples: [Sample; 4], rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "Mosaic";
        let size = self.size.checked(OP)?;
        if size[0] < 4 || size[1] < 4 {
            let hint = "Each of the four takes a quarter of a side at least.";
            return Err(unfit(OP, "a size of at least 4 x 4", format!("{} x {}", size[0], size[1]), hint));
        }
        let kind = |sample: &Sample| {
            let dtype = if matches!(sample.image.pixels(), Pixels::U8(_)) { "u8" } else { "f32" };
            (sample.image.channels(), dtype)
        };
        let kinds = samples.each_ref().map(kind);
        if kinds.iter().any(|other| *other != kinds[0]) {
            return Err(unfit(
                OP,
                "four images of the same channels and dtype",
                format!("{kinds:?}"),
                "`Rgb` makes them all RGB.",
            ));
        }
        let middle = size.map(|side| side / 4 + rng.below(side / 2 + 1));
        let mapped = samples.iter().any(|sample| sample.target.segmentation.is_some());
        let mut joined: Option<Sample> = None;
        for (quarter, mut sample) in samples.into_iter().enumerate() {
            let (row, column) = (quarter / 2, quarter % 2);
            let corner = [row * middle[0], column * middle[1]];
            let tile = [
                if row == 0 { middle[0] } else { size[0] - middle[0] },
                if column == 0 { middle[1] } else { size[1] - middle[1] },
            ];
            let from = [sample.image.height(), sample.image.width()];
            if mapped && sample.target.segmentation.is_none() {
                let classes = vec![ClassMap::IGNORE; from[0] * from[1]];
                sample.target.segmentation = Some(ClassMap { height: from[0], width: from[1], classes });
            }
            let resampling = self.part(from, tile, rng);
            let tile_of = moved(sample, &Scaled { op: OP, resampling, filter: self.filter }, &self.objects)?;
            let whole = Window {
                op: OP,
                from: tile,
                corner: corner.map(|place| -(place as isize)),
                size,
                mode: PadMode::Constant,
                fill: &Fill::default(),
            };
            let placed = moved(tile_of, &whole, &super::objects::EVERYTHING)?;
            joined = Some(match joined {
                None => placed,
                Some(joined) => over(joined, placed, corner, size),
            });
        }
        joined.ok_or_else(|| unfit(OP, "four samples", "none".into(), "Give it four."))
    }

    /// The largest part of the tile's proportions, anywhere in the image.
    fn part(&self, from: [usize; 2], tile: [usize; 2], rng: &mut Rng) -> Resampling {
        let scale = (from[0] as f64 / tile[0] as f64).min(from[1] as f64 / tile[1] as f64);
        let part = [0, 1].map(|axis| ((tile[axis] as f64 * scale).round() as usize).clamp(1, from[axis]));
        let corner = [0, 1].map(|axis| rng.below(from[axis] - part[axis] + 1));
        Resampling { from, corner, part, to: tile }
    }
}

impl Join for Mosaic {
    fn others(&self, rng: &mut Rng) -> Result<usize> {
        check_probability("Mosaic", self.p)?;
        Ok(if rng.uniform() < self.p { 3 } else { 0 })
    }

    fn joined(&self, samples: Vec<Sample>, rng: &mut Rng) -> Result<Sample> {
        let samples = <[Sample; 4]>::try_from(samples).map_err(|samples| {
            unfit("Mosaic", "four samples", samples.len().to_string(), "One for each quarter.")
        })?;
        self.of_four(samples, rng)
    }
}

/// What is right of and below a corner comes from the second sample; objects and labels are those of both.
fn over(mut first: Sample, second: Sample, corner: [usize; 2], [_, width]: [usize; 2]) -> Sample {
    let channels = first.image.channels();
    match (first.image.pixels_mut(), second.image.pixels()) {
        (PixelsMut::U8(to), Pixels::U8(from)) => paste(to, from, corner, [width, channels]),
        (PixelsMut::F32(to), Pixels::F32(from)) => paste(to, from, corner, [width, channels]),
        // `join` has refused different dtypes.
        (PixelsMut::U8(_), Pixels::F32(_)) | (PixelsMut::F32(_), Pixels::U8(_)) => {}
    }
    let target = &mut first.target;
    if let (Some(to), Some(from)) = (&mut target.segmentation, &second.target.segmentation) {
        paste(&mut to.classes, &from.classes, corner, [width, 1]);
    }
    for label in second.target.labels {
        if !target.labels.contains(&label) {
            target.labels.push(label);
        }
    }
    target.objects.extend(second.target.objects);
    target.captions.extend(second.target.captions);
    first.id = format!("{} + {}", first.id, second.id);
    first
}

fn paste<T: Copy>(to: &mut [T], from: &[T], corner: [usize; 2], [width, channels]: [usize; 2]) {
    let row = width * channels;
    let lines = to.chunks_exact_mut(row).zip(from.chunks_exact(row)).skip(corner[0]);
    for (to, from) in lines {
        to[corner[1] * channels..].copy_from_slice(&from[corner[1] * channels..]);
    }
}
