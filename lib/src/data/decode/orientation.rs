//! Images that the camera took on its side.

use ::image::metadata::Orientation;

use crate::data::image::{Image, Pixels};

/// Whether height and width change places.
pub(super) fn swaps_sides(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

/// The image as it was seen.
pub(super) fn upright(image: Image, orientation: Orientation) -> Image {
    if orientation == Orientation::NoTransforms {
        return image;
    }
    let [height, width, channels] = image.shape();
    let size = [height, width];
    let pixels = match image.pixels() {
        Pixels::U8(values) => Pixels::U8(turned(values, size, channels, orientation)),
        Pixels::F32(values) => Pixels::F32(turned(values, size, channels, orientation)),
    };
    let shape = if swaps_sides(orientation) { [width, height, channels] } else { [height, width, channels] };
    // As many pixels as before: the shape fits.
    Image::new(shape, pixels).unwrap_or(image)
}

fn turned<T: Copy>(
    values: &[T],
    [height, width]: [usize; 2],
    channels: usize,
    orientation: Orientation,
) -> Vec<T> {
    let (rows, columns) = if swaps_sides(orientation) { (width, height) } else { (height, width) };
    let mut turned = Vec::with_capacity(values.len());
    for y in 0..rows {
        for x in 0..columns {
            let (row, column) = match orientation {
                Orientation::NoTransforms => (y, x),
                Orientation::FlipHorizontal => (y, width - 1 - x),
                Orientation::Rotate180 => (height - 1 - y, width - 1 - x),
                Orientation::FlipVertical => (height - 1 - y, x),
                // EXIF 5: stored with rows and columns exchanged.
                Orientation::Rotate90FlipH => (x, y),
                Orientation::Rotate90 => (height - 1 - x, y),
                // EXIF 7: exchanged along the other diagonal.
                Orientation::Rotate270FlipH => (height - 1 - x, width - 1 - y),
                Orientation::Rotate270 => (x, width - 1 - y),
            };
            turned.extend_from_slice(&values[(row * width + column) * channels..][..channels]);
        }
    }
    turned
}
