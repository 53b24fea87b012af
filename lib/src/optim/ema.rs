use std::collections::HashSet;
use std::fmt;

use candle_core::{Tensor, Var};

use super::group::Settings;
use super::optimizer::in_range;
use super::rule::{Float, Moment, Rule};
use super::slot::Slot;
use crate::ops::Parameter;
use crate::tensor_file::{kind, problems};
use crate::{Error, Result};

/// The exponential moving average of a model's weights (Polyak and Juditsky 1992), which often does better than the weights
/// themselves. After each step every average `a` becomes `a + (1 - decay) · (w - a)`.
///
/// ```
/// # use sconce::{nn::Parameter, optim::Ema};
/// # use candle_core::{Device, Var};
/// # fn main() -> sconce::Result<()> {
/// # let weights = [Parameter::new("weight", Var::new(4.0f32, &Device::Cpu)?)];
/// let mut ema = Ema::new(&weights, 0.75)?;
/// weights[0].var.set(&weights[0].var.ones_like()?)?; // a step
/// ema.update(&weights)?;
/// ema.swap(&weights)?; // the model now has the averages: evaluate it, save it
/// assert_eq!(weights[0].var.to_scalar::<f32>()?, 3.25);
/// ema.swap(&weights)?; // and goes on
/// # Ok(()) }
/// ```
///
/// What a model keeps beside its parameters may be averaged with them: give `Model::buffers` behind `Model::parameters`.
#[derive(Clone)]
pub struct Ema {
    pub(super) decay: f64,
    warmup: bool,
    /// So far.
    pub(super) updates: u64,
    /// The averages as parameters of the same names; the model's values while the two are exchanged.
    pub(super) slots: Vec<Slot>,
    exchanged: bool,
}

/// Towards the "gradient", which is the model's value, by as much as the "learning rate" says.
struct Average;

impl Rule for Average {
    fn kept(&self) -> &'static [&'static str] {
        &[]
    }

    #[inline(always)]
    fn update<T: Float>(&self, moment: Moment, average: &mut [T], value: &[T], _: &mut [&mut [T]]) {
        let share = T::from_f64(moment.lr);
        for (a, &w) in average.iter_mut().zip(value) {
            *a += share * (w - *a);
        }
    }

    fn compose(
        &self,
        moment: Moment,
        average: &Tensor,
        value: &Tensor,
        _: &mut [Tensor],
    ) -> candle_core::Result<Tensor> {
        average + ((value - average)? * moment.lr)?
    }
}

impl Ema {
    /// Averages that begin with the present values. `decay` is how slowly they follow, from 0 up to and without 1: mostly
    /// 0.99 to 0.9999, about `1 / (1 - decay)` steps of memory.
    ///
    /// # Errors
    /// A decay out of its range; a parameter that is not F32 or F64, or not contiguous; two of one name.
    pub fn new(parameters: &[Parameter], decay: f64) -> Result<Ema> {
        let op = "Ema";
        in_range(op, "decay", decay, 0.0..1.0)?;
        let mut slots = Vec::with_capacity(parameters.len());
        let mut names = HashSet::with_capacity(parameters.len());
        for parameter in parameters {
            if !names.insert(&parameter.name) {
                return Err(Error::Argument {
                    op: op.into(),
                    expected: "each parameter to have a name of its own".into(),
                    got: format!("{:?} twice", parameter.name),
                    hint: "Give the parameters of each model a prefix, e.g. \"teacher.\".".into(),
                });
            }
            let own = Var::from_tensor(&parameter.var.as_detached_tensor().copy()?)?;
            let own = Parameter::new(&parameter.name, own);
            slots.push(Slot::new(op, &own, Settings { own_rate: None, weight_decay: 0.0 }, 0)?);
        }
        Ok(Ema { decay, warmup: false, updates: 0, slots, exchanged: false })
    }

    /// Follows faster at first, so that the values before training are soon forgotten: after `n` updates the next decay is at
    /// most `(1 + n) / (10 + n)`, as in TensorFlow.
    #[must_use]
    pub fn warmup(mut self) -> Ema {
        self.warmup = true;
        self
    }

    /// The decay of the next update.
    #[must_use]
    pub fn next_decay(&self) -> f64 {
        let n = self.updates as f64;
        if self.warmup { self.decay.min((1.0 + n) / (10.0 + n)) } else { self.decay }
    }

    /// Updates so far.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Takes the present values into the averages.
    ///
    /// # Errors
    /// Other parameters than those that it was made for, in names, shapes, types or order; averages that are in the model. Nothing
    /// has changed then.
    pub fn update(&mut self, parameters: &[Parameter]) -> Result<()> {
        self.check("Ema::update", parameters)?;
        self.not_exchanged("Ema::update")?;
        let share = 1.0 - self.next_decay();
        for (slot, parameter) in self.slots.iter_mut().zip(parameters) {
            slot.step(&Average, share, &parameter.var.as_detached_tensor())?;
            // Values from before the mask may still be in the average.
            parameter.mask.apply(&slot.parameter.var)?;
        }
        self.updates += 1;
        Ok(())
    }

    /// Exchanges the model's values with the averages, in place. A second call gives back what was, bit for bit.
    ///
    /// # Errors
    /// Other parameters than those that it was made for.
    pub fn swap(&mut self, parameters: &[Parameter]) -> Result<()> {
        self.check("Ema::swap", parameters)?;
        // All copies first: what may fail for want of memory has then changed nothing.
        let values = parameters.iter().map(|parameter| parameter.var.as_detached_tensor().copy());
        let values = values.collect::<candle_core::Result<Vec<_>>>()?;
        for ((slot, parameter), value) in self.slots.iter().zip(parameters).zip(values) {
            parameter.var.set(&slot.parameter.var.as_detached_tensor())?;
            parameter.mask.apply(&parameter.var)?;
            slot.parameter.var.set(&value)?;
        }
        self.exchanged = !self.exchanged;
        Ok(())
    }

    /// Whether the model has the averages now, after an odd number of [`Ema::swap`].
    #[must_use]
    pub fn is_swapped(&self) -> bool {
        self.exchanged
    }

    /// The values that are not in the model now, and how many updates the averages have seen.
    pub(crate) fn kept(&self) -> (Vec<(&str, &Tensor)>, u64) {
        let values =
            self.slots.iter().map(|slot| (slot.parameter.name.as_str(), slot.parameter.var.as_tensor()));
        (values.collect(), self.updates)
    }

    /// Goes on with averages that are in the model, while `kept`, in the order of the parameters, are the values that training goes
    /// on from.
    pub(crate) fn go_on(&mut self, kept: &[Tensor], updates: u64) -> Result<()> {
        for (slot, value) in self.slots.iter().zip(kept) {
            slot.parameter.var.set(value)?;
        }
        (self.updates, self.exchanged) = (updates, true);
        Ok(())
    }

    pub(super) fn not_exchanged(&self, op: &str) -> Result<()> {
        if !self.exchanged {
            return Ok(());
        }
        Err(Error::Argument {
            op: op.into(),
            expected: "averages that are here".into(),
            got: "averages that are in the model".into(),
            hint: "Call swap(&parameters) once more before.".into(),
        })
    }

    fn check(&self, op: &str, parameters: &[Parameter]) -> Result<()> {
        let fits = |(slot, given): (&Slot, &Parameter)| {
            let wanted = &slot.parameter;
            wanted.name == given.name
                && wanted.var.dims() == given.var.dims()
                && wanted.var.dtype() == given.var.dtype()
        };
        if self.slots.len() == parameters.len() && self.slots.iter().zip(parameters).all(fits) {
            return Ok(());
        }
        Err(self.misfit(op, parameters))
    }

    /// In what way these are not the parameters that it was made for.
    fn misfit(&self, op: &str, parameters: &[Parameter]) -> Error {
        let names = |parameters: &mut dyn Iterator<Item = &Parameter>| {
            parameters.map(|parameter| parameter.name.clone()).collect::<Vec<_>>()
        };
        let known = names(&mut self.slots.iter().map(|slot| &slot.parameter));
        let given = names(&mut parameters.iter());
        let missing = known.iter().filter(|name| !given.contains(name)).cloned().collect::<Vec<_>>();
        let unexpected = given.iter().filter(|name| !known.contains(name)).cloned().collect::<Vec<_>>();
        let mut different = Vec::new();
        for (slot, given) in self.slots.iter().zip(parameters) {
            let of = |var: &Var| kind(var.dims(), &format!("{:?}", var.dtype()));
            let (wanted, got) = (of(&slot.parameter.var), of(&given.var));
            if slot.parameter.name == given.name && wanted != got {
                different.push(format!("{}: {got} instead of {wanted}", given.name));
            }
        }
        let wrong = problems([("missing", missing), ("unexpected", unexpected), ("different", different)]);
        Error::Argument {
            op: op.into(),
            expected: format!("the {} parameters that it was made for", known.len()),
            got: wrong.unwrap_or_else(|| "them in another order, or some twice".into()),
            hint: "Give it the parameters of the same model.".into(),
        }
    }
}

impl fmt::Debug for Ema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tensors, updates) = (self.slots.len(), self.updates);
        write!(f, "averages of {tensors} tensors, decay {}, {updates} updates", self.decay)
    }
}
