//! Pictures in, names or boxes out.

use sconce::data::{DecodeConfig, Image, Pixels, Sample, Target, Transform};
use sconce::predict::{DetectionConfig, Detections};
use sconce::transforms::{CenterCrop, Grayscale, Normalize, Resize, ResizeTo, Rgb};
use sconce::{Result as Done, Seed};
use serde::Serialize;

use crate::backend::Backend;
use crate::failure::{Failure, Reason};
use crate::settings::{Preprocessing, Resizing};
use crate::tensor::{Dtype, Tensor};

/// Pixels of a picture at most, whatever its file claims.
const MOST_PIXELS: u64 = 1 << 25;
/// Bytes of a picture at most, decoded.
const MOST_BYTES: u64 = 1 << 28;

/// What a model's outputs for a picture stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// A raw logit for each class.
    Classify,
    /// DETR's `logits` (N, C + 1) and `boxes` (N, 4).
    Detect,
}

/// How a model is shown pictures.
#[derive(Debug, Clone)]
pub struct Pictures {
    /// What the outputs stand for.
    pub task: Task,
    classes: Vec<String>,
    preprocessing: Preprocessing,
    channels: usize,
    own: Option<[usize; 2]>,
}

/// A class with how likely it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// Its place among the outputs.
    pub class: usize,
    /// Its name; its number where it has none.
    pub label: String,
    /// How likely the model holds it, in `0..=1`.
    pub score: f32,
}

/// A thing that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// What it is.
    #[serde(flatten)]
    pub ranked: Ranked,
    /// `[x0, y0, x1, y1]` in pixels of the picture.
    #[serde(rename = "box")]
    pub corners: [f64; 4],
}

impl Pictures {
    /// For a model whose one input is images and whose outputs are classes or boxes; none for others.
    #[must_use]
    pub fn of(backend: &dyn Backend, classes: Vec<String>, preprocessing: Preprocessing) -> Option<Pictures> {
        let [input] = backend.inputs() else { return None };
        let &[None, Some(channels @ (1 | 3)), height, width] = input.shape.as_slice() else { return None };
        if input.dtype != Dtype::F32 {
            return None;
        }
        let outputs = backend.outputs();
        let output = |name: &str| outputs.iter().find(|output| output.name == name);
        let task = match (output("logits"), output("boxes"), outputs.first()?.shape.as_slice()) {
            (Some(_), Some(boxes), _) if boxes.shape.last() == Some(&Some(4)) => Task::Detect,
            (_, _, [None, Some(_)]) => Task::Classify,
            _ => return None,
        };
        Some(Pictures { task, classes, preprocessing, channels, own: height.zip(width).map(|(h, w)| [h, w]) })
    }

    /// The image in the bytes of a JPEG or PNG file.
    ///
    /// # Errors
    /// If it is another kind of file, damaged, or larger than allowed.
    pub fn decode(bytes: &[u8]) -> Result<Image, Failure> {
        if !bytes.starts_with(b"\xff\xd8\xff") && !bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            return Err(Failure::new(
                Reason::Unsupported,
                "a picture: expected the bytes of a JPEG or PNG file, got others.",
            ));
        }
        let config =
            DecodeConfig { max_pixels: MOST_PIXELS, max_bytes: MOST_BYTES, ..DecodeConfig::default() };
        Ok(Image::decode(bytes, config)?)
    }

    /// The image as a batch of one, (1, C, H, W), prepared.
    ///
    /// # Errors
    /// If the preprocessing does not fit it.
    pub fn prepare(&self, image: Image) -> Result<Tensor, Failure> {
        let image = self.prepared(image)?;
        let [height, width, channels] = image.shape();
        let Pixels::F32(values) = image.pixels() else {
            return Err(Failure::internal("a picture of bytes after it was normalized"));
        };
        // (H, W, C) -> (C, H, W)
        let mut planes = Vec::with_capacity(values.len());
        for channel in 0..channels {
            planes.extend(values.iter().skip(channel).step_by(channels));
        }
        Tensor::of_f32(vec![1, channels, height, width], &planes)
    }

    fn prepared(&self, image: Image) -> Done<Image> {
        // Nothing in it is random.
        let rng = &mut Seed(0).rng();
        let size = [image.height(), image.width()];
        let sample = Sample { id: String::new(), image, target: Target::default() };
        let mut sample = match self.channels {
            1 => Grayscale::default().apply(sample, rng)?,
            _ => Rgb.apply(sample, rng)?,
        };
        let Preprocessing { resize, crop, mean, std } = &self.preprocessing;
        let square = self.own.filter(|[height, width]| height == width);
        let (to, crop) = match (resize, self.own) {
            (Some(resizing), _) => (Some(resized(*resizing, size)), crop.map(|side| [side, side])),
            (None, Some([side, _])) if square.is_some() => {
                (Some(ResizeTo::Short(side)), Some(crop.map_or([side, side], |crop| [crop, crop])))
            }
            (None, own) => (own.map(ResizeTo::Exactly), crop.map(|side| [side, side])),
        };
        if let Some(to) = to {
            sample = Resize::new(to).apply(sample, rng)?;
        }
        if let Some(size) = crop {
            sample = CenterCrop::new(size).apply(sample, rng)?;
        }
        let or = |values: &[f32], other: f32| match values {
            [] => vec![other; self.channels],
            values => values.to_vec(),
        };
        Ok(Normalize::new(&or(mean, 0.0), &or(std, 1.0)).apply(sample, rng)?.image)
    }

    /// The classes of each row of raw logits, in their order.
    ///
    /// # Errors
    /// If the main output is not a row of finite logits for each image.
    pub fn scores(&self, outputs: &[Tensor]) -> Result<Vec<Vec<Ranked>>, Failure> {
        let logits = outputs.first().filter(|logits| logits.shape().len() == 2);
        let logits = logits.ok_or_else(|| Failure::invalid("a model whose main output is (B, classes)"))?;
        let values = logits.f32s().unwrap_or_default();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Failure::internal("the model gives logits that are not finite: train it anew."));
        }
        let columns = logits.shape().last().copied().unwrap_or(1).max(1);
        let row = |row: &[f32]| {
            let most = row.iter().copied().fold(f32::MIN, f32::max);
            let powers: Vec<f32> = row.iter().map(|value| (value - most).exp()).collect();
            let sum: f32 = powers.iter().sum();
            let ranked = powers.iter().enumerate().map(|(class, power)| self.ranked(class, power / sum));
            ranked.collect()
        };
        Ok(values.chunks_exact(columns).map(row).collect())
    }

    /// The `k` likeliest classes, the likeliest first.
    ///
    /// # Errors
    /// As [`Pictures::scores`].
    pub fn rank(&self, outputs: &[Tensor], k: usize) -> Result<Vec<Ranked>, Failure> {
        let mut ranked = self.scores(outputs)?.into_iter().next().unwrap_or_default();
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
        ranked.truncate(k);
        Ok(ranked)
    }

    fn ranked(&self, class: usize, score: f32) -> Ranked {
        let label = self.classes.get(class).cloned().unwrap_or_else(|| class.to_string());
        Ranked { class, label, score }
    }

    /// The `k` surest things in a picture of this height and width, of at least `min_score`, the surest first.
    ///
    /// # Errors
    /// If the outputs do not fit each other or the class names, or are not finite.
    pub fn find(
        &self,
        [height, width]: [usize; 2],
        specs: &[crate::backend::TensorSpec],
        outputs: &[Tensor],
        config: DetectionConfig,
    ) -> Result<Vec<Found>, Failure> {
        let output = |name: &str| -> Result<candle_core::Tensor, Failure> {
            let at = specs.iter().position(|spec| spec.name == name);
            let tensor = at.and_then(|at| outputs.get(at));
            let tensor = tensor.ok_or_else(|| Failure::internal(format!("no output {name:?}")))?;
            let values = tensor.f32s().unwrap_or_default();
            let cpu = &candle_core::Device::Cpu;
            let tensor = candle_core::Tensor::from_vec(values, tensor.shape(), cpu);
            tensor.map_err(|error| Failure::internal(error.to_string()))
        };
        let (logits, boxes) = (output("logits")?, output("boxes")?);
        let columns = logits.dims().last().copied().unwrap_or(1);
        let names: Vec<String> =
            (0..columns.saturating_sub(1)).map(|class| self.ranked(class, 0.0).label).collect();
        // The picture itself is gone by now: boxes in one of a single pixel are fractions.
        let found = Image::new([1, 1, 1], Pixels::U8(vec![0]))
            .and_then(|pixel| Detections::of_set(&pixel, &logits, &boxes, &names, config))
            .map_err(|error| Failure::internal(error.to_string()))?;
        let [height, width] = [height, width].map(|side| side as f64);
        let found = found.found().iter().map(|found| Found {
            ranked: Ranked { class: found.label as usize, label: found.name.clone(), score: found.score },
            corners: [
                f64::from(found.bbox.x0) * width,
                f64::from(found.bbox.y0) * height,
                f64::from(found.bbox.x1) * width,
                f64::from(found.bbox.y1) * height,
            ],
        });
        Ok(found.collect())
    }
}

fn resized(resizing: Resizing, size: [usize; 2]) -> ResizeTo {
    match resizing {
        Resizing::Shorter(side) => ResizeTo::Short(side),
        Resizing::Exactly(size) => ResizeTo::Exactly(size),
        Resizing::Within([shorter, longest]) => {
            let [short, long] = [size[0].min(size[1]), size[0].max(size[1])].map(|side| side.max(1) as f64);
            match long / short * shorter as f64 > longest as f64 {
                true => ResizeTo::Short(((longest as f64 * short / long).round() as usize).max(1)),
                false => ResizeTo::Short(shorter),
            }
        }
    }
}
