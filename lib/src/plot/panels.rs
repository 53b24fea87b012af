//! Several plots side by side in one picture.

use std::path::Path;

use sconce_display::Bundle;

use super::curves::{Curves, draw_document};
use super::save::save;
use super::svg;
use crate::Result;
use crate::rich::Rich;

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
    plots: Vec<Curves>,
}

impl Panels {
    /// These plots, from left to right; three stand in a row, more in further rows.
    #[must_use]
    pub fn new(plots: Vec<Curves>) -> Panels {
        Panels { plots }
    }

    /// The plots as one SVG.
    ///
    /// # Errors
    /// When plotters refuses.
    pub fn svg(&self) -> Result<String> {
        let columns = self.plots.len().clamp(1, 3);
        let rows = self.plots.len().div_ceil(columns).max(1);
        let width = if columns == 1 { 640 } else { 440 };
        let size = [width * columns as u32, 300 * rows as u32];
        let descriptions: Vec<String> = self.plots.iter().map(Curves::description).collect();
        draw_document(size, &descriptions.join(". "), |area| {
            let parts = area.split_evenly((rows, columns));
            parts.iter().zip(&self.plots).try_for_each(|(part, plot)| plot.draw(part))
        })
    }

    /// The text forms of the plots, one below the other.
    #[must_use]
    pub fn text(&self) -> String {
        self.plots.iter().map(Curves::text).collect::<Vec<_>>().join("\n")
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
