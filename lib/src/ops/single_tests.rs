//! The kernels of f32 against the ones of f64, on the same values.

use candle_core::{DType, Device, Tensor, Var};

use super::*;
use crate::{Result, Seed};

/// The output and the gradients of all inputs, in f64, where the gradient of the output is fixed.
fn computed(
    inputs: &[Tensor],
    dtype: DType,
    function: &dyn Fn(&[Var]) -> Result<Tensor>,
) -> Result<Vec<Tensor>> {
    let vars = inputs.iter().map(|input| Ok(Var::from_tensor(&input.to_dtype(dtype)?)?));
    let vars = vars.collect::<Result<Vec<Var>>>()?;
    let y = function(&vars)?;
    let dy = random("dy", y.dims())?.to_dtype(dtype)?;
    let gradients = (&y * dy)?.sum_all()?.backward()?;
    let mut computed = vec![y.to_dtype(DType::F64)?];
    for var in &vars {
        computed
            .push(gradients.get(var).map_or_else(|| var.zeros_like(), Tensor::copy)?.to_dtype(DType::F64)?);
    }
    Ok(computed)
}

fn random(name: &str, dims: &[usize]) -> Result<Tensor> {
    let mut rng = Seed(5).derive(name).rng();
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| rng.normal() as f32).collect();
    Ok(Tensor::from_vec(values, dims, &Device::Cpu)?)
}

fn agrees(name: &str, shapes: &[&[usize]], function: &dyn Fn(&[Var]) -> Result<Tensor>) -> Result<()> {
    let inputs = shapes.iter().enumerate().map(|(input, dims)| random(&format!("{name}{input}"), dims));
    let inputs = inputs.collect::<Result<Vec<Tensor>>>()?;
    let (single, double) =
        (computed(&inputs, DType::F32, function)?, computed(&inputs, DType::F64, function)?);
    for (index, (single, double)) in single.iter().zip(&double).enumerate() {
        let largest = |x: Tensor| -> Result<f64> { Ok(x.abs()?.flatten_all()?.max(0)?.to_scalar()?) };
        let deviation = largest((single - double)?)? / largest(double.clone())?;
        assert!(deviation < 1e-5, "{name}, result {index}: {deviation:e}");
    }
    Ok(())
}

fn sliding(stride: usize, padding: usize, dilation: usize) -> Sliding {
    Sliding { stride: [stride; 2], padding: padding.into(), dilation: [dilation; 2] }
}

#[test]
fn attention_in_panels() -> Result<()> {
    for [leading, queries, keys, features, out] in
        [[3, 61, 45, 32, 64], [4, 1, 33, 16, 16], [2, 120, 7, 64, 32], [1, 9, 70, 32, 32], [2, 5, 6, 24, 32]]
    {
        let shapes: [&[usize]; 3] =
            [&[leading, 2, queries, features], &[leading, 2, keys, features], &[leading, 2, keys, out]];
        let name = format!("attention {queries} {keys}");
        agrees(&name, &shapes, &|t| attention(&t[0], &t[1], &t[2]))?;
    }
    let shape: &[usize] = &[3, 37, 96];
    agrees("attention in heads", &[shape; 3], &|t| attention_in_heads(&t[0], &t[1], &t[2], 3))
}

#[test]
fn pools() -> Result<()> {
    for (kernel, moves) in [
        ([3, 3], sliding(2, 1, 1)),
        ([2, 2], sliding(2, 0, 1)),
        ([3, 2], sliding(1, 1, 2)),
        ([5, 4], sliding(3, 2, 1)),
        ([1, 1], sliding(4, 0, 1)),
    ] {
        for rounding in [Rounding::Floor, Rounding::Ceil] {
            for shape in [&[2, 3, 37, 21], &[1, 2, 5, 40]] {
                let name = format!("max_pool2d {kernel:?} {moves:?} {rounding:?}");
                agrees(&name, &[shape], &|t| max_pool2d(&t[0], kernel, moves, rounding))?;
            }
        }
    }
    Ok(())
}

#[test]
fn an_infinite_window_has_a_first_pixel() -> Result<()> {
    let x = Var::from_tensor(&Tensor::full(f32::NEG_INFINITY, (1, 1, 3, 20), &Device::Cpu)?)?;
    let y = max_pool2d(&x, [3, 3], sliding(3, 1, 1), Rounding::Floor)?;
    assert_eq!(y.dims(), [1, 1, 1, 7]);
    assert!(y.flatten_all()?.to_vec1::<f32>()?.iter().all(|&y| y == f32::NEG_INFINITY));
    let gradients = y.backward()?;
    let dx = gradients.get(&x).map(|dx| dx.flatten_all()?.to_vec1::<f32>()).transpose()?.unwrap_or_default();
    let first: Vec<usize> = (0..dx.len()).filter(|&pixel| dx[pixel] > 0.0).collect();
    assert_eq!(first, [0, 2, 5, 8, 11, 14, 17]);
    // Of several that are no numbers the first is the largest, too.
    let mut values = vec![0.0_f32; 40];
    (values[18], values[23]) = (f32::NAN, f32::NAN);
    let x = Var::from_tensor(&Tensor::from_vec(values, (1, 1, 2, 20), &Device::Cpu)?)?;
    let y = max_pool2d(&x, [2, 5], sliding(5, 0, 1), Rounding::Floor)?;
    let gradients = y.backward()?;
    let dx = gradients.get(&x).map(|dx| dx.flatten_all()?.to_vec1::<f32>()).transpose()?.unwrap_or_default();
    assert_eq!((0..dx.len()).filter(|&pixel| dx[pixel] > 0.0).collect::<Vec<_>>(), [5, 10, 18, 23]);
    Ok(())
}

#[test]
fn products() -> Result<()> {
    for (kernel, moves) in [
        ([3, 3], sliding(1, 1, 1)),
        ([3, 3], sliding(2, 1, 1)),
        ([7, 7], sliding(1, 3, 1)),
        ([2, 4], sliding(3, 0, 1)),
        ([3, 3], sliding(1, 2, 2)),
        ([5, 5], sliding(1, 2, 1)),
        ([2, 9], sliding(1, 4, 1)),
    ] {
        // In rows of many vectors, and of less than one.
        for (multiplier, size) in [(1, [19, 37]), (2, [19, 37]), (2, [14, 5])] {
            let (x, weight): (&[usize], &[usize]) =
                (&[2, 3, size[0], size[1]], &[3 * multiplier, 1, kernel[0], kernel[1]]);
            let bias: &[usize] = &[3 * multiplier];
            let name = format!("depthwise {kernel:?} {moves:?} {multiplier} {size:?}");
            agrees(&name, &[x, weight, bias], &|t| conv2d(&t[0], &t[1], Some(&t[2]), moves, 3))?;
        }
    }
    for (x, outputs, kernel, moves) in [
        ([2, 3, 17, 33], 8, [3, 3], sliding(1, 1, 1)),
        ([2, 1, 18, 50], 16, [5, 4], sliding(1, 0, 1)),
        ([2, 4, 9, 112], 8, [4, 4], sliding(1, 1, 1)),
        ([3, 4, 20, 20], 8, [3, 3], sliding(1, 2, 2)),
        ([2, 3, 37, 41], 16, [7, 7], sliding(2, 3, 1)),
        ([4, 16, 13, 28], 5, [3, 3], sliding(2, 1, 1)),
        ([5, 17, 9, 90], 20, [3, 2], sliding(3, 1, 2)),
        ([4, 40, 11, 111], 6, [1, 1], sliding(2, 0, 1)),
    ] {
        let (weight, bias): (&[usize], &[usize]) = (&[outputs, x[1], kernel[0], kernel[1]], &[outputs]);
        let name = format!("as they lie {x:?} {kernel:?} {moves:?}");
        agrees(&name, &[&x, weight, bias], &|t| conv2d(&t[0], &t[1], Some(&t[2]), moves, 1))?;
    }
    for [rows, inner, columns] in [[3, 4, 5], [700, 33, 65], [1, 1, 1]] {
        let shapes: [&[usize]; 2] = [&[2, rows, inner], &[inner, columns]];
        agrees("matmul", &shapes, &|t| matmul(&t[0], &t[1]))?;
    }
    let shapes: [&[usize]; 3] = [&[3, 5, 16, 17], &[7, 5, 1, 1], &[7]];
    agrees("pointwise", &shapes, &|t| conv2d(&t[0], &t[1], Some(&t[2]), Sliding::default(), 1))
}

#[test]
fn norms() -> Result<()> {
    for width in [5, 67, 768] {
        let shapes: [&[usize]; 3] = [&[3, 50, width], &[width], &[width]];
        agrees("layer_norm", &shapes, &|t| layer_norm(&t[0], &t[1], &t[2], 1e-5))?;
    }
    let shapes: [&[usize]; 3] = [&[3, 6, 5, 7], &[6], &[6]];
    agrees("group_norm", &shapes, &|t| group_norm(&t[0], 3, &t[1], &t[2], 1e-5))?;
    agrees("batch_norm", &shapes, &|t| batch_norm(t))?;
    let many_channels: [&[usize]; 3] = [&[3, 17, 20, 21], &[17], &[17]];
    agrees("batch_norm by channels", &many_channels, &|t| batch_norm(t))
}

fn batch_norm(t: &[Var]) -> Result<Tensor> {
    let running = |value: f64| Var::from_tensor(&(t[1].zeros_like()? + value)?);
    let (mean, variance) = (running(0.0)?, running(1.0)?);
    batch_norm_train(&t[0], &t[1], &t[2], (&mean, &variance), BatchNormConfig::default())
}

/// With few threads channel by channel, with many plane by plane.
#[test]
fn gradients_of_batch_norm_are_the_same_for_any_number_of_threads() -> Result<()> {
    let inputs = [random("x", &[3, 17, 20, 21])?, random("weight", &[17])?, random("bias", &[17])?];
    let with = |threads: usize| -> Result<Vec<Vec<f64>>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| candle_core::Error::Msg(error.to_string()))?;
        let computed = pool.install(|| computed(&inputs, DType::F32, &|t| batch_norm(t)))?;
        computed.iter().map(|tensor| Ok(tensor.flatten_all()?.to_vec1()?)).collect()
    };
    let by_channel = with(1)?;
    assert_eq!(by_channel, with(4)?);
    assert_eq!(by_channel, with(16)?);
    Ok(())
}
