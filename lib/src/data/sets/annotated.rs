//! Images whose annotations are in pixels of the file.

use std::path::Path;

use crate::data::decode::{DecodeConfig, ExifOrientation};
use crate::data::image::Image;
use crate::{Error, Result};

/// What an image must be like to go with its annotations.
#[derive(Clone, Copy)]
pub(super) struct Decode<'a> {
    /// `[height, width]` that the annotations tell.
    pub(super) size: [usize; 2],
    pub(super) config: DecodeConfig,
    /// Where they tell it.
    pub(super) annotations: &'a Path,
}

/// The image, of the size that its annotations tell. Sets like COCO and VOC count pixels as they lie in the
/// file, whatever its EXIF data say of the camera; where the size says otherwise, the image is turned.
pub(super) fn open_annotated(path: &Path, decode: Decode<'_>) -> Result<Image> {
    let [height, width] = decode.size;
    let stored = DecodeConfig { orientation: ExifOrientation::Ignore, ..decode.config };
    let image = Image::open_with(path, stored)?;
    if [image.height(), image.width()] == decode.size {
        return Ok(image);
    }
    if [image.width(), image.height()] == decode.size {
        let turned = Image::open_with(path, decode.config)?;
        if [turned.height(), turned.width()] == decode.size {
            return Ok(turned);
        }
    }
    Err(Error::Format {
        path: path.to_owned(),
        expected: format!("{height} x {width} pixels, as {} says", decode.annotations.display()),
        got: format!("{} x {} pixels", image.height(), image.width()),
        hint: "Boxes and masks do not fit an image of another size: was it resized?".into(),
    })
}
