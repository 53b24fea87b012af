//! Images whose every pixel comes from somewhere else: turned, sheared, bent.

use super::fill::Fill;
use super::filter::Filter;
use super::gather::Gather;
use super::motion::Motion;
use super::refused::refused;
use super::value::{Value, on_pixels};
use crate::Result;
use crate::data::{ClassMap, Image};
use crate::ops::dispatch;

/// Where the points `[x, y]` of two images belong together; `None` for a point that belongs to none.
pub(super) trait Map {
    /// Where a point of the result comes from.
    fn source(&self, to: [f64; 2]) -> Option<[f64; 2]>;

    /// Where a point of the original goes.
    fn target(&self, from: [f64; 2]) -> Option<[f64; 2]>;

    /// The map as `[a, b, c, d, e, f]`, if it is affine: a point `[x, y]` of the result comes from
    /// `[ax + by + c, dx + ey + f]`.
    fn affine(&self) -> Option<[f64; 6]> {
        None
    }

    /// Along each side of a box so many points are moved, as sides may bend; 1 moves the corners only.
    fn steps_along_a_side(&self) -> usize {
        1
    }
}

/// A motion by a map. Pixels that come from outside are filled.
pub(super) struct Warp<'a, M> {
    pub(super) op: &'static str,
    pub(super) from: [usize; 2],
    pub(super) to: [usize; 2],
    pub(super) map: M,
    pub(super) filter: Filter,
    pub(super) fill: &'a Fill,
}

impl<M: Map> Warp<'_, M> {
    /// The moved pixels, of `fill.len()` numbers each.
    fn gathered<T: Value>(&self, values: &[T], fill: &[T], filter: Filter) -> Vec<T> {
        let channels = fill.len();
        if matches!(channels, 1 | 3 | 4) {
            return dispatch(Gather { warp: self, values, fill, filter });
        }
        let mut out = vec![T::default(); self.to[0] * self.to[1] * channels];
        for (channel, &fill) in fill.iter().enumerate() {
            let plane: Vec<T> = values[channel..].iter().step_by(channels).copied().collect();
            let moved = self.gathered(&plane, &[fill], filter);
            for (to, value) in out[channel..].iter_mut().step_by(channels).zip(moved) {
                *to = value;
            }
        }
        out
    }

    fn pixels<T: Value>(&self, values: &[T], channels: usize) -> Result<Vec<T>> {
        if self.filter == Filter::Lanczos {
            return Err(refused(
                self.op,
                "Filter::Nearest, Filter::Bilinear or Filter::Bicubic",
                "Filter::Lanczos".into(),
                "Lanczos is for other sizes only.",
            ));
        }
        Ok(self.gathered(values, &self.fill.pixel(self.op, channels)?, self.filter))
    }
}

impl<M: Map> Motion for Warp<'_, M> {
    fn op(&self) -> &'static str {
        self.op
    }

    fn size(&self) -> [usize; 2] {
        self.to
    }

    fn image(&self, image: Image) -> Result<Image> {
        let channels = image.channels();
        on_pixels!(image, [self.to[0], self.to[1], channels], |values| self.pixels(values, channels)?)
    }

    fn mask(&self, pixels: &[u8]) -> Vec<u8> {
        self.gathered(pixels, &[0], Filter::Nearest)
    }

    fn classes(&self, classes: &[u16]) -> Vec<u16> {
        self.gathered(classes, &[ClassMap::IGNORE], Filter::Nearest)
    }

    fn point(&self, point: [f64; 2]) -> Option<[f64; 2]> {
        self.map.target(point)
    }

    fn steps_along_a_side(&self) -> usize {
        self.map.steps_along_a_side()
    }
}
