//! Gradients of parameters that reach whoever asked for them without a copy.

use std::cell::RefCell;

use candle_core::Tensor;
use candle_core::backprop::GradStore;

use crate::Result;

thread_local! {
    /// Parameters with parts of their gradients, while [`backward`] runs in this thread.
    static COLLECTED: RefCell<Option<Vec<(Tensor, Tensor)>>> = const { RefCell::new(None) };
}

/// The gradients of all variables that `loss` was computed from.
///
/// They are those of `loss.backward()`. Candle adds each gradient to a tensor of zeros, which writes the
/// parameters' memory twice more; here a [`Model`](crate::nn::Model) hands its parameters' gradients over as they
/// are.
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
    let outer = Outer(COLLECTED.replace(Some(Vec::new())));
    let mut gradients = loss.backward()?;
    let collected = COLLECTED.take().unwrap_or_default();
    drop(outer);
    for (parameter, gradient) in collected {
        // Candle may know a part too, of a penalty on the weights say.
        let sum = match gradients.remove(&parameter) {
            Some(part) => (part + gradient)?,
            None => gradient,
        };
        gradients.insert(&parameter, sum);
    }
    Ok(gradients)
}

/// What a pass collects that this one is a part of; it goes on however this one ends.
struct Outer(Option<Vec<(Tensor, Tensor)>>);

impl Drop for Outer {
    fn drop(&mut self) {
        COLLECTED.set(self.0.take());
    }
}

/// Keeps the gradient for [`backward`], or gives it back where that does not run.
pub(super) fn hand_over(parameter: &Tensor, gradient: Tensor) -> Option<Tensor> {
    COLLECTED.with_borrow_mut(|collected| match collected {
        Some(collected) => {
            collected.push((parameter.clone(), gradient));
            None
        }
        None => Some(gradient),
    })
}
