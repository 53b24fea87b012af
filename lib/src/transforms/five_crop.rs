//! Several crops of one image, to be judged together.

use super::crop::{center, cut};
use super::fill::Fill;
use super::flip::{Side, mirrored};
use super::objects::ObjectRule;
use super::refused::unfit;
use super::size::Size;
use crate::Result;
use crate::data::Sample;

/// The four corners and the middle of an image, for predictions that are the mean over several views
/// (Krizhevsky et al. 2012). It makes several samples of one, so that it is no transform of a chain:
///
/// ```
/// # use sconce::{data::{Image, Pixels, Sample, Target}, transforms::FiveCrop};
/// # let image = Image::new([8, 8, 1], Pixels::U8(vec![0; 64]))?;
/// # let sample = Sample { id: "a".into(), image, target: Target::default() };
/// let views = FiveCrop::new(6).with_mirrored().crops(&sample)?;
/// assert_eq!((views.len(), views[0].image.shape()), (10, [6, 6, 1]));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FiveCrop {
    size: Size,
    mirrored: bool,
    objects: ObjectRule,
}

impl FiveCrop {
    /// `size` pixels a side, or `[height, width]`.
    #[must_use]
    pub fn new(size: impl Into<Size>) -> FiveCrop {
        FiveCrop { size: size.into(), mirrored: false, objects: ObjectRule::default() }
    }

    /// Adds the mirror image of each: ten crops, torchvision's `TenCrop`.
    #[must_use]
    pub fn with_mirrored(mut self) -> FiveCrop {
        self.mirrored = true;
        self
    }

    /// Sets which objects stay.
    #[must_use]
    pub fn objects(mut self, rule: ObjectRule) -> FiveCrop {
        self.objects = rule;
        self
    }

    /// Upper left, upper right, lower left, lower right, middle; then their mirror images, if asked for.
    ///
    /// # Errors
    /// When the image is smaller than the crops.
    pub fn crops(&self, sample: &Sample) -> Result<Vec<Sample>> {
        const OP: &str = "FiveCrop";
        let size = self.size.checked(OP)?;
        let from = [sample.image.height(), sample.image.width()];
        if size[0] > from[0] || size[1] > from[1] {
            return Err(unfit(
                OP,
                &format!("an image of at least {} x {}", size[0], size[1]),
                format!("{} x {}, sample {:?}", from[0], from[1], sample.id),
                "Resize first.",
            ));
        }
        let [down, right] = [0, 1].map(|axis| (from[axis] - size[axis]) as isize);
        let fill = Fill::default();
        let corners = [[0, 0], [0, right], [down, 0], [down, right], center(size, from)];
        let mut crops = Vec::with_capacity(if self.mirrored { 10 } else { 5 });
        for corner in corners {
            crops.push(cut(sample.clone(), OP, corner, size, &fill, &self.objects)?);
        }
        if self.mirrored {
            for at in 0..corners.len() {
                crops.push(mirrored(crops[at].clone(), OP, Side::LeftRight)?);
            }
        }
        Ok(crops)
    }
}
