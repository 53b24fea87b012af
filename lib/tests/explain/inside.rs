//! Neighbours, filters and activations.

use candle_core::{DType, Device, Tensor};
use sconce::explain::{self, NeighboursConfig};
use sconce::nn::Model;
use sconce::rich::Rich;
use sconce::{Result, Seed};

use crate::small;

#[test]
fn neighbours_are_those_of_the_least_angle() -> Result<()> {
    // Features are the means of two channels: angles are known.
    let net = Model::build([2, 2, 2], |x| x.global_avg_pool().named("features").linear(2))?
        .init(Seed(1), &Device::Cpu)?;
    let image = |a: f32, b: f32| -> Vec<f32> { [[a; 4], [b; 4]].concat() };
    let images = [image(1.0, 0.0), image(3.0, 3.0), image(0.0, 2.0), image(-1.0, 0.0), image(0.0, 0.0)];
    let images = Tensor::from_vec(images.concat(), (5, 2, 2, 2), &Device::Cpu)?;
    let queries = Tensor::from_vec([image(5.0, 0.0), image(1.0, 2.0)].concat(), (2, 2, 2, 2), &Device::Cpu)?;
    for batch in [1, 3, 32] {
        let config = NeighboursConfig { count: 5, batch, ..NeighboursConfig::default() };
        let found = explain::nearest_neighbours(&net, &queries, &images, config)?;
        let order = |query: usize| found.of(query).unwrap().iter().map(|n| n.index).collect::<Vec<_>>();
        assert_eq!(order(0), [0, 1, 2, 4, 3]);
        let likeness: Vec<f64> = found.of(0)?.iter().map(|n| n.likeness).collect();
        for (got, wanted) in likeness.iter().zip([1.0, 0.5_f64.sqrt(), 0.0, 0.0, -1.0]) {
            assert!((got - wanted).abs() < 1e-6, "{likeness:?}");
        }
        assert_eq!(order(1)[..2], [1, 2]);
        assert_eq!(found.grid()?.len(), 12);
        assert!(found.rich().plain().unwrap().contains("nearest by \"features\""));
    }
    let refused = |config: NeighboursConfig| {
        explain::nearest_neighbours(&net, &queries, &images, config).err().unwrap().to_string()
    };
    let error = refused(NeighboursConfig { count: 6, ..NeighboursConfig::default() });
    assert!(error.contains("from 1 to 5 neighbours, the number of images"), "{error}");
    let error = refused(NeighboursConfig { layer: Some("feature".into()), ..Default::default() });
    assert!(error.contains("Is it \"features\""), "{error}");
    Ok(())
}

#[test]
fn filters_are_the_weights() -> Result<()> {
    let (net, _) = small(16)?;
    let first = explain::filters(&net, None)?;
    assert_eq!((first.layer(), first.shape()), ("conv1", [6, 3, 3, 3]));
    let weight = net.parameters()[0].var.flatten_all()?.to_vec1::<f32>()?;
    assert_eq!(first.values(), weight);
    assert_eq!(first.grid()?.len(), 6);
    // Over six channels each filter has a picture a channel.
    let third = explain::filters(&net, Some("conv3"))?;
    assert_eq!((third.shape(), third.grid()?.len()), ([8, 6, 3, 3], 48));
    assert!(third.rich().plain().unwrap().starts_with("conv3: 8 filters of 6 x 3 x 3"));
    let error = explain::filters(&net, Some("fc")).unwrap_err().to_string();
    assert!(
        error.contains("a convolution, got linear \"fc\"") && error.contains("\"conv1\", \"conv2\""),
        "{error}"
    );
    Ok(())
}

/// Of thousands of pictures and rows the first are shown, and the others counted.
#[test]
fn what_is_shown_of_many_is_bounded() -> Result<()> {
    let net = Model::build([1, 2, 2], |x| {
        x.conv2d(20, 3).named("few").conv2d(300, 3).named("many").global_avg_pool().linear(2)
    })?
    .init(Seed(1), &Device::Cpu)?;
    let many = explain::filters(&net, Some("many"))?;
    assert_eq!((many.shape(), many.grid()?.len()), ([300, 20, 3, 3], 256));
    let text = many.rich().plain().unwrap().to_owned();
    assert!(text.contains("(44 more filters)") && text.lines().count() < 270, "{text}");
    assert!(many.grid()?.svg()?.contains("the first 256 of 6,000 pictures"));
    let few = explain::filters(&net, Some("few"))?;
    assert_eq!(few.grid()?.len(), 20);
    assert!(!few.rich().plain().unwrap().contains("more filters"));
    let images = Tensor::randn(0_f32, 1.0, (20, 1, 2, 2), &Device::Cpu)?;
    let config = NeighboursConfig { count: 2, ..Default::default() };
    let found = explain::nearest_neighbours(&net, &images, &images, config)?;
    let text = found.rich().plain().unwrap().to_owned();
    assert!(text.contains("(4 more queries)") && text.lines().count() < 40, "{text}");
    assert_eq!(found.of(19)?[0].index, 19);
    Ok(())
}

/// Layers whose values do not fit together are computed in several runs, with the same result.
#[test]
fn statistics_are_the_same_in_any_number_of_runs() -> Result<()> {
    let net = Model::build([1, 8, 8], |x| {
        (0..20).fold(x, |x, at| x.conv2d(2, 3).named(format!("layer{at}")).relu()).flatten().linear(2)
    })?
    .init(Seed(1), &Device::Cpu)?;
    let x = Tensor::randn(0_f32, 1.0, (3, 1, 8, 8), &Device::Cpu)?;
    let statistics = explain::activation_statistics(&net, &x)?;
    let names: Vec<&str> = statistics.layers().iter().map(|layer| layer.layer.as_str()).collect();
    assert_eq!(statistics.layers().len(), 42, "{names:?}");
    for name in ["layer0", "layer9", "layer19"] {
        let layer = statistics.layers().iter().find(|layer| layer.layer == name).unwrap();
        let values = net.features(&x, &[name])?.get(name)?.flatten_all()?.to_vec1::<f32>()?;
        let greatest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert_eq!((layer.values.count, layer.values.max), (values.len(), f64::from(greatest)), "{name}");
    }
    Ok(())
}

#[test]
fn statistics_find_what_is_dead() -> Result<()> {
    let net = Model::build([1, 4, 4], |x| {
        x.conv2d(4, 1).named("conv").relu().named("relu").flatten().linear(2).named("fc")
    })?
    .init(Seed(1), &Device::Cpu)?;
    let state = net.state()?.into_iter().map(|(name, value)| {
        let value = match name.as_str() {
            "conv.weight" => Tensor::new(&[1.0_f32, 2.0, 0.0, -1.0], &Device::Cpu)?.reshape((4, 1, 1, 1))?,
            "conv.bias" => Tensor::new(&[0.0_f32, 0.0, -1.0, 0.0], &Device::Cpu)?,
            _ => value,
        };
        Ok((name, value))
    });
    net.set_state(&state.collect::<Result<Vec<_>>>()?)?;
    // From 1 to 32: the third channel is dead, the fourth below 0.
    let x = Tensor::arange(1.0_f32, 33.0, &Device::Cpu)?.reshape((2, 1, 4, 4))?;
    let statistics = explain::activation_statistics(&net, &x)?;
    let names: Vec<&str> = statistics.layers().iter().map(|layer| layer.layer.as_str()).collect();
    assert_eq!((names[0], names[1], names.last()), ("conv", "relu", Some(&"fc")));
    let [conv, relu] = [0, 1].map(|at| &statistics.layers()[at]);
    assert_eq!((conv.values.min, conv.values.max, conv.zero, conv.constant), (-32.0, 64.0, 0.0, Some(0.25)));
    assert_eq!((relu.values.min, relu.values.max, relu.zero, relu.constant), (0.0, 64.0, 0.5, Some(0.5)));
    assert!((relu.values.mean - 3.0 * 16.5 / 4.0).abs() < 1e-6);
    assert!(statistics.rich().plain().unwrap().contains("constant channels"));
    // Of one image the two scores have one value each.
    let one = explain::activation_statistics(&net, &x.narrow(0, 0, 1)?)?;
    assert_eq!(one.layers().last().unwrap().constant, None);
    let wrong = Tensor::zeros((1, 2, 4, 4), DType::F32, &Device::Cpu)?;
    let error = explain::activation_statistics(&net, &wrong).unwrap_err().to_string();
    assert!(error.contains("explain::activation_statistics"), "{error}");
    Ok(())
}
