use candle_core::Tensor;

use super::Loss;
use super::refused::{described, shape};
use crate::{Result, ops};

const OP: &str = "attention_transfer";

/// How far a student looks at other places than its teacher (Zagoruyko and Komodakis 2017): of the features of each, images
/// (B, C, H, W) or tokens (B, N, D), the mean of the squares over the channels says how much goes on where; both maps are brought to
/// length 1, and the loss is the mean of their squared differences over places and batch. The numbers of channels may differ. Of images of
/// different sizes, each side of both maps is pooled to the smaller of the two; tokens must be equally many.
///
/// The values are small, so that it counts 1000-fold beside cross-entropy, as in the authors' code. The teacher's features are
/// the targets; `detach` them where the teacher must not learn.
#[must_use]
pub fn attention_transfer() -> Loss {
    Loss::new(OP, |student, teacher| {
        let (student, teacher) = (energy(student)?, energy(teacher)?);
        let (from, to) = (student.dims(), teacher.dims());
        let fits = from.len() == to.len() && from[0] == to[0] && (from.len() == 3 || from[1] == to[1]);
        if !fits {
            return Err(shape(
                OP,
                "two batches of images, or of equally many tokens",
                format!("maps {from:?} and {to:?}"),
                "Choose nodes of one kind in both models.",
            ));
        }
        let size = match (from, to) {
            (&[_, h, w], &[_, other_h, other_w]) => Some([h.min(other_h), w.min(other_w)]),
            _ => None,
        };
        let unit = |map: Tensor| -> Result<Tensor> {
            let map = match size {
                Some(size) if map.dims()[1..] != size => {
                    ops::adaptive_avg_pool2d(&map.unsqueeze(1)?.contiguous()?, size)?
                }
                _ => map,
            };
            let map = map.flatten_from(1)?; // (B, N)
            // Of a map of zeros zeros, and no gradient that is no number.
            let length = (map.sqr()?.sum_keepdim(1)? + 1e-24)?.sqrt()?;
            Ok(map.broadcast_div(&length)?)
        };
        Ok((unit(student)? - unit(teacher)?)?.sqr()?.mean_all()?)
    })
}

/// How much goes on at each place: (B, H, W) or (B, N).
fn energy(features: &Tensor) -> Result<Tensor> {
    let channels = match features.rank() {
        4 => 1,
        3 => 2,
        _ => {
            let hint = "Choose a node whose output has places: before pooling to (B, C) or flatten.";
            return Err(shape(OP, "images (B, C, H, W) or tokens (B, N, D)", described(features), hint));
        }
    };
    Ok(features.sqr()?.mean(channels)?)
}
