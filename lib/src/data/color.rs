//! Grey, RGB and alpha, into one another and into tensors.

use candle_core::{DType, Device, Tensor};

use super::collate::channels_first;
use super::image::{Image, Pixels};
use crate::{Error, Result};

/// What shows where an image is transparent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Background {
    /// White, as a page has it.
    #[default]
    White,
    /// Black.
    Black,
    /// Red, green and blue, 0 to 1. Under a grey image lies its brightness.
    Color([f32; 3]),
    /// Nothing: alpha is left out and the colours stay, whatever a transparent pixel hid.
    None,
}

/// Brightness of red, green and blue, as ITU-R BT.601 weighs them.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// The same in 65536ths, so that bytes come out as they do from other libraries.
const LUMA_FIXED: [u32; 3] = [19595, 38470, 7471];

/// The grey of a colour.
#[inline(always)]
pub(crate) fn grey_byte([red, green, blue]: [u8; 3]) -> u8 {
    let [r, g, b] = LUMA_FIXED;
    ((u32::from(red) * r + u32::from(green) * g + u32::from(blue) * b + 0x8000) >> 16) as u8
}

/// The grey of a colour.
#[inline(always)]
pub(crate) fn grey_fraction([red, green, blue]: [f32; 3]) -> f32 {
    let [r, g, b] = LUMA;
    red * r + green * g + blue * b
}

impl Image {
    /// Whether the last channel is alpha: 2 and 4 channels.
    #[must_use]
    pub fn has_alpha(&self) -> bool {
        matches!(self.channels(), 2 | 4)
    }

    /// The image over a background; one without alpha stays as it is.
    #[must_use]
    pub fn without_alpha(self, background: Background) -> Image {
        if !self.has_alpha() {
            return self;
        }
        let [height, width, channels] = self.shape();
        let below = background.channels(channels - 1);
        let pixels = match self.pixels() {
            Pixels::U8(values) => {
                let below = below.map(|below| below.map(|value| (value * 255.0).round() as u32));
                Pixels::U8(opaque(values, channels, below, |value, alpha, below| {
                    let (value, alpha) = (u32::from(value), u32::from(alpha));
                    ((value * alpha + below * (255 - alpha) + 127) / 255) as u8
                }))
            }
            Pixels::F32(values) => Pixels::F32(opaque(values, channels, below, |value, alpha, below| {
                value * alpha + below * (1.0 - alpha)
            })),
        };
        Image::new([height, width, channels - 1], pixels).unwrap_or(self)
    }

    /// Three channels: grey is repeated, alpha goes over white. For another background call
    /// [`Image::without_alpha`] first.
    ///
    /// # Errors
    /// When there are more than four channels.
    pub fn to_rgb(&self) -> Result<Image> {
        let image = self.opaque("Image::to_rgb")?;
        let [height, width, channels] = image.shape();
        if channels == 3 {
            return Ok(image);
        }
        let pixels = match image.pixels() {
            Pixels::U8(values) => Pixels::U8(values.iter().flat_map(|&value| [value; 3]).collect()),
            Pixels::F32(values) => Pixels::F32(values.iter().flat_map(|&value| [value; 3]).collect()),
        };
        Image::new([height, width, 3], pixels)
    }

    /// One channel: 0.299 of red, 0.587 of green and 0.114 of blue (ITU-R BT.601), alpha over white. For
    /// another background call [`Image::without_alpha`] first.
    ///
    /// # Errors
    /// When there are more than four channels.
    pub fn to_grey(&self) -> Result<Image> {
        let image = self.opaque("Image::to_grey")?;
        let [height, width, channels] = image.shape();
        if channels == 1 {
            return Ok(image);
        }
        let pixels = match image.pixels() {
            Pixels::U8(values) => {
                Pixels::U8(values.as_chunks().0.iter().map(|&pixel| grey_byte(pixel)).collect())
            }
            Pixels::F32(values) => {
                Pixels::F32(values.as_chunks().0.iter().map(|&pixel| grey_fraction(pixel)).collect())
            }
        };
        Image::new([height, width, 1], pixels)
    }

    /// One or three channels.
    fn opaque(&self, op: &str) -> Result<Image> {
        if self.channels() > 4 {
            return Err(Error::Shape {
                op: op.into(),
                expected: "an image of 1 to 4 channels".into(),
                got: format!("{} channels", self.channels()),
                hint: "Which of them are red, green and blue? Make an image of those.".into(),
            });
        }
        Ok(self.clone().without_alpha(Background::White))
    }

    /// The image as a tensor, f32 `(C, H, W)` on the CPU: bytes become 0 to 1, fractions stay.
    ///
    /// # Errors
    /// When candle refuses.
    pub fn to_tensor(&self) -> Result<Tensor> {
        let [height, width, channels] = self.shape();
        Ok(Tensor::from_vec(channels_first(self), (channels, height, width), &Device::Cpu)?)
    }

    /// An image from a tensor `(C, H, W)`: u8 gives bytes, f32 fractions.
    ///
    /// # Errors
    /// For another rank or dtype, or a side of 0.
    pub fn from_tensor(tensor: &Tensor) -> Result<Image> {
        let op = "Image::from_tensor";
        let &[channels, height, width] = tensor.dims() else {
            return Err(Error::Shape {
                op: op.into(),
                expected: "a tensor (C, H, W)".into(),
                got: format!("{:?}", tensor.dims()),
                hint: "Take one image of a batch: `images.get(0)?`.".into(),
            });
        };
        let last = tensor.permute((1, 2, 0))?.flatten_all()?; // (H * W * C,)
        let pixels = match tensor.dtype() {
            DType::U8 => Pixels::U8(last.to_vec1()?),
            DType::F32 => Pixels::F32(last.to_vec1()?),
            other => {
                return Err(Error::Argument {
                    op: op.into(),
                    expected: "a tensor of dtype u8 or f32".into(),
                    got: other.as_str().into(),
                    hint: "Convert it: `tensor.to_dtype(DType::F32)?`.".into(),
                });
            }
        };
        Image::new([height, width, channels], pixels)
    }
}

impl Background {
    /// The colour for one or three channels.
    fn channels(self, channels: usize) -> Option<[f32; 3]> {
        let color = match self {
            Background::White => [1.0; 3],
            Background::Black => [0.0; 3],
            Background::Color(color) => color.map(|value| value.clamp(0.0, 1.0)),
            Background::None => return None,
        };
        Some(if channels == 1 { [grey_fraction(color); 3] } else { color })
    }
}

/// All channels but the last one, over `below` where there is one.
fn opaque<T: Copy, B: Copy>(
    values: &[T],
    channels: usize,
    below: Option<[B; 3]>,
    mix: impl Fn(T, T, B) -> T,
) -> Vec<T> {
    let mut opaque = Vec::with_capacity(values.len() / channels * (channels - 1));
    for pixel in values.chunks_exact(channels) {
        let (colors, alpha) = (&pixel[..channels - 1], pixel[channels - 1]);
        match below {
            Some(below) => opaque.extend(colors.iter().zip(below).map(|(&c, b)| mix(c, alpha, b))),
            None => opaque.extend_from_slice(colors),
        }
    }
    opaque
}
