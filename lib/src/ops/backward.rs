//! Gradients of variables that reach whoever asked for them without a copy.

use std::cell::RefCell;
use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor, TensorId};

use super::elementwise::BLOCK;
use super::has_kernels;
use super::host::{filled, read, with_real};
use super::operands::{check, check_shape};
use super::record;
use crate::Result;

thread_local! {
    /// What [`backward`] collects while it runs in this thread.
    static PASS: RefCell<Option<Variables>> = const { RefCell::new(None) };
}

/// The variables of a loss, each with its gradient as far as operators have handed it over.
type Variables = HashMap<TensorId, (Tensor, Option<Tensor>)>;

/// The gradients of all variables that `loss` was computed from, which hang on no tape themselves.
///
/// They are those of `loss.backward()`. Candle adds each gradient to a tensor of zeros, which goes through memory three
/// times more; here the operators of this library, and a [`Model`](crate::nn::Model), hand the gradients of variables
/// over as they are, and the operators each other's. It is what loops by hand should call, and what `Learner` calls.
///
/// ```
/// use sconce::{nn::backward, prelude::*};
///
/// let net = Model::build([1, 2, 2], |x| x.flatten().linear(2))?.init(Seed(1), &Device::Cpu)?;
/// let x = Tensor::ones((3, 1, 2, 2), DType::F32, &Device::Cpu)?;
/// let gradients = backward(&net.forward(&x, Mode::Train(Seed(2)))?.sqr()?.sum_all()?)?;
/// assert!(gradients.get(net.parameters()[0].var.as_tensor()).is_some());
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// Those of the operators; a second pass back through one forward pass of a model.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    run(loss, || loss.backward())
}

/// The gradients of all variables that `y` was computed from, where that of `y` is `dy`, of the same shape: those of
/// `(y · dy).sum()`, whose products and ones nobody needs.
///
/// ```
/// use sconce::{nn::backward_from, ops, prelude::*};
///
/// let x = Var::new(&[1.0_f32, -2.0, 3.0], &Device::Cpu)?;
/// let dy = Tensor::new(&[4.0_f32, 5.0, 6.0], &Device::Cpu)?;
/// let gradients = backward_from(&ops::relu(&x)?, &dy)?;
/// assert_eq!(gradients.get(&x).unwrap().to_vec1::<f32>()?, [4.0, 0.0, 6.0]);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// If `dy` has another shape, dtype or device than `y`; those of the operators.
pub fn backward_from(y: &Tensor, dy: &Tensor) -> Result<GradStore> {
    check("backward_from", &[("y", y), ("dy", dy)])?;
    check_shape("backward_from", ("dy", dy), y.dims())?;
    let dy = dy.detach();
    if let Some(twin) = record::twin_of(y) {
        return run(&twin, || {
            record::put(&twin, dy)?;
            twin.backward()
        });
    }
    let end = y.apply_op1(Seeded(dy))?;
    run(&end, || end.backward())
}

/// An end of the tape, from which a gradient goes back.
struct Seeded(Tensor);

impl CustomOp1 for Seeded {
    fn name(&self) -> &'static str {
        "backward_from"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        storage: &candle_core::CudaStorage,
        _: &Layout,
    ) -> candle_core::Result<(candle_core::CudaStorage, Shape)> {
        use candle_core::backend::{BackendDevice, BackendStorage};
        Ok((storage.device().zeros_impl(&Shape::from(()), storage.dtype())?, Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}

/// Lets candle go back from `end` and adds what it knows to what was handed over.
fn run(end: &Tensor, go_back: impl FnOnce() -> candle_core::Result<GradStore>) -> Result<GradStore> {
    let variables = end.sorted_nodes().into_iter().filter(|node| node.is_variable());
    let variables = variables.map(|variable| (variable.id(), (variable.clone(), None))).collect();
    let outer = Outer { variables: PASS.replace(Some(variables)), parts: record::begin() };
    let mut gradients = go_back()?;
    let variables = PASS.take().unwrap_or_default();
    drop(outer);
    for (variable, gradient) in variables.into_values() {
        // Candle may know a part too, of a penalty on the weights say. Some of its gradients hang on a tape.
        let part = gradients.remove(&variable).map(|part| part.detach());
        let sum = match (part, gradient) {
            (Some(part), Some(gradient)) => plus(&part, &gradient)?,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => continue,
        };
        gradients.insert(&variable, sum);
    }
    Ok(gradients)
}

/// What a pass collects that this one is a part of; it goes on however this one ends.
struct Outer {
    variables: Option<Variables>,
    parts: record::Parts,
}

impl Drop for Outer {
    fn drop(&mut self) {
        PASS.set(self.variables.take());
        record::go_on(std::mem::take(&mut self.parts));
    }
}

/// Keeps a part of the gradient of an operator's input for [`backward`], or gives it back: where that does not run, or
/// not for this variable, or where the input is none, so that candle has to go on from it.
pub(crate) fn hand_over(input: &Tensor, gradient: Tensor) -> candle_core::Result<Option<Tensor>> {
    if !input.is_variable() {
        return Ok(Some(gradient));
    }
    PASS.with_borrow_mut(|variables| {
        let variable = variables.as_mut().and_then(|variables| variables.get_mut(&input.id()));
        let Some((_, sum)) = variable else {
            return Ok(Some(gradient));
        };
        *sum = Some(match sum.take() {
            Some(sum) => plus(&sum, &gradient)?,
            None => gradient,
        });
        Ok(None)
    })
}

/// `a + b`, of one shape.
pub(super) fn plus(a: &Tensor, b: &Tensor) -> candle_core::Result<Tensor> {
    let ours = [a, b].iter().all(|tensor| {
        has_kernels(tensor.device())
            && tensor.is_contiguous()
            && matches!(tensor.dtype(), DType::F32 | DType::F64)
    });
    if !ours || a.dims() != b.dims() || a.dtype() != b.dtype() {
        return a + b;
    }
    with_real!(a.dtype(), "plus", T => {
        let sum = read([a, b], |[a, b]: [&[T]; 2]| {
            let block = |index: usize, sum: &mut [T]| {
                let (a, b) = (&a[index * BLOCK..], &b[index * BLOCK..]);
                sum.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (&a, &b))| *sum = a + b);
            };
            filled(a.len(), BLOCK, block).0
        })?;
        Tensor::from_vec(sum, a.shape(), a.device())
    })
}
