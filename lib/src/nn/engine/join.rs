//! Variables of any number as one input of an operation of candle's, which takes three at most.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Shape, Tensor};

use super::tape::Tape;
use crate::Result;
use crate::ops::hand_over;

/// A number that hangs on `leaves`, each with its place in the tape's gradients.
pub(super) fn join(tape: &Arc<Tape>, leaves: Vec<(usize, Tensor)>) -> Result<Tensor> {
    let nothing = Tensor::zeros((), candle_core::DType::F32, &Device::Cpu)?;
    let mut level: Vec<(Option<usize>, Tensor)> =
        leaves.into_iter().map(|(place, tensor)| (Some(place), tensor)).collect();
    loop {
        let mut next = Vec::with_capacity(level.len().div_ceil(3));
        for three in level.chunks(3) {
            let at =
                |index: usize| three.get(index).map_or((None, &nothing), |(place, tensor)| (*place, tensor));
            let [(first, a), (second, b), (third, c)] = [at(0), at(1), at(2)];
            let op = Join { tape: Arc::clone(tape), places: [first, second, third] };
            next.push((None, a.apply_op3(b, c, op)?));
        }
        match next.as_slice() {
            [] => return Ok(nothing),
            [(_, one)] => return Ok(one.clone()),
            _ => level = next,
        }
    }
}

struct Join {
    tape: Arc<Tape>,
    /// Where the gradients of the inputs are; those without a place are joins themselves.
    places: [Option<usize>; 3],
}

impl CustomOp3 for Join {
    fn name(&self) -> &'static str {
        "leaves"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        _: &Tensor,
        signal: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = |place: Option<usize>, tensor: &Tensor| -> candle_core::Result<_> {
            let Some(place) = place else { return Ok(Some(signal.clone())) };
            match self.tape.gradient(place, tensor)? {
                Some(gradient) => hand_over(tensor, gradient),
                None => Ok(None),
            }
        };
        let [first, second, third] = self.places;
        Ok((gradient(first, a)?, gradient(second, b)?, gradient(third, c)?))
    }
}
