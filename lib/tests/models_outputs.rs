//! Models of several outputs against torchvision and transformers: names, shapes and what comes out. Weights and inputs
//! follow from their names; `tests/fixtures/several/make.py` and `tests/fixtures/make.py` wrote the values.
#![allow(clippy::unwrap_used)]

#[path = "formula/mod.rs"]
mod formula;

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor, Var};
use sconce::models::{self, DetrBackbone, DetrConfig, FcosBackbone, FcosConfig, ModelConfig};
use sconce::nn::{Mode, Model, ModelOutputs, Value, backward};
use sconce::{Result, Seed};
use serde_json::Value as Json;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures");

fn json(path: &str) -> Json {
    serde_json::from_str(&std::fs::read_to_string(format!("{FIXTURES}/{path}")).unwrap()).unwrap()
}

fn tensors(path: &str) -> Result<HashMap<String, Tensor>> {
    Ok(candle_core::safetensors::load(format!("{FIXTURES}/{path}"), &Device::Cpu)?)
}

fn dims(json: &Json) -> Vec<usize> {
    json.as_array().unwrap().iter().map(|dim| dim.as_u64().unwrap() as usize).collect()
}

/// The model with the weights that belong to its names, which must be exactly those of `state`.
fn filled(architecture: &sconce::nn::Architecture, state: &Json) -> Result<Model> {
    let wanted: BTreeMap<String, Vec<usize>> = (state.as_array().unwrap().iter())
        .map(|entry| (entry[0].as_str().unwrap().to_owned(), dims(&entry[1])))
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .collect();
    let net = architecture.init(Seed(0), &Device::Cpu)?;
    let got: BTreeMap<String, Vec<usize>> =
        net.graph().tensors().iter().map(|spec| (spec.name.clone(), spec.shape.clone())).collect();
    assert_eq!(got, wanted);
    formula::fill(&net)?;
    Ok(net)
}

/// Equal at 1e-4 of the largest value.
fn near(what: &str, got: &Tensor, wanted: &Tensor) -> Result<()> {
    assert_eq!(got.dims(), wanted.dims(), "{what}");
    let difference = (got - wanted)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    let largest = wanted.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    assert!(largest > 1e-6 && difference <= 1e-4 * largest, "{what}: off by {difference} of {largest}");
    Ok(())
}

fn largest(x: &Tensor) -> Result<f32> {
    Ok(x.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?)
}

/// An architecture of `several.json`; what of it is called how in `several.safetensors`.
fn as_torchvision(name: &str, classes: usize, outputs: &[(&str, &str)]) -> Result<()> {
    let case = &json("several/several.json")[name];
    let input = dims(&case["input"]);
    let config = ModelConfig::default().num_classes(classes).image([input[1], input[2], input[3]]);
    let net = filled(&models::create(name, config)?, &case["state_dict"])?;
    let x = formula::images(&input, &Device::Cpu)?;
    let wanted = tensors("several/several.safetensors")?;
    let in_use = net.forward_outputs(&x, Mode::Eval)?;
    let layers: Vec<&str> =
        outputs.iter().map(|(_, layer)| *layer).filter(|layer| !layer.is_empty()).collect();
    let features = match layers.is_empty() {
        true => None,
        false => Some(net.features(&x, &layers)?),
    };
    for (output, layer) in outputs {
        let got = match (&features, layer.is_empty()) {
            // An auxiliary head is no output in use, but a layer like others.
            (Some(features), false) => features.get(layer)?,
            _ => in_use.get(output)?,
        };
        near(&format!("{name}, {output}"), got, &wanted[&format!("{name}/{output}")])?;
    }
    Ok(())
}

#[test]
fn googlenet_and_its_auxiliary_heads_give_what_torchvisions_give() -> Result<()> {
    as_torchvision("googlenet", 1000, &[("logits", ""), ("aux1", "aux1.fc2"), ("aux2", "aux2.fc2")])
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes unless it is optimized")]
fn large_inception_v3_gives_what_torchvisions_gives() -> Result<()> {
    as_torchvision("inception_v3", 1000, &[("logits", ""), ("AuxLogits", "AuxLogits.fc")])
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes unless it is optimized")]
fn large_fcos_gives_what_torchvisions_gives() -> Result<()> {
    as_torchvision("fcos_resnet50_fpn", 5, &[("logits", ""), ("distances", ""), ("centerness", "")])
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes unless it is optimized")]
fn large_detr_gives_what_transformers_gives() -> Result<()> {
    let case = json("models/detr_resnet50.json");
    // Built for other images than it gets.
    let config = ModelConfig::default().image([3, 224, 224]);
    let net = filled(&models::create("detr_resnet50", config)?, &case["state_dict"])?;
    let x = formula::images(&dims(&case["input"]["shape"]), &Device::Cpu)?;
    let wanted = tensors("models/detr_resnet50.safetensors")?;
    let outputs = net.forward_outputs(&x, Mode::Eval)?;
    assert_eq!(outputs.names(), ["logits", "boxes"]);
    near("logits", outputs.get("logits")?, &wanted["logits"])?;
    near("boxes", outputs.get("boxes")?, &wanted["pred_boxes"])?;
    let memory = net.features(&x, &["model.encoder.layers.5.final_layer_norm"])?;
    near("memory", memory.iter().next().unwrap().1, &wanted["encoder_last_hidden_state"])
}

/// A number that all outputs go into, each with weights of its own.
fn objective(outputs: &ModelOutputs) -> Result<Tensor> {
    let mut sum = Tensor::zeros((), DType::F32, &Device::Cpu)?;
    for (place, (_, output)) in outputs.iter().enumerate() {
        let factors = (0..output.elem_count()).map(|at| ((place + at) as f32).sin()).collect::<Vec<_>>();
        sum = (sum + (output * Tensor::from_vec(factors, output.dims(), &Device::Cpu)?)?.sum_all()?)?;
    }
    Ok(sum)
}

fn small_detr() -> DetrConfig {
    DetrConfig {
        backbone: DetrBackbone::Small(vec![8, 16, 32]),
        embed_dim: 32,
        feedforward_dim: 48,
        num_queries: 5,
        ..DetrConfig::small([3, 32, 40])
    }
}

#[test]
fn a_small_detr_trains_through_every_output_and_takes_images_of_any_size() -> Result<()> {
    let net = small_detr().architecture()?.init(Seed(1), &Device::Cpu)?;
    // Biases of zeros would leave more of the first layer without gradients than its form does.
    formula::fill(&net)?;
    let x = Var::from_tensor(&formula::images(&[2, 3, 56, 32], &Device::Cpu)?)?;
    let outputs = net.forward_outputs(x.as_tensor(), Mode::Train(Seed(2)))?;
    let names = ["logits", "boxes", "aux_0.logits", "aux_0.boxes", "aux_1.logits", "aux_1.boxes"];
    assert_eq!(outputs.names(), names);
    for (name, output) in outputs.iter() {
        assert_eq!(output.dims(), [2, 5, 4], "{name}");
    }
    let gradients = backward(&objective(&outputs)?)?;
    assert!(largest(gradients.get(x.as_tensor()).unwrap())? > 0.0);
    // The guesses start equal: the first layer's attention among them has nothing to choose from, and values of zeros. A
    // bias of all keys changes all scores alike, which softmax does not see.
    let idle = |name: &str| {
        let first = name.strip_prefix("model.decoder.layers.0.self_attn.").unwrap_or_default();
        name.ends_with("k_proj.bias")
            || ["q_proj", "k_proj", "v_proj.weight"].iter().any(|idle| first.starts_with(idle))
    };
    let mut moved = 0;
    for parameter in net.parameters().iter().filter(|parameter| !idle(&parameter.name)) {
        let gradient = largest(gradients.get(parameter.var.as_tensor()).unwrap())?;
        assert!(gradient > 1e-7, "{}: {gradient}", parameter.name);
        moved += 1;
    }
    assert!(moved > 100, "{moved}");
    // Each decoder layer's guesses come from the same heads.
    let heads = |net: &Model| {
        net.graph()
            .nodes()
            .iter()
            .filter(|node| node.name.starts_with("class_labels") || node.shares.is_some())
            .count()
    };
    assert_eq!(heads(&net), 1 + 2 * 5);
    assert_eq!(net.forward_outputs(x.as_tensor(), Mode::Eval)?.names(), ["logits", "boxes"]);
    Ok(())
}

#[test]
fn detr_and_fcos_refuse_what_cannot_be() {
    let refused = |config: DetrConfig| config.architecture().unwrap_err().to_string();
    let message = refused(DetrConfig { decoder_layers: 0, ..small_detr() });
    assert!(message.contains("at least 1 of decoder_layers"), "{message}");
    let message = refused(DetrConfig { num_classes: 0, ..small_detr() });
    assert!(message.contains("at least 1 of num_classes"), "{message}");
    let message = refused(DetrConfig { backbone: DetrBackbone::Small(Vec::new()), ..small_detr() });
    assert!(message.contains("the backbone's stages"), "{message}");
    let message = refused(DetrConfig { num_heads: 3, ..small_detr() });
    assert!(message.contains("scaled_dot_product_attention"), "{message}");
    let message = refused(DetrConfig { num_queries: 0, ..small_detr() });
    assert!(message.contains("at least 1 of queries"), "{message}");
    let config = FcosConfig { channels: 48, backbone: FcosBackbone::ResNet18, ..FcosConfig::default() };
    assert!(config.architecture().unwrap_err().to_string().contains("32 groups"));
    assert!(FcosConfig::places([0, 4]).unwrap_err().to_string().contains("at least one pixel"));
}

#[test]
fn fcos_has_a_row_for_each_place_of_its_pyramid() -> Result<()> {
    let config = ModelConfig::default().num_classes(4).image([3, 64, 64]);
    let net = models::create("fcos_resnet18_fpn", config)?.init(Seed(1), &Device::Cpu)?;
    for size in [[64, 64], [40, 72]] {
        let x = formula::images(&[1, 3, size[0], size[1]], &Device::Cpu)?;
        let outputs = net.forward_outputs(&x, Mode::Eval)?;
        let places = FcosConfig::places(size)?;
        for (name, columns) in [("logits", 4), ("distances", 4), ("centerness", 1)] {
            assert_eq!(outputs.get(name)?.dims(), [1, places.len(), columns], "{size:?}, {name}");
        }
        // What few places are, all are at first.
        let logits = outputs.get("logits")?.flatten_all()?.to_vec1::<f32>()?;
        assert!(logits.iter().all(|logit| *logit < -3.0), "{logits:?}");
    }
    assert_eq!(FcosConfig::places([64, 64])?.len(), 64 + 16 + 4 + 1 + 1);
    Ok(())
}

#[test]
fn unet_gives_a_class_for_every_pixel_of_images_of_any_size() -> Result<()> {
    let config = ModelConfig::default().num_classes(3).image([1, 32, 32]);
    let net = models::create("unet_small", config)?.init(Seed(1), &Device::Cpu)?;
    for size in [[32, 32], [19, 45]] {
        let x = formula::images(&[2, 1, size[0], size[1]], &Device::Cpu)?;
        let outputs = net.forward_outputs(&x, Mode::Train(Seed(1)))?;
        assert_eq!(outputs.iter().next().unwrap().1.dims(), [2, 3, size[0], size[1]]);
        let gradients = backward(&objective(&outputs)?)?;
        assert!(net.parameters().iter().all(|parameter| gradients.get(parameter.var.as_tensor()).is_some()));
    }
    Ok(())
}

/// Patches of 16 × 16 pixels with positions, as a vision transformer begins.
fn patches(x: Value) -> Value {
    let config = sconce::nn::Conv2dConfig { kernel: [16, 16], stride: [16, 16], ..Default::default() };
    let x = x.conv2d_with(4, config).named("conv_proj").image_to_tokens().class_token().named("class_token");
    x.position_embedding().named("encoder.pos_embedding").layer_norm()
}

#[test]
fn position_embeddings_are_interpolated_as_torchvision_does_it() -> Result<()> {
    let wanted = tensors("several/several.safetensors")?;
    let net = Model::build([3, 48, 48], patches)?.init(Seed(1), &Device::Cpu)?;
    let start = &wanted["positions/3"];
    let mut state = net.state()?;
    state
        .iter_mut()
        .filter(|(name, _)| name == "encoder.pos_embedding")
        .for_each(|(_, x)| *x = start.clone());
    net.set_state(&state)?;
    let embedding = |net: &Model| {
        let state = net.state().unwrap().into_iter();
        state.filter(|(name, _)| name == "encoder.pos_embedding").map(|(_, tensor)| tensor).next().unwrap()
    };
    near("3", &embedding(&net), &wanted["positions/3"])?;
    for side in [2, 5, 8] {
        let wanted = &wanted[&format!("positions/{side}")];
        let other = net.resized([3, 16 * side, 16 * side])?;
        near(&side.to_string(), &embedding(&other), wanted)?;
        let x = formula::images(&[1, 3, 16 * side, 16 * side], &Device::Cpu)?;
        assert_eq!(other.forward(&x, Mode::Eval)?.dims(), [1, 1 + side * side, 4]);
        // Weights of the other size, brought to this one.
        near(&side.to_string(), &other.fit_positions("encoder.pos_embedding", &embedding(&net))?, wanted)?;
        // Any other tensor is as it was.
        let other_tensor = Tensor::zeros((4, 3, 16, 16), DType::F32, &Device::Cpu)?;
        assert_eq!(other.fit_positions("conv_proj.weight", &other_tensor)?.dims(), [4, 3, 16, 16]);
    }
    let error =
        net.fit_positions("encoder.pos_embedding", &Tensor::zeros((1, 8, 4), DType::F32, &Device::Cpu)?);
    assert!(error.unwrap_err().to_string().contains("a square number of tokens"));
    let error = net.resized([1, 48, 48]).unwrap_err().to_string();
    assert!(
        error.contains("input (B, 3, 48, 48)") && error.contains("Only the height and the width"),
        "{error}"
    );
    Ok(())
}

#[test]
fn a_new_head_leaves_everything_else_as_it_was() -> Result<()> {
    let config = ModelConfig::default().num_classes(7).image([3, 32, 32]);
    let net = models::create("googlenet", config)?.init(Seed(1), &Device::Cpu)?;
    net.freeze("inception*")?;
    let other = net.replace_head(4, Seed(2))?;
    let (before, after) = (net.state()?, other.state()?);
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        let head = ["fc.", "aux1.fc2.", "aux2.fc2."].iter().any(|head| name.starts_with(head));
        assert_eq!(before.dims() != after.dims(), head, "{name}");
        if !head {
            assert_eq!(largest(&(before - after)?)?, 0.0, "{name}");
        }
    }
    let x = formula::images(&[2, 3, 32, 32], &Device::Cpu)?;
    let outputs = other.forward_outputs(&x, Mode::Train(Seed(1)))?;
    assert!(outputs.iter().all(|(_, output)| output.dims() == [2, 4]));
    assert_eq!(other.parameters().len(), net.parameters().len());
    assert!(other.parameters().iter().all(|parameter| !parameter.name.starts_with("inception")));
    // Copies: the one does not change with the other.
    net.set_state(
        &net.state()?.into_iter().map(|(name, x)| Ok((name, x.zeros_like()?))).collect::<Result<Vec<_>>>()?,
    )?;
    assert!(largest(&other.forward(&x, Mode::Eval)?)? > 0.0);

    // The boxes of a DETR have as many numbers as before.
    let detr = small_detr().architecture()?.init(Seed(1), &Device::Cpu)?.replace_head(9, Seed(2))?;
    let outputs =
        detr.forward_outputs(&formula::images(&[1, 3, 32, 32], &Device::Cpu)?, Mode::Train(Seed(1)))?;
    assert_eq!(outputs.get("aux_1.logits")?.dims(), [1, 5, 9]);
    assert_eq!(outputs.get("aux_1.boxes")?.dims(), [1, 5, 4]);

    let config = ModelConfig::default().num_classes(4).image([3, 32, 32]);
    let fcos = models::create("fcos_resnet18_fpn", config)?.init(Seed(1), &Device::Cpu)?;
    let outputs = fcos.replace_head(6, Seed(2))?.forward_outputs(&x, Mode::Eval)?;
    assert_eq!(outputs.get("logits")?.dims()[2], 6);
    assert_eq!(outputs.get("distances")?.dims()[2], 4);

    let none = Model::build([3, 8, 8], |x| x.flatten())?.init(Seed(1), &Device::Cpu)?;
    let message = none.replace_head(4, Seed(1)).unwrap_err().to_string();
    assert!(message.contains("a linear layer or a convolution"), "{message}");
    assert!(net.replace_head(0, Seed(1)).is_err());
    Ok(())
}
