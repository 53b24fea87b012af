//! Curves over epochs or steps.

mod average;
mod draw;
mod told;

use std::ops::Range;
use std::path::Path;

use sconce_display::Bundle;

pub(crate) use average::Average;

use super::document::{clean, draw_document};
use super::panels::Panels;
use super::save::save;
use super::scale::Scale;
use super::svg;
use crate::Result;
use crate::rich::Rich;

/// Named curves over a common x axis, drawn by plotters. What is not finite leaves a gap.
///
/// ```
/// use sconce::plot::Curves;
///
/// let curves = Curves::new("loss")
///     .x_label("epoch")
///     .series("train", &[(1.0, 2.3), (2.0, 0.9), (3.0, 0.4)])
///     .series("valid", &[(1.0, 2.1), (2.0, 1.0), (3.0, 0.6)]);
/// assert!(curves.svg()?.contains("valid"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curves {
    title: String,
    x_label: String,
    y_label: String,
    y_range: Option<(f64, f64)>,
    scales: [Scale; 2],
    /// The weight of the average that is drawn over each curve.
    smoothing: Option<f64>,
    note: String,
    series: Vec<Series>,
}

#[derive(Debug, Clone, PartialEq)]
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    /// Its average, where somebody else has taken it over more points than are here.
    average: Option<Vec<(f64, f64)>>,
}

impl Curves {
    /// A plot without curves. The title stands above it and may be empty.
    #[must_use]
    pub fn new(title: &str) -> Curves {
        Curves { title: clean(title), ..Curves::default() }
    }

    /// Says what x is, e.g. `epoch`.
    #[must_use]
    pub fn x_label(mut self, label: &str) -> Curves {
        self.x_label = clean(label);
        self
    }

    /// Says what y is, e.g. `cross-entropy`.
    #[must_use]
    pub fn y_label(mut self, label: &str) -> Curves {
        self.y_label = clean(label);
        self
    }

    /// Draws equal ratios of x as equal distances, for learning rates and sizes; an x that is not above 0 leaves a gap.
    #[must_use]
    pub fn logarithmic_x(mut self) -> Curves {
        self.scales[0] = Scale::Logarithmic;
        self
    }

    /// Draws equal ratios of y as equal distances, for losses that fall by powers of ten; a y that is not above 0 leaves a
    /// gap, and the text says so.
    #[must_use]
    pub fn logarithmic_y(mut self) -> Curves {
        self.scales[1] = Scale::Logarithmic;
        self
    }

    /// Draws over each curve its exponential average, and the curve itself faint behind it. `weight` is the weight of the
    /// past, from 0 (no average) to below 1 (the smoother); another one is left aside. As in TensorBoard, the average is
    /// debiased: divided by the weights that it is a sum of, so that it does not begin at 0 (Kingma and Ba 2014, section 3).
    /// Values that are not finite are no part of it.
    #[must_use]
    pub fn smoothed(mut self, weight: f64) -> Curves {
        self.smoothing = (weight > 0.0 && weight < 1.0).then_some(weight);
        self
    }

    /// Sets what the y axis spans, e.g. `0.0..1.0` for an accuracy; otherwise what the curves need. A range
    /// that is empty or not finite is left aside; on a logarithmic axis also one that is not above 0.
    #[must_use]
    pub fn y_range(mut self, range: Range<f64>) -> Curves {
        let good = range.start.is_finite() && range.end.is_finite() && range.start < range.end;
        self.y_range = good.then_some((range.start, range.end));
        self
    }

    /// Adds a curve through points of `(x, y)`, in the order they are to be joined.
    #[must_use]
    pub fn series(mut self, name: &str, points: &[(f64, f64)]) -> Curves {
        self.series.push(Series { name: clean(name), points: points.to_vec(), average: None });
        self
    }

    /// Adds a curve whose average is known, for [`Curves::smoothed`].
    pub(crate) fn averaged(
        mut self,
        name: &str,
        points: Vec<(f64, f64)>,
        average: Vec<(f64, f64)>,
    ) -> Curves {
        self.series.push(Series { name: clean(name), points, average: Some(average) });
        self
    }

    /// A plot like this with only one of its curves, under another name, for each of them.
    pub(super) fn apart(&self, name: &str) -> impl Iterator<Item = Curves> {
        self.series.iter().map(move |series| {
            // `train` of `loss` is the train loss; the learning rate of the learning rate is that.
            let title = match series.name == self.title || series.name.is_empty() {
                true => self.title.clone(),
                false => format!("{} {}", series.name, self.title),
            };
            Curves { title, series: vec![Series { name: clean(name), ..series.clone() }], ..self.clone() }
        })
    }

    /// Takes over the curves of another plot.
    pub(super) fn join(&mut self, other: Curves) {
        self.series.extend(other.series);
    }

    /// Says something about the curves below the title, e.g. what is left out. A second note takes the place of the first.
    #[must_use]
    pub fn note(mut self, text: &str) -> Curves {
        self.note = clean(text);
        self
    }

    /// The title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The plot as an SVG.
    ///
    /// # Errors
    /// When plotters refuses.
    pub fn svg(&self) -> Result<String> {
        draw_document([640, 360], &self.description(), |area, _| self.draw(area))
    }

    /// This plot and another one beside it.
    #[must_use]
    pub fn beside(self, other: Curves) -> Panels {
        Panels::new(vec![self, other])
    }

    /// Writes the plot to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "curves", || self.svg(), None)
    }
}

impl Rich for Curves {
    fn rich(&self) -> Bundle {
        svg::bundle(self.text(), self.svg())
    }
}
