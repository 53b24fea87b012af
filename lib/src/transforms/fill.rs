//! The colour of what lies outside an image.

use super::refused::refused;
use super::value::Value;
use crate::Result;

/// A colour: one fraction for all channels, or one for each; 0 is black, 1 is white, whatever the dtype of
/// the image. Black unless told.
///
/// ```
/// use sconce::transforms::Pad;
///
/// let grey = Pad::new(4).fill(0.5);
/// let of_imagenet = Pad::new(4).fill([0.485, 0.456, 0.406]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Fill(Vec<f32>);

impl Default for Fill {
    fn default() -> Fill {
        Fill(vec![0.0])
    }
}

impl From<f32> for Fill {
    fn from(fraction: f32) -> Fill {
        Fill(vec![fraction])
    }
}

impl<const N: usize> From<[f32; N]> for Fill {
    fn from(fractions: [f32; N]) -> Fill {
        Fill(fractions.to_vec())
    }
}

impl From<&[f32]> for Fill {
    fn from(fractions: &[f32]) -> Fill {
        Fill(fractions.to_vec())
    }
}

impl Fill {
    /// The colour of a pixel of `channels` numbers.
    pub(super) fn pixel<T: Value>(&self, op: &str, channels: usize) -> Result<Vec<T>> {
        let fractions = match self.0.as_slice() {
            [all] => vec![*all; channels],
            each if each.len() == channels => each.to_vec(),
            each => {
                return Err(refused(
                    op,
                    &format!("a fill of 1 number, or of {channels}, one for each channel"),
                    format!("{each:?}"),
                    "One number fills all channels.",
                ));
            }
        };
        if let Some(wrong) = fractions.iter().find(|fraction| !fraction.is_finite()) {
            return Err(refused(
                op,
                "a fill of finite numbers",
                wrong.to_string(),
                "0 is black, 1 is white.",
            ));
        }
        Ok(fractions.into_iter().map(T::from_fraction).collect())
    }
}
