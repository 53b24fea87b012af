//! Images of samples together in one tensor.

use candle_core::{DType, Device, IndexOp, Tensor};

use super::dataset::Dataset;
use super::image::{Image, Pixels};
use super::sample::{Sample, Target};
use crate::{Error, Result, Seed};

/// What happens to images of several sizes in one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sizes {
    /// An error, which says to resize them.
    #[default]
    Same,
    /// Each is put into the left upper corner of a place as large as the largest sides, the rest 0, and the
    /// batch gets a mask of which pixels are an image's: for detection, as DETR (Carion et al. 2020) has it.
    Pad {
        /// Both sides of the place are brought to a multiple of this, at least 1: a model of stride 32 wants
        /// 32.
        multiple_of: usize,
    },
}

/// Samples put together.
#[derive(Debug)]
pub(super) struct Collated {
    /// f32 (B, C, H, W), on the CPU.
    pub(super) images: Tensor,
    /// u8 (B, H, W), 1 where there is an image, if they were padded.
    pub(super) pixel_mask: Option<Tensor>,
    pub(super) targets: Vec<Target>,
}

/// Puts samples, of which there is at least one, together: bytes become fractions.
pub(super) fn collate(samples: Vec<Sample>, sizes: Sizes) -> Result<Collated> {
    let count = samples.len();
    let [height, width, channels] = place(&samples, sizes)?;
    let area = height * width;
    let mut values: Vec<f32> = Vec::with_capacity(count * channels * area);
    let mut mask = match sizes {
        Sizes::Same => Vec::new(),
        Sizes::Pad { .. } => vec![0_u8; count * area],
    };
    let mut targets = Vec::with_capacity(count);
    for (at, sample) in samples.into_iter().enumerate() {
        // Each image goes straight to where it lies in the batch.
        match sizes {
            Sizes::Same => append(&sample.image, &mut values),
            Sizes::Pad { .. } => {
                values.resize((at + 1) * channels * area, 0.0);
                spread(&sample.image, &mut values[at * channels * area..], [height, width]);
            }
        }
        if let Some(mask) = mask.get_mut(at * area..(at + 1) * area) {
            for row in mask.chunks_exact_mut(width).take(sample.image.height()) {
                row[..sample.image.width()].fill(1);
            }
        }
        targets.push(sample.target);
    }
    let pixel_mask = match sizes {
        Sizes::Same => None,
        Sizes::Pad { .. } => Some(Tensor::from_vec(mask, (count, height, width), &Device::Cpu)?),
    };
    let images = Tensor::from_vec(values, (count, channels, height, width), &Device::Cpu)?;
    Ok(Collated { images, pixel_mask, targets })
}

/// `[height, width, channels]` of the place that each sample gets.
fn place(samples: &[Sample], sizes: Sizes) -> Result<[usize; 3]> {
    let refused = |expected: String, other: &Sample, hint: &str| Error::Shape {
        op: "batches".into(),
        expected,
        got: format!("{} in {:?}", shape_text(&other.image), other.id),
        hint: hint.into(),
    };
    let mut place = samples.first().map_or([0; 3], |first| first.image.shape());
    let [_, _, channels] = place;
    let first = samples.first().map_or_else(String::new, |first| {
        format!("images like the first of the batch, {} in {:?}", shape_text(&first.image), first.id)
    });
    for sample in samples {
        if sample.image.channels() != channels {
            let hint = "Bring all images to one number of channels with a transform.";
            return Err(refused(first, sample, hint));
        }
        if sizes == Sizes::Same && sample.image.shape() != place {
            let hint = "Give the data set a transform that brings all to one size, such as a resize or a crop, or \
                        pad them: .sizes(Sizes::Pad { multiple_of: 1 }).";
            return Err(refused(first, sample, hint));
        }
        place = [place[0].max(sample.image.height()), place[1].max(sample.image.width()), channels];
    }
    if let Sizes::Pad { multiple_of } = sizes {
        if multiple_of == 0 {
            return Err(Error::Argument {
                op: "batches".into(),
                expected: "sides of a multiple of at least 1".into(),
                got: "Sizes::Pad { multiple_of: 0 }".into(),
                hint: "1 pads to the largest image, 32 fits a model of stride 32.".into(),
            });
        }
        for side in &mut place[..2] {
            *side = side.checked_next_multiple_of(multiple_of).unwrap_or(*side);
        }
    }
    Ok(place)
}

fn shape_text(image: &Image) -> String {
    format!("{} x {} pixels of {} channels", image.height(), image.width(), image.channels())
}

/// The numbers of an image channel by channel (C, H, W), bytes as fractions.
pub(super) fn channels_first(image: &Image) -> Vec<f32> {
    let mut values = Vec::with_capacity(image.pixels().len());
    append(image, &mut values);
    values
}

/// Writes an image (H, W, C) channel by channel behind what is there: memory that is not cleared before.
fn append(image: &Image, values: &mut Vec<f32>) {
    fn planes<T: Copy>(pixels: &[T], channels: usize, values: &mut Vec<f32>, number: impl Fn(T) -> f32) {
        for channel in 0..channels {
            match channels {
                // A number that is known beforehand makes a faster loop.
                3 => values.extend(pixels.as_chunks::<3>().0.iter().map(|pixel| number(pixel[channel]))),
                _ => values.extend(pixels.chunks_exact(channels).map(|pixel| number(pixel[channel]))),
            }
        }
    }
    match image.pixels() {
        Pixels::U8(pixels) => planes(pixels, image.channels(), values, |value| f32::from(value) / 255.0),
        Pixels::F32(pixels) => planes(pixels, image.channels(), values, |value| value),
    }
}

/// Writes an image (H, W, C) channel by channel into the left upper corner of `into` (C, H', W').
fn spread(image: &Image, into: &mut [f32], place: [usize; 2]) {
    match image.pixels() {
        Pixels::U8(values) => planes(values, image, into, place, |value| f32::from(value) / 255.0),
        Pixels::F32(values) => planes(values, image, into, place, |value| value),
    }
}

fn planes<T: Copy>(
    values: &[T],
    image: &Image,
    into: &mut [f32],
    [height, width]: [usize; 2],
    number: impl Fn(T) -> f32,
) {
    let channels = image.channels();
    let rows = values.chunks_exact(image.width() * channels);
    for (channel, plane) in into.chunks_exact_mut(height * width).enumerate() {
        for (row, to) in rows.clone().zip(plane.chunks_exact_mut(width)) {
            for (pixel, to) in row.chunks_exact(channels).zip(to) {
                *to = number(pixel[channel]);
            }
        }
    }
}

impl Dataset {
    /// All images as they come into batches, f32 `(N, C, H, W)`: read and changed by the transforms, whose
    /// randomness is that of epoch 0 and `Seed(0)`. For more images than fit into memory, take
    /// [`Dataset::batches`].
    ///
    /// # Errors
    /// When the images are of several sizes, a file cannot be read, or a transform refuses one.
    pub fn images(&self) -> Result<Tensor> {
        if let Some(tensors) = self.whole_tensors() {
            return tensors.pick(self.places());
        }
        if self.is_empty() {
            let [channels, height, width] = self.image_shape().unwrap_or_default();
            return Ok(Tensor::zeros((0, channels, height, width), DType::F32, &Device::Cpu)?);
        }
        let samples =
            (0..self.len()).map(|index| self.transformed(index, 0, Seed(0))).collect::<Result<_>>()?;
        Ok(collate(samples, Sizes::Same)?.images)
    }

    /// Image `index` as it comes into a batch, f32 `(C, H, W)`, and its class: as [`Dataset::images`].
    /// [`Dataset::sample`] has it before the transforms, and with boxes and masks.
    ///
    /// # Errors
    /// When there is no such image, it has no class or several, or as [`Dataset::images`].
    pub fn get(&self, index: usize) -> Result<(Tensor, usize)> {
        let place = self.place("Dataset::get", index)?;
        let &[label] = self.labels_of(index)? else {
            return Err(Error::Argument {
                op: "Dataset::get".into(),
                expected: "an image with one class".into(),
                got: format!("{} of {:?}", self.labels_of(index)?.len(), self.id(index)?),
                hint: "Take sample(index), which has everything that is known of it.".into(),
            });
        };
        let image = match self.whole_tensors() {
            Some(tensors) => tensors.pick(Some(&[place]))?,
            None => collate(vec![self.transformed(index, 0, Seed(0))?], Sizes::Same)?.images,
        };
        Ok((image.i(0)?, label as usize)) // (C, H, W)
    }
}
