//! The checks of maps, in closed form, and of maps of a model that was trained, by these checks.

use candle_core::{DType, Device, Tensor};
use sconce::explain::{
    self, Baseline, CamConfig, DeletionConfig, HeadFusion, IntegratedGradientsConfig, OcclusionConfig,
    SmoothGradConfig,
};
use sconce::nn::{Mode, Model, backward};
use sconce::ops::softmax_cross_entropy;
use sconce::optim::adam;
use sconce::rich::Rich;
use sconce::{Result, Rng, Seed};

/// Scores 0 and 5 times one pixel of 4 x 6, through a softmax or not.
fn one_pixel(factor: f32) -> Result<Model> {
    let net = Model::build([1, 4, 6], |x| x.flatten().linear(2).named("fc"))?.init(Seed(3), &Device::Cpu)?;
    let mut weight = vec![0.0_f32; 48];
    weight[24 + 15] = factor;
    let state = [
        ("fc.weight".to_owned(), Tensor::from_vec(weight, (2, 24), &Device::Cpu)?),
        ("fc.bias".to_owned(), Tensor::zeros(2, DType::F32, &Device::Cpu)?),
    ];
    net.set_state(&state)?;
    Ok(net)
}

#[test]
fn a_single_score_is_that_of_a_yes() -> Result<()> {
    let x = Tensor::ones((1, 4, 6), DType::F32, &Device::Cpu)?;
    let deleted = |net: &Model, class: usize| -> Result<Vec<f64>> {
        let map = explain::input_x_gradient(net, &x, Some(class))?;
        let config = DeletionConfig { steps: 24, inserted: Baseline::Value(0.0), ..Default::default() };
        Ok(explain::deletion_insertion(net, &x, &map, config)?.deletion().to_vec())
    };
    let weight = one_pixel(5.0)?.state()?[0].1.narrow(0, 1, 1)?;
    let two = deleted(&one_pixel(5.0)?, 1)?;
    for sigmoid in [false, true] {
        let net = Model::build([1, 4, 6], |x| {
            let x = x.flatten().linear(1).named("fc");
            if sigmoid { x.sigmoid() } else { x }
        })?
        .init(Seed(3), &Device::Cpu)?;
        net.set_state(&[
            ("fc.weight".to_owned(), weight.clone()),
            ("fc.bias".to_owned(), Tensor::zeros(1, DType::F32, &Device::Cpu)?),
        ])?;
        for (one, two) in deleted(&net, 0)?.iter().zip(&two) {
            assert!((one - two).abs() < 1e-6, "{one} {two}");
        }
    }
    Ok(())
}

#[test]
fn curves_of_one_pixel() -> Result<()> {
    let net = one_pixel(5.0)?;
    let x = Tensor::ones((1, 4, 6), DType::F32, &Device::Cpu)?;
    let sure = 1.0 / (1.0 + (-5.0_f64).exp());
    let config = DeletionConfig { steps: 24, inserted: Baseline::Value(0.0), batch: 7, ..Default::default() };
    let map = explain::input_x_gradient(&net, &x, Some(1))?;
    let curves = explain::deletion_insertion(&net, &x, &map, config)?;
    assert_eq!(curves.deletion().len(), 25);
    // The pixel goes and comes in the first step.
    let gone = ((sure + 0.5) / 2.0 + 23.0 * 0.5) / 24.0;
    let come = ((sure + 0.5) / 2.0 + 23.0 * sure) / 24.0;
    assert!((curves.deletion_area() - gone).abs() < 1e-6, "{}", curves.deletion_area());
    assert!((curves.insertion_area() - come).abs() < 1e-6, "{}", curves.insertion_area());
    // A map that has it last.
    let worst = explain::input_x_gradient(&one_pixel(-5.0)?, &x, Some(1))?;
    let curves = explain::deletion_insertion(&net, &x, &worst, config)?;
    let gone = ((sure + 0.5) / 2.0 + 23.0 * sure) / 24.0;
    assert!((curves.deletion_area() - gone).abs() < 1e-6, "{}", curves.deletion_area());
    let text = curves.rich().plain().unwrap().to_owned();
    assert!(text.contains("deletion, area 0.98") && text.contains("input x gradient, class 1"), "{text}");
    Ok(())
}

#[test]
fn models_that_give_probabilities() -> Result<()> {
    let net = Model::build([1, 4, 6], |x| x.flatten().linear(2).softmax(0))?.init(Seed(3), &Device::Cpu)?;
    let x = crate::formula::images(&[1, 1, 4, 6], &Device::Cpu)?;
    let map = explain::saliency(&net, &x, Some(0))?;
    let config = DeletionConfig { steps: 4, ..DeletionConfig::default() };
    let curves = explain::deletion_insertion(&net, &x, &map, config)?;
    assert!((curves.deletion()[0] - map.score().unwrap()).abs() < 1e-6);
    assert!((curves.insertion()[4] - map.score().unwrap()).abs() < 1e-6);
    Ok(())
}

/// Images of noise with a bar of five pixels, lying for class 0 and standing for class 1, and where it is: the first and
/// last rows and columns.
fn bars(count: usize, rng: &mut Rng) -> Result<(Tensor, Vec<u32>, Vec<[usize; 4]>)> {
    let (mut values, mut labels, mut boxes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let mut image: Vec<f32> = (0..144).map(|_| (0.15 * rng.normal()) as f32).collect();
        let label = rng.below(2);
        let [down, right] = if label == 0 { [0, 1] } else { [1, 0] };
        let (row, column) = (rng.below(12 - 4 * down), rng.below(12 - 4 * right));
        (0..5).for_each(|at| image[(row + at * down) * 12 + column + at * right] += 1.0);
        values.extend(image);
        labels.push(label as u32);
        boxes.push([row, row + 4 * down, column, column + 4 * right]);
    }
    Ok((Tensor::from_vec(values, (count, 1, 12, 12), &Device::Cpu)?, labels, boxes))
}

fn trained(rng: &mut Rng) -> Result<Model> {
    let net = Model::build([1, 12, 12], |x| {
        let x = x.conv2d(8, 3).batch_norm().relu().named("low");
        x.conv2d(12, 3)
            .named("conv")
            .batch_norm()
            .relu()
            .named("high")
            .global_avg_pool()
            .linear(2)
            .named("fc")
    })?
    .init(Seed(5), &Device::Cpu)?;
    let mut optimizer = adam(0.02).build(&net.parameters())?;
    for step in 0..120 {
        let (x, labels, _) = bars(24, rng)?;
        let scores = net.forward(&x, Mode::Train(Seed(step)))?;
        let loss = softmax_cross_entropy(&scores, &Tensor::new(labels, &Device::Cpu)?, 0.0)?;
        optimizer.step(&backward(&loss)?)?;
    }
    Ok(net)
}

/// A trained model looks at the bar. Its maps must lie there, pass the deletion and insertion test better than those of
/// random weights, and be gone when the weights are.
#[test]
fn maps_of_a_trained_model_hold() -> Result<()> {
    let mut rng = Seed(11).rng();
    let net = trained(&mut rng)?;
    let (images, labels, boxes) = bars(24, &mut rng)?;
    let predicted = net.forward(&images, Mode::Eval)?.argmax(1)?.to_vec1::<u32>()?;
    let right = predicted.iter().zip(&labels).filter(|(a, b)| a == b).count();
    assert!(right >= 22, "only {right} of 24 are right");
    let untrained = Model::build([1, 12, 12], |x| {
        x.conv2d(8, 3).relu().conv2d(12, 3).relu().named("high").global_avg_pool().linear(2)
    })?
    .init(Seed(9), &Device::Cpu)?;
    let config = DeletionConfig { steps: 18, inserted: Baseline::Value(0.0), ..DeletionConfig::default() };
    let names = ["grad_cam", "layer_cam", "integrated", "occlusion"];
    let (mut hits, mut gone, mut come) = ([0; 4], [[0.0; 2]; 4], [[0.0; 2]; 4]);
    for at in 0..24 {
        let (x, class) = (images.narrow(0, at, 1)?, labels[at] as usize);
        let cam = || CamConfig::default().layer("high").class(class);
        let integrated = IntegratedGradientsConfig { class: Some(class), steps: 16, ..Default::default() };
        let hidden = OcclusionConfig { class: Some(class), window: Some([3, 3]), ..Default::default() };
        let maps = |net: &Model| -> Result<_> {
            Ok([
                explain::grad_cam(net, &x, cam())?,
                explain::layer_cam(net, &x, cam())?,
                explain::integrated_gradients(net, &x, integrated)?,
                explain::occlusion(net, &x, hidden)?,
            ])
        };
        for (method, (map, random)) in maps(&net)?.iter().zip(maps(&untrained)?.iter()).enumerate() {
            let ([row, column], [top, bottom, left, right]) = (map.peak(), boxes[at]);
            let inside = |place: usize, from: usize, to: usize| place + 2 >= from && place <= to + 2;
            hits[method] += usize::from(inside(row, top, bottom) && inside(column, left, right));
            for (which, map) in [map, random].into_iter().enumerate() {
                let curves = explain::deletion_insertion(&net, &x, map, config)?;
                gone[method][which] += curves.deletion_area() / 24.0;
                come[method][which] += curves.insertion_area() / 24.0;
            }
        }
    }
    for (method, name) in names.iter().enumerate() {
        let [gone, come] = [gone[method], come[method]];
        assert!(hits[method] >= 20, "{name}: {} of 24 peaks are at the bar", hits[method]);
        assert!(gone[0] < gone[1], "{name}: deletion areas {gone:?}");
        assert!(come[0] > come[1], "{name}: insertion areas {come:?}");
    }
    let x = images.narrow(0, 0, 1)?;
    let test = explain::randomisation(&net, Seed(1), |net| {
        explain::input_x_gradient(net, &x, Some(labels[0] as usize))
    })?;
    let names: Vec<&str> = test.layers().iter().map(|layer| layer.layer.as_str()).collect();
    assert_eq!((names.len(), names[0], names[2]), (5, "fc", "conv"));
    // All weights random: the map has nothing to do with what it was.
    let last = test.layers().last().unwrap().correlation.unwrap();
    assert!(last.abs() < 0.5, "{last}");
    assert!(test.rich().plain().unwrap().contains("input x gradient"), "{test:?}");
    // The model itself was left alone.
    assert_eq!(net.forward(&images, Mode::Eval)?.argmax(1)?.to_vec1::<u32>()?, predicted);
    Ok(())
}

/// A map that does not look at the model is found out.
#[test]
fn a_map_without_the_model_stays_alike() -> Result<()> {
    let (net, x) = crate::small(16)?;
    let fixed = explain::saliency(&net, &x, Some(1))?;
    let test = explain::randomisation(&net, Seed(1), |_| Ok(fixed.clone()))?;
    assert!(test.layers().iter().all(|layer| layer.correlation.unwrap() > 1.0 - 1e-9), "{test:?}");
    let again = explain::randomisation(&net, Seed(1), |net| explain::saliency(net, &x, Some(1)))?;
    assert_eq!(again, explain::randomisation(&net, Seed(1), |net| explain::saliency(net, &x, Some(1)))?);
    Ok(())
}

#[test]
fn wrong_questions() -> Result<()> {
    let (net, x) = crate::small(16)?;
    let refused = |result: Result<String>, wanted: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    };
    let map = explain::saliency(&net, &x, None)?;
    let curves =
        |config, map: &_| explain::deletion_insertion(&net, &x, map, config).map(|c| format!("{c:?}"));
    refused(curves(DeletionConfig { steps: 257, ..Default::default() }, &map), "from 1 to 256 steps");
    let other = crate::formula::images(&[1, 3, 12, 16], &Device::Cpu)?;
    let other = explain::saliency(&net, &other, None)?;
    refused(curves(DeletionConfig::default(), &other), "a map of 16 x 16, got one of 12 x 16");
    let tokens = Model::build([3, 4, 4], |x| x.image_to_tokens().self_attention(1).flatten().linear(2))?
        .init(Seed(0), &Device::Cpu)?;
    let small = crate::formula::images(&[1, 3, 4, 4], &Device::Cpu)?;
    let rollout = explain::attention_rollout(&tokens, &small, HeadFusion::Mean)?;
    refused(curves(DeletionConfig::default(), &rollout), "the map of a class, got attention rollout");
    // The class of the highest score is another one for random weights.
    let first = explain::smooth_grad(&net, &x, SmoothGradConfig { samples: 1, ..Default::default() })?;
    let other = (first.class().unwrap() + 1) % 5;
    let calls = std::cell::Cell::new(0);
    let test = explain::randomisation(&net, Seed(1), |net| {
        calls.set(calls.get() + 1);
        explain::saliency(net, &x, Some(if calls.get() == 1 { other } else { first.class().unwrap() }))
    });
    refused(test.map(|test| format!("{test:?}")), "Ask for a fixed class");
    Ok(())
}
