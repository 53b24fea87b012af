//! PASCAL VOC's annotations: one XML file an image.

use std::fs;
use std::path::Path;

use roxmltree::{Document, Node};

use crate::data::sample::BBox;
use crate::{Error, Result};

/// More bytes than any annotation has.
const LARGEST: u64 = 16 << 20;

/// What VOC says of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct VocAnnotation {
    /// `[height, width]` of the image.
    pub size: [usize; 2],
    /// Whether there are masks for it.
    pub segmented: bool,
    /// The things in it.
    pub objects: Vec<VocObject>,
}

/// What VOC says of a thing.
#[derive(Debug, Clone, PartialEq)]
pub struct VocObject {
    /// Its class.
    pub name: String,
    /// How it stands to the camera (`Left`, `Frontal`), or an empty text.
    pub pose: String,
    /// Whether it reaches beyond its box.
    pub truncated: bool,
    /// Whether something lies over it.
    pub occluded: bool,
    /// Whether it is too hard to count.
    pub difficult: bool,
    /// Where it is. VOC counts pixels from 1 and both ends in; here they are edges, as everywhere.
    pub bbox: BBox,
    /// Parts of it, such as a head, and where they are.
    pub parts: Vec<(String, BBox)>,
}

/// Reads one file.
pub(super) fn read(path: &Path) -> Result<VocAnnotation> {
    let io = |source| Error::Io { op: "read", path: path.to_owned(), source };
    if fs::metadata(path).map_err(io)?.len() > LARGEST {
        return Err(wrong(path, "an annotation of VOC", "a file of more than 16 MiB".into()));
    }
    let bytes = fs::read(path).map_err(io)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| wrong(path, "XML in UTF-8", error.to_string()))?;
    let document = Document::parse(text.trim_start_matches('\u{feff}'))
        .map_err(|error| wrong(path, "XML", error.to_string()))?;
    let root = document.root_element();
    if root.tag_name().name() != "annotation" {
        let got = format!("`{}`", root.tag_name().name());
        return Err(wrong(path, "an element `annotation`", got));
    }
    let size = child(root, "size").ok_or_else(|| wrong(path, "an element `size`", "none".into()))?;
    let side = |name: &str| {
        let text = text_of(size, name);
        text.and_then(|text| text.parse::<usize>().ok()).filter(|&side| side > 0).ok_or_else(|| {
            wrong(path, &format!("a `{name}` in pixels in `size`"), format!("`{}`", text.unwrap_or_default()))
        })
    };
    Ok(VocAnnotation {
        size: [side("height")?, side("width")?],
        segmented: flag(root, "segmented"),
        objects: children(root, "object").map(|node| object(node, path)).collect::<Result<_>>()?,
    })
}

fn object(node: Node<'_, '_>, path: &Path) -> Result<VocObject> {
    let name = text_of(node, "name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| wrong(path, "a `name` for each object", "none".into()))?;
    let parts = children(node, "part").map(|part| {
        let name = text_of(part, "name").unwrap_or_default();
        Ok((name.to_owned(), bbox(part, name, path)?))
    });
    Ok(VocObject {
        name: name.to_owned(),
        pose: text_of(node, "pose").unwrap_or_default().to_owned(),
        truncated: flag(node, "truncated"),
        occluded: flag(node, "occluded"),
        difficult: flag(node, "difficult"),
        bbox: bbox(node, name, path)?,
        parts: parts.collect::<Result<_>>()?,
    })
}

fn bbox(node: Node<'_, '_>, name: &str, path: &Path) -> Result<BBox> {
    let expected = "a `bndbox` with xmin <= xmax and ymin <= ymax";
    let found = child(node, "bndbox").ok_or_else(|| wrong(path, expected, format!("none for `{name}`")))?;
    let side = |key: &str| {
        let text = text_of(found, key).unwrap_or_default();
        text.parse::<f64>()
            .ok()
            .filter(|side| side.is_finite())
            .ok_or_else(|| wrong(path, expected, format!("{key} `{text}` for `{name}`")))
    };
    let [left, top, right, bottom] = [side("xmin")?, side("ymin")?, side("xmax")?, side("ymax")?];
    if left > right || top > bottom {
        let got = format!("{left} to {right} and {top} to {bottom} for `{name}`");
        return Err(wrong(path, expected, got));
    }
    // The first pixel is 1, and reaches here from 0 to 1.
    Ok(BBox { x0: (left - 1.0) as f32, y0: (top - 1.0) as f32, x1: right as f32, y1: bottom as f32 })
}

fn children<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.has_tag_name(name))
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.tag_name().name() == name)
}

fn text_of<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text().map(str::trim)
}

fn flag(node: Node<'_, '_>, name: &str) -> bool {
    text_of(node, name) == Some("1")
}

fn wrong(path: &Path, expected: &str, got: String) -> Error {
    Error::Format {
        path: path.to_owned(),
        expected: expected.into(),
        got,
        hint: "Mend the annotation or leave the image out of the list.".into(),
    }
}
