//! Images seen from the side.

use super::fill::Fill;
use super::filter::Filter;
use super::matrix::Matrix;
use super::motion::moved;
use super::objects::ObjectRule;
use super::refused::unfit;
use super::span::{Span, check_probability};
use super::warp::Warp;
use crate::data::{Sample, Transform};
use crate::{Result, Rng};

/// Moves each corner of the image inwards by a random way, with probability 0.5 unless told.
#[derive(Debug, Clone, PartialEq)]
pub struct RandomPerspective {
    distortion: f64,
    p: f64,
    filter: Filter,
    fill: Fill,
    objects: ObjectRule,
}

impl Default for RandomPerspective {
    fn default() -> RandomPerspective {
        RandomPerspective::new(0.5)
    }
}

impl RandomPerspective {
    /// Corners move by up to this share of half the image, 0 to 1; bilinear, as in torchvision.
    #[must_use]
    pub fn new(distortion: f64) -> RandomPerspective {
        RandomPerspective {
            distortion,
            p: 0.5,
            filter: Filter::Bilinear,
            fill: Fill::default(),
            objects: ObjectRule::default(),
        }
    }

    /// Sets how often, 0 to 1.
    #[must_use]
    pub fn p(mut self, p: f64) -> RandomPerspective {
        self.p = p;
        self
    }

    /// Sets how pixels are made; not by Lanczos.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> RandomPerspective {
        self.filter = filter;
        self
    }

    /// Sets the colour around the image.
    #[must_use]
    pub fn fill(mut self, fill: impl Into<Fill>) -> RandomPerspective {
        self.fill = fill.into();
        self
    }

    /// Sets which objects stay.
    #[must_use]
    pub fn objects(mut self, rule: ObjectRule) -> RandomPerspective {
        self.objects = rule;
        self
    }

    /// The map. Where the corners would no longer go around in a convex shape, which takes a distortion near
    /// 1, all their ways are halved until they do.
    fn map(&self, [height, width]: [f64; 2], rng: &mut Rng) -> Option<Matrix> {
        let corners = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]];
        let ways = corners.map(|_| [width, height].map(|side| self.distortion * side / 2.0 * rng.uniform()));
        (0..16).map(|halvings| 0.5_f64.powi(halvings)).find_map(|share| {
            let moved = std::array::from_fn(|at| {
                let ([x, y], [across, down]) = (corners[at], ways[at].map(|way| way * share));
                [if x == 0.0 { across } else { x - across }, if y == 0.0 { down } else { y - down }]
            });
            if convex(&moved, 1e-3 * width * height) { Matrix::between(corners, moved) } else { None }
        })
    }
}

/// Whether four points go clockwise around (y points down), each corner's triangle of at least some area.
fn convex(points: &[[f64; 2]; 4], least: f64) -> bool {
    (0..4).all(|at| {
        let [a, b, c] = [0, 1, 2].map(|next| points[(at + next) % 4]);
        (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]) > least
    })
}

impl Transform for RandomPerspective {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        const OP: &str = "RandomPerspective";
        Span::from(self.distortion).check(OP, "distortion", Span { low: 0.0, high: 1.0 })?;
        check_probability(OP, self.p)?;
        if rng.uniform() >= self.p {
            return Ok(sample);
        }
        let from = [sample.image.height(), sample.image.width()];
        let map = self.map(from.map(|side| side as f64), rng).ok_or_else(|| {
            let size = format!("{} x {}", from[0], from[1]);
            unfit(OP, "an image whose corners can move", size, "Resize it first.")
        })?;
        let warp = Warp { op: OP, from, to: from, map, filter: self.filter, fill: &self.fill };
        moved(sample, &warp, &self.objects)
    }
}
