//! What belongs to one image.

use super::image::Image;

/// An image with everything that is known of it. A transform that moves pixels moves all of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What the sample is called in its data set: a file's path below the root, a number, a name.
    pub id: String,
    /// The pixels.
    pub image: Image,
    /// What is to be learnt from them.
    pub target: Target,
}

/// What is to be learnt from an image; whatever a data set does not have is empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Target {
    /// Classes of the whole image: one for classification, several for tags, none for detection.
    pub labels: Vec<u32>,
    /// Things in the image.
    pub objects: Vec<Object>,
    /// The class of each pixel.
    pub segmentation: Option<ClassMap>,
    /// Sentences about the image.
    pub captions: Vec<String>,
}

/// One thing in an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its class.
    pub label: u32,
    /// Where it is.
    pub bbox: BBox,
    /// Its pixels, in a mask of the whole image's size.
    pub mask: Option<Mask>,
    /// Points of it, in the order of the data set.
    pub keypoints: Vec<Keypoint>,
    /// Its area in pixels as the data set says it (COCO measures sizes by it); `None` where it says none.
    pub area: Option<f64>,
    /// A group that is not told apart (COCO's `iscrowd`), or a thing too hard to count (VOC's `difficult`):
    /// neither a detection of it nor a miss counts.
    pub ignore: bool,
}

/// A box, in pixels from the image's left upper corner: `x0 <= x1`, `y0 <= y1`. The pixel in the corner
/// reaches from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BBox {
    /// Left.
    pub x0: f32,
    /// Top.
    pub y0: f32,
    /// Right, not included.
    pub x1: f32,
    /// Bottom, not included.
    pub y1: f32,
}

impl BBox {
    /// Columns, 0 for a box without an area.
    #[must_use]
    pub fn width(&self) -> f32 {
        (self.x1 - self.x0).max(0.0)
    }

    /// Rows, 0 for a box without an area.
    #[must_use]
    pub fn height(&self) -> f32 {
        (self.y1 - self.y0).max(0.0)
    }

    /// Pixels inside.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }
}

/// A point of an object, in pixels from the image's left upper corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keypoint {
    /// From the left.
    pub x: f32,
    /// From the top.
    pub y: f32,
    /// Whether it can be seen.
    pub visibility: Visibility,
}

/// Whether a keypoint can be seen (COCO's `v`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// 0: not labelled; its place means nothing.
    Unlabelled,
    /// 1: labelled, but hidden.
    Hidden,
    /// 2: to be seen.
    Visible,
}

/// Which pixels belong to an object; one byte a pixel, 1 inside, 0 outside, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `height * width` bytes, 0 or 1.
    pub pixels: Vec<u8>,
}

/// The class of each pixel, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassMap {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `height * width` classes; [`ClassMap::IGNORE`] does not count.
    pub classes: Vec<u16>,
}

impl ClassMap {
    /// The class of a pixel that does not count (VOC draws it around objects).
    pub const IGNORE: u16 = 255;

    /// The classes that pixels have, each once, in order; without [`ClassMap::IGNORE`].
    #[must_use]
    pub fn present(&self) -> Vec<u16> {
        let mut present = self.classes.clone();
        // Neighbours mostly have the same class.
        present.dedup();
        present.sort_unstable();
        present.dedup();
        present.retain(|&class| class != ClassMap::IGNORE);
        present
    }
}
