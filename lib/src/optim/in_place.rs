use std::cell::RefCell;

use candle_core::{CpuStorage, InplaceOp2, Layout, bail};
use rayon::prelude::*;

use super::rule::{Float, Moment, Rule};
use super::state::State;
use crate::ops::vectorized;

/// Elements of a parameter that one thread moves at a time: large enough to be worth handing over, small
/// enough that weight, gradient and state stay in the second-level cache.
const CHUNK: usize = 16 * 1024;

/// One step of one parameter as candle sees it: weight and state change where they lie, no tensor is made.
pub(super) struct Step<'a, R> {
    pub(super) rule: &'a R,
    pub(super) moment: Moment,
    /// candle hands the operation out shared; it is applied by one thread, once.
    pub(super) state: RefCell<&'a mut State>,
}

impl<R: Rule> InplaceOp2 for Step<'_, R> {
    fn name(&self) -> &'static str {
        "optimizer-step"
    }

    fn cpu_fwd(
        &self,
        weight: &mut CpuStorage,
        weight_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (Some(at), Some(from)) =
            (weight_layout.contiguous_offsets(), gradient_layout.contiguous_offsets())
        else {
            bail!("optimizer-step: weight and gradient must be contiguous")
        };
        let (at, from) = (at.0..at.1, from.0..from.1);
        match (weight, gradient, &mut **self.state.borrow_mut()) {
            (CpuStorage::F32(weight), CpuStorage::F32(gradient), State::F32(state)) => {
                update(self.rule, self.moment, &mut weight[at], &gradient[from], state)
            }
            (CpuStorage::F64(weight), CpuStorage::F64(gradient), State::F64(state)) => {
                update(self.rule, self.moment, &mut weight[at], &gradient[from], state)
            }
            _ => bail!("optimizer-step: weight, gradient and state must have one dtype, F32 or F64"),
        }
    }
}

/// Moves all elements, chunk by chunk in parallel where there are many. Nothing is put on the heap: the
/// chunks of weight, gradient and state are walked side by side.
fn update<T: Float>(
    rule: &impl Rule,
    moment: Moment,
    weight: &mut [T],
    gradient: &[T],
    state: &mut [Vec<T>],
) -> candle_core::Result<()> {
    let few = weight.len() <= CHUNK;
    let chunks = weight.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
    match state {
        [] if few => moved(rule, moment, weight, gradient, []),
        [a] if few => moved(rule, moment, weight, gradient, [a]),
        [a, b] if few => moved(rule, moment, weight, gradient, [a, b]),
        [a, b, c] if few => moved(rule, moment, weight, gradient, [a, b, c]),
        [] => chunks.for_each(|(w, g)| moved(rule, moment, w, g, [])),
        [a] => chunks.zip(a.par_chunks_mut(CHUNK)).for_each(|((w, g), a)| moved(rule, moment, w, g, [a])),
        [a, b] => chunks
            .zip(a.par_chunks_mut(CHUNK))
            .zip(b.par_chunks_mut(CHUNK))
            .for_each(|(((w, g), a), b)| moved(rule, moment, w, g, [a, b])),
        [a, b, c] => chunks
            .zip(a.par_chunks_mut(CHUNK))
            .zip(b.par_chunks_mut(CHUNK))
            .zip(c.par_chunks_mut(CHUNK))
            .for_each(|((((w, g), a), b), c)| moved(rule, moment, w, g, [a, b, c])),
        more => bail!("optimizer-step: {} numbers kept for each element, not at most 3", more.len()),
    }
    Ok(())
}

/// Moves one chunk, with the vector instructions that the CPU has.
fn moved<T: Float, const N: usize>(
    rule: &impl Rule,
    moment: Moment,
    weight: &mut [T],
    gradient: &[T],
    mut state: [&mut [T]; N],
) {
    vectorized(|| rule.update(moment, weight, gradient, &mut state));
}
