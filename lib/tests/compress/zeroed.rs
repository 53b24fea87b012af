//! What a pruned model has to give: the old one's output where what is removed is 0 when it is taken.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use sconce::compress::{PruneConfig, Pruned, prune_channels};
use sconce::nn::{Mode, Model, Operator};
use sconce::{Result, Seed};

/// Norms, biases and running statistics that are no zeros and ones, so that nothing hides behind them.
pub fn lively(model: &Model, seed: Seed) -> Result<()> {
    let mut rng = seed.derive("lively").rng();
    let mut state = model.state()?;
    for (name, tensor) in state.iter_mut().filter(|(_, tensor)| tensor.rank() == 1) {
        let middle = if name.ends_with("running_var") || name.ends_with("weight") { 1.0 } else { 0.0 };
        let values = (0..tensor.elem_count()).map(|_| middle + 0.4 * (rng.uniform_f32() - 0.5));
        *tensor = Tensor::from_vec(values.collect::<Vec<f32>>(), tensor.dims(), tensor.device())?;
    }
    model.set_state(&state)
}

/// A model that takes what `pruned` removed of `model` as 0.
pub fn zeroed(model: &Model, pruned: &Pruned) -> Result<Model> {
    // As it is, with attention taken apart.
    let whole = prune_channels(model, &PruneConfig::ratio(0.0))?.model;
    let mut taken = HashMap::new();
    for node in whole.graph().nodes() {
        let dim = match node.operator {
            Operator::Conv2d { .. } | Operator::Linear { .. } => 1,
            Operator::ConvTranspose2d { .. } => 0,
            _ => continue,
        };
        taken.insert(whole.graph().tensors()[node.tensors[0]].name.clone(), dim);
    }
    let mut state: HashMap<String, Tensor> = whole.state()?.into_iter().collect();
    for kept in pruned.report.kept() {
        if taken.get(&kept.tensor) == Some(&kept.dim) {
            let mut mask = vec![0.0_f32; kept.of];
            kept.kept.iter().for_each(|&index| mask[index] = 1.0);
            let tensor = state.get_mut(&kept.tensor).unwrap();
            let mut shape = vec![1; tensor.rank()];
            shape[kept.dim] = kept.of;
            *tensor = tensor.broadcast_mul(&Tensor::from_vec(mask, shape, &Device::Cpu)?)?;
        }
    }
    let names = whole.graph().tensors().iter().map(|spec| spec.name.clone());
    let state: Vec<(String, Tensor)> = names.map(|name| (name.clone(), state[&name].clone())).collect();
    whole.set_state(&state)?;
    Ok(whole)
}

/// All outputs of two models for random images must be alike, and the counts must be those of the report.
pub fn check(model: &Model, pruned: &Pruned, tolerance: f32) -> Result<()> {
    assert_eq!(pruned.report.parameters_before(), model.num_parameters());
    assert_eq!(pruned.report.parameters_after(), pruned.model.num_parameters());
    let counted: usize = pruned.model.parameters().iter().map(|parameter| parameter.var.elem_count()).sum();
    assert_eq!(counted, pruned.model.num_parameters());
    assert_eq!(pruned.report.multiply_adds_after(), pruned.model.summary().multiply_adds());
    let shape = model.graph().nodes()[0].shape.clone();
    let mut rng = Seed(7).derive("images").rng();
    let count: usize = 2 * shape.iter().product::<usize>();
    let images: Vec<f32> = (0..count).map(|_| rng.uniform_f32() - 0.3).collect();
    let images = Tensor::from_vec(images, [&[2], shape.as_slice()].concat(), &Device::Cpu)?;
    let wanted = zeroed(model, pruned)?.forward_outputs(&images, Mode::Eval)?;
    let got = pruned.model.forward_outputs(&images, Mode::Eval)?;
    assert_eq!(wanted.names(), got.names());
    for ((name, wanted), (_, got)) in wanted.iter().zip(got.iter()) {
        let largest =
            |tensor: &Tensor| -> Result<f32> { Ok(tensor.abs()?.flatten_all()?.max(0)?.to_scalar()?) };
        let (size, apart) = (largest(wanted)?, largest(&(wanted - got)?)?);
        assert!(size.is_finite() && apart <= tolerance * size.max(1.0), "{name}: {apart} of {size}");
    }
    Ok(())
}
