//! A matrix as colours.

use std::path::Path;

use sconce_display::Bundle;

use super::color::{INK, LINE, MUTED, NOT_FINITE, hex, viridis};
use super::number::number;
use super::picture::{Picture, ValueRange};
use super::save::save;
use super::svg::{self, Anchor, Svg, TextStyle, fitted, text_width, title_width};
use super::table::Table;
use crate::rich::Rich;
use crate::{Error, Result};

/// A matrix is drawn with at most this many cells a side; larger ones are averaged in blocks.
const MOST: usize = 256;
const MARGIN: f64 = 12.0;
const LABEL: f64 = 12.0;
const TITLE: f64 = 14.0;

/// The values of a matrix as colours, from dark blue (least) to yellow (greatest), with a scale beside
/// them. Values that are not finite are red.
///
/// ```
/// use sconce::plot::HeatMap;
///
/// let map = HeatMap::new([2, 3], &[0.0, 0.5, 1.0, 1.5, 2.0, 2.5])?.title("a ramp");
/// assert!(map.svg()?.contains("a ramp"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    size: [usize; 2],
    values: Vec<f32>,
    range: ValueRange,
    title: String,
    x_label: String,
    y_label: String,
}

impl HeatMap {
    /// The values of a matrix of `[rows, columns]`, row by row.
    ///
    /// # Errors
    /// When a side is 0 or the number of values is another than rows × columns.
    pub fn new(size: [usize; 2], values: &[f32]) -> Result<HeatMap> {
        let [rows, columns] = size;
        if rows == 0 || columns == 0 || values.len() != rows.saturating_mul(columns) {
            return Err(Error::Shape {
                op: "HeatMap::new".into(),
                expected: format!("{rows} x {columns} values, at least one"),
                got: format!("{} values", values.len()),
                hint: "The size is [rows, columns], the values lie row by row.".into(),
            });
        }
        Ok(HeatMap {
            size,
            values: values.to_vec(),
            range: ValueRange::Data,
            title: String::new(),
            x_label: String::new(),
            y_label: String::new(),
        })
    }

    /// Sets the line above the matrix.
    #[must_use]
    pub fn title(mut self, title: &str) -> HeatMap {
        title.clone_into(&mut self.title);
        self
    }

    /// Says what the columns are.
    #[must_use]
    pub fn x_label(mut self, label: &str) -> HeatMap {
        label.clone_into(&mut self.x_label);
        self
    }

    /// Says what the rows are.
    #[must_use]
    pub fn y_label(mut self, label: &str) -> HeatMap {
        label.clone_into(&mut self.y_label);
        self
    }

    /// Sets which values the ends of the scale stand for, so that several maps can be compared.
    #[must_use]
    pub fn range(mut self, range: ValueRange) -> HeatMap {
        self.range = range;
        self
    }

    /// Rows and columns that are drawn, and their values: means over blocks where the matrix is large.
    fn cells(&self) -> ([usize; 2], Vec<f32>) {
        let [rows, columns] = self.size;
        let [height, width] = self.size.map(|side| side.min(MOST));
        if [height, width] == self.size {
            return (self.size, self.values.clone());
        }
        let mut cells = Vec::with_capacity(height * width);
        for row in 0..height {
            for column in 0..width {
                let mut sum = 0.0;
                let (mut count, mut odd) = (0_u32, None);
                for y in row * rows / height..(row + 1) * rows / height {
                    for x in column * columns / width..(column + 1) * columns / width {
                        let value = self.values[y * columns + x];
                        sum += f64::from(value);
                        count += 1;
                        if !value.is_finite() {
                            odd = Some(value);
                        }
                    }
                }
                // One value that is not finite marks its block: a mean would hide it.
                cells.push(odd.unwrap_or((sum / f64::from(count)) as f32));
            }
        }
        ([height, width], cells)
    }

    /// The matrix as a picture, a pixel a value, without title and scale. A side of more than 256 is
    /// averaged in blocks.
    ///
    /// # Errors
    /// Never for a map that could be made; the picture's own checks are passed on.
    pub fn picture(&self) -> Result<Picture> {
        let (size, cells) = self.cells();
        let (low, high) = self.range.bounds(&self.values);
        let (low, high) = (f64::from(low), f64::from(high));
        let color = |value: &f32| {
            let position = if high == low { 0.5 } else { (f64::from(*value) - low) / (high - low) };
            // An infinite value is no end of the scale.
            if value.is_finite() { viridis(position) } else { NOT_FINITE }
        };
        Picture::rgb(size, cells.iter().flat_map(color).collect())
    }

    /// The map as an SVG with title, labels and scale.
    ///
    /// # Errors
    /// When the picture cannot be encoded.
    pub fn svg(&self) -> Result<String> {
        let picture = self.picture()?;
        let [rows, columns] = picture.size();
        let longer = rows.max(columns);
        let scale = if longer > 160 { 320.0 / longer as f64 } else { (320 / longer).clamp(1, 48) as f64 };
        // A very flat or narrow matrix keeps a side that can be seen.
        let [height, width] = [rows, columns].map(|side| (side as f64 * scale).round().max(12.0));
        let (low, high) = self.range.bounds(&self.values);
        let ticks = [high, low / 2.0 + high / 2.0, low].map(|value| number(f64::from(value)));
        let tick_width = ticks.iter().map(|tick| text_width(tick, LABEL)).fold(0.0, f64::max);

        let left = MARGIN
            + text_width(&self.size[0].to_string(), LABEL).max(16.0)
            + 6.0
            + if self.y_label.is_empty() { 0.0 } else { LABEL + 6.0 };
        let top = MARGIN + if self.title.is_empty() { 4.0 } else { TITLE + 10.0 };
        let bar_height = height.max(80.0);
        let bar_left = left + width + 16.0;
        let right = bar_left + 12.0 + 6.0 + tick_width + MARGIN;
        let document_width = right.max(title_width(&self.title, TITLE).min(480.0) + 2.0 * MARGIN).ceil();
        let bottom = top + bar_height + LABEL + 6.0 + if self.x_label.is_empty() { 0.0 } else { LABEL + 6.0 };
        let legend = self.values.iter().any(|value| !value.is_finite());
        let document_height = (bottom + MARGIN + if legend { LABEL + 8.0 } else { 0.0 }).ceil();

        let mut svg = Svg::new([document_width, document_height], self.headline().trim_end());
        let plain = |anchor| TextStyle::new(LABEL, MUTED, anchor);
        if !self.title.is_empty() {
            let style = TextStyle { bold: true, ..TextStyle::new(TITLE, INK, Anchor::Start) };
            let title = fitted(&self.title, TITLE, document_width - 2.0 * MARGIN);
            svg.text([MARGIN, MARGIN + TITLE - 2.0], style, &title);
        }
        svg.picture([left, top], [width, height], &picture)?;
        svg.rect([left, top], [width, height], &format!("fill=\"none\" stroke=\"{LINE}\""));
        svg.text([left - 6.0, top + LABEL - 2.0], plain(Anchor::End), "0");
        if self.size[0] > 1 && height >= 2.0 * LABEL {
            svg.text([left - 6.0, top + height], plain(Anchor::End), &(self.size[0] - 1).to_string());
        }
        svg.text([left, top + height + LABEL + 4.0], plain(Anchor::Start), "0");
        if self.size[1] > 1 && width >= 3.0 * LABEL {
            let last = (self.size[1] - 1).to_string();
            svg.text([left + width, top + height + LABEL + 4.0], plain(Anchor::End), &last);
        }
        if !self.x_label.is_empty() {
            let at = [left + width / 2.0, top + height + 2.0 * LABEL + 8.0];
            svg.text(at, plain(Anchor::Middle), &fitted(&self.x_label, LABEL, width.max(120.0)));
        }
        if !self.y_label.is_empty() {
            let style = TextStyle { turned: -90.0, ..plain(Anchor::Middle) };
            let at = [MARGIN + LABEL - 4.0, top + height / 2.0];
            svg.text(at, style, &fitted(&self.y_label, LABEL, height.max(80.0)));
        }
        self.draw_scale(&mut svg, [bar_left, top], bar_height)?;
        for (tick, part) in ticks.iter().zip([0.0, 0.5, 1.0]) {
            let y = top + part * bar_height + LABEL * (0.8 - 0.8 * part);
            svg.text([bar_left + 18.0, y], plain(Anchor::Start), tick);
        }
        if legend {
            svg.rect(
                [left, document_height - MARGIN - 9.0],
                [10.0, 10.0],
                &format!("fill=\"{}\"", hex(NOT_FINITE)),
            );
            svg.text([left + 16.0, document_height - MARGIN], plain(Anchor::Start), "not finite");
        }
        Ok(svg.finish())
    }

    /// The colour scale as a bar, the greatest value on top.
    fn draw_scale(&self, svg: &mut Svg, corner: [f64; 2], height: f64) -> Result<()> {
        let steps = 64;
        let pixels = (0..steps).flat_map(|step| viridis(1.0 - step as f64 / (steps - 1) as f64)).collect();
        svg.picture(corner, [12.0, height], &Picture::rgb([steps, 1], pixels)?)?;
        svg.rect(corner, [12.0, height], &format!("fill=\"none\" stroke=\"{LINE}\""));
        Ok(())
    }

    fn headline(&self) -> String {
        let [rows, columns] = self.size;
        let (low, high) = ValueRange::Data.bounds(&self.values);
        let odd = self.values.iter().filter(|value| !value.is_finite()).count();
        let title = if self.title.is_empty() { "heat map" } else { &self.title };
        let mut text = format!("{title}: {rows} x {columns} values");
        if odd < self.values.len() {
            text += &format!(" from {} to {}", number(f64::from(low)), number(f64::from(high)));
        }
        if odd > 0 {
            text += &format!(", {odd} not finite");
        }
        text + "\n"
    }

    /// The range, and the values of the first and last rows and columns.
    #[must_use]
    pub fn text(&self) -> String {
        let picks = |side: usize| -> Vec<Option<usize>> {
            if side <= 8 {
                (0..side).map(Some).collect()
            } else {
                (0..4).map(Some).chain([None]).chain((side - 3..side).map(Some)).collect()
            }
        };
        let [rows, columns] = self.size.map(picks);
        let name = |at: &Option<usize>| at.map_or("…".to_owned(), |at| at.to_string());
        let names: Vec<String> = columns.iter().map(name).collect();
        let mut table =
            Table::new(&[&[""], names.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat());
        for row in &rows {
            let mut cells = vec![name(row)];
            cells.extend(columns.iter().map(|column| match (row, column) {
                (Some(row), Some(column)) => number(f64::from(self.values[row * self.size[1] + column])),
                _ => "…".to_owned(),
            }));
            table.push(&cells);
        }
        self.headline() + &table.text()
    }

    /// Writes the map to a file that ends with `.svg` (with labels and scale) or `.png` (without).
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "a heat map", || self.svg(), Some(&|| self.picture()?.visible().png()))
    }
}

impl Rich for HeatMap {
    fn rich(&self) -> Bundle {
        match self.picture().and_then(|picture| picture.visible().png()) {
            Ok(png) => svg::bundle(self.text(), self.svg()).png(png),
            Err(error) => svg::bundle(self.text(), Err(error)),
        }
    }
}
