//! Files of pixels become images.

mod error;
mod jpeg;
mod orientation;
mod other;
mod palette;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use ::image::ImageFormat;
use ::image::metadata::Orientation;

use super::image::Image;
use crate::{Error, Result};
use error::Bad;

/// What bytes in memory are called in errors.
const IN_MEMORY: &str = "image in memory";
/// So much of a file is read to learn its size; headers are rarely longer.
const HEADER: u64 = 256 * 1024;

/// How images are decoded, and how large they may be.
///
/// A small file can claim to hold a huge image. Its header is held against these limits before anything is
/// decoded, so that such a file costs an error and no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeConfig {
    /// Pixels of an image, height times width.
    pub max_pixels: u64,
    /// Bytes of an image, of its file and decoded; 16-bit channels are decoded to four bytes each.
    pub max_bytes: u64,
    /// Whether the image is turned as its EXIF data say.
    pub orientation: ExifOrientation,
}

impl Default for DecodeConfig {
    /// 2²⁷ pixels (11,585 x 11,585), 1 GiB, turned as EXIF says.
    fn default() -> DecodeConfig {
        DecodeConfig { max_pixels: 1 << 27, max_bytes: 1 << 30, orientation: ExifOrientation::Apply }
    }
}

/// What happens to an image whose EXIF data say that the camera was held another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExifOrientation {
    /// It is turned upright, as viewers show it.
    #[default]
    Apply,
    /// The pixels stay as they lie in the file, which is what the boxes of some data sets refer to.
    Ignore,
}

impl Image {
    /// The image in a file: JPEG, PNG, WebP, BMP, GIF (its first frame), TIFF or PNM, told by its content and
    /// not by its name.
    ///
    /// Channels stay as they are in the file: grey is one channel, alpha is kept, a palette becomes RGB, CMYK
    /// too. 8 bits a channel become bytes, more become fractions. A GIF is RGB unless a pixel is transparent.
    /// EXIF orientation is applied.
    ///
    /// Colour profiles are not applied: the numbers are those of the file, as Pillow, OpenCV and torchvision give
    /// them, so that published models see what they were trained on. A picture in a wider space than sRGB, such
    /// as a phone's in Display P3, so looks a little paler; convert such files to sRGB where that matters.
    ///
    /// ```
    /// use sconce::data::{Image, Pixels};
    ///
    /// let folder = std::env::temp_dir().join("sconce-image-open");
    /// std::fs::create_dir_all(&folder).unwrap();
    /// let file = folder.join("pixel.png");
    /// Image::new([1, 1, 3], Pixels::U8(vec![255, 0, 0]))?.save(&file)?;
    /// assert_eq!(Image::open(&file)?.shape(), [1, 1, 3]);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Image`] when it is empty, no image, cut off,
    /// damaged, or larger than [`DecodeConfig::default`] allows.
    pub fn open(path: impl AsRef<Path>) -> Result<Image> {
        Image::open_with(path, DecodeConfig::default())
    }

    /// As [`Image::open`], within other limits.
    ///
    /// # Errors
    /// As [`Image::open`].
    pub fn open_with(path: impl AsRef<Path>, config: DecodeConfig) -> Result<Image> {
        let path = path.as_ref();
        let bytes = read(path, config)?;
        decode(&bytes, config).map_err(|bad| bad.at(path))
    }

    /// The image in the bytes of a file, as [`Image::open`] reads it.
    ///
    /// # Errors
    /// [`Error::Image`], as [`Image::open`].
    pub fn decode(bytes: &[u8], config: DecodeConfig) -> Result<Image> {
        Image::decode_as(bytes, config, Path::new(IN_MEMORY))
    }

    /// As [`Image::decode`], with a name for the errors.
    pub(crate) fn decode_as(bytes: &[u8], config: DecodeConfig, name: &Path) -> Result<Image> {
        decode(bytes, config).map_err(|bad| bad.at(name))
    }

    /// `[height, width]` of the image in a file, as [`Image::open`] would give it, from its header alone.
    ///
    /// # Errors
    /// As [`Image::open`], except that what is wrong behind the header is not noticed.
    pub fn size_of(path: impl AsRef<Path>) -> Result<[usize; 2]> {
        let path = path.as_ref();
        let config = DecodeConfig::default();
        let io = |source| Error::Io { op: "read", path: path.to_owned(), source };
        let mut file = File::open(path).map_err(io)?;
        let mut start = Vec::new();
        file.by_ref().take(HEADER).read_to_end(&mut start).map_err(io)?;
        if let Ok(size) = size(&start, config) {
            return Ok(size);
        }
        // The header is longer than most, or stands elsewhere.
        size(&read(path, config)?, config).map_err(|bad| bad.at(path))
    }
}

/// The bytes of a file that is not larger than allowed.
fn read(path: &Path, config: DecodeConfig) -> Result<Vec<u8>> {
    let io = |source| Error::Io { op: "read", path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(io)?.len();
    if length > config.max_bytes {
        return Err(error::too_many_bytes(length, config).at(path));
    }
    fs::read(path).map_err(io)
}

fn decode(bytes: &[u8], config: DecodeConfig) -> Result<Image, Bad> {
    let (image, orientation) = match format(bytes)? {
        ImageFormat::Jpeg => jpeg::decode(bytes, config)?,
        format => other::decode(bytes, format, config)?,
    };
    Ok(match config.orientation {
        ExifOrientation::Apply => orientation::upright(image, orientation),
        ExifOrientation::Ignore => image,
    })
}

/// `[height, width]` as the header tells it.
fn size(bytes: &[u8], config: DecodeConfig) -> Result<[usize; 2], Bad> {
    let ([height, width], orientation) = match format(bytes)? {
        ImageFormat::Jpeg => jpeg::size(bytes)?,
        format => other::size(bytes, format, config)?,
    };
    let turned = config.orientation == ExifOrientation::Apply && orientation::swaps_sides(orientation);
    Ok(if turned { [width, height] } else { [height, width] })
}

/// The format, by the first bytes.
fn format(bytes: &[u8]) -> Result<ImageFormat, Bad> {
    if bytes.is_empty() {
        return Err(error::empty());
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return Err(error::unsupported("HEIC or AVIF".into()));
    }
    // Two bytes are enough for a text to pass for PNM.
    let pnm = |bytes: &[u8]| bytes.get(2).is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'#');
    match ::image::guess_format(bytes) {
        Ok(ImageFormat::Pnm) if !pnm(bytes) => Err(error::not_an_image(bytes)),
        Ok(format) if format.reading_enabled() => Ok(format),
        Ok(format) => Err(error::unsupported(format!("{format:?}"))),
        Err(_) => Err(error::not_an_image(bytes)),
    }
}

/// Refuses a size that is not allowed, and gives the number of bytes of such an image.
fn allowed([height, width]: [usize; 2], pixel: usize, config: DecodeConfig) -> Result<usize, Bad> {
    let pixels = (height as u64).saturating_mul(width as u64);
    let bytes = pixels.saturating_mul(pixel as u64);
    if pixels == 0 {
        return Err(error::damaged(format!("a size of {height} x {width} pixels")));
    }
    if pixels > config.max_pixels || bytes > config.max_bytes {
        return Err(error::too_many_pixels([height, width], bytes, config));
    }
    usize::try_from(bytes).map_err(|_| error::too_many_pixels([height, width], bytes, config))
}

/// The turn that a block of EXIF data asks for.
fn orientation_of(exif: Option<&[u8]>) -> Orientation {
    exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
}
