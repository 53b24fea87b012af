use candle_core::Tensor;
use candle_core::backprop::GradStore;

use super::gradient::gradient_of;
use crate::ops::Parameter;
use crate::{Error, Result};

/// Adds up the gradients of several backward passes, so that small batches that fit into memory make one step as of a
/// large one.
///
/// ```
/// # use sconce::{nn::{Parameter, backward}, optim::{Accumulation, sgd}};
/// # use candle_core::{Device, Tensor, Var};
/// # fn main() -> sconce::Result<()> {
/// # let weight = Parameter::new("weight", Var::new(3.0f32, &Device::Cpu)?);
/// # let parameters = [weight.clone()];
/// # let loss_of = |batch: &Tensor| weight.var.as_tensor().broadcast_mul(batch)?.mean_all();
/// # let mut optimizer = sgd(1.0).build(&parameters)?;
/// # let batches = [Tensor::new(&[1.0f32, 2.0], &Device::Cpu)?, Tensor::new(&[6.0f32], &Device::Cpu)?];
/// let mut sum = Accumulation::new(&parameters);
/// for batch in &batches {
///     sum.add(backward(&loss_of(batch)?)?, batch.dims()[0])?;
/// }
/// optimizer.step(&sum.take()?)?; // the mean of 1, 2 and 6
/// assert_eq!(weight.var.to_scalar::<f32>()?, 0.0);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Accumulation {
    parameters: Vec<Parameter>,
    /// Of the gradients of each pass times its images.
    sums: Vec<Tensor>,
    images: usize,
    passes: usize,
}

impl Accumulation {
    /// Nothing yet, for these parameters. Gradients of others are left out.
    #[must_use]
    pub fn new(parameters: &[Parameter]) -> Accumulation {
        Accumulation { parameters: parameters.to_vec(), sums: Vec::new(), images: 0, passes: 0 }
    }

    /// Adds the gradients of the mean loss over so many images, at least 1.
    ///
    /// # Errors
    /// No images; a parameter that has no gradient, or one of another shape or type: it is named. Nothing was added then.
    pub fn add(&mut self, gradients: GradStore, images: usize) -> Result<()> {
        let op = "Accumulation::add";
        if images == 0 {
            return Err(Error::Argument {
                op: op.into(),
                expected: "gradients of at least 1 image".into(),
                got: "0".into(),
                hint: "Give it the length of the batch.".into(),
            });
        }
        let mut sums = Vec::with_capacity(self.parameters.len());
        for (at, parameter) in self.parameters.iter().enumerate() {
            let gradient = gradient_of(op, parameter, &gradients)?.detach();
            let share = (gradient * images as f64)?;
            sums.push(match self.sums.get(at) {
                Some(sum) => (sum + share)?,
                None => share,
            });
        }
        self.sums = sums;
        self.images += images;
        self.passes += 1;
        Ok(())
    }

    /// The sums, and of how many images and passes they are.
    pub(crate) fn kept(&self) -> (&[Tensor], usize, usize) {
        (&self.sums, self.images, self.passes)
    }

    /// Goes on with what [`Accumulation::kept`] gave for the same parameters.
    pub(crate) fn go_on(
        parameters: &[Parameter],
        sums: Vec<Tensor>,
        images: usize,
        passes: usize,
    ) -> Accumulation {
        Accumulation { parameters: parameters.to_vec(), sums, images, passes }
    }

    /// How many passes were added since the last [`Accumulation::take`].
    #[must_use]
    pub fn passes(&self) -> usize {
        self.passes
    }

    /// The gradients of the mean loss over all images that were added, and begins anew.
    ///
    /// # Errors
    /// When nothing was added.
    pub fn take(&mut self) -> Result<GradStore> {
        if self.images == 0 {
            return Err(Error::Argument {
                op: "Accumulation::take".into(),
                expected: "gradients that were added".into(),
                got: "none".into(),
                hint: "Call add(gradients, images) after each backward pass.".into(),
            });
        }
        let mut gradients = GradStore::default();
        for (parameter, sum) in self.parameters.iter().zip(&self.sums) {
            gradients.insert(&parameter.var, (sum / self.images as f64)?);
        }
        self.sums.clear();
        (self.images, self.passes) = (0, 0);
        Ok(gradients)
    }
}
