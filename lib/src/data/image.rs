//! The pixels of one image.

use crate::{Error, Result};

/// The pixels of one image: rows from the top, pixels from the left, the channels of a pixel beside each
/// other (H, W, C).
///
/// Bytes are what files hold, 0 to 255. Numbers are fractions, 0 (black) to 1 (white), and whatever a
/// normalization makes of them; images with more than 8 bits a channel are read as numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    pixels: Pixels,
    height: usize,
    width: usize,
    channels: usize,
}

/// The numbers of an [`Image`], `height * width * channels` of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// 0 to 255.
    U8(Vec<u8>),
    /// Fractions, unless normalized.
    F32(Vec<f32>),
}

impl Pixels {
    /// How many numbers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Pixels::U8(values) => values.len(),
            Pixels::F32(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Image {
    /// An image of `shape` `[height, width, channels]`.
    ///
    /// # Errors
    /// When a side or the channels are 0, or the number of pixels is another.
    pub fn new(shape: [usize; 3], pixels: Pixels) -> Result<Image> {
        let [height, width, channels] = shape;
        let count = height.checked_mul(width).and_then(|area| area.checked_mul(channels));
        if count.is_none_or(|count| count == 0 || count != pixels.len()) {
            return Err(Error::Shape {
                op: "Image::new".into(),
                expected: format!(
                    "height x width x channels numbers, {height} x {width} x {channels}, none of them 0"
                ),
                got: format!("{} numbers", pixels.len()),
                hint: "Pixels stand row by row, the channels of a pixel beside each other.".into(),
            });
        }
        Ok(Image { pixels, height, width, channels })
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// 1 is grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; others are the user's own.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// `[height, width, channels]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// The numbers, (H, W, C).
    #[must_use]
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// The numbers, (H, W, C), to be changed in place. Their count stays.
    pub fn pixels_mut(&mut self) -> PixelsMut<'_> {
        match &mut self.pixels {
            Pixels::U8(values) => PixelsMut::U8(values),
            Pixels::F32(values) => PixelsMut::F32(values),
        }
    }

    /// The numbers, (H, W, C).
    #[must_use]
    pub fn into_pixels(self) -> Pixels {
        self.pixels
    }
}

/// The numbers of an [`Image`], to be changed in place.
#[derive(Debug)]
pub enum PixelsMut<'a> {
    /// 0 to 255.
    U8(&'a mut [u8]),
    /// Fractions, unless normalized.
    F32(&'a mut [f32]),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_shape_must_fit_the_pixels() {
        assert_eq!(Image::new([1, 2, 3], Pixels::U8(vec![0; 6])).unwrap().shape(), [1, 2, 3]);
        for shape in [[1, 2, 2], [0, 2, 3], [usize::MAX, usize::MAX, 3]] {
            let error = Image::new(shape, Pixels::U8(vec![0; 6])).unwrap_err().to_string();
            assert!(error.contains("6 numbers"), "{error}");
        }
    }
}
