use candle_core::Tensor;
use candle_core::backprop::GradStore;

use crate::ops::Parameter;
use crate::{Error, Result};

/// The gradient of a parameter, if it can be used: there, and of the parameter's shape and type.
pub(super) fn gradient_of<'a>(
    op: &str,
    parameter: &Parameter,
    gradients: &'a GradStore,
) -> Result<&'a Tensor> {
    let Parameter { name, var, .. } = parameter;
    let Some(gradient) = gradients.get(var) else {
        return Err(Error::Argument {
            op: op.into(),
            expected: format!("a gradient for every parameter, {name:?} too"),
            got: format!("none for {name:?}"),
            hint: "The loss does not depend on it: check that the forward pass uses it in Mode::Train, or leave \
                   it out of the parameters that are trained."
                .into(),
        });
    };
    if gradient.dims() != var.dims() || gradient.dtype() != var.dtype() {
        return Err(Error::Shape {
            op: format!("{op}, parameter {name:?}"),
            expected: format!("a gradient {:?} {:?}", var.dtype(), var.dims()),
            got: format!("{:?} {:?}", gradient.dtype(), gradient.dims()),
            hint: "An operator of your own gives back a gradient of another shape.".into(),
        });
    }
    Ok(gradient)
}
