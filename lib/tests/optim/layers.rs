//! Learning rates that fall towards the input.

use sconce::models::{self, ModelConfig};
use sconce::optim::{adamw, layer_decay, vectors};
use sconce::prelude::{Device, Seed};

use super::{Any, parameter};

/// Each parameter with how many times `factor` its rate was multiplied with.
fn depths(names: &[&str]) -> Result<Vec<(String, i32)>, Box<dyn std::error::Error>> {
    let parameters =
        names.iter().map(|name| parameter(name, &[2])).collect::<candle_core::Result<Vec<_>>>()?;
    let optimizer = adamw(1.0).groups(layer_decay(&parameters, 0.5)?).build(&parameters)?;
    let depth = |rate: f64| {
        let depth = -rate.log2();
        assert_eq!(depth, depth.round());
        depth as i32
    };
    Ok(optimizer.settings().into_iter().map(|s| (s.name, depth(s.learning_rate))).collect())
}

#[test]
fn blocks_are_read_from_the_names() -> Any {
    let cases: [&[(&str, i32)]; 4] = [
        &[
            ("conv1.weight", 3),
            ("bn1.bias", 3),
            ("layer1.0.conv1.weight", 2),
            ("layer1.0.bn1.weight", 2),
            ("layer1.1.conv1.weight", 1),
            ("fc.weight", 0),
            ("fc.bias", 0),
        ],
        &[
            ("class_token", 3),
            ("conv_proj.weight", 3),
            ("encoder.pos_embedding", 3),
            ("encoder.layers.encoder_layer_0.ln_1.weight", 2),
            ("encoder.layers.encoder_layer_0.mlp.0.weight", 2),
            ("encoder.layers.encoder_layer_1.ln_1.weight", 1),
            ("encoder.ln.weight", 0),
            ("heads.head.weight", 0),
        ],
        // Without any number every layer is a block.
        &[("stem.weight", 2), ("stem.bias", 2), ("body.weight", 1), ("head.weight", 0)],
        &[("conv2d_1.weight", 2), ("conv2d_1.bias", 2), ("conv2d_2.weight", 1), ("linear_1.weight", 0)],
    ];
    for case in cases {
        let names: Vec<&str> = case.iter().map(|(name, _)| *name).collect();
        let wanted: Vec<(String, i32)> = case.iter().map(|&(name, depth)| (name.to_owned(), depth)).collect();
        assert_eq!(depths(&names)?, wanted);
    }
    Ok(())
}

#[test]
fn a_vision_transformer_has_its_layers() -> Any {
    let net = models::create("vit_b_16", ModelConfig::default().num_classes(3).image([3, 32, 32]))?;
    let parameters = net.init(Seed(1), &Device::Cpu)?.parameters();
    let config = adamw(1.0).group(vectors().weight_decay(0.0)).groups(layer_decay(&parameters, 0.75)?);
    let optimizer = config.build(&parameters)?;
    let of = |name: &str| {
        let settings = optimizer.settings().into_iter().find(|settings| settings.name == name);
        settings.unwrap_or_else(|| panic!("no {name}"))
    };
    // timm's for the same network: embeddings 0.75^13, block i 0.75^(12 - i), head and last norm 1.
    assert!((of("conv_proj.weight").learning_rate - 0.75f64.powi(13)).abs() < 1e-15);
    assert!((of("encoder.pos_embedding").learning_rate - 0.75f64.powi(13)).abs() < 1e-15);
    let fifth = of("encoder.layers.encoder_layer_5.mlp.0.bias");
    assert!((fifth.learning_rate - 0.75f64.powi(7)).abs() < 1e-15);
    assert_eq!(fifth.weight_decay, 0.0);
    assert_eq!(of("encoder.ln.weight").learning_rate, 1.0);
    assert_eq!(of("heads.head.weight").learning_rate, 1.0);
    Ok(())
}

#[test]
fn bad_factors_are_refused() -> Any {
    let w = [parameter("w", &[1])?];
    for factor in [0.0, 1.5, -0.5, f64::NAN] {
        let error = layer_decay(&w, factor).map(|_| ()).expect_err("out of range").to_string();
        assert!(error.contains("at most 1"), "{error}");
    }
    assert!(layer_decay(&[], 0.5).is_err());
    Ok(())
}
