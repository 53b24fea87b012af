//! Weights and images that follow from their names, as the fixtures' README says.

use candle_core::{Device, Tensor};
use sconce::nn::Model;
use sconce::{Result, Seed};

/// Uniform in [0, 1), the numbers that belong to a name.
fn uniform(name: &str, len: usize) -> Vec<f64> {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut rng = Seed(hash).rng();
    (0..len).map(|_| f64::from(rng.uniform_f32())).collect()
}

fn weight(name: &str, dims: &[usize], device: &Device) -> Result<Tensor> {
    let value = |u: f64| {
        let v = 2.0 * u - 1.0;
        if name.ends_with("running_var") {
            0.5 + u
        } else if name.ends_with("running_mean") {
            0.1 * v
        } else if dims.len() >= 2 {
            v * (3.0 / dims[1..].iter().product::<usize>() as f64).sqrt()
        } else if name.ends_with("weight") {
            1.0 + 0.1 * v
        } else {
            0.1 * v
        }
    };
    let values: Vec<f32> =
        uniform(name, dims.iter().product()).into_iter().map(|u| value(u) as f32).collect();
    Ok(Tensor::from_vec(values, dims, device)?)
}

/// Images of these dimensions, in [-1, 1).
pub fn images(dims: &[usize], device: &Device) -> Result<Tensor> {
    let values = uniform("input", dims.iter().product()).into_iter().map(|u| (2.0 * u - 1.0) as f32);
    Ok(Tensor::from_vec(values.collect::<Vec<_>>(), dims, device)?)
}

/// Gives `model` the values that its tensors' names say.
pub fn fill(model: &Model) -> Result<()> {
    let specs = model.graph().tensors().iter();
    let state: Vec<(String, Tensor)> = specs
        .map(|spec| Ok((spec.name.clone(), weight(&spec.name, &spec.shape, model.device())?)))
        .collect::<Result<_>>()?;
    model.set_state(&state)
}
