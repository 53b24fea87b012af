//! A notebook as one HTML page that needs nothing else: style, pictures and colours are in it.
//!
//! The page trusts the notebook as Jupyter's own converter does: HTML that a cell shows, and HTML in Markdown,
//! goes in as it is. Everything else is escaped.

mod code;
mod colours;
mod files;
mod markdown;
mod outputs;

use std::path::Path;

use self::files::Files;
use self::markdown::Headings;
use super::document::{Cell, CellKind, Notebook};

const STYLE: &str = include_str!("style.css");

/// A finished page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The whole file.
    pub html: String,
    /// What is not in it, one line each, for the person who made it: pictures that could not be read.
    pub problems: Vec<String>,
}

/// The page of a notebook whose pictures in Markdown lie in `folder`; `name` is its title if no heading gives one.
#[must_use]
pub fn page(notebook: &Notebook, name: &str, folder: &Path) -> Page {
    let mut files = Files::in_folder(folder);
    let mut headings = Headings::default();
    let body: String = notebook.cells().iter().map(|cell| section(cell, &mut headings, &mut files)).collect();
    let title = escaped(headings.title().unwrap_or(name));
    let version = env!("CARGO_PKG_VERSION");
    // A page without a heading has a title all the same, for those who find their way by headings.
    let heading = match headings.title() {
        Some(_) => String::new(),
        None => format!("<h1>{title}</h1>\n"),
    };
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"Sconce {version}\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main class=\"nb\">\n{heading}{body}</main>\n</body>\n</html>\n"
    );
    Page { html, problems: files.into_problems() }
}

fn section(cell: &Cell, headings: &mut Headings, files: &mut Files) -> String {
    let content = match cell.kind() {
        CellKind::Markdown => markdown::render(cell, headings, files),
        CellKind::Code => code_cell(cell, files),
        CellKind::Raw => raw(cell),
    };
    if content.is_empty() {
        return content;
    }
    let kind = match cell.kind() {
        CellKind::Markdown => "nb-markdown",
        CellKind::Code => "nb-code",
        CellKind::Raw => "nb-raw",
    };
    // A cell's id is a name that others may link to; it differs from those of headings by its prefix.
    let id = cell.id().map(|id| format!(" id=\"cell-{}\"", escaped(id))).unwrap_or_default();
    format!("<section class=\"nb-cell {kind}\"{id}>\n{content}</section>\n")
}

fn code_cell(cell: &Cell, files: &mut Files) -> String {
    let source = cell.source().trim_end();
    let shown = outputs::render(cell, files);
    if source.is_empty() && shown.is_empty() {
        return String::new();
    }
    let number = cell.execution_count().map(|number| number.to_string());
    let label = number.as_deref().map_or("code".to_owned(), |number| format!("code of cell {number}"));
    let prompt =
        number.map(|number| format!("<div class=\"nb-prompt\" aria-hidden=\"true\">{number}</div>\n"));
    format!(
        "{}<pre class=\"nb-source\" tabindex=\"0\" aria-label=\"{label}\"><code>{}</code></pre>\n{shown}",
        prompt.unwrap_or_default(),
        code::highlighted(source),
    )
}

/// HTML for a converter goes in as it is; what is meant for other converters is shown as text.
fn raw(cell: &Cell) -> String {
    let metadata = |name| cell.metadata()?.get(name)?.as_str();
    let format = metadata("raw_mimetype").or_else(|| metadata("format")).unwrap_or_default();
    match format {
        "text/html" => format!("{}\n", cell.source()),
        _ if cell.source().trim().is_empty() => String::new(),
        _ => format!("<pre tabindex=\"0\">{}</pre>\n", escaped(cell.source())),
    }
}

/// Text as it stands in HTML, between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            // No file may hold it, and a browser would show a replacement anyway.
            '\0' => html.push('\u{fffd}'),
            _ => html.push(char),
        }
    }
    html
}

#[cfg(test)]
mod tests;
