//! Attention against what PyTorch computes.

use candle_core::{Device, Tensor};
use sconce::explain::{self, HeadFusion};
use sconce::models::{self, ModelConfig};
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
