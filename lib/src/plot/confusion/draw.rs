//! The picture of a confusion matrix.

use super::{ConfusionMatrix, READABLE, Wholes};
use crate::Result;
use crate::plot::color::{INK, LINE, MUTED, blues, hex, ink_on};
use crate::plot::number::percent;
use crate::plot::picture::Picture;
use crate::plot::svg::{Anchor, Svg, TextStyle, fitted, text_width, title_width};

const MARGIN: f64 = 12.0;
const LABEL: f64 = 12.0;
const TITLE: f64 = 14.0;
/// Up to so many classes, the rows and columns carry their names.
const NAMED: usize = 60;

/// What colour a cell has.
struct Colors {
    wholes: Wholes,
    /// The part that has the darkest one.
    darkest: f64,
}

impl Colors {
    fn of(&self, cell: [usize; 2], count: u64) -> [u8; 3] {
        blues(self.wholes.part(cell, count).unwrap_or(0.0) / self.darkest)
    }
}

/// A part in few characters: `85 %`; `<1 %` and `>99 %` for what would be rounded to nothing and to all.
fn short(part: f64) -> String {
    match part * 100.0 {
        0.0 => "0".to_owned(),
        percent if percent < 1.0 => "<1 %".to_owned(),
        percent if percent > 99.0 && percent < 100.0 => ">99 %".to_owned(),
        percent => format!("{percent:.0} %"),
    }
}

impl ConfusionMatrix {
    /// The matrix as a picture, a pixel a count, without names.
    ///
    /// # Errors
    /// Never for a matrix that could be made; the picture's own checks are passed on.
    pub fn picture(&self) -> Result<Picture> {
        let classes = self.names.len();
        let colors = self.colors();
        let cells = (0..classes).flat_map(|truth| (0..classes).map(move |predicted| [truth, predicted]));
        let pixels =
            cells.flat_map(|[truth, predicted]| colors.of([truth, predicted], self.row(truth)[predicted]));
        Picture::rgb([classes, classes], pixels.collect())
    }

    fn colors(&self) -> Colors {
        let wholes = self.wholes();
        let darkest = match (&wholes, self.counts.iter().max()) {
            // All cells together are 1, and none of them would be dark.
            (Wholes::All(_), Some(&most)) => {
                wholes.part([0, 0], most).filter(|part| *part > 0.0).unwrap_or(1.0)
            }
            _ => 1.0,
        };
        Colors { wholes, darkest }
    }

    /// The matrix as an SVG with names, and counts where there is room.
    ///
    /// # Errors
    /// When the picture of a large matrix cannot be encoded.
    pub fn svg(&self) -> Result<String> {
        let classes = self.names.len();
        let cell = match classes {
            _ if classes <= 12 => 40.0,
            _ if classes <= READABLE => 32.0,
            _ if classes <= NAMED => 14.0,
            _ => (600.0 / classes as f64).max(1.0),
        };
        let label = LABEL.min(cell - 2.0);
        let named = classes <= NAMED;
        let longest = self.names.iter().map(|name| text_width(name, label)).fold(0.0, f64::max).min(140.0);
        let names = if named { longest.ceil() + 8.0 } else { 4.0 };
        // Names that are wider than their column stand upright.
        let upright = named && longest > cell - 4.0;
        let left = MARGIN + LABEL + 8.0 + names;
        let top = MARGIN + TITLE + 12.0;
        let side = cell * classes as f64;
        let below = match (named, upright) {
            (true, true) => longest.ceil() + 10.0,
            (true, false) => label + 6.0,
            (false, _) => 4.0,
        };
        let width = (left + side + MARGIN).max(title_width(&self.headline(), TITLE) + 2.0 * MARGIN).ceil();
        let height = (top + side + below + LABEL + 6.0 + MARGIN).ceil();

        let mut svg = Svg::new([width, height], &self.headline());
        let bold = TextStyle { bold: true, ..TextStyle::new(TITLE, INK, Anchor::Start) };
        svg.text([MARGIN, MARGIN + TITLE - 2.0], bold, &self.headline());
        if named {
            let colors = self.colors();
            for truth in 0..classes {
                for predicted in 0..classes {
                    self.draw_cell(&mut svg, [truth, predicted], &colors, [left, top], cell);
                }
            }
        } else {
            svg.picture([left, top], [side, side], &self.picture()?)?;
        }
        svg.rect([left, top], [side, side], &format!("fill=\"none\" stroke=\"{LINE}\""));
        for (class, name) in self.names.iter().enumerate().take(if named { classes } else { 0 }) {
            let middle = (class as f64 + 0.5) * cell;
            let name = fitted(name, label, 140.0);
            let style = TextStyle::new(label, INK, Anchor::End);
            svg.text([left - 6.0, top + middle + label * 0.35], style, &name);
            if upright {
                let style = TextStyle { turned: -90.0, ..style };
                svg.text([left + middle + label * 0.35, top + side + 6.0], style, &name);
            } else {
                let style = TextStyle::new(label, INK, Anchor::Middle);
                svg.text([left + middle, top + side + label + 4.0], style, &name);
            }
        }
        let axis = TextStyle::new(LABEL, MUTED, Anchor::Middle);
        svg.text([left + side / 2.0, height - MARGIN], axis, "predicted");
        svg.text([MARGIN + LABEL - 4.0, top + side / 2.0], TextStyle { turned: -90.0, ..axis }, "true");
        Ok(svg.finish())
    }

    fn draw_cell(
        &self,
        svg: &mut Svg,
        [truth, predicted]: [usize; 2],
        colors: &Colors,
        [left, top]: [f64; 2],
        cell: f64,
    ) {
        let count = self.row(truth)[predicted];
        let part = colors.wholes.part([truth, predicted], count);
        let color = colors.of([truth, predicted], count);
        let [x, y] = [left + predicted as f64 * cell, top + truth as f64 * cell];
        let (from, to) = (&self.names[truth], &self.names[predicted]);
        svg.open_explained(&format!(
            "true {from}, predicted {to}: {count} ({})",
            percent(part.unwrap_or(0.0))
        ));
        svg.rect(
            [x, y],
            [cell, cell],
            &format!("fill=\"{}\" stroke=\"{LINE}\" stroke-width=\"0.5\"", hex(color)),
        );
        if self.names.len() <= READABLE {
            let text = match (self.normalisation, part) {
                (None, _) => count.to_string(),
                (Some(_), None) => "–".to_owned(),
                (Some(_), Some(part)) => short(part),
            };
            // Zeros stand back, so that the mistakes stand out.
            let ink = if count == 0 { "#afb8c1" } else { ink_on(color) };
            let size = LABEL.min(LABEL * (cell - 4.0) / text_width(&text, LABEL));
            svg.text(
                [x + cell / 2.0, y + cell / 2.0 + size * 0.35],
                TextStyle::new(size, ink, Anchor::Middle),
                &text,
            );
        }
        svg.close();
    }
}
