//! Attention against what PyTorch computes.

use candle_core::{Device, Tensor};
use sconce::explain::{self, CamConfig, HeadFusion};
use sconce::models::{self, DetrBackbone, DetrConfig, ModelConfig};
use sconce::nn::Model;
use sconce::plot::number;
use sconce::rich::Rich;
use sconce::{Result, Seed};

use crate::formula::{fill, images};
use crate::{FIXTURE, near, numbers};

fn vit() -> Result<(Model, Tensor)> {
    let config = ModelConfig::default().num_classes(10).image([3, 64, 64]);
    let net = models::create("vit_ti_16", config)?.init(Seed(0), &Device::Cpu)?;
    fill(&net)?;
    Ok((net, images(&[1, 3, 64, 64], &Device::Cpu)?))
}

#[test]
fn weights_and_rollout_are_those_of_the_reference() -> Result<()> {
    let (net, x) = vit()?;
    // Its only maps are those of single patches.
    let error = explain::grad_cam(&net, &x, CamConfig::default()).unwrap_err().to_string();
    assert!(error.contains("attention_rollout") && error.contains(".layer(name)"), "{error}");
    assert!(explain::grad_cam(&net, &x, CamConfig::default().layer("conv_proj")).is_ok());
    let case = &FIXTURE["vit"];
    let tokens = case["tokens"].as_u64().unwrap() as usize;
    let layer = |number: usize| format!("encoder.layers.encoder_layer_{number}.self_attention");
    let first = explain::attention_maps(&net, &x, Some(&layer(0)))?;
    assert_eq!((first.shape(), first.grid()), ([3, tokens, tokens], Some([4, 4])));
    near("first layer", first.values(), &numbers(&case["first"]));
    let last = explain::attention_maps(&net, &x, None)?;
    assert_eq!(last.layer(), layer(11));
    near("last layer", last.values(), &numbers(&case["last"]));
    let rollout = explain::attention_rollout(&net, &x, HeadFusion::Mean)?;
    // The row of the class token without its own column.
    near("rollout", rollout.coarse().unwrap().1, &numbers(&case["rollout"])[1..tokens]);
    assert_eq!((rollout.class(), rollout.size()), (None, [64, 64]));
    assert_ne!(explain::attention_rollout(&net, &x, HeadFusion::Max)?.values(), rollout.values());
    Ok(())
}

#[test]
fn queries_are_means_of_heads() -> Result<()> {
    let (net, x) = vit()?;
    let maps = explain::attention_maps(&net, &x, None)?;
    let query = maps.query(3)?;
    let wanted: Vec<f64> = (1..17)
        .map(|key| (0..3).map(|head| f64::from(maps.values()[(head * 17 + 3) * 17 + key])).sum::<f64>() / 3.0)
        .collect();
    near("query 3", query.coarse().unwrap().1, &wanted);
    let error = maps.query(17).unwrap_err().to_string();
    assert!(error.contains("expected a query below 17, got 17"), "{error}");
    assert_eq!(maps.grid_of_heads()?.len(), 3);
    let bundle = maps.rich();
    assert!(bundle.plain().unwrap().contains("attention of 3 heads, 17 queries to 17 keys"), "{bundle:?}");
    assert!(maps.table().text().contains("mean entropy"), "{}", maps.table().text());
    Ok(())
}

/// Attention without parameters, of queries to places of the image, as in DETR's decoder.
#[test]
fn queries_look_at_places() -> Result<()> {
    let net = Model::build([2, 3, 4], |x| {
        let memory = x.image_to_tokens().named("memory");
        let queries = x.queries([5, 2]).named("queries");
        queries.scaled_dot_product_attention(&memory, &memory, 1).named("cross").flatten().linear(3)
    })?
    .init(Seed(1), &Device::Cpu)?;
    // The first pixel is like the first query, and no other is: its weight is e^(q·q / √2) against 11 of e^0.
    let queries = Tensor::new(&[[2.0_f32, 0.0], [0.0; 2], [0.0; 2], [0.0; 2], [0.0; 2]], &Device::Cpu)?;
    let state = net.state()?.into_iter().map(|(name, value)| match name.as_str() {
        "queries.weight" => (name, queries.clone()),
        _ => (name, value),
    });
    net.set_state(&state.collect::<Vec<_>>())?;
    let mut pixels = vec![0.0_f32; 24];
    pixels[5] = 2.0;
    let x = Tensor::from_vec(pixels, (1, 2, 3, 4), &Device::Cpu)?;
    let maps = explain::attention_maps(&net, &x, Some("cross"))?;
    assert_eq!((maps.shape(), maps.grid()), ([1, 5, 12], Some([3, 4])));
    let high = (4.0 / 2.0_f64.sqrt()).exp();
    let wanted: Vec<f64> = (0..12).map(|at| if at == 5 { high } else { 1.0 } / (high + 11.0)).collect();
    near("the first query", maps.query(0)?.coarse().unwrap().1, &wanted);
    near("the second query", maps.query(1)?.coarse().unwrap().1, &[1.0 / 12.0; 12]);
    let error = explain::attention_rollout(&net, &x, HeadFusion::Mean).unwrap_err().to_string();
    assert!(error.contains("got 5 queries and 12 keys in \"cross\""), "{error}");
    assert!(maps.table().text().contains(&number(high / (high + 11.0))), "{}", maps.table().text());
    Ok(())
}

/// Each pixel at itself with a bias of ln 5, at the others with 0.
#[test]
fn biases_of_relative_attention_count() -> Result<()> {
    let net = Model::build([6, 2, 3], |x| {
        x.image_to_tokens().relative_attention(2, [2, 3]).named("attention").flatten().linear(3)
    })?
    .init(Seed(1), &Device::Cpu)?;
    let state = net.state()?.into_iter().map(|(name, value)| match name.as_str() {
        "attention.relative_position_bias_table" => {
            let mut table = vec![0.0; 15 * 2];
            // One row up and down, two columns left and right: the middle of the 3 x 5 ways is to stay.
            table[7 * 2 + 1] = 5.0_f32.ln();
            Ok((name, Tensor::from_vec(table, (15, 2), &Device::Cpu)?))
        }
        _ => Ok((name, value)),
    });
    net.set_state(&state.collect::<Result<Vec<_>>>()?)?;
    let x = Tensor::zeros((1, 6, 2, 3), candle_core::DType::F32, &Device::Cpu)?;
    let maps = explain::attention_maps(&net, &x, None)?;
    assert_eq!((maps.shape(), maps.grid()), ([2, 6, 6], Some([2, 3])));
    let second = (0..36).map(|at| if at % 7 == 0 { 0.5 } else { 0.1 });
    near("both heads", maps.values(), &[1.0 / 6.0; 36].into_iter().chain(second).collect::<Vec<_>>());
    let rollout = explain::attention_rollout(&net, &x, HeadFusion::Mean)?;
    // All tokens alike, each as much as any: there is no class token.
    near("rollout", rollout.coarse().unwrap().1, &[1.0 / 6.0; 6]);
    Ok(())
}

/// What the object queries of a DETR look at, from its own projections.
#[test]
fn cross_attention_of_detr() -> Result<()> {
    let config = DetrConfig {
        backbone: DetrBackbone::Small(vec![8, 16, 32]),
        embed_dim: 32,
        feedforward_dim: 48,
        num_queries: 5,
        ..DetrConfig::small([3, 32, 40])
    };
    let (heads, layer) = (config.num_heads, config.decoder_layers - 1);
    let net = config.architecture()?.init(Seed(1), &Device::Cpu)?;
    fill(&net)?;
    let x = images(&[1, 3, 48, 32], &Device::Cpu)?;
    let name = format!("model.decoder.layers.{layer}.encoder_attn");
    let maps = explain::attention_maps(&net, &x, Some(&name))?;
    let parts = ["q", "k"].map(|part| format!("{name}.{part}_proj"));
    let projected = net.features(&x, &[&parts[0], &parts[1]])?;
    let [q, k] =
        [0, 1].map(|part| projected.get(&parts[part])?.get(0)?.to_vec2::<f32>().map_err(sconce::Error::from));
    let (q, k) = (q?, k?);
    let [rows, columns] = maps.grid().unwrap();
    assert_eq!((maps.shape(), rows * columns), ([heads, 5, k.len()], k.len()));
    let mut wanted = Vec::new();
    for head in 0..heads {
        for query in &q {
            let part = head * 32 / heads..(head + 1) * 32 / heads;
            let product = |key: &Vec<f32>| {
                let pairs = query[part.clone()].iter().zip(&key[part.clone()]);
                let sum: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                (sum / (part.len() as f64).sqrt()).exp()
            };
            let weights: Vec<f64> = k.iter().map(product).collect();
            let sum: f64 = weights.iter().sum();
            wanted.extend(weights.into_iter().map(|weight| weight / sum));
        }
    }
    near("weights", maps.values(), &wanted);
    assert_eq!(maps.query(4)?.size(), [48, 32]);
    // The last of the way to the class logits is that layer.
    assert_eq!(explain::attention_maps(&net, &x, None)?.layer(), name);
    Ok(())
}
