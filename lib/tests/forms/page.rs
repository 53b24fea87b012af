//! A bundle as text that can be compared and read: pictures within HTML and SVG are unpacked.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sconce_display::{Bundle, Content};

const SVG: &str = "data:image/svg+xml;base64,";
const PNG: &str = "data:image/png;base64,";

/// All forms of a bundle, one below the other.
pub fn written(bundle: &Bundle) -> String {
    let form = |(mime, content): &(String, Content)| {
        let content = match content {
            Content::Text(text) if mime == "text/html" => unpacked(text).replace("><", ">\n<"),
            Content::Text(text) | Content::Json(text) => text.clone(),
            Content::Bytes(bytes) => told(bytes),
        };
        format!("== {mime}\n{}\n", content.trim_end())
    };
    bundle.forms.iter().map(form).collect()
}

/// HTML or SVG with every picture in it as SVG, or as what a PNG holds.
fn unpacked(markup: &str) -> String {
    let mut rest = markup;
    let mut written = String::new();
    while let Some(at) = [SVG, PNG].iter().filter_map(|kind| rest.find(kind)).min() {
        let (before, found) = rest.split_at(at);
        let (encoded, after) = found.split_at(found.find('"').unwrap());
        written += before;
        written += &match encoded.strip_prefix(SVG) {
            Some(svg) => format!("\n{}", unpacked(&decoded_svg(svg))),
            None => told(&BASE64_STANDARD.decode(encoded.strip_prefix(PNG).unwrap()).unwrap()),
        };
        rest = after;
    }
    written + rest
}

fn decoded_svg(encoded: &str) -> String {
    String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap()
}

/// What a PNG holds: its size, and the mean colours of 4 x 4 parts in 16 levels. Whether each pixel is right is asked of
/// the files in `png`.
fn told(png: &[u8]) -> String {
    let picture = image::load_from_memory_with_format(png, image::ImageFormat::Png).unwrap().to_rgb8();
    let (width, height) = picture.dimensions();
    let mean = |row: u32, column: u32| -> String {
        let [rows, columns] = [(row, height), (column, width)].map(|(at, side)| {
            let from = at * side / 4;
            from..((at + 1) * side / 4).max(from + 1)
        });
        let count = f64::from((rows.end - rows.start) * (columns.end - columns.start));
        let level = |channel: usize| {
            let pixels = rows.clone().flat_map(|y| columns.clone().map(move |x| (x, y)));
            let sum: f64 = pixels.map(|(x, y)| f64::from(picture.get_pixel(x, y)[channel])).sum();
            (sum / count / 16.0) as u32
        };
        format!("{:x}{:x}{:x}", level(0), level(1), level(2))
    };
    let rows = (0..4).map(|row| (0..4).map(|column| mean(row, column)).collect::<Vec<_>>().join(" "));
    format!("PNG {width}x{height}: {}", rows.collect::<Vec<_>>().join(" / "))
}

/// The SVG documents within HTML, unpacked.
pub fn svgs(html: &str) -> Vec<String> {
    html.split(SVG).skip(1).map(|rest| decoded_svg(rest.split('"').next().unwrap())).collect()
}
