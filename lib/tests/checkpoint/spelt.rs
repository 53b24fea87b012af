//! Names that other libraries give to the same tensors.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use sconce::nn::{Loading, Model};
use sconce::{Result, Seed};

fn counted(shape: &[usize], start: f32) -> Result<Tensor> {
    let count: usize = shape.iter().product();
    Ok(Tensor::arange(start, start + count as f32, &Device::Cpu)?.reshape(shape)?)
}

fn save(path: &std::path::Path, tensors: Vec<(&str, Tensor)>) -> Result<()> {
    let tensors: HashMap<String, Tensor> =
        tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
    Ok(candle_core::safetensors::save(&tensors, path)?)
}

fn state(net: &Model) -> Result<HashMap<String, Vec<f32>>> {
    let state = net.state()?.into_iter();
    state.map(|(name, tensor)| Ok((name, tensor.flatten_all()?.to_vec1()?))).collect()
}

#[test]
fn a_projection_of_three_is_taken_apart() -> Result<()> {
    let layer = "model.encoder.layers.0.self_attn";
    let net = Model::build([1, 1, 2], |x| {
        let x = x.flatten();
        let [q, k, v] = ["q", "k", "v"].map(|part| x.linear(2).named(format!("{layer}.{part}_proj")));
        (q + k + v).linear(2).named(format!("{layer}.o_proj"))
    })?;
    let net = net.init(Seed(0), &Device::Cpu)?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("detr.safetensors");
    let prefix = "transformer.encoder.layers.0.self_attn";
    save(
        &path,
        vec![
            (&format!("{prefix}.in_proj_weight"), counted(&[6, 2], 0.0)?),
            (&format!("{prefix}.in_proj_bias"), counted(&[6], 20.0)?),
            (&format!("{prefix}.out_proj.weight"), counted(&[2, 2], 30.0)?),
            (&format!("{prefix}.out_proj.bias"), counted(&[2], 40.0)?),
        ],
    )?;
    let report = net.load(&path, Loading::Strict)?;
    assert_eq!(report.spelling.as_deref(), Some("facebookresearch/detr"));
    let state = state(&net)?;
    assert_eq!(state[&format!("{layer}.q_proj.weight")], [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(state[&format!("{layer}.v_proj.weight")], [8.0, 9.0, 10.0, 11.0]);
    assert_eq!(state[&format!("{layer}.k_proj.bias")], [22.0, 23.0]);
    assert_eq!(state[&format!("{layer}.o_proj.bias")], [40.0, 41.0]);
    Ok(())
}

#[test]
fn three_projections_are_joined_and_sides_of_one_left_out() -> Result<()> {
    let net = Model::build([1, 2, 1], |x| {
        let x = x.image_to_tokens().self_attention(1);
        x.named("encoder.layers.encoder_layer_0.self_attention")
    })?;
    let net = net.init(Seed(0), &Device::Cpu)?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vit.safetensors");
    let layer = "vit.encoder.layer.0.attention";
    let mut tensors = Vec::new();
    for (index, name) in ["query", "key", "value"].into_iter().enumerate() {
        tensors.push((format!("{layer}.attention.{name}.weight"), counted(&[1, 1], index as f32)?));
        tensors.push((format!("{layer}.attention.{name}.bias"), counted(&[1], 10.0 + index as f32)?));
    }
    tensors.push((format!("{layer}.output.dense.weight"), counted(&[1, 1], 5.0)?));
    tensors.push((format!("{layer}.output.dense.bias"), counted(&[1], 6.0)?));
    save(&path, tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect())?;
    let report = net.load(&path, Loading::Strict)?;
    assert_eq!(report.spelling.as_deref(), Some("transformers before 5"));
    let state = state(&net)?;
    assert_eq!(state["encoder.layers.encoder_layer_0.self_attention.in_proj_weight"], [0.0, 1.0, 2.0]);
    assert_eq!(state["encoder.layers.encoder_layer_0.self_attention.in_proj_bias"], [10.0, 11.0, 12.0]);
    Ok(())
}

#[test]
fn a_wrapped_model_is_found() -> Result<()> {
    let net =
        Model::build([1, 1, 2], |x| x.flatten().linear(2).named("head"))?.init(Seed(0), &Device::Cpu)?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrapped.safetensors");
    let extra = counted(&[1], 0.0)?;
    let tensors = vec![
        ("model.head.weight", counted(&[2, 2], 0.0)?),
        ("model.head.bias", counted(&[2], 7.0)?),
        ("loss.scale", extra),
    ];
    save(&path, tensors)?;
    let report = net.load(&path, Loading::Partial)?;
    assert_eq!(
        (report.spelling.as_deref(), report.unexpected.as_slice()),
        (Some("Lightning"), &["loss.scale".to_owned()][..])
    );
    assert_eq!(state(&net)?["head.bias"], [7.0, 8.0]);
    Ok(())
}
