//! Several plots side by side in one picture.

use std::path::Path;

use sconce_display::Bundle;

use super::curves::Curves;
use super::document::draw_document;
use super::over_time::{HistogramsOverTime, STEPS};
use super::save::save;
use super::svg;
use crate::Result;
use crate::rich::Rich;

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
        svg::bundle(self.text(), self.svg())
    }
}
