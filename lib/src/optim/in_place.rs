use std::cell::RefCell;

use candle_core::{CpuStorage, InplaceOp2, Layout, bail};
use rayon::prelude::*;

use super::rule::{Float, Moment, Rule};

/// What is kept for one parameter from step to step, in its own precision: one vector for each number that
/// the rule keeps per element. Empty until the first step.
#[derive(Debug, Clone)]
pub(super) enum State {
    F32(Vec<Vec<f32>>),
    F64(Vec<Vec<f64>>),
}

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
                update(self.rule, self.moment, &mut weight[at], &gradient[from], state);
            }
            (CpuStorage::F64(weight), CpuStorage::F64(gradient), State::F64(state)) => {
                update(self.rule, self.moment, &mut weight[at], &gradient[from], state);
            }
            _ => bail!("optimizer-step: weight, gradient and state must have one dtype, F32 or F64"),
        }
        Ok(())
    }
}

/// Moves all elements, chunk by chunk in parallel where there are many.
fn update<T: Float>(
    rule: &impl Rule,
    moment: Moment,
    weight: &mut [T],
    gradient: &[T],
    state: &mut [Vec<T>],
) {
    if weight.len() <= CHUNK {
        let mut state: Vec<&mut [T]> = state.iter_mut().map(Vec::as_mut_slice).collect();
        return rule.update(moment, weight, gradient, &mut state);
    }
    let mut chunks: Vec<Vec<&mut [T]>> = weight.chunks(CHUNK).map(|_| Vec::new()).collect();
    for kept in state {
        for (chunk, part) in chunks.iter_mut().zip(kept.chunks_mut(CHUNK)) {
            chunk.push(part);
        }
    }
    weight
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(chunks)
        .for_each(|((weight, gradient), mut state)| rule.update(moment, weight, gradient, &mut state));
}
