//! PNGs against kept ones, pixel by pixel. The tolerance is none, but for one picture.

use std::path::Path;

/// What a transformer computed from random weights: another order of its sums may move a value over the border between two
/// of 255 levels. All others are of numbers whose sums are exact.
const ROUNDED: &str = "query_attention";

/// Holds the pixels of `png` to those of `png/NAME.png`.
pub fn same(name: &str, png: &[u8]) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/forms/png/{name}.png"));
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        std::fs::write(&kept, png).unwrap();
    }
    let wanted = std::fs::read(&kept).unwrap_or_else(|error| panic!("{}: {error}", kept.display()));
    let [got, wanted] = [png, &wanted].map(|file| image::load_from_memory(file).unwrap().to_rgba8());
    assert_eq!(got.dimensions(), wanted.dimensions(), "{name}");
    let tolerance = if name == ROUNDED { 2 } else { 0 };
    for (x, y, pixel) in got.enumerate_pixels() {
        let other = wanted.get_pixel(x, y);
        let apart = pixel.0.iter().zip(other.0).map(|(a, b)| a.abs_diff(b)).max();
        assert!(apart <= Some(tolerance), "{name}: {pixel:?} at x = {x}, y = {y}, not {other:?}");
    }
}
