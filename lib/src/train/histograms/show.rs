//! How histograms of a training show themselves.

use std::path::Path;

use sconce_display::{Bundle, Content};

use super::series::Series;
use super::{HistogramOf, Histograms};
use crate::Result;
use crate::plot::{Panels, Table, count};
use crate::rich::Rich;

/// So many plots of each kind are shown at once.
const SHOWN: usize = 9;
/// So many rows are in the table.
const ROWS: usize = 200;
const KINDS: [HistogramOf; 3] = [HistogramOf::Weights, HistogramOf::Gradients, HistogramOf::Activations];

impl Histograms {
    /// The picture that a cell shows: of each kind at most nine, those with values that are not finite, and others from the
    /// first layer to the last. [`Histograms::panels`] has all.
    #[must_use]
    pub fn overview(&self) -> Panels {
        let kept = self.kept();
        let shown = KINDS.iter().flat_map(|&of| chosen(kept.of(of)));
        Panels::histograms(shown.map(|series| series.plot.clone()).collect())
    }

    /// A row for each parameter or layer, of 200 at most: how many histograms there are, how many values were NaN or infinite,
    /// and at which step the first of them. Those that had any come first.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["of", "name", "histograms", "NaN", "infinite", "first at step"]);
        let kept = self.kept();
        let all = || KINDS.iter().flat_map(|&of| kept.of(of).iter().map(move |series| (of, series)));
        let odd = all().filter(|(_, series)| series.first_odd.is_some());
        let even = all().filter(|(_, series)| series.first_odd.is_none());
        for (of, series) in odd.chain(even).take(ROWS) {
            table.push(&[
                word(of).into(),
                series.name.clone(),
                count(series.plot.len()),
                count(series.nan),
                count(series.infinite),
                series.first_odd.map_or_else(String::new, |step| step.to_string()),
            ]);
        }
        table
    }

    /// Writes the picture that a cell shows to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.overview().save(path)
    }

    /// How much there is, and what is not finite, in words.
    fn headline(&self) -> String {
        let kept = self.kept();
        let parts: Vec<String> = KINDS
            .iter()
            .filter(|&&of| !kept.of(of).is_empty())
            .map(|&of| format!("{} of {}", count(kept.of(of).len()), word(of)))
            .collect();
        let mut text = match parts.is_empty() {
            true => "histograms: nothing was recorded yet".to_owned(),
            false => format!("histograms over time: {}", parts.join(", ")),
        };
        let shown: usize = KINDS.iter().map(|&of| chosen(kept.of(of)).len()).sum();
        let all: usize = KINDS.iter().map(|&of| kept.of(of).len()).sum();
        if shown < all {
            text += &format!("; {shown} of {all} are drawn, `panels` has all");
        }
        let odd = |of: HistogramOf| {
            kept.of(of).iter().filter_map(move |series| Some((series.first_odd?, of, series)))
        };
        let first = KINDS.iter().flat_map(|&of| odd(of)).min_by_key(|(step, ..)| *step);
        match first {
            Some((step, of, series)) => {
                text + &format!(
                    "\nthe first NaN or infinite value: {} of {:?}, step {step}\n",
                    word(of),
                    series.name
                )
            }
            None => text + "\n",
        }
    }
}

/// Those to show, in their order.
fn chosen(all: &[Series]) -> Vec<&Series> {
    let mut places: Vec<usize> =
        (0..all.len()).filter(|&at| all[at].first_odd.is_some()).take(SHOWN).collect();
    let spread = SHOWN.min(all.len());
    for at in (0..spread).map(|at| at * (all.len() - 1) / (spread - 1).max(1)) {
        if places.len() < SHOWN && !places.contains(&at) {
            places.push(at);
        }
    }
    places.sort_unstable();
    places.iter().filter_map(|&at| all.get(at)).collect()
}

fn word(of: HistogramOf) -> &'static str {
    match of {
        HistogramOf::Weights => "weights",
        HistogramOf::Gradients => "gradients",
        HistogramOf::Activations => "activations",
    }
}

impl Rich for Histograms {
    fn rich(&self) -> Bundle {
        let text = format!("{}{}", self.headline(), self.table().text());
        if KINDS.iter().all(|&of| self.kept().of(of).is_empty()) {
            return Bundle::text(self.headline());
        }
        self.overview().rich().with("text/plain", Content::Text(text))
    }
}
