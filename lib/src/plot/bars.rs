//! Amounts beside each other.

use std::path::Path;

use sconce_display::Bundle;

use super::color::{CARD, INK, LINE, MUTED, SERIES, hex};
use super::number::number;
use super::save::save;
use super::svg::{self, Anchor, Svg, TextStyle, fitted, text_width, title_width};
use super::table::Table;
use crate::rich::Rich;
use crate::{Error, Result};

const MARGIN: f64 = 12.0;
const LABEL: f64 = 12.0;
const TITLE: f64 = 14.0;
/// A bar with the gap below it.
const ROW: f64 = 20.0;
const BAR: f64 = 14.0;
/// The longest bar.
const LENGTH: f64 = 360.0;
/// Names that are wider are cut.
const NAME: f64 = 160.0;
/// The longest bar in text, in characters.
const CHARACTERS: f64 = 20.0;

/// Amounts as bars, one below the other, each with its name and what is to be read beside it.
///
/// ```
/// use sconce::plot::Bars;
///
/// let bars = Bars::new("images").bar("cat", 120.0, "120")?.bar("dog", 80.0, "80")?.mark(100.0, "mean")?;
/// assert!(bars.svg()?.contains("cat"));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    title: String,
    rows: Vec<Row>,
    mark: Option<(f64, String)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Row {
    Bar {
        name: String,
        amount: f64,
        note: String,
    },
    /// A line between bars that says what is left out there.
    Gap(String),
}

impl Bars {
    /// No bars yet, below a title.
    #[must_use]
    pub fn new(title: &str) -> Bars {
        Bars { title: title.to_owned(), rows: Vec::new(), mark: None }
    }

    /// One more bar, as long as `amount` is large; `note` stands at its end.
    ///
    /// # Errors
    /// For an amount that is negative or not finite.
    pub fn bar(mut self, name: &str, amount: f64, note: &str) -> Result<Bars> {
        let amount = checked("Bars::bar", amount)?;
        self.rows.push(Row::Bar { name: name.to_owned(), amount, note: note.to_owned() });
        Ok(self)
    }

    /// A line between two bars: what is left out there.
    #[must_use]
    pub fn gap(mut self, text: &str) -> Bars {
        self.rows.push(Row::Gap(text.to_owned()));
        self
    }

    /// Draws a line at an amount, with its name above: what bars are to be compared with. A second one takes
    /// the place of the first.
    ///
    /// # Errors
    /// For an amount that is negative or not finite.
    pub fn mark(mut self, amount: f64, name: &str) -> Result<Bars> {
        self.mark = Some((checked("Bars::mark", amount)?, name.to_owned()));
        Ok(self)
    }

    /// The amount that is as long as there is room.
    fn longest(&self) -> f64 {
        let amounts = self.rows.iter().map(|row| match row {
            Row::Bar { amount, .. } => *amount,
            Row::Gap(_) => 0.0,
        });
        amounts.chain(self.mark.iter().map(|(amount, _)| *amount)).fold(0.0, f64::max)
    }

    /// How long a bar is, as a share of the longest.
    fn share(&self, amount: f64) -> f64 {
        let longest = self.longest();
        if longest > 0.0 { amount / longest } else { 0.0 }
    }

    /// The bars as an SVG.
    ///
    /// # Errors
    /// Never for bars that could be made.
    pub fn svg(&self) -> Result<String> {
        let widest = |of: &dyn Fn(&Row) -> f64| self.rows.iter().map(of).fold(0.0, f64::max).ceil();
        let names = widest(&|row| match row {
            Row::Bar { name, .. } => text_width(name, LABEL).min(NAME),
            Row::Gap(_) => 0.0,
        });
        // What reaches furthest to the right: a note stands at the end of its bar.
        let reach = widest(&|row| match row {
            Row::Bar { amount, note, .. } => self.share(*amount) * LENGTH + 6.0 + text_width(note, LABEL),
            Row::Gap(text) => text_width(text, LABEL),
        });
        let left = MARGIN + names + 8.0;
        let top = MARGIN + if self.title.is_empty() { 0.0 } else { TITLE + 8.0 };
        let top = top + if self.mark.is_some() { LABEL + 6.0 } else { 0.0 };
        let title = title_width(&self.title, TITLE) + 2.0 * MARGIN;
        let width = (left + reach.max(LENGTH) + MARGIN).max(title).ceil();
        let bottom = top + ROW * self.rows.len() as f64;

        let mut svg = Svg::new([width, (bottom + MARGIN).ceil()], &self.title);
        let bold = TextStyle { bold: true, ..TextStyle::new(TITLE, INK, Anchor::Start) };
        if !self.title.is_empty() {
            svg.text([MARGIN, MARGIN + TITLE - 2.0], bold, &self.title);
        }
        let [color, mark, ..] = SERIES.map(|color| hex([color.0, color.1, color.2]));
        let line = self.mark.as_ref().map(|(amount, _)| (left + self.share(*amount) * LENGTH, *amount));
        if let Some((x, _)) = line {
            svg.rect([x - 0.5, top - 3.0], [1.0, bottom - top + 3.0], &format!("fill=\"{mark}\""));
        }
        for (at, row) in self.rows.iter().enumerate() {
            let y = top + ROW * at as f64;
            let baseline = y + BAR / 2.0 + LABEL * 0.35;
            // The line of the mark stops at text.
            let clear = |svg: &mut Svg, x: f64, text: &str| {
                let wide = text_width(text, LABEL) + 4.0;
                svg.rect([x - 2.0, y - 1.0], [wide, BAR + 2.0], &format!("fill=\"{CARD}\""));
            };
            match row {
                Row::Bar { name, amount, note } => {
                    // A little of a little can still be seen.
                    let length = self.share(*amount) * LENGTH;
                    let length = if *amount > 0.0 { length.max(1.0) } else { 0.0 };
                    clear(&mut svg, left + length + 6.0, note);
                    svg.open_explained(&format!("{name}: {note}"));
                    let style = TextStyle::new(LABEL, INK, Anchor::End);
                    svg.text([left - 8.0, baseline], style, &fitted(name, LABEL, NAME));
                    svg.rect([left, y], [length, BAR], &format!("fill=\"{color}\""));
                    let style = TextStyle::new(LABEL, MUTED, Anchor::Start);
                    svg.text([left + length + 6.0, baseline], style, note);
                    svg.close();
                    if let Some((x, marked)) = line
                        && marked < *amount
                    {
                        svg.rect([x - 0.5, y], [1.0, BAR], &format!("fill=\"{mark}\""));
                    }
                }
                Row::Gap(text) => {
                    clear(&mut svg, left + 2.0, text);
                    svg.text([left + 2.0, baseline], TextStyle::new(LABEL, MUTED, Anchor::Start), text);
                }
            }
        }
        svg.rect([left - 1.0, top - 3.0], [1.0, bottom - top + 3.0], &format!("fill=\"{LINE}\""));
        if let (Some((x, _)), Some((_, name))) = (line, &self.mark) {
            let half = text_width(name, LABEL) / 2.0;
            let middle = x.clamp(MARGIN + half, (width - MARGIN - half).max(MARGIN + half));
            svg.text([middle, top - 7.0], TextStyle::new(LABEL, MUTED, Anchor::Middle), name);
        }
        Ok(svg.finish())
    }

    /// The bars in text, with a line for each.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = Table::new(&[self.title.as_str(), "", ""]);
        for row in &self.rows {
            match row {
                Row::Bar { name, amount, note } => {
                    let bar = "█".repeat((self.share(*amount) * CHARACTERS).round() as usize);
                    table.push(&[name, note, &bar]);
                }
                Row::Gap(text) => table.push(&[text]),
            }
        }
        let mark = self.mark.iter().map(|(amount, name)| format!("{name}: {}\n", number(*amount)));
        table.text() + &mark.collect::<String>()
    }

    /// Writes the bars to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save(path.as_ref(), "bars", || self.svg(), None)
    }
}

fn checked(op: &str, amount: f64) -> Result<f64> {
    if amount.is_finite() && amount >= 0.0 {
        return Ok(amount);
    }
    Err(Error::Argument {
        op: op.into(),
        expected: "an amount of 0 or more".into(),
        got: amount.to_string(),
        hint: "Bars begin at 0; curves and heat maps show numbers of any sign.".into(),
    })
}

impl Rich for Bars {
    fn rich(&self) -> Bundle {
        svg::bundle(self.text(), self.svg())
    }
}
