//! Weights that are held at 0, as a part of the model: in its state, its files and its copies.

use candle_core::{DType, Tensor, Var};

use super::graph::TensorSpec;
use super::model::Model;
use crate::Result;
use crate::ops::Mask;

/// Behind the name of a tensor: its mask in a state and in a file.
const SUFFIX: &str = ".mask";

/// What the mask of a tensor is called in a state and in a file.
pub(super) fn mask_name(tensor: &str) -> String {
    format!("{tensor}{SUFFIX}")
}

/// The bytes of a packed mask of so many values.
pub(super) fn packed_len(values: usize) -> usize {
    values.div_ceil(8)
}

/// A bit for each value, row by row, the first one in the lowest bit of the first byte: whether it is trained.
pub(super) fn packed(mask: &Tensor) -> Result<Vec<u8>> {
    let values = mask.flatten_all()?.to_vec1::<u8>()?;
    let byte =
        |bits: &[u8]| bits.iter().enumerate().fold(0, |byte, (at, &bit)| byte | (u8::from(bit != 0) << at));
    Ok(values.chunks(8).map(byte).collect())
}

/// What [`packed`] was made of, for a tensor of this shape; none if these are not its bytes.
pub(super) fn unpacked(bytes: &[u8], shape: &[usize]) -> Option<Vec<u8>> {
    let values = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side))?;
    let rest = values % 8;
    // What lies behind the last value is 0, so that a mask has one form.
    let clean = rest == 0 || bytes.last().is_none_or(|last| last >> rest == 0);
    (bytes.len() == packed_len(values) && clean)
        .then(|| (0..values).map(|at| bytes[at / 8] >> (at % 8) & 1).collect())
}

impl Model {
    /// Each tensor with what is held of it.
    pub(super) fn masked_tensors(&self) -> impl Iterator<Item = (&TensorSpec, &Var, &Mask)> {
        self.tensors().zip(&self.masks).map(|((spec, var), mask)| (spec, var, mask))
    }

    /// The masks as they are now, in the order of the graph's tensors.
    pub(crate) fn mask_tensors(&self) -> Vec<Option<Tensor>> {
        self.masks.iter().map(Mask::tensor).collect()
    }

    /// The values of a tensor of the graph, row by row.
    pub(crate) fn values_of(&self, tensor: usize) -> Result<Vec<f32>> {
        Ok(self.vars[tensor].as_detached_tensor().flatten_all()?.to_vec1()?)
    }

    /// Holds values of a tensor of the graph at 0 from now on, for all handles and for optimizers that know it: those where `mask`,
    /// U8 of its shape, is 0. They become 0 at once.
    pub(crate) fn hold(&self, tensor: usize, mask: Option<Tensor>) -> Result<()> {
        let mask = match mask {
            Some(mask) => Some(mask.to_device(&self.device)?.contiguous()?),
            None => None,
        };
        self.masks[tensor].set(mask);
        Ok(self.masks[tensor].apply(&self.vars[tensor])?)
    }

    /// The masks as a state has them, behind the names of their tensors.
    pub(super) fn packed_masks(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let masks = self.masked_tensors().filter_map(|(spec, _, mask)| Some((spec, mask.tensor()?)));
        masks.map(|(spec, mask)| Ok((mask_name(&spec.name), packed(&mask)?))).collect()
    }

    /// The masks of all tensors from what a state has of them by name, and the names of those that do not fit.
    pub(super) fn unpack_masks(
        &self,
        find: impl Fn(&str) -> Result<Option<Vec<u8>>>,
    ) -> Result<(Vec<Option<Tensor>>, Vec<String>)> {
        let (mut masks, mut wrong) = (Vec::with_capacity(self.vars.len()), Vec::new());
        for (spec, _) in self.tensors() {
            let name = mask_name(&spec.name);
            masks.push(match find(&name)? {
                None => None,
                Some(bytes) => match unpacked(&bytes, &spec.shape) {
                    Some(mask) => Some(Tensor::from_vec(mask, spec.shape.as_slice(), &self.device)?),
                    None => {
                        wrong.push(name);
                        None
                    }
                },
            });
        }
        Ok((masks, wrong))
    }

    /// Holds what these masks say, and nothing else.
    pub(super) fn hold_all(&self, masks: Vec<Option<Tensor>>) -> Result<()> {
        masks.into_iter().enumerate().try_for_each(|(tensor, mask)| self.hold(tensor, mask))
    }
}

/// A packed mask as a tensor of a state.
pub(super) fn as_tensor(bytes: Vec<u8>) -> Result<Tensor> {
    let length = bytes.len();
    Ok(Tensor::from_vec(bytes, length, &candle_core::Device::Cpu)?)
}

/// The bytes of a packed mask in a state.
pub(super) fn bytes_of(tensor: &Tensor) -> Result<Vec<u8>> {
    match (tensor.dtype(), tensor.rank()) {
        (DType::U8, 1) => Ok(tensor.to_vec1()?),
        // No mask is this long.
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn a_mask_is_a_bit_for_each_value_and_has_one_form() {
        let mask = Tensor::new(&[[1_u8, 0, 0, 1, 1], [0, 0, 1, 1, 0]], &Device::Cpu).unwrap();
        let bytes = packed(&mask).unwrap();
        assert_eq!(bytes, [0b1001_1001, 0b01]);
        assert_eq!(unpacked(&bytes, &[2, 5]).unwrap(), mask.flatten_all().unwrap().to_vec1::<u8>().unwrap());
        assert_eq!(unpacked(&bytes, &[2, 9]), None);
        assert_eq!(unpacked(&[0b1001_1001, 0b101], &[2, 5]), None);
        assert_eq!(unpacked(&[], &[usize::MAX, 9]), None);
        assert_eq!(unpacked(&[], &[0]), Some(Vec::new()));
    }
}
