//! PNGs against kept ones, pixel by pixel. The tolerance is none: what is drawn is the same on every machine.

use std::path::Path;

/// Holds the pixels of `png` to those of `png/NAME.png`.
pub fn same(name: &str, png: &[u8]) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/forms/png/{name}.png"));
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        std::fs::write(&kept, png).unwrap();
    }
    let wanted = std::fs::read(&kept).unwrap_or_else(|error| panic!("{}: {error}", kept.display()));
    let [got, wanted] = [png, &wanted].map(|file| image::load_from_memory(file).unwrap().to_rgba8());
    assert_eq!(got.dimensions(), wanted.dimensions(), "{name}");
    let other = got.enumerate_pixels().find(|&(x, y, pixel)| pixel != wanted.get_pixel(x, y));
    if let Some((x, y, pixel)) = other {
        panic!("{name}: {pixel:?} at x = {x}, y = {y}, not {:?}", wanted.get_pixel(x, y));
    }
}
