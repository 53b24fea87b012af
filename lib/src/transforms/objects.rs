//! Which objects a changed image keeps.

use super::refused::refused;
use crate::Result;
use crate::data::{BBox, Image, Mask, Object, Sample, Visibility};

/// Which objects stay when a transform moves some of them out of the image.
///
/// Boxes are cut at the image's edges first. Then an object goes whose box has a side below `min_side`, an
/// area below `min_area`, or less than `min_visible` of the area that it would have uncut; and so does one
/// whose mask had pixels and has none now. Keypoints outside become [`Visibility::Unlabelled`], at 0, 0.
/// An object's own `area` shrinks and grows as its mask does, or as its box where there is no mask.
///
/// The default is that of torchvision's `SanitizeBoundingBoxes`: at least 1 pixel a side, an area of at
/// least 1, of whatever there was. `min_visible: 0.3` leaves out what is nearly out of the image, as
/// albumentations' `min_visibility`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ObjectRule {
    /// The least width and height of a box, in pixels.
    pub min_side: f32,
    /// The least area of a box, in square pixels.
    pub min_area: f32,
    /// The least share of a box that is still inside, 0 to 1.
    pub min_visible: f32,
}

/// Keeps every object: for motions that move nothing out of the image.
pub(super) const EVERYTHING: ObjectRule = ObjectRule { min_side: 0.0, min_area: 0.0, min_visible: 0.0 };

impl Default for ObjectRule {
    fn default() -> ObjectRule {
        ObjectRule { min_side: 1.0, min_area: 1.0, min_visible: 0.0 }
    }
}

impl ObjectRule {
    pub(super) fn check(&self, op: &str) -> Result<()> {
        let right = |value: f32| value.is_finite() && value >= 0.0;
        if right(self.min_side) && right(self.min_area) && (0.0..=1.0).contains(&self.min_visible) {
            return Ok(());
        }
        Err(refused(
            op,
            "an object rule with min_side and min_area of at least 0 and min_visible from 0 to 1",
            format!("{self:?}"),
            "`ObjectRule::default()` keeps what is at least 1 pixel wide and high.",
        ))
    }

    /// The object with its box inside an image of `size` `[height, width]`; `None` where it goes.
    ///
    /// `before` is the object as it was, `object` what became of it, uncut.
    pub(super) fn kept(&self, before: &Traits, mut object: Object, size: [usize; 2]) -> Option<Object> {
        let [height, width] = size.map(|side| side as f32);
        let uncut = object.bbox;
        let cut = BBox {
            x0: uncut.x0.clamp(0.0, width),
            y0: uncut.y0.clamp(0.0, height),
            x1: uncut.x1.clamp(0.0, width),
            y1: uncut.y1.clamp(0.0, height),
        };
        let finite = [cut.x0, cut.y0, cut.x1, cut.y1].iter().all(|side| side.is_finite());
        let large = cut.width() >= self.min_side && cut.height() >= self.min_side;
        // A box without an area has no share of it to lose.
        let visible = uncut.area() <= 0.0 || cut.area() >= self.min_visible * uncut.area();
        if !finite || !large || cut.area() < self.min_area || !visible {
            return None;
        }
        let mask_pixels = object.mask.as_ref().map(inside);
        if before.mask_pixels.is_some_and(|pixels| pixels > 0) && mask_pixels == Some(0) {
            return None;
        }
        object.area = object.area.map(|area| match (before.mask_pixels, mask_pixels) {
            (Some(before), Some(after)) if before > 0 => area * after as f64 / before as f64,
            _ if before.box_area > 0.0 => area * f64::from(cut.area() / before.box_area),
            _ => area,
        });
        for point in &mut object.keypoints {
            let seen = (0.0..width).contains(&point.x) && (0.0..height).contains(&point.y);
            if !seen || point.visibility == Visibility::Unlabelled {
                (point.x, point.y, point.visibility) = (0.0, 0.0, Visibility::Unlabelled);
            }
        }
        object.bbox = cut;
        Some(object)
    }
}

/// What a rule wants to know of an object before it is moved.
pub(super) struct Traits {
    mask_pixels: Option<usize>,
    box_area: f32,
}

impl Traits {
    pub(super) fn of(object: &Object) -> Traits {
        Traits { mask_pixels: object.mask.as_ref().map(inside), box_area: object.bbox.area() }
    }
}

fn inside(mask: &Mask) -> usize {
    mask.pixels.iter().filter(|&&pixel| pixel != 0).count()
}

/// Refuses masks and class maps of another size than the image.
pub(super) fn check_sizes(op: &str, sample: &Sample) -> Result<()> {
    let refused = |what: String, size: [usize; 2], count: usize| {
        let image: &Image = &sample.image;
        super::refused::unfit(
            op,
            &format!("a {what} of the image's {} x {} pixels", image.height(), image.width()),
            format!("{} x {}, {count} pixels, in sample {:?}", size[0], size[1], sample.id),
            "Masks and maps have the size of their image.",
        )
    };
    let wanted = [sample.image.height(), sample.image.width()];
    for (at, object) in sample.target.objects.iter().enumerate() {
        if let Some(mask) = &object.mask {
            let size = [mask.height, mask.width];
            if size != wanted || mask.pixels.len() != wanted[0] * wanted[1] {
                return Err(refused(format!("mask of object {at}"), size, mask.pixels.len()));
            }
        }
    }
    if let Some(map) = &sample.target.segmentation {
        let size = [map.height, map.width];
        if size != wanted || map.classes.len() != wanted[0] * wanted[1] {
            return Err(refused("segmentation".into(), size, map.classes.len()));
        }
    }
    Ok(())
}
