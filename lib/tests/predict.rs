//! Images in, names and boxes out.
#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor};
use sconce::data::{Image, Pixels, Sample, Target, Transform as _};
use sconce::models;
use sconce::nn::{Model, Parameter};
use sconce::predict::{Classifier, DetectionConfig, Detections, Suppression};
use sconce::rich::Rich as _;
use sconce::{Result, Seed};

fn image(height: usize, width: usize, channels: usize) -> Image {
    let pixels = (0..height * width * channels).map(|at| (at * 7 % 256) as u8).collect();
    Image::new([height, width, channels], Pixels::U8(pixels)).unwrap()
}

/// A model that says the same of every image.
fn constant(logits: &[f32]) -> Result<Model> {
    let net = Model::build([3, 224, 224], |x| x.global_avg_pool().linear(logits.len()).named("head"))?;
    let net = net.init(Seed(0), &Device::Cpu)?;
    for Parameter { name, var, .. } in net.parameters() {
        var.set(&match name.as_str() {
            "head.bias" => Tensor::new(logits, &Device::Cpu)?,
            _ => var.zeros_like()?,
        })?;
    }
    Ok(net)
}

#[test]
fn the_likeliest_classes_come_first() -> Result<()> {
    let weights = &models::entry("resnet18")?.weights[0];
    let classes = ["ant", "bee", "cat", "dog"];
    // exp: 1, e, e², 1.
    let classifier = Classifier::new(constant(&[0.0, 1.0, 2.0, 0.0])?, weights.preprocessing, &classes)?;
    for channels in [1, 3, 4] {
        let ranking = classifier.rank(&image(300, 200, channels), 3)?;
        let names: Vec<&str> = ranking.classes().iter().map(|class| class.name.as_str()).collect();
        // Of equal ones the first.
        assert_eq!(names, ["cat", "bee", "ant"]);
        let e = 1_f32.exp();
        let wanted = [e * e, e, 1.0].map(|part| part / (2.0 + e + e * e));
        for (class, wanted) in ranking.classes().iter().zip(wanted) {
            assert!((class.probability - wanted).abs() < 1e-6, "{class:?}");
        }
        let text = ranking.rich().plain().unwrap().to_owned();
        assert!(text.contains("cat         61.0 %"), "{text}");
    }
    assert_eq!(classifier.rank(&image(8, 8, 3), 100)?.classes().len(), 4);
    let error =
        Classifier::new(constant(&[0.0; 3])?, weights.preprocessing, &classes).unwrap_err().to_string();
    assert!(error.contains("output is (4)") && error.contains("got (3)"), "{error}");
    Ok(())
}

#[test]
fn images_are_prepared_as_the_weights_want_them() -> Result<()> {
    let preprocessing = models::entry("resnet18")?.weights[0].preprocessing;
    let sample = Sample { id: String::new(), image: image(300, 400, 3), target: Target::default() };
    let prepared = preprocessing.apply(sample, &mut Seed(0).rng())?.image;
    assert_eq!(prepared.shape(), [224, 224, 3]);
    // A white image is (1 - mean) / std.
    let white = Image::new([50, 60, 1], Pixels::U8(vec![255; 3000])).unwrap();
    let sample = Sample { id: String::new(), image: white, target: Target::default() };
    let Pixels::F32(values) = preprocessing.apply(sample, &mut Seed(0).rng())?.image.into_pixels() else {
        panic!()
    };
    for (value, wanted) in
        values[..3].iter().zip([(1.0 - 0.485) / 0.229, (1.0 - 0.456) / 0.224, (1.0 - 0.406) / 0.225])
    {
        assert!((value - wanted).abs() < 1e-5, "{value}, not {wanted}");
    }
    Ok(())
}

fn tensor<const N: usize, const M: usize>(rows: [[f32; M]; N]) -> Tensor {
    Tensor::new(&rows, &Device::Cpu).unwrap()
}

#[test]
fn a_set_of_queries_becomes_boxes_in_pixels() -> Result<()> {
    let image = image(100, 200, 3);
    // Nothing; a dog; a cat; a dog that is nearly the first one's place; a cat that is not sure.
    let logits =
        tensor([[0.0, 0.0, 9.0], [0.0, 6.0, 0.0], [8.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.5, 0.0, 0.0]]);
    let boxes = tensor([
        [0.5, 0.5, 1.0, 1.0],
        [0.5, 0.5, 0.2, 0.4],
        [0.25, 0.5, 0.5, 1.0],
        [0.5, 0.5, 0.2, 0.38],
        [0.5, 0.5, 0.2, 0.4],
    ]);
    let classes = ["cat", "dog"];
    let found = Detections::of_set(&image, &logits, &boxes, &classes, DetectionConfig::default())?;
    let names: Vec<&str> = found.found().iter().map(|detection| detection.name.as_str()).collect();
    assert_eq!(names, ["cat", "dog", "dog"]);
    let cat = &found.found()[0];
    assert_eq!([cat.bbox.x0, cat.bbox.y0, cat.bbox.x1, cat.bbox.y1], [0.0, 0.0, 100.0, 100.0]);
    let dog = &found.found()[1];
    for (side, wanted) in
        [dog.bbox.x0, dog.bbox.y0, dog.bbox.x1, dog.bbox.y1].into_iter().zip([80.0, 30.0, 120.0, 70.0])
    {
        assert!((side - wanted).abs() < 1e-4, "{dog:?}");
    }
    let score = 6_f32.exp() / (6_f32.exp() + 2.0);
    assert!((dog.score - score).abs() < 1e-6);

    let config = DetectionConfig { suppression: Suppression::Above(0.5), ..DetectionConfig::default() };
    // A batch of one is an image, too.
    let (logits, boxes) = (logits.unsqueeze(0)?, boxes.unsqueeze(0)?);
    let alone = Detections::of_set(&image, &logits, &boxes, &classes, config)?;
    assert_eq!(alone.found(), &found.found()[..2]);
    let fewer = Detections::of_set(&image, &logits, &boxes, &classes, DetectionConfig { most: 1, ..config })?;
    assert_eq!(fewer.found().len(), 1);
    let none = DetectionConfig { min_score: 1.0, ..config };
    assert!(Detections::of_set(&image, &logits, &boxes, &classes, none)?.found().is_empty());
    let svg = found.draw()?.svg()?;
    assert!(svg.contains("cat 99.9 %") && svg.contains("dog 99.5 %"), "{}", found.table().text());
    Ok(())
}

#[test]
fn outputs_that_cannot_be_boxes_are_refused() -> Result<()> {
    let image = image(10, 10, 3);
    let refused = |logits: &Tensor, boxes: &Tensor| {
        Detections::of_set(&image, logits, boxes, &["cat"], DetectionConfig::default())
            .unwrap_err()
            .to_string()
    };
    let boxes = tensor([[0.5; 4]; 2]);
    let error = refused(&tensor([[0.0; 3]; 2]), &boxes);
    assert!(
        error.contains("logits (N, 2) and boxes (N, 4)") && error.contains("(2, 3) and (2, 4)"),
        "{error}"
    );
    assert!(refused(&tensor([[0.0; 2]; 3]), &boxes).contains("(3, 2)"));
    assert!(refused(&tensor([[f32::NAN, 0.0]; 2]), &boxes).contains("numbers"));
    Ok(())
}
