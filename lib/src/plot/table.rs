//! Tables for text and HTML.

use std::fmt::Write as _;

use sconce_display::Bundle;

use super::svg::escape;
use crate::rich::Rich;

/// A table: a line of column names, then rows. Columns of numbers are set to the right.
///
/// ```
/// use sconce::plot::Table;
///
/// let table = Table::new(&["part", "images"]).row(&["train", "1257"]).row(&["test", "270"]);
/// assert_eq!(table.text(), "part   images\n-----  ------\ntrain    1257\ntest      270\n");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    #[must_use]
    pub fn new(columns: &[&str]) -> Table {
        Table { columns: columns.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// The table with one more row. Cells that are missing stay empty; cells beyond the last column get
    /// a column without a name.
    #[must_use]
    pub fn row<S: AsRef<str>>(mut self, cells: &[S]) -> Table {
        self.push(cells);
        self
    }

    /// Adds a row, as [`Table::row`] does.
    pub fn push<S: AsRef<str>>(&mut self, cells: &[S]) {
        while self.columns.len() < cells.len() {
            self.columns.push(String::new());
        }
        self.rows.push(cells.iter().map(|cell| cell.as_ref().to_owned()).collect());
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn cell(row: &[String], column: usize) -> &str {
        row.get(column).map_or("", String::as_str)
    }

    fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().map(|row| Table::cell(row, column)).filter(|cell| !cell.is_empty());
        cells.clone().next().is_some() && cells.all(is_number)
    }

    /// The table in plain text, columns two spaces apart; every line ends with a line break.
    #[must_use]
    pub fn text(&self) -> String {
        let one_line = |cell: &str| cell.replace(char::is_control, " ");
        let columns: Vec<(usize, bool)> = (0..self.columns.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| Table::cell(row, column));
                let width =
                    cells.chain([self.columns[column].as_str()]).map(|cell| cell.chars().count()).max();
                (width.unwrap_or(0), self.is_numeric(column))
            })
            .collect();
        let line = |cells: &dyn Fn(usize) -> String| {
            let mut line = String::new();
            for (column, &(width, numeric)) in columns.iter().enumerate() {
                let gap = if column == 0 { "" } else { "  " };
                let cell = one_line(&cells(column));
                let _ = if numeric {
                    write!(line, "{gap}{cell:>width$}")
                } else {
                    write!(line, "{gap}{cell:<width$}")
                };
            }
            format!("{}\n", line.trim_end())
        };
        let mut text = line(&|column| self.columns[column].clone());
        text += &line(&|column| "-".repeat(columns[column].0));
        for row in &self.rows {
            text += &line(&|column| Table::cell(row, column).to_owned());
        }
        text
    }

    /// The table as an HTML element that takes its colours from the page, light or dark. One that is wider than the page
    /// can be moved to and fro by itself.
    #[must_use]
    pub fn html(&self) -> String {
        let style = |column: usize| {
            let side = if self.is_numeric(column) { "right" } else { "left" };
            // What is short stays in a line in a narrow window too; the table can be moved there.
            let short = self.rows.iter().all(|row| Table::cell(row, column).chars().count() <= SHORT);
            let wrap = if short { ";white-space:nowrap" } else { "" };
            format!("text-align:{side};padding:2px 12px 2px 0{wrap}")
        };
        let styles: Vec<String> = (0..self.columns.len()).map(style).collect();
        let mut html = String::from(
            "<div style=\"overflow-x:auto\"><table style=\"border-collapse:collapse;margin:4px 0\"><thead><tr>",
        );
        for (name, style) in self.columns.iter().zip(&styles) {
            let _ = write!(
                html,
                "<th style=\"{style};border-bottom:1px solid rgba(128,128,128,.6)\">{}</th>",
                escape(name)
            );
        }
        html += "</tr></thead><tbody>";
        for row in &self.rows {
            html += "<tr>";
            for (column, style) in styles.iter().enumerate() {
                let _ = write!(html, "<td style=\"{style}\">{}</td>", escape(Table::cell(row, column)));
            }
            html += "</tr>";
        }
        html += "</tbody></table></div>";
        html
    }
}

/// A column whose cells have no more letters is not broken into lines.
const SHORT: usize = 20;
/// Units that may stand behind a number.
const UNITS: [&str; 9] = ["%", "M", "bytes", "kB", "MB", "GB", "TB", "ms", "s"];

/// Whether a cell reads as a number: digits with signs, separators, an exponent, a unit, or no number at all.
fn is_number(cell: &str) -> bool {
    let amount = match cell.rsplit_once(' ') {
        Some((amount, unit)) if UNITS.contains(&unit) => amount,
        _ => cell,
    };
    let plain: String = amount.chars().filter(|c| !matches!(c, ',' | '%' | ' ')).collect();
    matches!(plain.as_str(), "-" | "–" | "—") || plain.parse::<f64>().is_ok()
}

impl Rich for Table {
    fn rich(&self) -> Bundle {
        Bundle::text(self.text()).html(self.html())
    }
}
