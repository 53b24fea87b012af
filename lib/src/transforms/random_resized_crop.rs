//! The crop that most classifiers are trained with.

use super::filter::Filter;
use super::motion::moved;
use super::objects::ObjectRule;
use super::resample::Resampling;
use super::resize::Scaled;
use super::size::Size;
use super::span::{POSITIVE, Span};
use crate::data::{Sample, Transform};
use crate::{Result, Rng};

/// A part of random area and proportions, made one size (Szegedy et al. 2015, "Going deeper with
/// convolutions"; numbers as torchvision's).
///
/// Ten times at most an area of 8 % to 100 % of the image and proportions of 3:4 to 4:3 are drawn, until the
/// part fits into the image; else it is the largest middle part of allowed proportions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomResizedCrop {
    size: Size,
    scale: Span,
    ratio: Span,
    filter: Filter,
    objects: ObjectRule,
}

impl RandomResizedCrop {
    /// To `size` pixels a side, or `[height, width]`.
    #[must_use]
    pub fn new(size: impl Into<Size>) -> RandomResizedCrop {
        RandomResizedCrop {
            size: size.into(),
            scale: (0.08..=1.0).into(),
            ratio: (3.0 / 4.0..=4.0 / 3.0).into(),
            filter: Filter::Bilinear,
            objects: ObjectRule::default(),
        }
    }

    /// Sets the share of the image's area, 0 to 1.
    #[must_use]
    pub fn scale(mut self, share: impl Into<Span>) -> RandomResizedCrop {
        self.scale = share.into();
        self
    }

    /// Sets the proportions, width over height; 2 is as likely as 1/2.
    #[must_use]
    pub fn ratio(mut self, ratio: impl Into<Span>) -> RandomResizedCrop {
        self.ratio = ratio.into();
        self
    }

    /// Sets how pixels are made.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> RandomResizedCrop {
        self.filter = filter;
        self
    }

    /// Sets which objects stay.
    #[must_use]
    pub fn objects(mut self, rule: ObjectRule) -> RandomResizedCrop {
        self.objects = rule;
        self
    }

    /// Corner and size of the part, both `[rows, columns]`.
    fn part(&self, [height, width]: [usize; 2], rng: &mut Rng) -> [[usize; 2]; 2] {
        let area = height as f64 * width as f64;
        for _ in 0..10 {
            let wanted = area * self.scale.draw(rng);
            let ratio = self.ratio.draw_factor(rng);
            let columns = (wanted * ratio).sqrt().round_ties_even() as usize;
            let rows = (wanted / ratio).sqrt().round_ties_even() as usize;
            if (1..=width).contains(&columns) && (1..=height).contains(&rows) {
                let top = rng.below(height - rows + 1);
                return [[top, rng.below(width - columns + 1)], [rows, columns]];
            }
        }
        let ratio = width as f64 / height as f64;
        let rounded = |side: f64, most: usize| (side.round_ties_even() as usize).clamp(1, most);
        let [rows, columns] = if ratio < self.ratio.low {
            [rounded(width as f64 / self.ratio.low, height), width]
        } else if ratio > self.ratio.high {
            [height, rounded(height as f64 * self.ratio.high, width)]
        } else {
            [height, width]
        };
        [[(height - rows) / 2, (width - columns) / 2], [rows, columns]]
    }
}

impl Transform for RandomResizedCrop {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "RandomResizedCrop";
        let to = self.size.checked(OP)?;
        self.scale.check(OP, "scale", Span { low: f64::MIN_POSITIVE, high: 1.0 })?;
        self.ratio.check(OP, "ratio", POSITIVE)?;
        let from = [sample.image.height(), sample.image.width()];
        let [corner, part] = self.part(from, rng);
        let resampling = Resampling { from, corner, part, to };
        moved(sample, &Scaled { op: OP, resampling, filter: self.filter }, &self.objects)
    }
}
