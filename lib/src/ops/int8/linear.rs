use std::sync::Arc;

use super::activations::Activations;
use super::backend::{Backend, Packed, PerOutput};
use super::convolution::check_zero_point;
use super::finish::{Finish, Shared};
use super::gather::Rows;
use super::round::{Requantize, check_multiplier};
use super::start::start_of_sums;
use crate::Result;
use crate::ops::columns::Convolution as Sizes;
use crate::ops::operands::{check_environment, shape_error, shape_text};
use crate::ops::window::{Rounding, Sliding, Window};

/// A linear layer of integers, its weight packed for this CPU.
///
/// Sums are exact, in 32 bits; all CPUs give the same result, bit for bit.
#[derive(Debug, Clone)]
pub struct Linear {
    dims: [usize; 2],
    zero_point: u8,
    packed: Arc<dyn Packed>,
    start: PerOutput<i32>,
}

const OP: &str = "int8::Linear";

impl Linear {
    /// Packs `weight` (O, I), steps of -127..=127, for inputs whose step `zero_point` stands for 0. `bias` has a value for
    /// each output, in units of the scale of the input times that of the weight, or none at all.
    ///
    /// # Errors
    /// If the shapes do not fit each other, a weight is -128, or an output's sum could leave 32 bits: with the largest
    /// weights from a depth of 66,312 on.
    pub fn new(weight: &[i8], dims: [usize; 2], bias: &[i32], zero_point: u8) -> Result<Linear> {
        Linear::packed_for(Backend::chosen(), weight, dims, bias, zero_point)
    }

    pub(super) fn packed_for(
        backend: Backend,
        weight: &[i8],
        dims: [usize; 2],
        bias: &[i32],
        zero_point: u8,
    ) -> Result<Linear> {
        check_environment()?;
        let [outputs, depth] = dims;
        let start = start_of_sums(OP, weight, dims, bias, zero_point)?;
        let packed =
            backend.pack(1, outputs, depth, |_, output, place| i16::from(weight[output * depth + place]));
        Ok(Linear { dims, zero_point, packed, start: PerOutput::new(&start, outputs) })
    }

    /// The layer of `x` (…, I), requantised: (…, O).
    ///
    /// # Errors
    /// If the last dimension is not I, the zero point of `x` is another than the weight was packed for, or a multiplier
    /// is not finite.
    pub fn forward(&self, x: &Activations, requantize: &Requantize) -> Result<Activations> {
        let sizes = self.check(x)?;
        requantize.check(OP, sizes.out_channels)?;
        let mut values = vec![0; sizes.batch * sizes.out_channels];
        let finish = Finish::Steps { clamp: requantize.clamp(), y: Shared::new(&mut values) };
        self.run(x, &sizes, &requantize.multiplier, finish);
        let mut dims = x.dims.clone();
        dims.pop();
        dims.push(sizes.out_channels);
        Ok(Activations { values, dims, quantization: requantize.output })
    }

    /// The same as numbers: each sum times its output's multiplier, the scale of the input times that of the weight.
    ///
    /// # Errors
    /// As [`Linear::forward`].
    pub fn forward_f32(&self, x: &Activations, multiplier: &[f32]) -> Result<Vec<f32>> {
        let sizes = self.check(x)?;
        check_multiplier(OP, multiplier, sizes.out_channels)?;
        let mut values = vec![0.0; sizes.batch * sizes.out_channels];
        self.run(x, &sizes, multiplier, Finish::Floats { y: Shared::new(&mut values) });
        Ok(values)
    }

    /// Bytes of the packed weight.
    pub(crate) fn bytes(&self) -> usize {
        self.packed.bytes()
    }

    fn check(&self, x: &Activations) -> Result<Sizes> {
        check_zero_point(OP, x, self.zero_point)?;
        let [out_channels, in_channels] = self.dims;
        if x.dims.last() != Some(&in_channels) {
            let expected = format!("(…, {in_channels}) for a weight {}", shape_text(&self.dims));
            return Err(shape_error(OP, expected, &x.dims, ""));
        }
        let batch = x.values.len() / in_channels;
        let window = Window { kernel: [1, 1], sliding: Sliding::default(), rounding: Rounding::Floor };
        Ok(Sizes { batch, in_channels, out_channels, groups: 1, input: [1, 1], output: [1, 1], window })
    }

    fn run(&self, x: &Activations, sizes: &Sizes, multiplier: &[f32], finish: Finish) {
        let rows = Rows { sizes, x: &x.values, zero_point: self.zero_point };
        self.packed.product(rows, &self.start, &PerOutput::new(multiplier, self.dims[0]), finish);
    }
}
