//! `sconce::nn::backward` gives what candle's own pass gives, on random graphs of our operators and candle's.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor, Var};
use sconce::nn::{backward, backward_from};
use sconce::ops::{self, Activation, BatchNormConfig, Rounding, Sliding};
use sconce::{Result, Rng, Seed};

const GRAPHS: u64 = 200;

fn values(rng: &mut Rng, dims: &[usize], dtype: DType) -> Result<Tensor> {
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| 2.0 * rng.uniform_f32() - 1.0).collect();
    Ok(Tensor::from_vec(values, dims, &Device::Cpu)?.to_dtype(dtype)?)
}

/// What graphs are made of: images (2, 2, 4, 4), weights and vectors of their two channels.
struct Leaves {
    images: Vec<Var>,
    /// (2, 2, 3, 3).
    kernels: Vec<Var>,
    vectors: Vec<Var>,
    /// (4, 4), for the rows of images.
    matrices: Vec<Var>,
    running: [Var; 2],
}

impl Leaves {
    fn new(rng: &mut Rng, dtype: DType) -> Result<Leaves> {
        let mut vars = |count: usize, dims: &[usize]| -> Result<Vec<Var>> {
            (0..count).map(|_| Ok(Var::from_tensor(&values(rng, dims, dtype)?)?)).collect()
        };
        let running = || Var::ones(2, dtype, &Device::Cpu);
        Ok(Leaves {
            images: vars(2, &[2, 2, 4, 4])?,
            kernels: vars(2, &[2, 2, 3, 3])?,
            vectors: vars(2, &[2])?,
            matrices: vars(2, &[4, 4])?,
            running: [running()?, running()?],
        })
    }

    fn all(&self) -> impl Iterator<Item = &Var> {
        self.images.iter().chain(&self.kernels).chain(&self.vectors).chain(&self.matrices)
    }
}

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.below(from.len())]
}

/// One more image from those that there are.
fn step(rng: &mut Rng, leaves: &Leaves, images: &[Tensor]) -> Result<Tensor> {
    let (a, b) = (pick(rng, images), pick(rng, images));
    let vector = pick(rng, &leaves.vectors).as_tensor();
    let other = pick(rng, &leaves.vectors).as_tensor();
    let matrix = pick(rng, &leaves.matrices).as_tensor();
    let padded = Sliding { padding: 1.into(), ..Sliding::default() };
    Ok(match rng.below(15) {
        0 => (a + b)?,
        1 => (a * b)?,
        2 => ops::activate(a, Activation::Silu)?,
        3 => ops::conv2d(a, pick(rng, &leaves.kernels).as_tensor(), Some(vector), padded, 1)?,
        // A view of a weight, which is no variable.
        4 => ops::conv2d(a, &pick(rng, &leaves.kernels).transpose(2, 3)?, None, padded, 1)?,
        5 => ops::linear(a, matrix, None)?,
        6 => ops::linear(a, &matrix.t()?, None)?,
        7 => ops::attention(a, b, a)?,
        8 => ops::group_norm(a, 2, vector, other, 1e-3)?,
        9 => {
            let [mean, var] = &leaves.running;
            ops::batch_norm_train(a, vector, other, (mean, var), BatchNormConfig::default())?
        }
        10 => ops::max_pool2d(a, [3, 3], padded, Rounding::Floor)?,
        11 => ops::softmax(a, 1)?,
        12 => a.broadcast_add(&vector.reshape((2, 1, 1))?)?,
        13 => a.contiguous()?.broadcast_matmul(matrix)?,
        _ => {
            let rows = a.narrow(2, 1, 2)?;
            ops::concat(&[&rows, &rows], 2)?.transpose(0, 1)?
        }
    })
}

fn loss(rng: &mut Rng, leaves: &Leaves) -> Result<Tensor> {
    let mut images: Vec<Tensor> = leaves.images.iter().map(|image| image.as_tensor().clone()).collect();
    for _ in 0..1 + rng.below(6) {
        let image = step(rng, leaves, &images)?;
        images.push(image);
    }
    let mut loss = pick(rng, &images).sqr()?.sum_all()?;
    for image in &images {
        loss = (loss + image.mean_all()?)?;
    }
    Ok(loss)
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn gradients_are_those_of_candles_pass() -> Result<()> {
    let mut handed = 0;
    for graph in 0..GRAPHS {
        let dtype = if graph % 4 == 0 { DType::F64 } else { DType::F32 };
        let tolerance = if dtype == DType::F64 { 1e-12 } else { 1e-5 };
        let mut rng = Seed(graph).rng();
        let leaves = Leaves::new(&mut rng, dtype)?;
        let again = rng.clone();
        let ours = backward(&loss(&mut rng, &leaves)?)?;
        let candle = loss(&mut again.clone(), &leaves)?.backward()?;
        for (number, var) in leaves.all().enumerate() {
            let (got, wanted) = (ours.get(var.as_tensor()), candle.get(var.as_tensor()));
            assert_eq!(got.is_some(), wanted.is_some(), "graph {graph}, variable {number}");
            let (Some(got), Some(wanted)) = (got, wanted) else { continue };
            handed += 1;
            assert_eq!((got.dims(), got.dtype()), (wanted.dims(), wanted.dtype()));
            assert!(!got.track_op(), "graph {graph}, variable {number} hangs on a tape");
            let (got, wanted) = (numbers(got), numbers(wanted));
            let largest = wanted.iter().fold(1.0_f64, |largest, value| largest.max(value.abs()));
            for (got, wanted) in got.iter().zip(&wanted) {
                let error = (got - wanted).abs() / largest;
                assert!(error <= tolerance, "graph {graph}, variable {number}: {got}, not {wanted}");
            }
        }
    }
    assert!(handed > GRAPHS, "few graphs with gradients: {handed}");
    Ok(())
}

/// An operator whose gradient is made by a pass of its own, over variables that the pass around it does not know.
#[test]
fn a_pass_inside_another_keeps_its_gradients() -> Result<()> {
    struct Nested(Var);

    impl candle_core::CustomOp1 for Nested {
        fn name(&self) -> &'static str {
            "nested"
        }

        fn cpu_fwd(
            &self,
            _: &candle_core::CpuStorage,
            _: &candle_core::Layout,
        ) -> candle_core::Result<(candle_core::CpuStorage, candle_core::Shape)> {
            Ok((candle_core::CpuStorage::F32(vec![1.0]), candle_core::Shape::from(())))
        }

        fn bwd(&self, x: &Tensor, _: &Tensor, _: &Tensor) -> candle_core::Result<Option<Tensor>> {
            let y = ops::relu(&self.0).unwrap().sum_all()?;
            let candle = y.backward()?;
            assert!(candle.get(self.0.as_tensor()).is_some(), "candle's pass lost a gradient");
            let ours = backward(&y).unwrap();
            let gradient = ours.get(self.0.as_tensor()).unwrap();
            assert_eq!(gradient.to_vec1::<f32>()?, [1.0, 0.0]);
            x.ones_like().map(Some)
        }
    }

    let inner = Var::new(&[2.0_f32, -2.0], &Device::Cpu)?;
    let x = Var::new(&[1.0_f32, -3.0], &Device::Cpu)?;
    let y = ops::relu(&x)?.apply_op1(Nested(inner.clone()))?;
    let gradients = backward(&y)?;
    assert_eq!(gradients.get(x.as_tensor()).unwrap().to_vec1::<f32>()?, [1.0, 0.0]);
    assert!(gradients.get(inner.as_tensor()).is_none());
    Ok(())
}

/// From an output of ours, a view of one and one of candle's.
#[test]
fn a_gradient_can_begin_at_any_tensor() -> Result<()> {
    let mut rng = Seed(3).rng();
    let x = Var::from_tensor(&values(&mut rng, &[3, 4], DType::F32)?)?;
    let weight = Var::from_tensor(&values(&mut rng, &[5, 4], DType::F32)?)?;
    let ours = ops::linear(&ops::activate(&x, Activation::Silu)?, &weight, None)?;
    for y in [ours.clone(), ours.t()?, ours.sqr()?, x.as_tensor().clone()] {
        let dy = values(&mut rng, y.dims(), DType::F32)?;
        let (got, wanted) = (backward_from(&y, &dy)?, (&y * &dy)?.sum_all()?.backward()?);
        for var in [&x, &weight] {
            let [got, wanted] = [&got, &wanted].map(|found| found.get(var.as_tensor()).map(numbers));
            assert_eq!(got.is_some(), wanted.is_some());
            for (got, wanted) in got.iter().flatten().zip(wanted.iter().flatten()) {
                assert!((got - wanted).abs() <= 1e-5, "{got}, not {wanted}");
            }
        }
    }
    let error = backward_from(&ours, &ours.t()?).unwrap_err().to_string();
    assert!(error.contains("backward_from: expected dy (3, 5), got (5, 3)"), "{error}");
    Ok(())
}

/// One forward pass can be gone back more than once, from other ends too, also after a pass that failed.
#[test]
fn a_graph_can_be_gone_back_again() -> Result<()> {
    struct Fails;

    impl candle_core::CustomOp1 for Fails {
        fn name(&self) -> &'static str {
            "fails"
        }

        fn cpu_fwd(
            &self,
            storage: &candle_core::CpuStorage,
            layout: &candle_core::Layout,
        ) -> candle_core::Result<(candle_core::CpuStorage, candle_core::Shape)> {
            Ok((storage.clone(), layout.shape().clone()))
        }
    }

    let x = Var::new(&[1.0_f32, -3.0, 2.0], &Device::Cpu)?;
    let y = ops::relu(&x)?;
    let [a, b] = [ops::activate(&y, Activation::Silu)?, ops::activate(&y, Activation::Sigmoid)?];
    let fails = (ops::relu(&y)?.sum_all()? + ops::relu(&y.apply_op1(Fails)?)?.sum_all()?)?;
    let gradient = |end: &Tensor| -> Result<Vec<f32>> {
        Ok(backward(end)?.get(x.as_tensor()).unwrap().to_vec1::<f32>()?)
    };
    let (of_a, of_b) = (gradient(&a)?, gradient(&b)?);
    assert!(backward(&fails).is_err());
    assert_eq!(gradient(&a)?, of_a);
    let sum: Vec<f32> = of_a.iter().zip(&of_b).map(|(a, b)| a + b).collect();
    assert_eq!(gradient(&(&a + &b)?)?, sum);
    assert!(fails.backward().is_err());
    assert_eq!(gradient(&a)?, of_a);
    Ok(())
}
