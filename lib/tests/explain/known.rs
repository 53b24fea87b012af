//! What follows without a computer.

use candle_core::{Device, Tensor};
use sconce::explain::{
    self, Baseline, CamConfig, IntegratedGradientsConfig, OcclusionConfig, SmoothGradConfig,
};
use sconce::nn::Model;
use sconce::plot::Picture;
use sconce::rich::Rich;
use sconce::{Result, Seed};

use crate::small;

/// A linear model: its gradient is the weight, whatever the image.
fn linear() -> Result<(Model, Tensor, Vec<f32>)> {
    let net = Model::build([1, 4, 6], |x| x.flatten().linear(2).named("fc"))?.init(Seed(3), &Device::Cpu)?;
    let x = crate::formula::images(&[1, 1, 4, 6], &Device::Cpu)?;
    let weight = net.parameters()[0].var.get(1)?.to_vec1::<f32>()?;
    Ok((net, x, weight))
}

fn assert_close(got: &[f32], wanted: impl Iterator<Item = f32>) {
    for (got, wanted) in got.iter().zip(wanted) {
        assert!((got - wanted).abs() < 1e-5, "{got}, not {wanted}");
    }
}

#[test]
fn of_a_linear_model_all_is_known() -> Result<()> {
    let (net, x, weight) = linear()?;
    let values = x.flatten_all()?.to_vec1::<f32>()?;
    let config = SmoothGradConfig { class: Some(1), samples: 7, batch: 3, ..SmoothGradConfig::default() };
    assert_close(explain::smooth_grad(&net, &x, config)?.values(), weight.iter().map(|w| w.abs()));
    let product = || weight.iter().zip(&values).map(|(w, x)| w * x);
    assert_close(explain::input_x_gradient(&net, &x, Some(1))?.values(), product());
    let config = IntegratedGradientsConfig { class: Some(1), steps: 3, ..Default::default() };
    let map = explain::integrated_gradients(&net, &x, config)?;
    assert_close(map.values(), product());
    assert!(map.completeness().unwrap().error() < 1e-4, "{:?}", map.completeness());
    let from_half = IntegratedGradientsConfig { baseline: Baseline::Value(0.5), ..config };
    let map = explain::integrated_gradients(&net, &x, from_half)?;
    assert_close(map.values(), weight.iter().zip(&values).map(|(w, x)| w * (x - 0.5)));
    let config = OcclusionConfig { class: Some(1), window: Some([1, 1]), ..OcclusionConfig::default() };
    assert_close(explain::occlusion(&net, &x, config)?.values(), product());
    Ok(())
}

#[test]
fn noise_follows_from_its_seed_and_none_is_saliency() -> Result<()> {
    let (net, x) = small(16)?;
    let config = SmoothGradConfig { samples: 6, batch: 4, ..SmoothGradConfig::default() };
    let map = explain::smooth_grad(&net, &x, config)?;
    let again = explain::smooth_grad(&net, &x, SmoothGradConfig { batch: 6, ..config })?;
    assert_close(map.values(), again.values().iter().copied());
    let other = explain::smooth_grad(&net, &x, SmoothGradConfig { seed: Seed(1), ..config })?;
    assert_ne!(map.values(), other.values());
    let quiet = explain::smooth_grad(&net, &x, SmoothGradConfig { noise: 0.0, ..config })?;
    assert_close(quiet.values(), explain::saliency(&net, &x, None)?.values().iter().copied());
    Ok(())
}

/// The image may have another size than the model was built with, where its layers allow that.
#[test]
fn images_of_another_size() -> Result<()> {
    let (net, _) = small(16)?;
    let x = crate::formula::images(&[1, 3, 12, 20], &Device::Cpu)?;
    let map = explain::grad_cam(&net, &x, CamConfig::default())?;
    assert_eq!((map.size(), map.coarse().unwrap().0), ([12, 20], [6, 10]));
    Ok(())
}

/// With everything in one pixel, all methods must point at it.
#[test]
fn maps_show_where_they_point() -> Result<()> {
    let (net, x, _) = linear()?;
    let state = net.state()?;
    let mut weight = vec![0.0_f32; 2 * 24];
    weight[24 + 2 * 6 + 5] = -3.0;
    let weight = Tensor::from_vec(weight, (2, 24), &Device::Cpu)?;
    net.set_state(&[(state[0].0.clone(), weight), state[1].clone()])?;
    let map = explain::saliency(&net, &x, Some(1))?.class_name("cat");
    assert_eq!(map.peak(), [2, 5]);
    let bundle = map.rich();
    let text = bundle.plain().unwrap();
    assert!(text.contains("saliency, cat: 4 x 6 values from 0 to 3"), "{text}");
    assert!(text.contains("greatest at row 2, column 5"), "{text}");
    // Rows of the text stand for two of pixels.
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.contains(&"     ▓"), "{text}");
    let svg = map.overlay()?.svg()?;
    assert!(svg.contains("saliency, cat") && svg.matches("<image").count() == 3, "{svg}");
    assert!(map.clone().over(Picture::grey([4, 6], vec![7; 24])?).is_ok());
    let error = map.over(Picture::grey([6, 4], vec![7; 24])?).unwrap_err().to_string();
    assert!(error.contains("expected a picture of 4 x 6 pixels, as the image, got 6 x 4 pixels"), "{error}");
    Ok(())
}

/// Without weights nothing speaks for a class, and the map says so.
#[test]
fn an_empty_map_is_no_peak() -> Result<()> {
    let (net, x) = small(16)?;
    let zero = net.state()?.into_iter().map(|(name, value)| Ok((name, value.zeros_like()?)));
    net.set_state(&zero.collect::<Result<Vec<_>>>()?)?;
    let map = explain::grad_cam(&net, &x, CamConfig::default())?;
    assert!(map.values().iter().all(|&value| value == 0.0));
    let text = map.rich().plain().unwrap().to_owned();
    assert!(text.contains("the same everywhere") && text.contains("(no value is above 0)"), "{text}");
    let map = explain::occlusion(&net, &x, OcclusionConfig::default())?;
    assert!(map.rich().plain().unwrap().contains("(no value but 0)"));
    Ok(())
}
