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

/// What a PNG holds: its size, and a sum over its pixels, which are not those of the file's compression.
fn told(png: &[u8]) -> String {
    let picture = image::load_from_memory_with_format(png, image::ImageFormat::Png).unwrap().to_rgba8();
    format!("PNG {}x{}, pixels {:08x}", picture.width(), picture.height(), crc32fast::hash(picture.as_raw()))
}

/// The SVG documents within HTML, unpacked.
pub fn svgs(html: &str) -> Vec<String> {
    html.split(SVG).skip(1).map(|rest| decoded_svg(rest.split('"').next().unwrap())).collect()
}
