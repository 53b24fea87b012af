//! Points in groups.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use sconce_display::Bundle;

use super::axis::Axis;
use super::color::SERIES;
use super::document::{Area, Dots, FINER, INK, MUTED, clean, draw_document, fine, refused, style, text};
use super::frame::{Chart, Frame, Swatch, color, draw_legend, draw_note, draw_nothing, draw_title, span};
use super::number::{count, number};
use super::points::{runs, thinned};
use super::save::save;
use super::scale::{Scale, placed};
use super::svg::{self, fitted, text_width};
use super::table::Table;
use crate::Result;
use crate::rich::Rich;

/// At most so many dots are drawn: a cross takes 30 bytes.
const DOTS: usize = 5000;
/// Up to so many, dots are large.
const FEW: usize = 1000;
/// Of names beside points, in pixels.
const NAME: f64 = 12.0;
/// A screen reader and the text form name at most so many groups.
const TOLD: usize = 20;

/// Points in named groups, each in a colour of its own: embeddings of images, sizes of boxes. From the eighth group on dots
/// are squares, from the fifteenth on crosses. What is not finite is left out, and said in words.
///
/// A million points stay a small picture: of points of a group that lie on each other the first is drawn.
///
/// ```
/// use sconce::plot::Scatter;
///
/// let plot = Scatter::new("embeddings")
///     .points("cat", &[(0.1, 0.2), (0.2, 0.1)])
///     .points("dog", &[(0.8, 0.9)]);
/// assert!(plot.svg()?.contains("dog"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scatter {
    title: String,
    x_label: String,
    y_label: String,
    scales: [Scale; 2],
    names: Names,
    groups: Vec<(String, Vec<(f64, f64)>)>,
    lines: Vec<(String, Vec<(f64, f64)>)>,
}

/// Where the names of groups stand.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Names {
    #[default]
    InLegend,
    /// Beside the first point of each.
    AtPoints,
}

/// What is drawn of a group: dots at fine pixels.
struct Drawn {
    dots: Vec<(i32, i32)>,
    of: usize,
}

impl Scatter {
    /// A plot without points. The title stands above it and may be empty.
    #[must_use]
    pub fn new(title: &str) -> Scatter {
        Scatter { title: clean(title), ..Scatter::default() }
    }

    /// Says what x is.
    #[must_use]
    pub fn x_label(mut self, label: &str) -> Scatter {
        self.x_label = clean(label);
        self
    }

    /// Says what y is.
    #[must_use]
    pub fn y_label(mut self, label: &str) -> Scatter {
        self.y_label = clean(label);
        self
    }

    /// Draws equal ratios of x as equal distances; a point whose x is not above 0 is left out.
    #[must_use]
    pub fn logarithmic_x(mut self) -> Scatter {
        self.scales[0] = Scale::Logarithmic;
        self
    }

    /// Draws equal ratios of y as equal distances; a point whose y is not above 0 is left out.
    #[must_use]
    pub fn logarithmic_y(mut self) -> Scatter {
        self.scales[1] = Scale::Logarithmic;
        self
    }

    /// Writes the name of each group beside its first point, in the place of a legend: for groups of one point each, such as
    /// models by what they cost and what they are worth.
    #[must_use]
    pub fn named_at_points(mut self) -> Scatter {
        self.names = Names::AtPoints;
        self
    }

    /// Adds a group of points `(x, y)`.
    #[must_use]
    pub fn points(mut self, name: &str, points: &[(f64, f64)]) -> Scatter {
        self.groups.push((clean(name), points.to_vec()));
        self
    }

    /// Adds a line through points `(x, y)` to compare with. The axes span the groups; what of a line lies outside is not drawn.
    #[must_use]
    pub fn line(mut self, name: &str, points: &[(f64, f64)]) -> Scatter {
        self.lines.push((clean(name), points.to_vec()));
        self
    }

    /// The title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The points of a group that have a place, where that is.
    fn placed<'a>(&self, points: &'a [(f64, f64)]) -> impl Iterator<Item = (f64, f64)> + 'a {
        let scales = self.scales;
        points.iter().map(move |&point| placed(scales, point)).filter(|(x, y)| x.is_finite() && y.is_finite())
    }

    fn axes(&self) -> [Axis; 2] {
        let all = || self.groups.iter().flat_map(|(_, points)| self.placed(points));
        let over = |ends: Option<(f64, f64)>| {
            let (low, high) = ends.unwrap_or((0.0, 1.0));
            let room = if low < high { (high / 2.0 - low / 2.0) * 0.08 } else { (high.abs() * 0.1).max(0.5) };
            Axis::over((low - room).max(f64::MIN), (high + room).min(f64::MAX))
        };
        [over(span(all().map(|(x, _)| x))), over(span(all().map(|(_, y)| y)))]
    }

    /// The plot as an SVG.
    ///
    /// # Errors
    /// When plotters refuses.
    pub fn svg(&self) -> Result<String> {
        draw_document([640, 480], &self.description(), |area, dots| self.draw(area, dots))
    }

    fn draw(&self, area: &Area<'_>, dots: &mut Dots) -> Result<()> {
        let mut top = draw_title(area, &self.title)?;
        let root = area;
        let in_legend = if self.names == Names::InLegend { self.groups.as_slice() } else { &[] };
        let groups = in_legend.iter().enumerate().map(|(at, (name, _))| (name.as_str(), swatch(at)));
        let lines = self.lines.iter().enumerate();
        let lines = lines.map(|(at, (name, _))| (name.as_str(), Swatch::Line(line_color(at))));
        let names: Vec<(&str, Swatch)> = groups.chain(lines).filter(|(name, _)| !name.is_empty()).collect();
        if !names.is_empty() {
            top = draw_legend(area, top, &names)?;
        }
        if let Some(note) = self.thinned() {
            top = draw_note(area, top, &note)?;
        }
        let (_, area) = area.split_vertically(fine(top));
        let whole = |of: &dyn Fn((f64, f64)) -> f64| {
            self.groups.iter().all(|(_, points)| self.placed(points).all(|point| of(point).fract() == 0.0))
        };
        let frame = Frame {
            labels: [&self.x_label, &self.y_label],
            axes: self.axes(),
            scales: self.scales,
            whole: [whole(&|(x, _)| x), whole(&|(_, y)| y)],
        };
        let mut chart = frame.draw(&area)?;
        for (at, (_, points)) in self.lines.iter().enumerate() {
            let [x_axis, y_axis] = frame.axes;
            let inside = points.iter().map(|&point| {
                let (x, y) = placed(self.scales, point);
                if x_axis.holds(x) && y_axis.holds(y) { (x, y) } else { (f64::NAN, f64::NAN) }
            });
            let stroke = line_color(at).stroke_width(FINER as u32);
            for run in runs(&inside.collect::<Vec<_>>()) {
                let line = thinned(&run).into_iter().map(|point| frame.at(point));
                chart.draw_series(LineSeries::new(line, stroke)).map_err(refused)?;
            }
        }
        let drawn = self.dots(&frame, &chart);
        let all: usize = drawn.iter().map(|group| group.of).sum();
        if all == 0 {
            let none = self.groups.iter().all(|(_, points)| points.is_empty());
            return draw_nothing(&area, if none { "no points" } else { "no finite points" });
        }
        let side = if all <= FEW { 5.0 } else { 3.0 };
        for (at, group) in drawn.iter().enumerate().filter(|(_, group)| !group.dots.is_empty()) {
            let name = &self.groups[at].0;
            let name = if name.is_empty() { "points" } else { name };
            let explanation = match group.of {
                of if of == group.dots.len() => format!("{name}: {}", count(of)),
                of => format!("{name}: {}, drawn with {} dots", count(of), count(group.dots.len())),
            };
            draw_dots(dots, &group.dots, swatch(at), fine(side), &explanation);
        }
        if self.names == Names::AtPoints { self.draw_names(root, &drawn) } else { Ok(()) }
    }

    /// The names beside the first dots, on the side where there is room, and none upon another.
    fn draw_names(&self, area: &Area<'_>, drawn: &[Drawn]) -> Result<()> {
        let width = f64::from(area.dim_in_pixel().0) / f64::from(FINER);
        // Left, right and middle of what is written already.
        let mut written: Vec<[f64; 3]> = Vec::new();
        for (group, (name, _)) in drawn.iter().zip(&self.groups) {
            let Some(&(x, y)) = group.dots.first().filter(|_| !name.is_empty()) else { continue };
            let [x, mut y] = [x, y].map(|place| f64::from(place) / f64::from(FINER));
            let name = fitted(name, NAME, width / 3.0);
            let long = text_width(&name, NAME);
            let left = if x + 8.0 + long < width - 8.0 { x + 8.0 } else { x - 8.0 - long };
            let covers = |y: f64| {
                move |&[from, to, at]: &[f64; 3]| {
                    from < left + long && left < to && (at - y).abs() < NAME + 2.0
                }
            };
            while written.iter().any(covers(y)) {
                y += 2.0;
            }
            written.push([left, left + long, y]);
            text(area, &name, [left, y], &style(NAME, &INK).pos(Pos::new(HPos::Left, VPos::Center)))?;
        }
        Ok(())
    }

    /// The dots of each group. Where there are too many, each group has one dot in a square that holds several of its
    /// points, the squares as small as possible.
    fn dots(&self, frame: &Frame<'_>, chart: &Chart<'_, '_>) -> Vec<Drawn> {
        let mut drawn: Vec<Drawn> = self
            .groups
            .iter()
            .map(|(_, points)| {
                let places = self.placed(points).map(|point| chart.backend_coord(&frame.at(point)));
                let dots: Vec<(i32, i32)> = places.collect();
                Drawn { of: dots.len(), dots }
            })
            .collect();
        let mut side = 1;
        while side == 1 || drawn.iter().map(|group| group.dots.len()).sum::<usize>() > DOTS {
            for group in &mut drawn {
                let mut taken = HashSet::new();
                group.dots.retain(|(x, y)| taken.insert((x.div_euclid(side), y.div_euclid(side))));
            }
            // Thousands of groups each have a dot, and no more.
            if side > 4096 {
                break;
            }
            side += side.div_euclid(4).max(1);
        }
        drawn
    }

    /// That not every point has a dot, in words.
    fn thinned(&self) -> Option<String> {
        let all: usize = self.groups.iter().map(|(_, points)| points.len()).sum();
        (all > DOTS).then(|| {
            format!(
                "{} points, drawn with at most {}: one where several lie on each other",
                count(all),
                count(DOTS)
            )
        })
    }

    /// How many points of a group are left out, in words.
    fn left_out(&self, points: &[(f64, f64)]) -> Option<String> {
        let not_finite = points.iter().filter(|(x, y)| !x.is_finite() || !y.is_finite()).count();
        let without_place = points.len() - not_finite - self.placed(points).count();
        let not_finite = (not_finite > 0).then(|| format!("{} not finite", count(not_finite)));
        let without_place = (without_place > 0).then(|| format!("{} not above 0", count(without_place)));
        let all: Vec<String> = not_finite.into_iter().chain(without_place).collect();
        (!all.is_empty()).then(|| format!("{} left out", all.join(" and ")))
    }

    /// What a screen reader says.
    fn description(&self) -> String {
        let title = if self.title.is_empty() { "scatter" } else { &self.title };
        let groups = self.groups.iter().take(TOLD).map(|(name, points)| {
            let name = if name.is_empty() { "points" } else { name };
            let left_out = self.left_out(points).map_or(String::new(), |left_out| format!(" ({left_out})"));
            format!("{name} {}{left_out}", count(points.len()))
        });
        let more = self.groups.len().checked_sub(TOLD).filter(|more| *more > 0);
        let more = more.map(|more| format!("{} more groups", count(more)));
        let all: Vec<String> = groups.chain(more).chain(self.thinned()).collect();
        if all.is_empty() { format!("{title}: no points") } else { format!("{title}: {}", all.join(", ")) }
    }

    /// A line for each group, the first 20 of them: how many points, and what they span.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = if self.title.is_empty() { String::new() } else { format!("{}\n", self.title) };
        if self.groups.is_empty() {
            return text + "no points\n";
        }
        let named =
            |label: &str, axis: &str| if label.is_empty() { axis.to_owned() } else { label.to_owned() };
        let [x, y] = [named(&self.x_label, "x"), named(&self.y_label, "y")];
        let mut table = Table::new(&["group", "points", &x, &y, ""]);
        for (name, points) in self.groups.iter().take(TOLD) {
            let finite = || {
                points.iter().filter(|&&point| {
                    let (x, y) = placed(self.scales, point);
                    x.is_finite() && y.is_finite()
                })
            };
            let ends = |ends: Option<(f64, f64)>| match ends {
                Some((low, high)) if low == high => number(low),
                Some((low, high)) => format!("{} to {}", number(low), number(high)),
                None => "–".to_owned(),
            };
            table.push(&[
                name.clone(),
                count(points.len()),
                ends(span(finite().map(|(x, _)| *x))),
                ends(span(finite().map(|(_, y)| *y))),
                self.left_out(points).unwrap_or_default(),
            ]);
        }
        text += &table.text();
        if let Some(more) = self.groups.len().checked_sub(TOLD).filter(|more| *more > 0) {
            let _ = writeln!(text, "and {} more groups", count(more));
        }
        if let Some(note) = self.thinned() {
            let _ = writeln!(text, "{note}");
        }
        for (name, points) in &self.lines {
            let _ = writeln!(text, "line: {name}, through {} points", count(points.len()));
        }
        text
    }

    /// Writes the plot to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "a scatter", || self.svg(), None)
    }
}

/// How the dots of a group look: colours, and when they begin anew other shapes.
fn swatch(group: usize) -> Swatch {
    match group / SERIES.len() % 3 {
        0 => Swatch::Circle(color(group)),
        1 => Swatch::Square(color(group)),
        _ => Swatch::Cross(color(group)),
    }
}

fn line_color(line: usize) -> RGBColor {
    if line.is_multiple_of(2) { INK } else { MUTED }
}

/// All dots of a group in one path: strokes without length, whose ends make the dots.
fn draw_dots(dots: &mut Dots, places: &[(i32, i32)], swatch: Swatch, side: i32, explanation: &str) {
    let (color, end, arm) = match swatch {
        Swatch::Circle(color) | Swatch::Line(color) => (color, "round", None),
        Swatch::Square(color) => (color, "square", None),
        Swatch::Cross(color) => (color, "butt", Some(side / 2)),
    };
    let mut way = String::with_capacity(places.len() * 12);
    for (x, y) in places {
        let _ = match arm {
            None => write!(way, "M{x} {y}h0"),
            Some(arm) => {
                write!(way, "M{} {}l{side} {side}m0 {}l{} {side}", x - arm, y - arm, -side, -side)
            }
        };
    }
    let width = if arm.is_some() { side / 3 } else { side };
    let color = super::color::hex([color.0, color.1, color.2]);
    let attributes = format!(
        "fill=\"none\" stroke=\"{color}\" stroke-opacity=\"0.75\" stroke-width=\"{width}\" stroke-linecap=\"{end}\""
    );
    dots.path(&way, &attributes, explanation);
}

impl Rich for Scatter {
    fn rich(&self) -> Bundle {
        svg::bundle(self.text(), self.svg())
    }
}
