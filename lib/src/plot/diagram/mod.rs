//! Boxes and what flows from one into the other, from top to bottom.

mod layers;
mod place;

use std::fmt::Write as _;
use std::path::Path;

use sconce_display::Bundle;

use super::color::{INK, MUTED, SERIES, hex};
use super::save::save;
use super::svg::{Anchor, Svg, TextStyle, bundle, fitted, text_width, title_width};
use crate::rich::Rich;
use crate::{Error, Result};
use layers::Layers;

const TITLE: f64 = 12.0;
const LINE: f64 = 11.0;
/// From one line of text to the next.
const LEADING: f64 = 15.0;
const PADDING: f64 = 8.0;
/// A text that is wider is cut.
const WIDEST: f64 = 340.0;
/// The widest of the fonts against what is expected of a text.
const WIDER: f64 = 1.15;
/// Between layers, for lines to find their way.
const BETWEEN: f64 = 26.0;
const MARGIN: f64 = 16.0;
/// The parts of white in the ground of a box.
const PALE: f64 = 0.84;
const ARROW: f64 = 4.0;

/// A box of a [`Diagram`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiagramBox {
    /// Its first line.
    pub title: String,
    /// The lines below.
    pub lines: Vec<String>,
    /// Boxes of the same number have the same colour.
    pub color: usize,
    /// Whether it stands for one thing or for several.
    pub stands_for: StandsFor,
    /// The boxes that flow into it, by their place; all of them come before it.
    pub inputs: Vec<usize>,
}

/// What a box stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StandsFor {
    /// One thing.
    #[default]
    One,
    /// Several, which are not drawn: it has a double edge.
    Several,
}

/// Boxes joined by lines, from top to bottom; a line that skips some boxes goes around them.
///
/// ```
/// use sconce::plot::{Diagram, DiagramBox};
///
/// let mut diagram = Diagram::new("a residual block");
/// let named = |title: &str, inputs: &[usize]| DiagramBox {
///     title: title.into(),
///     inputs: inputs.to_vec(),
///     ..DiagramBox::default()
/// };
/// let input = diagram.push(named("input", &[]))?;
/// let conv = diagram.push(named("conv", &[input]))?;
/// diagram.push(named("add", &[conv, input]))?;
/// assert!(diagram.svg()?.contains("conv"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagram {
    title: String,
    boxes: Vec<DiagramBox>,
}

impl Diagram {
    /// A diagram without boxes; `title` is what a screen reader says.
    #[must_use]
    pub fn new(title: &str) -> Diagram {
        Diagram { title: title.to_owned(), boxes: Vec::new() }
    }

    /// Adds a box and gives its place.
    ///
    /// # Errors
    /// When an input does not come before it.
    pub fn push(&mut self, added: DiagramBox) -> Result<usize> {
        let place = self.boxes.len();
        if let Some(input) = added.inputs.iter().find(|&&input| input >= place) {
            return Err(Error::Argument {
                op: "Diagram::push".into(),
                expected: format!("inputs among the {place} boxes that are there"),
                got: input.to_string(),
                hint: "Add boxes after those that flow into them.".into(),
            });
        }
        self.boxes.push(added);
        Ok(place)
    }

    /// The boxes.
    #[must_use]
    pub fn boxes(&self) -> &[DiagramBox] {
        &self.boxes
    }

    /// A line for each box: what it says, and where it takes from if not from the line above.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (index, shown) in self.boxes.iter().enumerate() {
            let from: Vec<&str> =
                shown.inputs.iter().map(|&input| self.boxes[input].title.as_str()).collect();
            let above = matches!(shown.inputs.as_slice(), [input] if input + 1 == index);
            let from =
                if from.is_empty() || above { String::new() } else { format!("  <- {}", from.join(", ")) };
            let lines = shown.lines.iter().map(|line| format!("  {line}")).collect::<String>();
            let _ = writeln!(text, "{}{lines}{from}", shown.title);
        }
        text
    }

    /// The diagram as an SVG document.
    ///
    /// # Errors
    /// None today; drawing may fail as that of other pictures.
    pub fn svg(&self) -> Result<String> {
        let sizes: Vec<[f64; 2]> = self.boxes.iter().map(size).collect();
        let edges: Vec<[usize; 2]> = self
            .boxes
            .iter()
            .enumerate()
            .flat_map(|(index, shown)| shown.inputs.iter().map(move |&input| [input, index]))
            .collect();
        let layers = Layers::new(self.boxes.len(), &edges);
        let widths: Vec<f64> =
            (0..layers.rank.len()).map(|vertex| sizes.get(vertex).map_or(0.0, |s| s[0])).collect();
        let xs = place::centres(&layers, &widths);
        // The rows of the layers: top and height.
        let mut rows = Vec::with_capacity(layers.rows.len());
        let mut top = MARGIN;
        for row in &layers.rows {
            let height =
                row.iter().filter_map(|&vertex| sizes.get(vertex)).map(|size| size[1]).fold(0.0, f64::max);
            rows.push([top, height]);
            top += height + BETWEEN;
        }
        let extent = |side: f64| {
            xs.iter().zip(&widths).map(|(x, width)| x * side + width / 2.0).fold(f64::NEG_INFINITY, f64::max)
        };
        let (left, right) = if xs.is_empty() { (0.0, 0.0) } else { (-extent(-1.0), extent(1.0)) };
        let xs: Vec<f64> = xs.iter().map(|x| x - left + MARGIN).collect();
        let size = [right - left + 2.0 * MARGIN, (top - BETWEEN + MARGIN).max(2.0 * MARGIN)];
        let mut svg = Svg::new(size, &self.title);
        for route in &layers.routes {
            self.edge(&mut svg, route, &layers, &xs, &rows, &sizes);
        }
        for (index, shown) in self.boxes.iter().enumerate() {
            let [top, height] = rows[layers.rank[index]];
            let [width, own] = sizes[index];
            draw(&mut svg, shown, [xs[index] - width / 2.0, top + (height - own) / 2.0], [width, own]);
        }
        Ok(svg.finish())
    }

    /// Writes the diagram to a `.svg` file.
    ///
    /// # Errors
    /// When the file cannot be written or its name ends otherwise.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "a diagram", || self.svg(), None)
    }

    /// A line from box to box, through the places that the layers in between keep free for it.
    fn edge(
        &self,
        svg: &mut Svg,
        route: &[usize],
        layers: &Layers,
        xs: &[f64],
        rows: &[[f64; 2]],
        sizes: &[[f64; 2]],
    ) {
        let mut path = String::new();
        let mut at = [0.0, 0.0];
        for (index, &vertex) in route.iter().enumerate() {
            let ([top, height], x) = (rows[layers.rank[vertex]], xs[vertex]);
            // A box is as high as its text, a bend as its row.
            let own = sizes.get(vertex).map_or(height, |size| size[1]);
            let (from, to) = (top + (height - own) / 2.0, top + (height + own) / 2.0);
            if index == 0 {
                let _ = write!(path, "M{x:.1} {to:.1}");
                at = [x, to];
                continue;
            }
            let is_last = index + 1 == route.len();
            let end = if is_last { from - ARROW } else { from };
            if (at[0] - x).abs() < 0.05 {
                let _ = write!(path, "V{end:.1}");
            } else {
                // Boxes of a row differ in height: the line turns only below the highest.
                let row = rows[layers.rank[route[index - 1]]];
                let start = (row[0] + row[1]).max(at[1]);
                let middle = (start + end) / 2.0;
                let _ =
                    write!(path, "V{start:.1}C{:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {end:.1}", at[0]);
            }
            if is_last {
                let (left, right) = (x - ARROW, x + ARROW);
                let head = format!("M{left:.1} {end:.1}H{right:.1}L{x:.1} {from:.1}Z");
                svg.path(&head, &format!("fill=\"{MUTED}\""));
            } else {
                let _ = write!(path, "V{to:.1}");
            }
            at = [x, to];
        }
        svg.path(&path, &format!("fill=\"none\" stroke=\"{MUTED}\" stroke-width=\"1.2\""));
    }
}

/// Width and height of a box with its text.
fn size(shown: &DiagramBox) -> [f64; 2] {
    let lines = shown.lines.iter().map(|line| text_width(line, LINE) * WIDER);
    let widest = lines.fold(title_width(&shown.title, TITLE), f64::max).min(WIDEST);
    [widest + 2.0 * PADDING, LEADING * (1 + shown.lines.len()) as f64 + PADDING]
}

fn draw(svg: &mut Svg, shown: &DiagramBox, [x, y]: [f64; 2], [width, height]: [f64; 2]) {
    let color = SERIES[shown.color % SERIES.len()];
    let [edge, ground] = [0.0, PALE].map(|white| {
        let mixed = |c: u8| (f64::from(c) * (1.0 - white) + 255.0 * white).round() as u8;
        hex([mixed(color.0), mixed(color.1), mixed(color.2)])
    });
    let full: Vec<&str> =
        [shown.title.as_str()].into_iter().chain(shown.lines.iter().map(String::as_str)).collect();
    svg.open_explained(&full.join("\n"));
    if shown.stands_for == StandsFor::Several {
        let attributes = format!("rx=\"6\" fill=\"{ground}\" stroke=\"{edge}\" stroke-width=\"1\"");
        svg.rect([x + 4.0, y + 4.0], [width, height], &attributes);
    }
    let attributes = format!("rx=\"6\" fill=\"{ground}\" stroke=\"{edge}\" stroke-width=\"1\"");
    svg.rect([x, y], [width, height], &attributes);
    let middle = x + width / 2.0;
    let title = TextStyle { bold: true, ..TextStyle::new(TITLE, INK, Anchor::Middle) };
    // The estimate of a title's width is a generous one.
    let text = fitted(&shown.title, TITLE * 1.25, width - PADDING);
    svg.text([middle, y + PADDING / 2.0 + TITLE], title, &text);
    for (index, line) in shown.lines.iter().enumerate() {
        let baseline = y + PADDING / 2.0 + TITLE + LEADING * (index + 1) as f64;
        let text = fitted(line, LINE * WIDER, width - PADDING);
        svg.text([middle, baseline], TextStyle::new(LINE, INK, Anchor::Middle), &text);
    }
    svg.close();
}

impl Rich for Diagram {
    fn rich(&self) -> Bundle {
        bundle(self.text(), self.svg())
    }
}
