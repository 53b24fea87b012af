//! What is wrong is named.

use candle_core::{DType, Device, Tensor};
use sconce::explain::{
    self, Baseline, CamConfig, HeadFusion, IntegratedGradientsConfig, OcclusionConfig, SmoothGradConfig,
};
use sconce::nn::Model;
use sconce::{Result, Seed};

use crate::small;

#[track_caller]
fn assert_refused<T>(result: Result<T>, parts: &[&str]) {
    let error = result.err().unwrap().to_string();
    for part in parts {
        assert!(error.contains(part), "{error}\nlacks {part:?}");
    }
}

#[test]
fn layers() -> Result<()> {
    let (net, x) = small(16)?;
    let cam = |layer: &str| explain::grad_cam(&net, &x, CamConfig::default().layer(layer));
    assert_refused(cam("jion"), &["explain::grad_cam", "layers, got \"jion\"", "Is it \"join\""]);
    assert_refused(cam("zzzzzzzzzzzz"), &["got \"zzzzzzzzzzzz\"", "The summary lists the layers"]);
    assert_refused(
        cam("fc"),
        &["maps (C, H, W), got \"fc\", which gives (5)", "The last layers with maps are", "\"last\""],
    );
    let net = Model::build([3, 4, 4], |x| x.flatten().linear(2).named("fc"))?.init(Seed(0), &Device::Cpu)?;
    let x = Tensor::ones((3, 4, 4), DType::F32, &Device::Cpu)?;
    let cam = explain::layer_cam(&net, &x, CamConfig::default());
    assert_refused(cam, &["explain::layer_cam", "a model whose last layers give maps (C, H, W)"]);
    assert_refused(
        explain::attention_rollout(&net, &x, HeadFusion::Mean),
        &["an attention of queries to keys, got a model without", "explain::grad_cam"],
    );
    let attention = explain::attention_maps(&net, &x, Some("fc"));
    assert_refused(attention, &["an attention of queries to keys, got linear \"fc\""]);
    Ok(())
}

#[test]
fn layers_beside_the_way_to_the_output() -> Result<()> {
    let net = Model::build_outputs([1, 4, 4], |x| {
        let low = x.conv2d(2, 3).named("low");
        let aside = x.conv2d(2, 3).named("aside");
        sconce::nn::Outputs::new("scores", low.flatten().linear(2)).output("other", aside)
    })?
    .init(Seed(0), &Device::Cpu)?;
    let x = Tensor::ones((1, 4, 4), DType::F32, &Device::Cpu)?;
    let config = CamConfig::default().layer("aside");
    assert_refused(explain::grad_cam(&net, &x, config), &["a layer that the main output is computed from"]);
    assert_eq!(explain::grad_cam(&net, &x, CamConfig::default())?.method(), "Grad-CAM of \"low\"");
    Ok(())
}

#[test]
fn classes_images_and_outputs() -> Result<()> {
    let (net, x) = small(16)?;
    let of_class = explain::saliency(&net, &x, Some(5));
    assert_refused(of_class, &["explain::saliency", "a class below 5", "got 5"]);
    let two = Tensor::zeros((2, 3, 16, 16), DType::F32, &Device::Cpu)?;
    assert_refused(explain::saliency(&net, &two, None), &["one image, (C, H, W) or (1, C, H, W), got (2, 3"]);
    let grey = Tensor::zeros((1, 16, 16), DType::F32, &Device::Cpu)?;
    assert_refused(
        explain::saliency(&net, &grey, None),
        &["explain::saliency", "(B, 3, 16, 16)", "(1, 1, 16"],
    );
    let bytes = Tensor::zeros((3, 16, 16), DType::U8, &Device::Cpu)?;
    assert_refused(explain::saliency(&net, &bytes, None), &["explain::saliency", "f32", "u8"]);
    let odd = (&x / 0.0)?;
    assert_refused(explain::saliency(&net, &odd, None), &["an image of finite values, got 768"]);
    let maps = Model::build([3, 8, 8], |x| x.conv2d(4, 3))?.init(Seed(0), &Device::Cpu)?;
    let x = Tensor::zeros((3, 8, 8), DType::F32, &Device::Cpu)?;
    assert_refused(explain::saliency(&maps, &x, None), &["(B, classes), got an output (1, 4, 8, 8)"]);
    Ok(())
}

#[test]
fn gradients_that_do_not_flow() -> Result<()> {
    let net = Model::build([1, 4, 4], |x| {
        x.conv2d(2, 3).named("low").map("wall", |x| Ok(x.detach())).flatten().linear(2)
    })?
    .init(Seed(0), &Device::Cpu)?;
    let x = Tensor::ones((1, 4, 4), DType::F32, &Device::Cpu)?;
    assert_refused(
        explain::saliency(&net, &x, None),
        &["with respect to the image", "a layer made with `map`"],
    );
    let cam = explain::grad_cam(&net, &x, CamConfig::default().layer("low"));
    assert_refused(cam, &["with respect to conv2d \"low\""]);
    // What comes after the wall has them.
    assert!(explain::grad_cam(&net, &x, CamConfig::default().layer("wall")).is_ok());
    Ok(())
}

#[test]
fn settings() -> Result<()> {
    let (net, x) = small(16)?;
    let smooth = |config| explain::smooth_grad(&net, &x, config);
    assert_refused(smooth(SmoothGradConfig { samples: 0, ..Default::default() }), &["samples 0, batch 10"]);
    assert_refused(smooth(SmoothGradConfig { noise: f64::NAN, ..Default::default() }), &["noise NaN"]);
    let integrated = |config| explain::integrated_gradients(&net, &x, config);
    let config = IntegratedGradientsConfig { steps: 0, ..Default::default() };
    assert_refused(integrated(config), &["explain::integrated_gradients", "steps 0"]);
    let config = IntegratedGradientsConfig { baseline: Baseline::Blurred(-1.0), ..Default::default() };
    assert_refused(integrated(config), &["above 0, up to 1000 pixels, got -1"]);
    let occlusion = |config| explain::occlusion(&net, &x, config);
    let config = OcclusionConfig { window: Some([17, 4]), ..Default::default() };
    assert_refused(occlusion(config), &["a window within 16 x 16 pixels", "window [17, 4]"]);
    let config = OcclusionConfig { stride: Some([3, 3]), ..Default::default() };
    assert_refused(occlusion(config), &["window [2, 2], stride [3, 3]"]);
    Ok(())
}
