//! The colours of all pictures, chosen to be told apart by colour-blind people and on paper.

use plotters::prelude::{ColorMap, RGBColor, ViridisRGB};

/// Text and lines that must be read.
pub(super) const INK: &str = "#1f2328";
/// Labels that stand back.
pub(super) const MUTED: &str = "#57606a";
/// Grid lines and frames.
pub(super) const LINE: &str = "#d8dee4";
/// The card that a picture lies on, so that it reads the same on light and dark pages.
pub(super) const CARD: &str = "#ffffff";
/// A value that is not a number or infinite. Not a colour of the scale.
pub(super) const NOT_FINITE: [u8; 3] = [214, 39, 40];

/// Colours for series: Okabe and Ito 2008, without the yellow that vanishes on white.
pub(super) const SERIES: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(31, 35, 40),
];

/// Viridis (Smith and van der Walt 2015) at `position`, 0 dark blue to 1 yellow.
pub(super) fn viridis(position: f64) -> [u8; 3] {
    if !position.is_finite() {
        return NOT_FINITE;
    }
    let RGBColor(r, g, b) = ViridisRGB.get_color(position.clamp(0.0, 1.0));
    [r, g, b]
}

/// White to dark blue, for parts of a whole from 0 to 1.
pub(super) fn blues(fraction: f64) -> [u8; 3] {
    // Three stops of ColorBrewer's "Blues", between which lightness falls evenly.
    const STOPS: [[f64; 3]; 3] = [[247.0, 251.0, 255.0], [107.0, 174.0, 214.0], [8.0, 48.0, 107.0]];
    let position = if fraction.is_finite() { fraction.clamp(0.0, 1.0) * 2.0 } else { 0.0 };
    let from = if position < 1.0 { 0 } else { 1 };
    let part = position - from as f64;
    std::array::from_fn(|c| (STOPS[from][c] + (STOPS[from + 1][c] - STOPS[from][c]) * part).round() as u8)
}

/// Blue for -1, white for 0, red for 1: the stops of ColorBrewer's "RdBu", between which lightness falls evenly.
pub(super) fn blue_red(position: f64) -> [u8; 3] {
    const COLD: [[f64; 3]; 3] = [[247.0, 247.0, 247.0], [103.0, 169.0, 207.0], [5.0, 48.0, 97.0]];
    const WARM: [[f64; 3]; 3] = [[247.0, 247.0, 247.0], [239.0, 138.0, 98.0], [103.0, 0.0, 31.0]];
    if !position.is_finite() {
        return NOT_FINITE;
    }
    let stops = if position < 0.0 { COLD } else { WARM };
    let place = position.abs().min(1.0) * 2.0;
    let from = if place < 1.0 { 0 } else { 1 };
    let part = place - from as f64;
    std::array::from_fn(|c| (stops[from][c] + (stops[from + 1][c] - stops[from][c]) * part).round() as u8)
}

/// The ink that reads best on `background`.
pub(super) fn ink_on(background: [u8; 3]) -> &'static str {
    let [r, g, b] = background.map(f64::from);
    if 0.299 * r + 0.587 * g + 0.114 * b < 140.0 { CARD } else { INK }
}

/// `#rrggbb`.
pub(super) fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viridis_runs_from_dark_blue_to_yellow_and_marks_what_is_no_number() {
        assert_eq!(viridis(0.0), [68, 1, 84]);
        assert_eq!(viridis(7.0), viridis(1.0));
        assert_eq!(viridis(1.0)[2], 37, "{:?}", viridis(1.0));
        assert_eq!(viridis(f64::NAN), NOT_FINITE);
    }

    #[test]
    fn blue_and_red_are_as_far_from_white() {
        assert_eq!(blue_red(0.0), [247; 3]);
        assert_eq!([blue_red(-3.0), blue_red(1.0)], [[5, 48, 97], [103, 0, 31]]);
        assert_eq!(blue_red(f64::NAN), NOT_FINITE);
    }

    #[test]
    fn ink_keeps_its_distance_from_the_background() {
        assert_eq!(ink_on(blues(0.0)), INK);
        assert_eq!(ink_on(blues(1.0)), CARD);
        assert_eq!(blues(f64::NAN), [247, 251, 255]);
    }
}
