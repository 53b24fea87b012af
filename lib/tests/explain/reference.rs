//! Maps against what PyTorch computes.

use candle_core::Device;
use sconce::explain::{self, Attribution, CamConfig, IntegratedGradientsConfig, OcclusionConfig};
use sconce::models::{self, ModelConfig};
use sconce::nn::Model;
use sconce::{Result, Seed};

use crate::formula::{fill, images};
use crate::{FIXTURE, near, numbers, small};

#[test]
fn gradients_of_the_image() -> Result<()> {
    let (net, x) = small(16)?;
    let case = &FIXTURE["cnn"];
    let map = explain::saliency(&net, &x, None)?;
    assert_eq!(map.class(), Some(case["class"].as_u64().unwrap() as usize));
    let score = numbers(&case["scores"])[map.class().unwrap()];
    assert!((map.score().unwrap() - score).abs() < 1e-4 * score.abs());
    near("saliency", map.values(), &numbers(&case["saliency"]));
    // One image without a batch dimension, and a class that is not the best.
    let other = case["other"].as_u64().unwrap() as usize;
    let map = explain::saliency(&net, &x.squeeze(0)?, Some(other))?;
    near("saliency of another class", map.values(), &numbers(&case["other_saliency"]));
    let map = explain::input_x_gradient(&net, &x, None)?;
    near("input x gradient", map.values(), &numbers(&case["input_x_gradient"]));
    for batch in [1, 5, 32] {
        let config = IntegratedGradientsConfig { steps: 32, batch, ..Default::default() };
        let map = explain::integrated_gradients(&net, &x, config)?;
        near("integrated gradients", map.values(), &numbers(&case["integrated_gradients"]));
        let completeness = map.completeness().unwrap();
        let wanted = numbers(&case["completeness"]);
        near("completeness", &[completeness.sum as f32, completeness.difference as f32], &wanted);
        assert!(completeness.error() < 0.002, "{completeness:?}");
    }
    let config = OcclusionConfig {
        window: Some([4, 4]),
        stride: Some([2, 2]),
        batch: 7,
        ..OcclusionConfig::default()
    };
    near("occlusion", explain::occlusion(&net, &x, config)?.values(), &numbers(&case["occlusion"]));
    Ok(())
}

type Cam = fn(&Model, &candle_core::Tensor, CamConfig) -> Result<Attribution>;
const CAMS: [(&str, Cam); 3] = [
    ("grad_cam", explain::grad_cam),
    ("grad_cam_pp", explain::grad_cam_pp),
    ("layer_cam", explain::layer_cam),
];

#[test]
fn class_activation_maps_of_ones_own_model() -> Result<()> {
    let (net, x) = small(16)?;
    for (name, cam) in CAMS {
        for layer in ["join", "last"] {
            let map = cam(&net, &x, CamConfig::default().layer(layer))?;
            let case = &FIXTURE["cnn"][layer];
            near(&format!("{name} of {layer}"), map.coarse().unwrap().1, &numbers(&case[name]));
            if name == "grad_cam" {
                near(&format!("{name} of {layer}, large"), map.values(), &numbers(&case["grad_cam_large"]));
            }
        }
    }
    // The dropout behind it does nothing in use.
    let map = explain::grad_cam(&net, &x, CamConfig::default())?;
    assert_eq!(map.method(), "Grad-CAM of \"last\"");
    near("default layer", map.coarse().unwrap().1, &numbers(&FIXTURE["cnn"]["last"]["grad_cam"]));
    Ok(())
}

#[test]
fn class_activation_maps_of_the_zoo() -> Result<()> {
    let net = models::create("resnet20", ModelConfig::default())?.init(Seed(0), &Device::Cpu)?;
    fill(&net)?;
    let x = images(&[1, 3, 32, 32], &Device::Cpu)?;
    for (name, cam) in CAMS {
        for layer in ["layer2", "layer3"] {
            let map = cam(&net, &x, CamConfig::default().layer(layer))?;
            let wanted = numbers(&FIXTURE["resnet20"][layer][name]);
            near(&format!("{name} of {layer}"), map.coarse().unwrap().1, &wanted);
        }
    }
    let map = explain::grad_cam(&net, &x, CamConfig::default())?;
    near("the last stage", map.coarse().unwrap().1, &numbers(&FIXTURE["resnet20"]["layer3"]["grad_cam"]));
    assert_eq!(map.method(), "Grad-CAM of \"layer3\"");
    Ok(())
}

/// Freezing, and training steps that went before, change nothing of what a map is of.
#[test]
fn frozen_layers_have_gradients_too() -> Result<()> {
    let (net, x) = small(16)?;
    net.freeze("*")?;
    let map = explain::grad_cam(&net, &x, CamConfig::default().layer("join"))?;
    near("grad_cam", map.coarse().unwrap().1, &numbers(&FIXTURE["cnn"]["join"]["grad_cam"]));
    near("saliency", explain::saliency(&net, &x, None)?.values(), &numbers(&FIXTURE["cnn"]["saliency"]));
    Ok(())
}
