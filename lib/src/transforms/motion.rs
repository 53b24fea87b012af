//! One way for everything in a sample to move together.

use super::objects::{ObjectRule, Traits, check_sizes};
use crate::Result;
use crate::data::{BBox, ClassMap, Image, Mask, Sample, Visibility};

/// A change of place: where pixels, points and boxes of an image go.
///
/// Points are in pixels from the left upper corner; the pixel in row 2, column 3 has its centre at
/// `[3.5, 2.5]`.
pub(super) trait Motion {
    /// The name of the transform, for errors.
    fn op(&self) -> &'static str;

    /// `[height, width]` afterwards.
    fn size(&self) -> [usize; 2];

    /// The moved image.
    fn image(&self, image: Image) -> Result<Image>;

    /// The moved mask, by nearest pixels; 0 where nothing of the object came from.
    fn mask(&self, pixels: &[u8]) -> Vec<u8>;

    /// The moved class map, by nearest pixels; [`ClassMap::IGNORE`] where nothing came from.
    fn classes(&self, classes: &[u16]) -> Vec<u16>;

    /// Where a point `[x, y]` goes; `None` where it goes nowhere.
    fn point(&self, point: [f64; 2]) -> Option<[f64; 2]>;

    /// Along each side of a box so many points are moved, as sides may bend; 1 moves the corners only.
    fn steps_along_a_side(&self) -> usize {
        1
    }

    /// The smallest upright box around the moved box, uncut. Where nothing of it stays, a box without an
    /// area.
    fn bbox(&self, bbox: BBox) -> BBox {
        let [x0, y0, x1, y1] = [bbox.x0, bbox.y0, bbox.x1, bbox.y1].map(f64::from);
        let steps = self.steps_along_a_side().max(1);
        let along = (0..steps).map(|step| step as f64 / steps as f64);
        let points = along.flat_map(|share| {
            let (across, down) = (share * (x1 - x0), share * (y1 - y0));
            [[x0 + across, y0], [x1, y0 + down], [x1 - across, y1], [x0, y1 - down]]
        });
        around(points.map(|point| self.point(point)))
    }
}

/// The smallest upright box around points; one without an area where a point goes nowhere.
pub(super) fn around(points: impl Iterator<Item = Option<[f64; 2]>>) -> BBox {
    let mut found: Option<[f64; 4]> = None;
    for point in points {
        let Some([x, y]) = point else { return BBox::default() };
        let [x0, y0, x1, y1] = found.unwrap_or([x, y, x, y]);
        found = Some([x0.min(x), y0.min(y), x1.max(x), y1.max(y)]);
    }
    let [x0, y0, x1, y1] = found.unwrap_or_default().map(|side| side as f32);
    BBox { x0, y0, x1, y1 }
}

/// The sample after a motion; objects that the rule does not keep are gone.
pub(super) fn moved(sample: Sample, motion: &impl Motion, rule: &ObjectRule) -> Result<Sample> {
    rule.check(motion.op())?;
    check_sizes(motion.op(), &sample)?;
    let Sample { id, image, mut target } = sample;
    let image = motion.image(image)?;
    let [height, width] = motion.size();
    let mut objects = Vec::with_capacity(target.objects.len());
    for mut object in std::mem::take(&mut target.objects) {
        let before = Traits::of(&object);
        object.bbox = motion.bbox(object.bbox);
        if let Some(mask) = &mut object.mask {
            *mask = Mask { height, width, pixels: motion.mask(&mask.pixels) };
        }
        for point in &mut object.keypoints {
            match motion.point([point.x, point.y].map(f64::from)) {
                Some([x, y]) => (point.x, point.y) = (x as f32, y as f32),
                None => point.visibility = Visibility::Unlabelled,
            }
        }
        objects.extend(rule.kept(&before, object, [height, width]));
    }
    target.objects = objects;
    if let Some(map) = &mut target.segmentation {
        *map = ClassMap { height, width, classes: motion.classes(&map.classes) };
    }
    Ok(Sample { id, image, target })
}
