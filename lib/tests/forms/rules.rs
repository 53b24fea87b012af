//! What holds for every form: it is text too, small, and needs neither scripts nor a network.

use sconce_display::Content;

use crate::{BUNDLES, page};

/// What HTML and SVG must not have: JupyterLab would take it out, VS Code would not run it, and it could load something.
const FORBIDDEN: [&str; 10] = [
    "<script",
    "<iframe",
    "<link",
    "<object",
    "<embed",
    "javascript:",
    "@import",
    "url(",
    "onload=",
    "onclick=",
];

/// Bytes of all forms together.
const MOST_BYTES: usize = 200_000;

/// Each form with its HTML, if it has any.
fn with_html() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUNDLES.iter().filter_map(|(name, bundle)| {
        bundle.forms.iter().find_map(|(mime, content)| match content {
            Content::Text(html) if mime == "text/html" => Some((*name, html.as_str())),
            _ => None,
        })
    })
}

#[test]
fn every_form_is_text_too_and_small() {
    for (name, bundle) in BUNDLES.iter() {
        let text = bundle.plain().unwrap_or_else(|| panic!("{name} has no text"));
        assert!(text.trim().len() > 3, "{name} says {text:?}");
        assert!(!text.contains('\u{1b}') && !text.contains("could not be"), "{name} says {text:?}");
        let bytes = |content: &Content| match content {
            Content::Text(text) | Content::Json(text) => text.len(),
            Content::Bytes(bytes) => bytes.len(),
        };
        let size: usize = bundle.forms.iter().map(|(_, content)| bytes(content)).sum();
        assert!(size < MOST_BYTES, "{name} has {size} bytes");
    }
}

#[test]
fn no_form_needs_a_script_or_a_network() {
    for (name, html) in with_html() {
        for markup in page::svgs(html).into_iter().chain([html.to_owned()]) {
            for forbidden in FORBIDDEN {
                assert!(!markup.contains(forbidden), "{name} has {forbidden}");
            }
            // The name of the language, which nobody loads.
            let addresses = markup.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
            assert!(!addresses.contains("http:") && !addresses.contains("https:"), "{name} names an address");
        }
    }
}

#[test]
fn every_picture_is_described_and_has_a_ground_of_its_own() {
    let mut pictures = 0;
    for (name, html) in with_html() {
        // HTML of ours is XML but for elements without an end.
        let closed = html.replace("<br>", "<br/>");
        let mut parts = closed.split("<img ");
        let mut xml = parts.next().unwrap().to_owned();
        for part in parts {
            xml += &format!("<img {}", part.replacen('>', "/>", 1));
        }
        let xml = format!("<div>{xml}</div>");
        let document =
            roxmltree::Document::parse(&xml).unwrap_or_else(|error| panic!("{name}: {error} in\n{xml}"));
        for image in document.descendants().filter(|node| node.has_tag_name("img")) {
            pictures += 1;
            let words = image.attribute("alt").unwrap_or_default();
            assert!(words.trim().len() > 3, "{name} has a picture that is described as {words:?}");
            assert!(image.attribute("src").unwrap().starts_with("data:image/"), "{name}");
            let style = image.attribute("style").unwrap_or_default();
            assert!(
                style.contains("max-width:100%"),
                "{name} has a picture that does not fit a narrow window"
            );
        }
        for svg in page::svgs(html) {
            let document = roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{name}: {error}"));
            let root = document.root_element();
            assert_eq!(root.attribute("role"), Some("img"), "{name}");
            assert!(root.attribute("aria-label").is_some_and(|label| label.trim().len() > 3), "{name}");
            // The first thing that is drawn: a card as large as all of it, so that dark pages are no matter.
            let ground = root.children().find(|node| node.is_element()).unwrap();
            let sides = ["width", "height"].map(|side| ground.attribute(side).unwrap());
            let whole = root.attribute("viewBox").unwrap();
            assert_eq!(
                (format!("0 0 {}", sides.join(" ")).as_str(), ground.attribute("fill")),
                (whole, Some("#ffffff")),
                "{name}"
            );
        }
    }
    assert!(pictures > 20, "{pictures}");
}
