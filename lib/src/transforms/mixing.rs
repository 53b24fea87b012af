//! Batches whose images are mixtures of two.

use candle_core::{DType, Tensor};

use super::distribution::beta;
use super::refused::{refused, unfit};
use super::span::Span;
use crate::data::{Batch, BatchTransform};
use crate::{Error, Result, Rng, Seed};

/// Images that are mixed, with the shares of their classes.
#[derive(Debug, Clone)]
pub struct MixedBatch {
    /// f32 `(B, C, H, W)`.
    pub images: Tensor,
    /// f32 `(B, K)`: the share of each class in each image, which sum to 1.
    pub targets: Tensor,
}

/// Each image of a batch is mixed with the one before it, pixel by pixel (Zhang et al. 2017, "mixup: beyond
/// empirical risk minimization"). The share is the same for the whole batch, of a beta distribution.
///
/// ```
/// # use sconce::{prelude::*, transforms::MixUp};
/// let images = Tensor::zeros((4, 3, 8, 8), DType::F32, &Device::Cpu)?;
/// let labels = Tensor::new(&[0_u32, 1, 2, 1], &Device::Cpu)?;
/// let mixed = MixUp::new(3).alpha(0.2).mix(&images, &labels, Seed(1))?;
/// assert_eq!(mixed.targets.dims(), [4, 3]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixUp {
    num_classes: usize,
    alpha: f64,
}

impl MixUp {
    /// For labels of so many classes, with alpha 1: every share is as likely.
    #[must_use]
    pub fn new(num_classes: usize) -> MixUp {
        MixUp { num_classes, alpha: 1.0 }
    }

    /// Sets the parameter of the beta distribution: the smaller, the more one of the two images prevails. 0.2 is
    /// usual for ImageNet.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> MixUp {
        self.alpha = alpha;
        self
    }

    /// The mixture of a batch: images f32 `(B, C, H, W)`, labels u32 `(B,)`, or f32 `(B, K)` where they are
    /// shares already. The same seed mixes the same way: give every batch one of its own.
    ///
    /// # Errors
    /// Other shapes or dtypes, a label that is no class, an alpha that is not above 0.
    pub fn mix(&self, images: &Tensor, labels: &Tensor, seed: Seed) -> Result<MixedBatch> {
        self.mixed(images, labels, &mut seed.rng())
    }

    fn mixed(&self, images: &Tensor, labels: &Tensor, rng: &mut Rng) -> Result<MixedBatch> {
        let (share, targets) = prepared("MixUp", self.num_classes, self.alpha, images, labels, rng)?;
        Ok(MixedBatch {
            images: mixture(images, &rolled(images)?, share)?,
            targets: mixture(&targets, &rolled(&targets)?, share)?,
        })
    }
}

/// A rectangle of each image of a batch comes from the image before it (Yun et al. 2019, "CutMix:
/// regularization strategy to train strong classifiers with localizable features"). The rectangle is the same
/// for the whole batch; classes count by their areas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CutMix {
    num_classes: usize,
    alpha: f64,
}

impl CutMix {
    /// For labels of so many classes, with alpha 1: every area is as likely.
    #[must_use]
    pub fn new(num_classes: usize) -> CutMix {
        CutMix { num_classes, alpha: 1.0 }
    }

    /// Sets the parameter of the beta distribution of the area.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> CutMix {
        self.alpha = alpha;
        self
    }

    /// The mixture of a batch, as [`MixUp::mix`].
    ///
    /// # Errors
    /// As [`MixUp::mix`].
    pub fn mix(&self, images: &Tensor, labels: &Tensor, seed: Seed) -> Result<MixedBatch> {
        self.mixed(images, labels, &mut seed.rng())
    }

    fn mixed(&self, images: &Tensor, labels: &Tensor, rng: &mut Rng) -> Result<MixedBatch> {
        let (share, targets) = prepared("CutMix", self.num_classes, self.alpha, images, labels, rng)?;
        let (_, _, height, width) = images.dims4()?;
        let half = 0.5 * (1.0 - share).sqrt();
        let [rows, columns] = [height, width].map(|side| {
            let (center, half) = (rng.below(side) as f64, half * side as f64);
            (center - half).max(0.0) as usize..((center + half) as usize).min(side)
        });
        let inside = |at: usize| u8::from(rows.contains(&(at / width)) && columns.contains(&(at % width)));
        let cut: Vec<u8> = (0..height * width).map(inside).collect();
        let cut =
            Tensor::from_vec(cut, (1, 1, height, width), images.device())?.broadcast_as(images.shape())?;
        // The rectangle may have been cut at the edges.
        let share = 1.0 - (rows.len() * columns.len()) as f64 / (height * width) as f64;
        Ok(MixedBatch {
            images: cut.where_cond(&rolled(images)?, images)?,
            targets: mixture(&targets, &rolled(&targets)?, share)?,
        })
    }
}

impl BatchTransform for MixUp {
    fn apply(&self, batch: Batch, rng: &mut Rng) -> Result<Batch> {
        applied("MixUp", batch, |images, classes| self.mixed(images, classes, rng))
    }
}

impl BatchTransform for CutMix {
    fn apply(&self, batch: Batch, rng: &mut Rng) -> Result<Batch> {
        applied("CutMix", batch, |images, classes| self.mixed(images, classes, rng))
    }
}

/// The batch with its images and classes mixed.
fn applied(
    op: &str,
    batch: Batch,
    mix: impl FnOnce(&Tensor, &Tensor) -> Result<MixedBatch>,
) -> Result<Batch> {
    if batch.pixel_mask.is_some() {
        let got = "images of several sizes, padded".to_owned();
        return Err(unfit(op, "images of one size", got, "Bring all to one size by a transform."));
    }
    let MixedBatch { images, targets } = mix(&batch.images, batch.classes())?;
    Ok(Batch { images, shares: Some(targets), ..batch })
}

/// The share of each image itself, and the shares of the classes `(B, K)`.
fn prepared(
    op: &str,
    num_classes: usize,
    alpha: f64,
    images: &Tensor,
    labels: &Tensor,
    rng: &mut Rng,
) -> Result<(f64, Tensor)> {
    if num_classes == 0 {
        return Err(refused(op, "at least one class", "0".into(), "Take `num_classes()` of the data set."));
    }
    Span::from(alpha).check(op, "alpha", Span { low: 1e-6, high: 1e6 })?;
    let wanted = |got: String| -> Error {
        unfit(
            op,
            &format!("images f32 (B, C, H, W), and labels u32 (B) or shares f32 (B, {num_classes})"),
            got,
            "Normalized images of one size, and a class for each.",
        )
    };
    let got = || {
        let (images, labels) = ((images.dtype(), images.dims()), (labels.dtype(), labels.dims()));
        format!("images {:?} {:?} and labels {:?} {:?}", images.0, images.1, labels.0, labels.1)
    };
    if images.rank() != 4 || images.dtype() != DType::F32 || images.elem_count() == 0 {
        return Err(wanted(got()));
    }
    let batch = images.dim(0)?;
    let targets = match (labels.dtype(), labels.dims()) {
        (DType::U32, &[count]) if count == batch => one_hot(op, labels, num_classes)?,
        (DType::F32, &[count, classes]) if count == batch && classes == num_classes => labels.clone(),
        _ => return Err(wanted(got())),
    };
    Ok((beta(alpha, rng), targets))
}

fn one_hot(op: &str, labels: &Tensor, num_classes: usize) -> Result<Tensor> {
    let classes = labels.to_vec1::<u32>()?;
    let mut shares = vec![0.0_f32; classes.len() * num_classes];
    for (at, &class) in classes.iter().enumerate() {
        if class as usize >= num_classes {
            return Err(refused(
                op,
                &format!("labels below {num_classes}"),
                format!("label {class} of image {at}"),
                "The number of classes is the one that the transform was made for.",
            ));
        }
        shares[at * num_classes + class as usize] = 1.0;
    }
    Ok(Tensor::from_vec(shares, (classes.len(), num_classes), labels.device())?)
}

/// In the place of each the one before it, in the place of the first the last.
fn rolled(items: &Tensor) -> Result<Tensor> {
    let last = items.dim(0)? - 1;
    if last == 0 {
        return Ok(items.clone());
    }
    Ok(Tensor::cat(&[items.narrow(0, last, 1)?, items.narrow(0, 0, last)?], 0)?)
}

fn mixture(first: &Tensor, second: &Tensor, share: f64) -> Result<Tensor> {
    Ok((first.affine(share, 0.0)? + second.affine(1.0 - share, 0.0)?)?)
}
