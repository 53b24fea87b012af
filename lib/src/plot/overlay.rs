//! Values over a picture.

use std::path::Path;

use sconce_display::Bundle;

use super::color::{INK, LINE, MUTED, NOT_FINITE, blue_red, hex, viridis};
use super::number::number;
use super::picture::{Picture, visible_factor};
use super::save::save;
use super::svg::{self, Anchor, Svg, TextStyle, fitted, text_width, title_width};
use crate::rich::Rich;
use crate::{Error, Result};

const MARGIN: f64 = 12.0;
const LABEL: f64 = 12.0;
const TITLE: f64 = 14.0;
const GAP: f64 = 12.0;
/// Pixels of the longer side of the PNG in a cell.
const SHOWN: usize = 640;
/// Part of a pixel's colour that is the value's, the rest is the picture in grey.
const COVER: f64 = 0.6;
/// Columns and rows of the text form, at most.
const TEXT: [usize; 2] = [32, 16];

/// What the colours of an [`Overlay`] run over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlayScale {
    /// From 0, dark blue, to the greatest value, yellow. Less than 0 is drawn as 0.
    Positive,
    /// Blue below 0, white at 0, red above, as far on both sides.
    Signed,
}

/// A picture beside itself with a value for each pixel over it, in colours, and their scale. Values that are not finite
/// have a red of their own.
///
/// ```
/// use sconce::plot::{Overlay, OverlayScale, Picture};
///
/// let picture = Picture::grey([2, 2], vec![0, 80, 160, 255])?;
/// let seen = Overlay::new(picture, &[0.0, 0.1, 0.2, 0.9], OverlayScale::Positive)?.title("where it looks");
/// assert!(seen.svg()?.contains("where it looks"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay {
    picture: Picture,
    values: Vec<f32>,
    scale: OverlayScale,
    end: f32,
    cut: bool,
    title: String,
    note: String,
}

impl Overlay {
    /// A value for each pixel of `picture`, row by row.
    ///
    /// # Errors
    /// When there is another number of values than of pixels.
    pub fn new(picture: Picture, values: &[f32], scale: OverlayScale) -> Result<Overlay> {
        let [height, width] = picture.size();
        if values.len() != height * width {
            return Err(Error::Shape {
                op: "Overlay::new".into(),
                expected: format!("{height} x {width} values, one for each pixel of the picture"),
                got: format!("{} values", values.len()),
                hint: "Bring values and picture to one size first.".into(),
            });
        }
        let mut overlay = Overlay {
            picture,
            values: values.to_vec(),
            scale,
            end: 0.0,
            cut: false,
            title: String::new(),
            note: String::new(),
        };
        overlay.end = overlay.sizes().fold(0.0, f32::max);
        Ok(overlay)
    }

    /// Lets the scale end where only this part of the values lies beyond, 0.01 for one in a hundred; these get the
    /// colour of the end. For maps in which a few values are much greater than the rest.
    ///
    /// # Errors
    /// When `part` is not in [0, 1).
    pub fn cut(mut self, part: f64) -> Result<Overlay> {
        if !(0.0..1.0).contains(&part) {
            return Err(Error::Argument {
                op: "Overlay::cut".into(),
                expected: "a part of the values in [0, 1)".into(),
                got: part.to_string(),
                hint: "0.01 stands for one value in a hundred.".into(),
            });
        }
        let mut sizes: Vec<f32> = self.sizes().collect();
        sizes.sort_unstable_by(f32::total_cmp);
        let beyond = (sizes.len() as f64 * part) as usize;
        // Where nearly all is 0, a cut would leave no scale.
        let end = sizes.iter().rev().nth(beyond).copied().unwrap_or_default();
        if end > 0.0 {
            self.cut = sizes.last().is_some_and(|&greatest| greatest > end);
            self.end = end;
        }
        Ok(self)
    }

    /// Sets the line above the pictures.
    #[must_use]
    pub fn title(mut self, title: &str) -> Overlay {
        title.clone_into(&mut self.title);
        self
    }

    /// Sets a line below the pictures.
    #[must_use]
    pub fn note(mut self, note: &str) -> Overlay {
        note.clone_into(&mut self.note);
        self
    }

    /// How far the finite values are from 0, as the scale has it.
    fn sizes(&self) -> impl Iterator<Item = f32> {
        let signed = self.scale == OverlayScale::Signed;
        let finite = self.values.iter().copied().filter(|value| value.is_finite());
        finite.map(move |value| if signed { value.abs() } else { value.max(0.0) })
    }

    fn color(&self, value: f32) -> [u8; 3] {
        let part = if self.end > 0.0 { f64::from(value) / f64::from(self.end) } else { 0.0 };
        match self.scale {
            _ if !value.is_finite() => NOT_FINITE,
            OverlayScale::Positive => viridis(part),
            OverlayScale::Signed => blue_red(part),
        }
    }

    /// The picture in grey with the colours over it, a pixel a pixel, without title and scale.
    ///
    /// # Errors
    /// Never for an overlay that could be made; the picture's own checks are passed on.
    pub fn picture(&self) -> Result<Picture> {
        let [height, width] = self.picture.size();
        let mut pixels = Vec::with_capacity(height * width * 3);
        for (at, &value) in self.values.iter().enumerate() {
            let [r, g, b] = self.picture.pixel([at / width, at % width]).map(f64::from);
            let grey = 0.299 * r + 0.587 * g + 0.114 * b;
            let mixed = |color: u8| (grey * (1.0 - COVER) + f64::from(color) * COVER).round() as u8;
            pixels.extend(self.color(value).map(mixed));
        }
        Picture::rgb([height, width], pixels)
    }

    /// Both pictures, the scale and the lines as an SVG.
    ///
    /// # Errors
    /// When a picture cannot be encoded.
    pub fn svg(&self) -> Result<String> {
        let [height, width] = self.picture.size();
        let longer = height.max(width);
        let scale = if longer > 320 { 320.0 / longer as f64 } else { visible_factor(longer) as f64 };
        let drawn = [width, height].map(|side| (side as f64 * scale).round().max(12.0));
        let ticks = self.ticks();
        let tick_width = ticks.iter().map(|tick| text_width(tick, LABEL)).fold(0.0, f64::max);
        let top = MARGIN + if self.title.is_empty() { 0.0 } else { TITLE + 10.0 };
        let bar_left = MARGIN + 2.0 * drawn[0] + 2.0 * GAP;
        let bar_height = drawn[1].max(80.0);
        let lines = title_width(&self.title, TITLE).max(text_width(&self.note, LABEL)).min(480.0);
        let right = (bar_left + 18.0 + tick_width + MARGIN).max(lines + 2.0 * MARGIN).ceil();
        let bottom = top + bar_height + 6.0 + if self.note.is_empty() { 0.0 } else { LABEL + 6.0 };
        let odd = self.values.iter().any(|value| !value.is_finite());
        let document = [right, (bottom + MARGIN + if odd { LABEL + 6.0 } else { 0.0 }).ceil()];
        let mut svg = Svg::new(document, self.headline().trim_end());
        let plain = |anchor| TextStyle::new(LABEL, MUTED, anchor);
        if !self.title.is_empty() {
            let style = TextStyle { bold: true, ..TextStyle::new(TITLE, INK, Anchor::Start) };
            svg.text(
                [MARGIN, MARGIN + TITLE - 2.0],
                style,
                &fitted(&self.title, TITLE, right - 2.0 * MARGIN),
            );
        }
        let shown = |picture: Picture| match scale < 1.0 {
            true => picture.reduced(drawn[0].max(drawn[1]) as usize),
            false => picture,
        };
        svg.picture([MARGIN, top], drawn, &shown(self.picture.clone()))?;
        svg.picture([MARGIN + drawn[0] + GAP, top], drawn, &shown(self.picture()?))?;
        let steps = 64_usize;
        let bar = (0..steps).flat_map(|step| {
            let part = 1.0 - step as f64 / (steps - 1) as f64;
            match self.scale {
                OverlayScale::Positive => viridis(part),
                OverlayScale::Signed => blue_red(2.0 * part - 1.0),
            }
        });
        svg.picture([bar_left, top], [12.0, bar_height], &Picture::rgb([steps, 1], bar.collect())?)?;
        svg.rect([bar_left, top], [12.0, bar_height], &format!("fill=\"none\" stroke=\"{LINE}\""));
        for (tick, part) in ticks.iter().zip([0.0, 0.5, 1.0]) {
            let y = top + part * bar_height + LABEL * (0.8 - 0.8 * part);
            svg.text([bar_left + 18.0, y], plain(Anchor::Start), tick);
        }
        if !self.note.is_empty() {
            let note = fitted(&self.note, LABEL, right - 2.0 * MARGIN);
            svg.text([MARGIN, top + bar_height + LABEL + 6.0], plain(Anchor::Start), &note);
        }
        if odd {
            let y = document[1] - MARGIN;
            svg.rect([MARGIN, y - 9.0], [10.0, 10.0], &format!("fill=\"{}\"", hex(NOT_FINITE)));
            svg.text([MARGIN + 16.0, y], plain(Anchor::Start), "not finite");
        }
        Ok(svg.finish())
    }

    /// What the top, the middle and the bottom of the scale stand for.
    fn ticks(&self) -> [String; 3] {
        let more = if self.cut { "≥ " } else { "" };
        let less = if self.cut { "≤ " } else { "" };
        let end = f64::from(self.end);
        match self.scale {
            OverlayScale::Positive => [format!("{more}{}", number(end)), number(end / 2.0), "0".into()],
            OverlayScale::Signed => {
                [format!("{more}{}", number(end)), "0".into(), format!("{less}{}", number(-end))]
            }
        }
    }

    fn headline(&self) -> String {
        let [height, width] = self.picture.size();
        let finite = || self.values.iter().copied().filter(|value| value.is_finite()).map(f64::from);
        let (low, high) =
            (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let title = if self.title.is_empty() { "values over a picture" } else { &self.title };
        let mut text = format!("{title}: {height} x {width} values");
        let odd = self.values.len() - finite().count();
        if low <= high {
            text += &format!(" from {} to {}", number(low), number(high));
        }
        if odd > 0 {
            text += &format!(", {odd} not finite");
        }
        text + "\n"
    }

    /// The range, and the values as shades: means of blocks where the picture is large.
    #[must_use]
    pub fn text(&self) -> String {
        let [height, width] = self.picture.size();
        // A character is about twice as high as wide.
        let columns = width.min(TEXT[0]);
        let rows = (height * columns / width.max(1) / 2).clamp(1, TEXT[1]).min(height);
        let mut text = self.headline();
        if !self.note.is_empty() {
            text += &format!("{}\n", self.note);
        }
        for row in 0..rows {
            for column in 0..columns {
                let (mut sum, mut count) = (0.0, 0_u32);
                for y in row * height / rows..(row + 1) * height / rows {
                    for x in column * width / columns..(column + 1) * width / columns {
                        sum += f64::from(self.values[y * width + x]);
                        count += 1;
                    }
                }
                let mean = sum / f64::from(count);
                let part = match mean.is_finite() && self.end == 0.0 {
                    true => 0.0,
                    false => mean / f64::from(self.end),
                };
                text.push(shade(part, self.scale));
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        let end = number(f64::from(self.end));
        text + &match self.scale {
            OverlayScale::Positive if self.end == 0.0 => "(no value is above 0)\n".to_owned(),
            OverlayScale::Signed if self.end == 0.0 => "(no value but 0)\n".to_owned(),
            OverlayScale::Positive => format!("(░▒▓█: quarters of 0 to {end}, means of blocks)\n"),
            OverlayScale::Signed => {
                format!("(░▒▓█: quarters of 0 to {end}; - and =: halves of 0 to -{end}; means of blocks)\n")
            }
        }
    }

    /// Writes it to a file that ends with `.svg` (both pictures and the scale) or `.png` (the picture with its colours
    /// alone).
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "an overlay", || self.svg(), Some(&|| self.picture()?.visible().png()))
    }
}

impl Rich for Overlay {
    fn rich(&self) -> Bundle {
        let bundle = svg::bundle(self.text(), self.svg());
        match self.picture().and_then(|picture| picture.reduced(SHOWN).visible().png()) {
            Ok(png) => bundle.png(png),
            Err(_) => bundle,
        }
    }
}

/// A character for a part of the scale. What is near 0 is blank.
fn shade(part: f64, scale: OverlayScale) -> char {
    match part {
        part if !part.is_finite() => '?',
        part if part < -0.5 && scale == OverlayScale::Signed => '=',
        part if part < -0.05 && scale == OverlayScale::Signed => '-',
        part if part < 0.05 => ' ',
        part if part < 0.25 => '░',
        part if part < 0.5 => '▒',
        part if part < 0.75 => '▓',
        _ => '█',
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn black(size: [usize; 2]) -> Picture {
        Picture::grey(size, vec![0; size[0] * size[1]]).unwrap()
    }

    #[test]
    fn colours_are_those_of_the_scale_over_grey() {
        let overlay = Overlay::new(black([1, 3]), &[-2.0, 0.0, 4.0], OverlayScale::Signed).unwrap();
        let mixed = |color: [u8; 3]| color.map(|part| (f64::from(part) * COVER).round() as u8);
        let picture = overlay.picture().unwrap();
        let wanted = [blue_red(-0.5), blue_red(0.0), blue_red(1.0)].map(mixed).concat();
        assert_eq!(picture.pixels(), wanted);
        let overlay = Overlay::new(black([1, 3]), &[-2.0, 2.0, 4.0], OverlayScale::Positive).unwrap();
        let wanted = [viridis(0.0), viridis(0.5), viridis(1.0)].map(mixed).concat();
        assert_eq!(overlay.picture().unwrap().pixels(), wanted);
    }

    #[test]
    fn a_few_great_values_do_not_hide_the_rest() {
        let mut values = vec![1.0; 100];
        values[7] = 1000.0;
        let whole = Overlay::new(black([10, 10]), &values, OverlayScale::Positive).unwrap();
        assert_eq!(whole.ticks(), ["1000", "500", "0"]);
        let cut = whole.cut(0.01).unwrap();
        assert_eq!(cut.ticks(), ["≥ 1", "0.5", "0"]);
        let mut values = vec![0.0; 1000];
        values[7] = 3.0;
        let zeros = Overlay::new(black([10, 100]), &values, OverlayScale::Positive).unwrap();
        assert_eq!(zeros.clone().cut(0.01).unwrap(), zeros);
        assert!(zeros.cut(1.0).unwrap_err().to_string().contains("[0, 1), got 1"));
    }

    #[test]
    fn what_is_no_number_is_said() {
        let values = [0.0, f32::NAN, f32::INFINITY, 1.0];
        let overlay = Overlay::new(black([2, 2]), &values, OverlayScale::Positive).unwrap().title("a < b");
        let text = overlay.text();
        assert!(text.starts_with("a < b: 2 x 2 values from 0 to 1, 2 not finite\n"), "{text}");
        let svg = overlay.svg().unwrap();
        assert!(svg.contains("not finite</text>") && svg.contains("a &lt; b"), "{svg}");
        let none = Overlay::new(black([1, 1]), &[f32::NAN], OverlayScale::Signed).unwrap();
        assert!(none.svg().is_ok() && none.text().contains('?'), "{}", none.text());
        let error = Overlay::new(black([2, 2]), &[0.0], OverlayScale::Signed).unwrap_err().to_string();
        assert!(error.contains("expected 2 x 2 values") && error.contains("got 1 values"), "{error}");
    }

    #[test]
    fn shades_are_quarters() {
        let shades: String = [-0.8, -0.3, 0.0, 0.2, 0.4, 0.6, 1.0, f64::NAN]
            .into_iter()
            .map(|part| shade(part, OverlayScale::Signed))
            .collect();
        assert_eq!(shades, "=- ░▒▓█?");
        assert_eq!(shade(-0.8, OverlayScale::Positive), ' ');
    }
}
