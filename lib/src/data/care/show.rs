//! How a scan shows itself.

use sconce_display::Bundle;

use super::finding::{Finding, FindingKind, Problem};
use super::scan::Scan;
use crate::data::Dataset;
use crate::plot::{ImageGrid, Table, count, escape, percent, svg_in_html};
use crate::rich::Rich;

/// So many of the worst images of each kind are drawn.
const WORST: usize = 4;
/// Longer sides are brought down to this before they are drawn.
const SIDE: usize = 128;

impl Scan {
    /// Every finding in the order of the images: index, id, what is wrong.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["index", "sample", "finding"]);
        for finding in &self.findings {
            table.push(&[finding.index.to_string(), finding.id.clone(), finding.kind.to_string()]);
        }
        table
    }

    /// The worst images of each kind, and what each duplicate is one of beside it.
    #[must_use]
    pub fn worst(&self) -> ImageGrid {
        let mut grid = ImageGrid::new();
        for finding in Problem::ALL.iter().flat_map(|&problem| self.of(problem).into_iter().take(WORST)) {
            if self.measured.get(finding.index).is_none_or(Option::is_none) {
                continue;
            }
            if let FindingKind::Duplicate { of } | FindingKind::NearDuplicate { of, .. } = finding.kind {
                draw(&mut grid, &self.data, of, &of.to_string());
            }
            draw(&mut grid, &self.data, finding.index, &format!("{} {}", finding.index, short(finding)));
        }
        grid
    }

    fn headline(&self) -> String {
        let name = if self.data.name().is_empty() { "scan" } else { self.data.name() };
        let mut indices: Vec<usize> = self.findings.iter().map(|finding| finding.index).collect();
        indices.dedup();
        let so_far = match self.is_complete() {
            true => String::new(),
            false => format!(
                "interrupted after {} of {} images: ",
                count(self.measured.len()),
                count(self.data.len())
            ),
        };
        format!(
            "{name}: {so_far}{} of {} images with findings, {} to drop",
            count(indices.len()),
            count(self.measured.len()),
            count(self.to_drop().len())
        )
    }

    /// How many images have each kind of finding, and the worst of them.
    fn summary(&self) -> Table {
        let mut table = Table::new(&["finding", "images", "share", "the worst"]);
        for problem in Problem::ALL {
            let found = self.of(problem);
            let Some(worst) = found.first() else { continue };
            let mut indices: Vec<usize> = found.iter().map(|finding| finding.index).collect();
            indices.sort_unstable();
            indices.dedup();
            table.push(&[
                problem.to_string(),
                count(indices.len()),
                percent(indices.len() as f64 / self.measured.len() as f64),
                format!("{} ({}) {}", worst.index, worst.id, worst.kind),
            ]);
        }
        table
    }

    fn rare(&self) -> Option<Table> {
        let mut table = Table::new(&["rare class", "examples"]);
        for class in &self.rare_classes {
            table.push(&[class.name.clone(), class.examples.to_string()]);
        }
        (!table.is_empty()).then_some(table)
    }
}

/// An image in a grid; one that can't be drawn any more is left out.
pub(super) fn draw(grid: &mut ImageGrid, data: &Dataset, index: usize, caption: &str) {
    if let Ok(picture) = data.show(index).and_then(|shown| shown.picture()) {
        grid.push(picture.reduced(SIDE), caption);
    }
}

/// What fits below a picture.
fn short(finding: &Finding) -> String {
    match &finding.kind {
        FindingKind::BoxOutside { .. } | FindingKind::BoxDegenerate { .. } => {
            finding.kind.problem().to_string()
        }
        kind => kind.to_string(),
    }
}

impl Rich for Scan {
    fn rich(&self) -> Bundle {
        let headline = self.headline();
        let mut text = format!("{headline}\n");
        let mut html = format!("<b>{}</b>", escape(&headline));
        let summary = (!self.findings.is_empty()).then(|| self.summary());
        for table in summary.into_iter().chain(self.rare()) {
            text += &table.text();
            html += &table.html();
        }
        let grid = self.worst();
        if !grid.is_empty() {
            match grid.svg() {
                Ok(svg) => html += &svg_in_html(&svg, grid.text().trim_end()),
                Err(error) => html += &escape(&error.to_string()),
            }
        }
        Bundle::text(text).html(format!("<div style=\"font-size:13px\">{html}</div>"))
    }
}
