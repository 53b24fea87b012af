//! The pictures in what a cell shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sconce_display::{Bundle, Content};
use serde_json::Value;

/// A picture as it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// What its bytes are: `image/svg+xml`, `image/png` and others.
    pub mime: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// How wide it is to be, in CSS pixels, where that is not its own width.
    pub width: Option<u32>,
}

/// What of a bundle a terminal with pictures shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Text above the pictures.
    pub text: Option<&'a str>,
    /// The pictures, at least one.
    pub pictures: Vec<Picture>,
}

/// The kind that is sharp at every size.
const DRAWING: &str = "image/svg+xml";

/// The kinds that are pixels, the best first.
const PIXELS: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// The pictures of a bundle: a drawing, or HTML that is one picture, which has its captions in it; else pixels, else
/// the pictures inside of its HTML. HTML that is more than a picture says that its text belongs above them.
pub fn find(bundle: &Bundle) -> Option<Found<'_>> {
    if let Some(drawing) = form(bundle, DRAWING) {
        return Some(Found { text: None, pictures: vec![drawing] });
    }
    let html = bundle.forms.iter().find_map(|(mime, content)| match content {
        Content::Text(html) if mime == "text/html" => Some(html.as_str()),
        _ => None,
    });
    let (inside, alone) = html.map_or((Vec::new(), true), in_html);
    let text = if alone { None } else { bundle.plain() };
    let pixels = || PIXELS.iter().find_map(|mime| form(bundle, mime));
    let pictures = match pixels().filter(|_| inside.is_empty() || !alone) {
        Some(pixels) => vec![pixels],
        None => inside,
    };
    (!pictures.is_empty()).then_some(Found { text, pictures })
}

/// The form of this type.
fn form(bundle: &Bundle, wanted: &str) -> Option<Picture> {
    let (mime, content) = bundle.forms.iter().find(|(mime, _)| mime == wanted)?;
    let bytes = match content {
        Content::Bytes(bytes) => bytes.clone(),
        Content::Text(text) | Content::Json(text) => text.clone().into_bytes(),
    };
    Some(Picture { mime: mime.clone(), bytes, width: width(bundle, mime) })
}

fn width(bundle: &Bundle, wanted: &str) -> Option<u32> {
    let (_, json) = bundle.metadata.iter().find(|(mime, _)| mime == wanted)?;
    let metadata: Value = serde_json::from_str(json).ok()?;
    metadata["width"].as_u64().and_then(|width| u32::try_from(width).ok()).filter(|width| *width > 0)
}

/// The pictures that stand in HTML itself, as data URLs of `img` elements, and whether there is nothing beside them.
fn in_html(html: &str) -> (Vec<Picture>, bool) {
    let mut pictures = Vec::new();
    let mut beside = String::new();
    let mut rest = html;
    while let Some(start) = rest.find("<img ") {
        let Some(length) = end_of_tag(&rest[start..]) else { break };
        beside.push_str(&rest[..start]);
        let tag = &rest[start..start + length];
        match data_url(tag) {
            Some(picture) => pictures.push(picture),
            None => beside.push_str(tag),
        }
        rest = &rest[start + length..];
    }
    beside.push_str(rest);
    (pictures, beside.trim().is_empty())
}

/// The length of the tag that `html` begins with; a `>` in quotes does not end it.
fn end_of_tag(html: &str) -> Option<usize> {
    let mut quote = None;
    html.char_indices().find_map(|(at, c)| match quote {
        Some(open) => {
            if c == open {
                quote = None;
            }
            None
        }
        None if c == '>' => Some(at + 1),
        None => {
            if matches!(c, '"' | '\'') {
                quote = Some(c);
            }
            None
        }
    })
}

fn data_url(tag: &str) -> Option<Picture> {
    let url = attribute(tag, "src")?.strip_prefix("data:")?;
    let (mime, encoded) = url.split_once(";base64,")?;
    if mime != DRAWING && !PIXELS.contains(&mime) {
        return None;
    }
    let bytes = STANDARD.decode(encoded).ok()?;
    let width = attribute(tag, "width").and_then(|width| width.parse().ok()).filter(|width| *width > 0);
    Some(Picture { mime: mime.to_owned(), bytes, width })
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let length = tag[start..].find('"')?;
    Some(&tag[start..start + length])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn url(bytes: &[u8]) -> String {
        format!("data:image/png;base64,{}", STANDARD.encode(bytes))
    }

    #[test]
    fn the_best_form_is_shown() {
        let bundle = Bundle::text("t").png(vec![1]).svg("<svg/>").meta("image/png", r#"{"width": 32}"#);
        assert_eq!(find(&bundle).unwrap().pictures[0].mime, "image/svg+xml");
        let bundle = Bundle::text("t").png(vec![1]).meta("image/png", r#"{"width": 32}"#);
        let found = find(&bundle).unwrap();
        assert_eq!(found.text, None);
        assert_eq!(found.pictures, [Picture { mime: "image/png".into(), bytes: vec![1], width: Some(32) }]);
        assert_eq!(find(&Bundle::text("t").html("<b>t</b>")), None);
        let bundle = Bundle::text("t").html("<b>a caption</b>").png(vec![1]);
        assert_eq!(find(&bundle).unwrap().text, Some("t"));
    }

    #[test]
    fn pictures_in_html_are_found() {
        let alone = format!("<img alt=\"a > b\" src=\"{}\">", url(&[7]));
        let bundle = Bundle::text("text").html(&alone);
        let found = find(&bundle).unwrap();
        assert_eq!((found.text, found.pictures[0].bytes.as_slice()), (None, &[7][..]));
        let with_pixels = bundle.clone().png(vec![1]);
        assert_eq!(find(&with_pixels).unwrap().pictures[0].bytes, [7], "the one with the captions");
        let both = format!("<table></table>{alone}<p><img width=\"9\" src=\"{}\"></p>", url(&[8]));
        let bundle = Bundle::text("text").html(both);
        let found = find(&bundle).unwrap();
        assert_eq!(found.text, Some("text"));
        assert_eq!(found.pictures.iter().map(|picture| picture.width).collect::<Vec<_>>(), [None, Some(9)]);
    }

    #[test]
    fn what_is_no_picture_stays_html() {
        for html in [
            "<img src=\"http://x/y.png\">",
            "<img src=\"data:image/png;base64,%\">",
            "<img src=\"data:",
            "<img ",
        ] {
            assert_eq!(find(&Bundle::text("t").html(html)), None, "{html}");
        }
    }
}
