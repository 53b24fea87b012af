use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use candle_core::{CpuStorage, InplaceOp2, Layout, Tensor, Var, bail};
use rayon::prelude::*;

use super::Parameter;

/// Values that one thread looks at in one go.
const CHUNK: usize = 16 * 1024;

/// Which values of a [`Parameter`] are held at 0, if any are: what pruning of weights leaves behind. Optimizers and averages
/// set those values to 0 after each step, so no momentum and no weight decay moves them.
///
/// Clones are handles to the same mask: an optimizer that was built before a mask changed holds to the new one.
#[derive(Clone, Default)]
pub struct Mask(Arc<RwLock<Option<Tensor>>>);

impl Mask {
    /// 1 where the value is trained and 0 where it is held at 0: U8 of the parameter's shape, on its device. `None` where
    /// nothing is held.
    #[must_use]
    pub fn tensor(&self) -> Option<Tensor> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes it, for all handles.
    pub(crate) fn set(&self, tensor: Option<Tensor>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = tensor;
    }

    /// Sets what is held to 0, in place.
    pub(crate) fn apply(&self, var: &Var) -> candle_core::Result<()> {
        match self.tensor() {
            None => Ok(()),
            Some(mask) if var.device().is_cpu() => var.inplace_op2(&mask, &Hold),
            Some(mask) => {
                let values = var.as_detached_tensor();
                var.set(&mask.where_cond(&values, &values.zeros_like()?)?)
            }
        }
    }

    /// A tensor of the parameter's shape, 0 where values are held.
    pub(crate) fn masked(&self, tensor: &Tensor) -> candle_core::Result<Tensor> {
        match self.tensor() {
            None => Ok(tensor.clone()),
            Some(mask) => mask.where_cond(tensor, &tensor.zeros_like()?),
        }
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tensor() {
            None => write!(f, "no mask"),
            Some(mask) => write!(f, "a mask {:?}", mask.dims()),
        }
    }
}

impl Parameter {
    /// A parameter of which no value is held at 0.
    #[must_use]
    pub fn new(name: impl Into<String>, var: Var) -> Parameter {
        Parameter { name: name.into(), var, mask: Mask::default() }
    }
}

/// What a mask does to values, as candle sees it.
struct Hold;

impl InplaceOp2 for Hold {
    fn name(&self) -> &'static str {
        "hold-at-zero"
    }

    fn cpu_fwd(
        &self,
        values: &mut CpuStorage,
        values_layout: &Layout,
        mask: &CpuStorage,
        mask_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (Some(at), Some(from)) = (values_layout.contiguous_offsets(), mask_layout.contiguous_offsets())
        else {
            bail!("hold-at-zero: values and mask must be contiguous")
        };
        let (at, from) = (at.0..at.1, from.0..from.1);
        match (values, mask) {
            (CpuStorage::F32(values), CpuStorage::U8(mask)) => hold(&mut values[at], &mask[from], 0.0),
            (CpuStorage::F64(values), CpuStorage::U8(mask)) => hold(&mut values[at], &mask[from], 0.0),
            _ => bail!("hold-at-zero: values must be F32 or F64, and their mask U8"),
        }
        Ok(())
    }
}

fn hold<T: Copy + Send + Sync>(values: &mut [T], mask: &[u8], zero: T) {
    values.par_chunks_mut(CHUNK).zip(mask.par_chunks(CHUNK)).for_each(|(values, mask)| {
        for (value, &mask) in values.iter_mut().zip(mask) {
            *value = if mask == 0 { zero } else { *value };
        }
    });
}
