use candle_core::{D, DType, Tensor};

use super::Loss;
use super::refused::{argument, at_least_zero, described, shape};
use crate::ops::Activation;
use crate::{Result, ops};

const OP: &str = "dice";

/// How far the classes of pixels lie on each other, from 0, a perfect match, to 1: 1 less the mean over the classes of
/// `(2 Σ p t + smooth) / (Σ p + Σ t + smooth)`, in sums over all pixels of the batch (Milletari et al. 2016, V-Net,
/// without its squares). Small things count as much as large ones.
///
/// Raw logits (B, C, …) go with u32 labels (B, …); logits (B, 1, …) with labels 0 and 1, whose probability is a sigmoid.
pub fn dice() -> Dice {
    Dice { smooth: 1.0, ignore_index: None }
}

/// How [`dice`] is set up.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Dice {
    smooth: f64,
    ignore_index: Option<u32>,
}

impl Dice {
    /// Pixels that are added to both sides of the fraction, above 0, so that a class that is nowhere counts as found;
    /// default 1.
    pub fn smooth(mut self, pixels: f64) -> Dice {
        self.smooth = pixels;
        self
    }

    /// A label whose pixels are left out; masks of PASCAL VOC have 255 for it.
    pub fn ignore_index(mut self, label: u32) -> Dice {
        self.ignore_index = Some(label);
        self
    }

    /// The loss of logits (B, C, …) against labels (B, …): a tensor without dimensions.
    ///
    /// # Errors
    /// Other shapes or dtypes, a label that is no class, `smooth` not above 0.
    pub fn of(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let fits = targets.dtype() == DType::U32
            && logits.rank() >= 2
            && logits.elem_count() > 0
            && targets.dims() == [&logits.dims()[..1], &logits.dims()[2..]].concat();
        if !fits {
            let got = format!("logits {} and targets {}", described(logits), described(targets));
            let hint = "A target is the number of the right class of each pixel.";
            return Err(shape(OP, "logits (B, C, …) and targets U32 (B, …), neither empty", got, hint));
        }
        at_least_zero(OP, "smooth", self.smooth, "1 is usual.")?;
        if self.smooth == 0.0 {
            return Err(argument(OP, "smooth above 0", "0", "A class that is nowhere would be 0 / 0."));
        }
        let (batch, channels) = (logits.dims()[0], logits.dims()[1]);
        let logits = logits.reshape((batch, channels, ()))?; // (B, C, P)
        let (shares, kept) = self.shares(&targets.flatten_all()?.to_vec1()?, &logits)?;
        let p = match channels {
            1 => ops::activate(&logits, Activation::Sigmoid)?,
            _ => ops::softmax(&logits, 1)?,
        };
        let p = p.broadcast_mul(&kept)?;
        let sums = |values: &Tensor| values.sum(D::Minus1)?.sum(0); // (C)
        let both = sums(&(&p * &shares)?)?.affine(2.0, self.smooth)?;
        let all = (sums(&p)? + sums(&shares)?)?.affine(1.0, self.smooth)?;
        Ok((both / all)?.mean_all()?.affine(-1.0, 1.0)?)
    }

    /// What the labels make of each class, (B, C, P), and 1 for pixels that count, (B, 1, P).
    fn shares(&self, labels: &[u32], logits: &Tensor) -> Result<(Tensor, Tensor)> {
        let (batch, channels, pixels) = logits.dims3()?;
        let classes = channels.max(2);
        let mut shares = vec![0.0; batch * channels * pixels];
        let mut kept = vec![1.0; batch * pixels];
        for (at, &label) in labels.iter().enumerate() {
            if self.ignore_index == Some(label) {
                kept[at] = 0.0;
                continue;
            }
            let class = label as usize;
            if class >= classes {
                let got = format!("label {label} at index {at}");
                let hint =
                    "Give the model one output per class, or let the label be ignored with ignore_index.";
                return Err(argument(OP, format!("labels below {classes}"), got, hint));
            }
            let (image, pixel) = (at / pixels, at % pixels);
            match channels {
                1 => shares[at] = class as f64,
                _ => shares[(image * channels + class) * pixels + pixel] = 1.0,
            }
        }
        let like = |values: Vec<f64>, channels: usize| -> Result<Tensor> {
            let dims = (batch, channels, pixels);
            Ok(Tensor::from_vec(values, dims, logits.device())?.to_dtype(logits.dtype())?)
        };
        Ok((like(shares, channels)?, like(kept, 1)?))
    }
}

impl From<Dice> for Loss {
    fn from(dice: Dice) -> Loss {
        let settings = format!("{dice:?}");
        Loss::new("dice", move |logits, targets| dice.of(logits, targets)).with_settings(settings)
    }
}
