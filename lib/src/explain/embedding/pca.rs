//! The directions in which points differ most.

use rayon::prelude::*;
use sconce_display::{Bundle, Content};

use super::Embedding;
use super::leading::{Matrix, Pair, dot, leading};
use super::rows::{Groups, Rows};
use crate::plot::{Scatter, Table, count, number, percent};
use crate::progress::{Progress, Unit};
use crate::rich::Rich;
use crate::{Error, Result};

/// Rows whose sums are made by one thread: the parts of a sum are the same for any number of threads.
const PART: usize = 256;
/// A direction along which so small a part of the spread of the first one lies is rounding.
const NOTHING: f64 = 1e-12;
/// Components in the table.
const SHOWN: usize = 20;

/// Points along the directions in which they differ most. Made by [`Embedding::pca`].
#[derive(Debug, Clone)]
pub struct Pca {
    name: String,
    groups: Option<Groups>,
    /// N and the number of components.
    shape: [usize; 2],
    values: Vec<f64>,
    directions: Vec<Vec<f64>>,
    mean: Vec<f64>,
    variance: Vec<f64>,
    total: f64,
}

/// Points around their mean.
struct Centered {
    width: usize,
    values: Vec<f64>,
}

impl Centered {
    fn of(rows: &Rows) -> (Centered, Vec<f64>) {
        let mut mean = vec![0.0; rows.width];
        for row in rows.values.chunks_exact(rows.width.max(1)) {
            mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        mean.iter_mut().for_each(|sum| *sum /= rows.len().max(1) as f64);
        let moved = rows.values.iter().zip(mean.iter().cycle());
        let values = moved.map(|(&value, mean)| f64::from(value) - mean).collect();
        (Centered { width: rows.width, values }, mean)
    }

    /// What each point has along a vector of the space: X v.
    fn along(&self, vector: &[f64]) -> Vec<f64> {
        self.values.par_chunks_exact(self.width.max(1)).map(|row| dot(row, vector)).collect()
    }

    /// The points, each as many times as a number says, together: Xᵀ u.
    fn together(&self, times: &[f64]) -> Vec<f64> {
        let parts: Vec<Vec<f64>> = self
            .values
            .par_chunks(self.width.max(1) * PART)
            .zip(times.par_chunks(PART))
            .map(|(rows, times)| {
                let mut sum = vec![0.0; self.width];
                for (row, time) in rows.chunks_exact(self.width.max(1)).zip(times) {
                    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += time * value);
                }
                sum
            })
            .collect();
        let mut sum = vec![0.0; self.width];
        for part in parts {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        sum
    }

    /// The greatest eigenvalues of XᵀX and their directions, by way of the smaller of XᵀX and XXᵀ.
    fn directions(&self, count: usize, progress: &mut Progress) -> Result<Vec<Pair>> {
        let points = self.values.len() / self.width.max(1);
        if self.width <= points {
            let product = |vector: &[f64]| self.together(&self.along(vector));
            return leading(&Matrix { side: self.width, product: &product }, count, progress);
        }
        let product = |times: &[f64]| self.along(&self.together(times));
        let found = leading(&Matrix { side: points, product: &product }, count, progress)?;
        let direction = |(value, times): Pair| {
            let mut direction = self.together(&times);
            let length = dot(&direction, &direction).sqrt();
            direction.iter_mut().for_each(|part| *part /= length.max(f64::MIN_POSITIVE));
            (value, direction)
        };
        Ok(found.into_iter().map(direction).collect())
    }
}

impl Pca {
    /// See [`Embedding::pca`].
    pub(super) fn of(embedding: &Embedding, components: usize) -> Result<Pca> {
        let op = "Embedding::pca";
        let refused = |expected: String, got: String, hint: String| {
            Err(Error::Argument { op: op.into(), expected, got, hint })
        };
        let [points, width] = embedding.shape();
        if points < 2 {
            let hint = "One point differs from nothing: take more images.";
            return refused("at least 2 points".into(), points.to_string(), hint.into());
        }
        let most = width.min(points - 1);
        if components == 0 || components > most {
            let expected = format!("from 1 to {most} components of {points} points in {width} dimensions");
            return refused(expected, components.to_string(), "2 make a picture.".into());
        }
        crate::threads::init()?;
        let (centered, mean) = Centered::of(&embedding.rows);
        let total = dot(&centered.values, &centered.values);
        if total == 0.0 {
            let hint =
                "A layer that says the same of every image is dead, or the images are one and the same.";
            return refused("points that differ".into(), format!("{points} equal ones"), hint.into());
        }
        let mut progress = Progress::start("principal components", Unit::Steps, None);
        let mut found = centered.directions(components, &mut progress)?;
        let greatest = found.first().map_or(0.0, |(value, _)| *value);
        let real = found.iter().take_while(|(value, _)| *value > NOTHING * greatest).count();
        if real < components {
            let expected = format!("at most {real} components: the points differ in no other direction");
            return refused(expected, components.to_string(), format!("Ask for `pca({real})`."));
        }
        found.iter_mut().for_each(|(_, direction)| turn(direction));
        let mut values = vec![0.0; points * components];
        for (at, (_, direction)) in found.iter().enumerate() {
            let along = centered.along(direction);
            values.iter_mut().skip(at).step_by(components).zip(along).for_each(|(to, value)| *to = value);
        }
        let freedom = (points - 1) as f64;
        Ok(Pca {
            name: embedding.name.clone(),
            groups: embedding.groups.clone(),
            shape: [points, components],
            values,
            variance: found.iter().map(|(value, _)| value / freedom).collect(),
            directions: found.into_iter().map(|(_, direction)| direction).collect(),
            mean,
            total: total / freedom,
        })
    }

    /// Points and components.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Where the points lie along the components from their mean, point by point.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The directions, of length 1, at right angles to each other; each turned so that its number farthest from 0 is above
    /// 0, as a direction is as good as its opposite.
    #[must_use]
    pub fn directions(&self) -> &[Vec<f64>] {
        &self.directions
    }

    /// The mean of the points.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The variance along each direction, with N - 1 below the line.
    #[must_use]
    pub fn variance(&self) -> &[f64] {
        &self.variance
    }

    /// The part of all variance that lies along each direction.
    #[must_use]
    pub fn variance_ratio(&self) -> Vec<f64> {
        self.variance.iter().map(|variance| variance / self.total).collect()
    }

    /// Each point along the first two components; 0 along the second where there is one component.
    #[must_use]
    pub fn points(&self) -> Vec<[f64; 2]> {
        let rows = self.values.chunks_exact(self.shape[1].max(1));
        rows.map(|row| [row[0], row.get(1).copied().unwrap_or_default()]).collect()
    }

    /// The points along the first two components, in the colours of their classes.
    #[must_use]
    pub fn scatter(&self) -> Scatter {
        let label = |at: usize| match self.variance_ratio().get(at) {
            Some(ratio) => format!("component {}, {} of the variance", at + 1, percent(*ratio)),
            None => String::new(),
        };
        let plot = Groups::scatter(self.groups.as_ref(), &self.points(), &self.title());
        plot.x_label(&label(0)).y_label(&label(1))
    }

    /// A row for each of the first 20 components: its variance, its part of all, and how much the components so far have
    /// together.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["component", "variance", "part", "so far"]);
        let mut sum = 0.0;
        for (at, (variance, ratio)) in self.variance.iter().zip(self.variance_ratio()).enumerate().take(SHOWN)
        {
            sum += ratio;
            table.push(&[(at + 1).to_string(), number(*variance), percent(ratio), percent(sum)]);
        }
        table
    }

    fn title(&self) -> String {
        format!("{}: principal components of {} points", self.name, count(self.shape[0]))
    }
}

impl Rich for Pca {
    fn rich(&self) -> Bundle {
        let text = format!("{}{}", self.scatter().text(), self.table().text());
        self.scatter().rich().with("text/plain", Content::Text(text))
    }
}

/// Turns a direction so that its number farthest from 0 is above 0.
fn turn(direction: &mut [f64]) {
    let greatest = direction
        .iter()
        .copied()
        .fold(0.0_f64, |best, value| if value.abs() > best.abs() { value } else { best });
    if greatest < 0.0 {
        direction.iter_mut().for_each(|value| *value = -*value);
    }
}
