//! Pruning of published architectures.

use candle_core::Device;
use sconce::compress::{PruneConfig, prune_channels};
use sconce::models::{self, ModelConfig};
use sconce::nn::Model;
use sconce::{Result, Seed};

use super::saved::same;
use super::zeroed::{check, lively};

fn prunes(name: &str, config: ModelConfig) -> Result<()> {
    let model = models::create(name, config)?.init(Seed(5), &Device::Cpu)?;
    lively(&model, Seed(6))?;
    for ratio in [0.3, 0.7] {
        let pruned = prune_channels(&model, &PruneConfig::ratio(ratio))?;
        check(&model, &pruned, 1e-4)?;
        if ratio > 0.5 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("net.safetensors");
            pruned.model.save(&path)?;
            same(&pruned.model, &Model::open(&path, &Device::Cpu)?)?;
        }
        let report = &pruned.report;
        let left = report.multiply_adds_after() as f64 / report.multiply_adds_before() as f64;
        // Of a layer between two that lose their share, the square of what stays is left; heads and MLPs alone are less.
        assert!(left < 1.0 - 0.7 * ratio, "{name} at {ratio}: {left}");
    }
    Ok(())
}

#[test]
fn residual_networks() -> Result<()> {
    prunes("resnet20", ModelConfig::default())?;
    prunes("resnet18", ModelConfig::default().image([3, 64, 64]))
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimization")]
fn plain_networks_with_flattened_images() -> Result<()> {
    prunes("vgg11_bn", ModelConfig::default().image([3, 64, 64]))
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimization")]
fn concatenated_branches() -> Result<()> {
    prunes("inception_v3", ModelConfig::default())
}

#[test]
fn depthwise_layers_and_excitations() -> Result<()> {
    prunes("mobilenet_v3_small", ModelConfig::default().image([3, 64, 64]))
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimization")]
fn vision_transformers() -> Result<()> {
    prunes("vit_b_16", ModelConfig::default().image([3, 64, 64]))
}

#[test]
fn detectors() -> Result<()> {
    prunes("detr_small", ModelConfig::default().image([3, 64, 64]))
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long without optimization")]
fn detectors_at_full_width() -> Result<()> {
    prunes("detr_resnet50", ModelConfig::default().image([3, 64, 96]))
}
