//! Images bent like rubber.

use super::blur::{blurred, gaussian};
use super::fill::Fill;
use super::filter::Filter;
use super::motion::moved;
use super::objects::ObjectRule;
use super::span::Span;
use super::warp::{Map, Warp};
use crate::data::{Sample, Transform};
use crate::{Result, Rng};

/// Moves every pixel by a random way that changes smoothly over the image (Simard et al. 2003; strengths as
/// torchvision counts them). Boxes become the upright boxes around their bent outlines.
#[derive(Debug, Clone, PartialEq)]
pub struct ElasticTransform {
    alpha: f64,
    sigma: f64,
    filter: Filter,
    fill: Fill,
    objects: ObjectRule,
}

impl Default for ElasticTransform {
    fn default() -> ElasticTransform {
        ElasticTransform::new()
    }
}

impl ElasticTransform {
    /// Of strength 50 and smoothness 5; bilinear.
    #[must_use]
    pub fn new() -> ElasticTransform {
        ElasticTransform {
            alpha: 50.0,
            sigma: 5.0,
            filter: Filter::Bilinear,
            fill: Fill::default(),
            objects: ObjectRule::default(),
        }
    }

    /// Sets the strength: noise between -1 and 1, once smoothed, times half of this is the way in pixels.
    #[must_use]
    pub fn alpha(mut self, strength: f64) -> ElasticTransform {
        self.alpha = strength;
        self
    }

    /// Sets the smoothness: the standard deviation of the Gaussian that smooths the noise, in pixels.
    #[must_use]
    pub fn sigma(mut self, pixels: f64) -> ElasticTransform {
        self.sigma = pixels;
        self
    }

    /// Sets how pixels are made; not by Lanczos.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> ElasticTransform {
        self.filter = filter;
        self
    }

    /// Sets the colour of what comes from outside.
    #[must_use]
    pub fn fill(mut self, fill: impl Into<Fill>) -> ElasticTransform {
        self.fill = fill.into();
        self
    }

    /// Sets which objects stay.
    #[must_use]
    pub fn objects(mut self, rule: ObjectRule) -> ElasticTransform {
        self.objects = rule;
        self
    }
}

impl Transform for ElasticTransform {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "ElasticTransform";
        Span::from(self.alpha).check(OP, "alpha", Span { low: 0.0, high: 1e6 })?;
        Span::from(self.sigma).check(OP, "sigma", Span { low: 0.1, high: 256.0 })?;
        let from = [sample.image.height(), sample.image.width()];
        let map = Field::random(from, self.alpha / 2.0, self.sigma, rng);
        let warp = Warp { op: OP, from, to: from, map, filter: self.filter, fill: &self.fill };
        moved(sample, &warp, &self.objects)
    }
}

/// How far each pixel of the result is from where it came, `[x, y]` in pixels.
struct Field {
    size: [usize; 2],
    ways: [Vec<f32>; 2],
}

impl Field {
    fn random(size: [usize; 2], strength: f64, sigma: f64, rng: &mut Rng) -> Field {
        let [height, width] = size;
        let weights = gaussian((8.0 * sigma) as usize | 1, sigma);
        let ways = [(); 2].map(|()| {
            let noise: Vec<f32> = (0..height * width).map(|_| 2.0 * rng.uniform_f32() - 1.0).collect();
            let mut way = blurred(&noise, [height, width, 1], &weights);
            way.iter_mut().for_each(|way| *way *= strength as f32);
            way
        });
        Field { size, ways }
    }

    /// The way at a point, between the centres of pixels by their distances.
    fn way(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let around = |place: f64, length: usize| {
            let place = (place - 0.5).clamp(0.0, (length - 1) as f64);
            let low = place as usize;
            (low, (low + 1).min(length - 1), place - low as f64)
        };
        let (left, right, across) = around(x, self.size[1]);
        let (top, bottom, down) = around(y, self.size[0]);
        [0, 1].map(|axis| {
            let way = |row: usize, column: usize| f64::from(self.ways[axis][row * self.size[1] + column]);
            let upper = way(top, left) * (1.0 - across) + way(top, right) * across;
            let lower = way(bottom, left) * (1.0 - across) + way(bottom, right) * across;
            upper * (1.0 - down) + lower * down
        })
    }

    /// The centre of the pixel of the result that comes from nearest to a point.
    fn nearest(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [height, width] = self.size;
        let mut best = ([0.0; 2], f64::INFINITY);
        for row in 0..height {
            for column in 0..width {
                let to = [column as f64 + 0.5, row as f64 + 0.5];
                let at = row * width + column;
                let [dx, dy] = [0, 1].map(|axis| f64::from(self.ways[axis][at]));
                let distance = (to[0] + dx - x).powi(2) + (to[1] + dy - y).powi(2);
                if distance < best.1 {
                    best = (to, distance);
                }
            }
        }
        best.0
    }
}

impl Map for Field {
    fn source(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let [dx, dy] = self.way([x, y]);
        Some([x + dx, y + dy])
    }

    /// The way back has no formula: it is found by going the same way again from each better guess, which
    /// closes in where the field changes by less than a pixel from pixel to pixel. Where it folds over itself,
    /// the nearest pixel is taken.
    fn target(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let mut guess = [x, y];
        for _ in 0..40 {
            let [dx, dy] = self.way(guess);
            let next = [x - dx, y - dy];
            if (next[0] - guess[0]).abs() + (next[1] - guess[1]).abs() < 1e-3 {
                return Some(next);
            }
            guess = next;
        }
        Some(self.nearest([x, y]))
    }

    fn steps_along_a_side(&self) -> usize {
        32
    }
}
