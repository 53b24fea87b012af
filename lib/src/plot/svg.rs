//! A small SVG writer: only what the pictures need.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sconce_display::Bundle;

use super::color::CARD;
use super::picture::Picture;
use crate::Result;

/// Fonts that are on nearly every machine; an SVG names them and needs none here.
pub(super) const FONT: &str = "Helvetica Neue, Helvetica, Arial, DejaVu Sans, sans-serif";

/// Text for XML and HTML, between tags or in a quoted attribute. Control characters, which XML forbids,
/// become `U+FFFD`.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(printable(c)),
        }
    }
    escaped
}

/// An SVG document as an HTML image; `description` is what a screen reader says. An image has its own ids
/// and survives the cleaning that notebook viewers give inline SVG.
pub(crate) fn svg_in_html(svg: &str, description: &str) -> String {
    format!(
        "<img alt=\"{}\" style=\"max-width:100%\" src=\"data:image/svg+xml;base64,{}\">",
        escape(description),
        BASE64_STANDARD.encode(svg)
    )
}

/// The forms of what is drawn as SVG: its text, and its SVG within HTML. There is no `image/svg+xml` beside
/// them: JupyterLab shows that in trusted notebooks only, and the output would be twice as large.
pub(super) fn bundle(text: String, svg: Result<String>) -> Bundle {
    match svg {
        Ok(svg) => {
            let html = svg_in_html(&svg, text.trim_end());
            Bundle::text(text).html(html)
        }
        Err(error) => Bundle::text(format!("{text}({error})\n")),
    }
}

/// The character, or `U+FFFD` where XML 1.0 has no place for it.
pub(super) fn printable(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// About how wide `text` is at font size `size`, in the same unit. Good to a fifth or so.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | '.' | ',' | ':' | '\'' | '|' | ' ' => 0.32,
        'm' | 'w' | 'M' | 'W' | '%' => 0.86,
        c if c.is_ascii_uppercase() => 0.68,
        c if (c as u32) < 0x1100 => 0.56,
        _ => 1.0,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// About how wide `text` is as a title: in bold, and with the widest of the fonts.
pub(super) fn title_width(text: &str, size: f64) -> f64 {
    text_width(text, size) * 1.25
}

/// `text` cut so that it fits into `width` at font size `size`, with `…` where something is missing.
pub(super) fn fitted(text: &str, size: f64, width: f64) -> String {
    let one_line: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    if text_width(&one_line, size) <= width {
        return one_line;
    }
    let mut kept = String::new();
    for c in one_line.chars() {
        kept.push(c);
        if text_width(&kept, size) + size * 0.7 > width {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

/// Which point of a text its position names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextStyle {
    pub size: f64,
    pub color: &'static str,
    pub anchor: Anchor,
    pub bold: bool,
    /// Degrees, clockwise, around the text's position.
    pub turned: f64,
}

impl TextStyle {
    pub(super) fn new(size: f64, color: &'static str, anchor: Anchor) -> TextStyle {
        TextStyle { size, color, anchor, bold: false, turned: 0.0 }
    }
}

/// An SVG document on a white card. Lengths are CSS pixels; text positions are those of its baseline.
#[derive(Debug)]
pub(super) struct Svg {
    body: String,
    size: [f64; 2],
    label: String,
}

impl Svg {
    /// A document of `[width, height]`; `label` is what a screen reader says.
    pub(super) fn new(size: [f64; 2], label: &str) -> Svg {
        Svg { body: String::new(), size, label: label.to_owned() }
    }

    pub(super) fn text(&mut self, [x, y]: [f64; 2], style: TextStyle, text: &str) {
        let anchor = match style.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if style.bold { " font-weight=\"600\"" } else { "" };
        let turn = if style.turned == 0.0 {
            String::new()
        } else {
            format!(" transform=\"rotate({} {} {})\"", short(style.turned), short(x), short(y))
        };
        let _ = writeln!(
            self.body,
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\" text-anchor=\"{anchor}\"{weight}{turn}>{}</text>",
            short(x),
            short(y),
            short(style.size),
            style.color,
            escape(text),
        );
    }

    pub(super) fn rect(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], attributes: &str) {
        let _ = writeln!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {attributes}/>",
            short(x),
            short(y),
            short(width),
            short(height),
        );
    }

    pub(super) fn path(&mut self, way: &str, attributes: &str) {
        let _ = writeln!(self.body, "<path d=\"{way}\" {attributes}/>");
    }

    /// Opens a group that a pointer resting on it explains.
    pub(super) fn open_explained(&mut self, explanation: &str) {
        let _ = writeln!(self.body, "<g><title>{}</title>", escape(explanation));
    }

    pub(super) fn close(&mut self) {
        self.body.push_str("</g>\n");
    }

    /// Places a picture at `[x, y]`, stretched to `[width, height]` with hard pixel edges where it grows.
    pub(super) fn picture(&mut self, [x, y]: [f64; 2], size: [f64; 2], picture: &Picture) -> Result<()> {
        // Viewers that smooth what they enlarge get hard edges too: the picture comes nearly as large as drawn.
        let [height, width] = picture.size();
        let factor = (size[0] / width as f64).min(size[1] / height as f64).floor();
        let picture = picture.enlarged(factor.clamp(1.0, 64.0) as usize);
        let rendering = if size[0] > width as f64 { " style=\"image-rendering:pixelated\"" } else { "" };
        let _ = writeln!(
            self.body,
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\"{rendering} href=\"{}\"/>",
            short(x),
            short(y),
            short(size[0]),
            short(size[1]),
            picture.data_uri()?,
        );
        Ok(())
    }

    pub(super) fn finish(self) -> String {
        let [width, height] = self.size.map(short);
        let label = escape(&self.label);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\" font-family=\"{FONT}\">\n\
             <rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{CARD}\"/>\n{}</svg>\n",
            self.body
        )
    }
}

/// A length with at most two decimals.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_taken_for_markup() {
        assert_eq!(
            escape("<a href=\"x\" b='y'>&\u{1}"),
            "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\u{fffd}"
        );
    }

    #[test]
    fn a_text_too_wide_is_cut() {
        assert_eq!(fitted("cat", 12.0, 100.0), "cat");
        let cut = fitted("a very long class name indeed", 12.0, 60.0);
        assert!(cut.ends_with('…') && text_width(&cut, 12.0) <= 64.0, "{cut}");
        assert_eq!(fitted("two\nlines", 12.0, 100.0), "two lines");
        assert_eq!(fitted("wide", 12.0, 0.0), "…");
    }
}
