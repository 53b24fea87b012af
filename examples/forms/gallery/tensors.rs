//! Tensors of every rank that has a form of its own.

use sconce::prelude::*;

/// `0, 1, 2, …` in a shape.
fn ramp(shape: &[usize]) -> Result<Tensor> {
    let count: usize = shape.iter().product();
    Ok(Tensor::arange(0_f32, count as f32, &Device::Cpu)?.reshape(shape)?)
}

/// A single number.
pub fn tensor_scalar() -> Result<Tensor> {
    Ok(Tensor::new(3.25_f32, &Device::Cpu)?)
}

/// Numbers in a row.
pub fn tensor_vector() -> Result<Tensor> {
    let values: Vec<f32> = (0..200).map(|at| ((at % 40) * (at % 40)) as f32 / 16.0).collect();
    Ok(Tensor::from_vec(values, 200, &Device::Cpu)?)
}

/// A matrix, some of whose values are none.
pub fn tensor_matrix() -> Result<Tensor> {
    let mut values: Vec<f32> = (0..48).map(|at| at as f32 / 8.0).collect();
    (values[9], values[30]) = (f32::NAN, f32::INFINITY);
    Ok(Tensor::from_vec(values, (6, 8), &Device::Cpu)?)
}

/// A matrix of more cells than a picture has pixels.
pub fn tensor_large_matrix() -> Result<Tensor> {
    ramp(&[400, 500])
}

/// An image in colours.
pub fn tensor_image() -> Result<Tensor> {
    let side = 16_usize;
    let value = |at: usize| {
        let (channel, row, column) = (at / (side * side), at / side % side, at % side);
        [row as f32 / 16.0, column as f32 / 16.0, if row < 8 { 0.25 } else { 0.75 }][channel]
    };
    Ok(Tensor::from_vec(
        (0..3 * side * side).map(value).collect::<Vec<f32>>(),
        (3, side, side),
        &Device::Cpu,
    )?)
}

/// Channels that are no image: one picture each.
pub fn tensor_channels() -> Result<Tensor> {
    ramp(&[5, 6, 6])
}

/// A batch of images.
pub fn tensor_batch() -> Result<Tensor> {
    Ok((ramp(&[12, 1, 8, 8])? / 767.0)?)
}

/// Class numbers.
pub fn tensor_labels() -> Result<Tensor> {
    Ok(Tensor::new(&[3_u32, 1, 4, 1, 5], &Device::Cpu)?)
}

/// What training changes.
pub fn var() -> Result<Var> {
    Ok(Var::from_tensor(&(ramp(&[2, 3])? - 2.5)?)?)
}
