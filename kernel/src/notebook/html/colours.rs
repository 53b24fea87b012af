//! The colours of a terminal, in HTML.

use super::escaped;
use crate::notebook::ansi::{Piece, pieces};

/// Names of the eight colours, as classes `ansi-…` of the page's style; the bright ones are the same names.
const NAMES: [&str; 8] = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/// How text looks from here on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Style {
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    foreground: Option<Colour>,
    background: Option<Colour>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    /// One of [`NAMES`], which the page shows as its reader likes: light or dark.
    Named(usize),
    Rgb(u8, u8, u8),
}

/// Text with escape sequences as HTML.
pub(super) fn to_html(text: &str) -> String {
    let mut html = String::new();
    let mut style = Style::default();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => html.push_str(&style.around(&escaped(text))),
            Piece::Style(parameters) => style.apply(parameters),
            Piece::Other => {}
        }
    }
    html
}

impl Style {
    fn apply(&mut self, parameters: &str) {
        // A missing number is 0, and one that is none is unknown and changes nothing.
        let mut numbers = parameters
            .split([';', ':'])
            .map(|number| if number.is_empty() { 0 } else { number.parse::<usize>().unwrap_or(usize::MAX) });
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Style::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                30..=37 => self.foreground = Some(Colour::Named(number - 30)),
                40..=47 => self.background = Some(Colour::Named(number - 40)),
                90..=97 => self.foreground = Some(Colour::Named(number - 90)),
                100..=107 => self.background = Some(Colour::Named(number - 100)),
                38 => self.foreground = extended(&mut numbers),
                48 => self.background = extended(&mut numbers),
                39 => self.foreground = None,
                49 => self.background = None,
                _ => {}
            }
        }
    }

    fn around(&self, html: &str) -> String {
        if *self == Style::default() {
            return html.to_owned();
        }
        let mut classes = Vec::new();
        let mut css = String::new();
        for (set, class) in [
            (self.bold, "ansi-bold"),
            (self.dim, "ansi-dim"),
            (self.italic, "ansi-italic"),
            (self.underline, "ansi-underline"),
        ] {
            if set {
                classes.push(class.to_owned());
            }
        }
        for (colour, class, property) in
            [(self.foreground, "ansi", "color"), (self.background, "ansi-on", "background-color")]
        {
            match colour {
                Some(Colour::Named(index)) => classes.push(format!("{class}-{}", NAMES[index % 8])),
                Some(Colour::Rgb(r, g, b)) => css.push_str(&format!("{property}:rgb({r},{g},{b});")),
                None => {}
            }
        }
        let class = attribute("class", &classes.join(" "));
        format!("<span{class}{}>{html}</span>", attribute("style", &css))
    }
}

fn attribute(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!(" {name}=\"{value}\"") }
}

/// The colour behind `38` or `48`: `5;n` of 256, or `2;r;g;b`.
fn extended(numbers: &mut impl Iterator<Item = usize>) -> Option<Colour> {
    let byte = |number: Option<usize>| number.and_then(|number| u8::try_from(number).ok());
    match numbers.next()? {
        5 => Some(of_256(byte(numbers.next())?)),
        2 => Some(Colour::Rgb(byte(numbers.next())?, byte(numbers.next())?, byte(numbers.next())?)),
        _ => None,
    }
}

/// A colour of the table of 256: the named ones, a cube of six levels, and greys.
fn of_256(index: u8) -> Colour {
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    match index {
        0..=15 => Colour::Named(usize::from(index % 8)),
        16..=231 => {
            let cube = index - 16;
            Colour::Rgb(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        232..=255 => {
            let grey = 8 + 10 * (index - 232);
            Colour::Rgb(grey, grey, grey)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_spans_and_text_is_escaped() {
        assert_eq!(to_html("a < b"), "a &lt; b");
        assert_eq!(
            to_html("\u{1b}[1;31merror\u{1b}[0m: <T>\u{1b}[K"),
            "<span class=\"ansi-bold ansi-red\">error</span>: &lt;T&gt;"
        );
        assert_eq!(to_html("\u{1b}[94mx\u{1b}[39my"), "<span class=\"ansi-blue\">x</span>y");
        assert_eq!(to_html("\u{1b}[38;5;9mx"), "<span class=\"ansi-red\">x</span>");
        assert_eq!(to_html("\u{1b}[38;5;16mx"), "<span style=\"color:rgb(0,0,0);\">x</span>");
        assert_eq!(to_html("\u{1b}[38;5;231mx"), "<span style=\"color:rgb(255,255,255);\">x</span>");
        assert_eq!(
            to_html("\u{1b}[3;4;48;2;1;2;3mx\u{1b}[m y"),
            "<span class=\"ansi-italic ansi-underline\" style=\"background-color:rgb(1,2,3);\">x</span> y"
        );
        assert_eq!(to_html("\u{1b}[38;5mx\u{1b}[38;2;999;0;0my\u{1b}[99999999999999999999mz"), "xyz");
    }
}
