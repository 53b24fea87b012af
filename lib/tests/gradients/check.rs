//! Variables in the views that operators see them in, and difference quotients.

use candle_core::{D, Tensor, Var};
use sconce::ops::{Padding, Sliding};
use sconce::{Result, Rng, Seed};

use crate::gpu::device;

/// Random shapes for each operator, if `SCONCE_TEST_CASES` does not say another number.
const CASES: u64 = 60;
pub const STEP: f64 = 1e-5;

/// How an operator sees a variable.
#[derive(Debug, Clone, Copy)]
pub enum View {
    Plain,
    /// The variable holds the dimensions in reverse order.
    Transposed,
    /// The variable has a single entry in the first dimension.
    Broadcast,
    /// The variable is one longer in the last dimension.
    Narrowed,
}

/// A variable and the view of it that an operator gets.
pub struct Input {
    pub var: Var,
    pub view: View,
    pub dims: Vec<usize>,
}

impl Input {
    pub fn new(rng: &mut Rng, dims: &[usize], mut value: impl FnMut(&mut Rng) -> f64) -> Result<Input> {
        let view = [View::Plain, View::Transposed, View::Broadcast, View::Narrowed][rng.below(4)];
        let mut held = dims.to_vec();
        match view {
            View::Plain => {}
            View::Transposed => held.reverse(),
            View::Broadcast => held[0] = 1,
            View::Narrowed => *held.last_mut().unwrap() += 1,
        }
        let values: Vec<f64> = (0..held.iter().product()).map(|_| value(rng)).collect();
        Ok(Input { var: Var::from_vec(values, held, &device())?, view, dims: dims.to_vec() })
    }

    /// Without broadcasting, where equal values would make the result ambiguous.
    pub fn distinct(rng: &mut Rng, dims: &[usize]) -> Result<Input> {
        loop {
            let input = Input::new(rng, dims, |_| 0.0)?;
            if matches!(input.view, View::Broadcast) {
                continue;
            }
            // A shuffled ladder: no two values closer than two steps of the difference quotient.
            let count = input.var.elem_count();
            let mut values: Vec<f64> = (0..count).map(|i| (i as f64 + 0.5) / count as f64 - 0.5).collect();
            rng.shuffle(&mut values);
            input.var.set(&Tensor::from_vec(values, input.var.dims(), &device())?)?;
            return Ok(input);
        }
    }

    pub fn tensor(&self) -> Result<Tensor> {
        let tensor = self.var.as_tensor();
        Ok(match self.view {
            View::Plain => tensor.clone(),
            View::Transposed => {
                let order: Vec<usize> = (0..tensor.rank()).rev().collect();
                tensor.permute(order)?
            }
            View::Broadcast => tensor.broadcast_as(self.dims.as_slice())?,
            View::Narrowed => tensor.narrow(D::Minus1, 1, *self.dims.last().unwrap())?,
        })
    }
}

pub fn signed(rng: &mut Rng) -> f64 {
    2.0 * rng.uniform() - 1.0
}

/// A size in `1..=most`.
pub fn size(rng: &mut Rng, most: usize) -> usize {
    1 + rng.below(most)
}

/// Compares the gradients of `f`, weighted with random upstream gradients, to difference quotients in
/// every value of every input.
pub fn check(rng: &mut Rng, inputs: &[Input], f: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<()> {
    let run = || -> Result<Tensor> {
        let tensors: Vec<Tensor> = inputs.iter().map(Input::tensor).collect::<Result<_>>()?;
        f(&tensors)
    };
    let y = run()?;
    let upstream: Vec<f64> = (0..y.elem_count()).map(|_| signed(rng)).collect();
    let upstream = Tensor::from_vec(upstream, y.dims(), &device())?;
    let objective = |y: &Tensor| -> Result<Tensor> { Ok((y * &upstream)?.sum_all()?) };
    let gradients = objective(&y)?.backward()?;
    for (index, input) in inputs.iter().enumerate() {
        let got = gradients.get(&input.var).unwrap_or_else(|| panic!("no gradient for input {index}"));
        let got = got.flatten_all()?.to_vec1::<f64>()?;
        let values = input.var.as_detached_tensor().copy()?.flatten_all()?.to_vec1::<f64>()?;
        let at = |element: usize, shift: f64| -> Result<f64> {
            let mut values = values.clone();
            values[element] += shift;
            input.var.set(&Tensor::from_vec(values, input.var.dims(), &device())?)?;
            Ok(objective(&run()?)?.to_scalar::<f64>()?)
        };
        let wanted: Vec<f64> = (0..values.len())
            .map(|element| Ok((at(element, STEP)? - at(element, -STEP)?) / (2.0 * STEP)))
            .collect::<Result<_>>()?;
        input.var.set(&Tensor::from_vec(values, input.var.dims(), &device())?)?;
        let scale = wanted.iter().fold(1.0_f64, |scale, value| scale.max(value.abs()));
        for (element, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            assert!(
                (got - wanted).abs() <= 1e-6 * scale,
                "input {index} {:?} {:?}, value {element}: gradient {got}, difference quotient {wanted}",
                input.view,
                input.dims
            );
        }
    }
    Ok(())
}

/// Runs `case` with a generator of its own for every case.
pub fn for_each_case(name: &str, case: impl Fn(&mut Rng) -> Result<()>) -> Result<()> {
    let cases = std::env::var("SCONCE_TEST_CASES").map_or(CASES, |cases| cases.parse().unwrap());
    for index in 0..cases {
        case(&mut Seed(index).derive(name).rng())?;
    }
    Ok(())
}

/// A window and how it moves; the image is at least as large as it.
pub fn window(rng: &mut Rng, most_dilation: usize) -> ([usize; 2], Sliding, [usize; 2]) {
    let kernel = [size(rng, 3), size(rng, 3)];
    let sliding = Sliding {
        stride: [size(rng, 3), size(rng, 3)],
        padding: {
            let mut side = |axis: usize| rng.below(kernel[axis] / 2 + 1);
            Padding { top: side(0), bottom: side(0), left: side(1), right: side(1) }
        },
        dilation: [size(rng, most_dilation), size(rng, most_dilation)],
    };
    let image = [0, 1].map(|axis| sliding.dilation[axis] * (kernel[axis] - 1) + size(rng, 4));
    (kernel, sliding, image)
}

/// Whether two tensors are the same but for rounding.
pub fn close(got: &Tensor, wanted: &Tensor) -> Result<()> {
    let difference = (got - wanted)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f64>()?;
    let scale = wanted.abs()?.flatten_all()?.max(0)?.to_scalar::<f64>()?;
    assert!(difference <= 1e-12 * scale, "difference {difference}, largest value {scale}");
    Ok(())
}
