//! Several plots side by side in one picture.

use std::path::Path;

use sconce_display::Bundle;

use super::curves::Curves;
use super::document::draw_document;
use super::over_time::{HistogramsOverTime, STEPS};
use super::save::save;
use super::svg;

use crate::rich::Rich;
use crate::{Error, Result};

/// So many steps are drawn in all plots together, and at least so many in each.
const STEPS_IN_ALL: usize = 1200;
const STEPS_AT_LEAST: usize = 20;

/// Plots in one row, e.g. the loss beside the accuracy.
///
/// ```
/// use sconce::plot::Curves;
///
/// let loss = Curves::new("loss").series("train", &[(1.0, 0.9), (2.0, 0.5)]);
/// let accuracy = Curves::new("accuracy").series("train", &[(1.0, 0.7), (2.0, 0.8)]);
/// assert!(loss.beside(accuracy).svg()?.contains("accuracy"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Panels {
    plots: Plots,
}

#[derive(Debug, Clone, PartialEq)]
enum Plots {
    Curves(Vec<Curves>),
    Histograms(Vec<HistogramsOverTime>),
}

impl Panels {
    /// These plots, from left to right; three stand in a row, more in further rows.
    #[must_use]
    pub fn new(plots: Vec<Curves>) -> Panels {
        Panels { plots: Plots::Curves(plots) }
    }

    /// Histograms over time in the same order, e.g. one plot for each layer. The more there are, the fewer steps each draws.
    #[must_use]
    pub fn histograms(plots: Vec<HistogramsOverTime>) -> Panels {
        Panels { plots: Plots::Histograms(plots) }
    }

    /// The plots of several runs in one: a plot for each curve that some run has, with a curve for each run, in the order
    /// in which they come. `train` and `valid` of `loss` become `train loss` and `valid loss`. Histograms are left out.
    ///
    /// ```
    /// use sconce::plot::{Curves, Panels};
    ///
    /// let run = |rate: f64| Panels::new(vec![Curves::new("loss").series("train", &[(1.0, 1.0), (2.0, rate)])]);
    /// let both = Panels::of_runs(&[("slow", run(0.9)), ("fast", run(0.5))]);
    /// assert!(both.text().starts_with("train loss\nslow"));
    /// # Ok::<(), sconce::Error>(())
    /// ```
    #[must_use]
    pub fn of_runs(runs: &[(&str, Panels)]) -> Panels {
        let mut plots: Vec<Curves> = Vec::new();
        for (name, panels) in runs {
            let Plots::Curves(curves) = &panels.plots else { continue };
            for curve in curves.iter().flat_map(|plot| plot.apart(name)) {
                match plots.iter_mut().find(|plot| plot.title() == curve.title()) {
                    Some(plot) => plot.join(curve),
                    None => plots.push(curve),
                }
            }
        }
        Panels::new(plots)
    }

    /// Smooths every plot, as [`Curves::smoothed`] does; histograms stay as they are.
    #[must_use]
    pub fn smoothed(self, weight: f64) -> Panels {
        self.each(|plot| plot.smoothed(weight))
    }

    /// Gives every plot a logarithmic y axis, as [`Curves::logarithmic_y`] does; histograms stay as they are.
    #[must_use]
    pub fn logarithmic_y(self) -> Panels {
        self.each(Curves::logarithmic_y)
    }

    /// Only the plots with these titles, in this order: `history.curves().only(&["loss"])?.logarithmic_y()`.
    ///
    /// # Errors
    /// When no plot has a title.
    pub fn only(self, titles: &[&str]) -> Result<Panels> {
        let known: Vec<&str> = match &self.plots {
            Plots::Curves(plots) => plots.iter().map(Curves::title).collect(),
            Plots::Histograms(plots) => plots.iter().map(HistogramsOverTime::title).collect(),
        };
        let place = |title: &&str| {
            known.iter().position(|known| known == title).ok_or_else(|| Error::Argument {
                op: "Panels::only".into(),
                expected: format!("titles of plots: {}", known.join(", ")),
                got: format!("{title:?}"),
                hint: "The titles stand above the plots.".into(),
            })
        };
        let places: Vec<usize> = titles.iter().map(place).collect::<Result<_>>()?;
        Ok(match self.plots {
            Plots::Curves(plots) => Panels::new(places.iter().map(|&at| plots[at].clone()).collect()),
            Plots::Histograms(plots) => {
                Panels::histograms(places.iter().map(|&at| plots[at].clone()).collect())
            }
        })
    }

    fn each(self, change: impl Fn(Curves) -> Curves) -> Panels {
        match self.plots {
            Plots::Curves(plots) => Panels::new(plots.into_iter().map(change).collect()),
            histograms @ Plots::Histograms(_) => Panels { plots: histograms },
        }
    }

    /// How many plots there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.plots {
            Plots::Curves(plots) => plots.len(),
            Plots::Histograms(plots) => plots.len(),
        }
    }

    /// Whether there is no plot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many steps each of the plots draws.
    fn steps(&self) -> usize {
        (STEPS_IN_ALL / self.len().max(1)).clamp(STEPS_AT_LEAST, STEPS)
    }

    /// The plots as one SVG.
    ///
    /// # Errors
    /// When plotters refuses.
    pub fn svg(&self) -> Result<String> {
        let columns = self.len().clamp(1, 3);
        let rows = self.len().div_ceil(columns).max(1);
        let width = if columns == 1 { 640 } else { 440 };
        let size = [width * columns as u32, 300 * rows as u32];
        let descriptions: Vec<String> = match &self.plots {
            Plots::Curves(plots) => plots.iter().map(Curves::description).collect(),
            Plots::Histograms(plots) => plots.iter().map(|plot| plot.description(self.steps())).collect(),
        };
        draw_document(size, &descriptions.join(". "), |area, _| {
            let parts = area.split_evenly((rows, columns));
            match &self.plots {
                Plots::Curves(plots) => parts.iter().zip(plots).try_for_each(|(part, plot)| plot.draw(part)),
                Plots::Histograms(plots) => {
                    parts.iter().zip(plots).try_for_each(|(part, plot)| plot.draw(part, self.steps()))
                }
            }
        })
    }

    /// The plots as HTML, each a picture by itself: beside each other where there is room, below each other where not.
    ///
    /// # Errors
    /// When plotters refuses.
    pub(crate) fn html(&self) -> Result<String> {
        let size = [if self.len() == 1 { 640 } else { 440 }, 300];
        let image = |description: String, svg: Result<String>| Ok(svg::svg_in_html(&svg?, &description));
        let images: Vec<String> = match &self.plots {
            Plots::Curves(plots) => plots
                .iter()
                .map(|plot| {
                    let description = plot.description();
                    let svg = draw_document(size, &description, |area, _| plot.draw(area));
                    image(description, svg)
                })
                .collect::<Result<_>>()?,
            Plots::Histograms(plots) => plots
                .iter()
                .map(|plot| {
                    let description = plot.description(self.steps());
                    let svg = draw_document(size, &description, |area, _| plot.draw(area, self.steps()));
                    image(description, svg)
                })
                .collect::<Result<_>>()?,
        };
        Ok(format!("<div style=\"display:flex;flex-wrap:wrap;gap:4px\">{}</div>", images.concat()))
    }

    /// The text forms of the plots, one below the other.
    #[must_use]
    pub fn text(&self) -> String {
        let texts: Vec<String> = match &self.plots {
            Plots::Curves(plots) => plots.iter().map(Curves::text).collect(),
            Plots::Histograms(plots) => plots.iter().map(HistogramsOverTime::text).collect(),
        };
        texts.join("\n")
    }

    /// Writes the plots to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "plots", || self.svg(), None)
    }
}

impl Rich for Panels {
    fn rich(&self) -> Bundle {
        match self.html() {
            Ok(html) => Bundle::text(self.text()).html(html),
            Err(error) => Bundle::text(format!("{}({error})\n", self.text())),
        }
    }
}
