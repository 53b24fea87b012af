//! A learner trains from any data set, with transforms on its training part.
#![allow(clippy::unwrap_used)]

use sconce::data::{DataSplit, Pixels, PixelsMut, Transform};
use sconce::data::{Image, Sample, Target};
use sconce::prelude::*;
use sconce::{Rng, transforms::RandomHorizontalFlip};

/// Makes all pixels a little darker, by chance.
#[derive(Debug)]
struct Dim;

impl Transform for Dim {
    fn apply(&self, mut sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let factor = 0.8 + 0.2 * rng.uniform_f32();
        if let PixelsMut::U8(values) = sample.image.pixels_mut() {
            for value in values {
                *value = (f32::from(*value) * factor) as u8;
            }
        }
        Ok(sample)
    }
}

/// Colour images of 6 x 6 bytes, bright above (class 0) or below (class 1), as files would give them.
fn halves(count: usize) -> DataSplit {
    let mut rng = Seed(4).rng();
    let samples = (0..count).map(|at| {
        let class = at % 2;
        let mut values = Vec::new();
        for y in 0..6 {
            for _ in 0..6 * 3 {
                let bright = (y < 3) == (class == 0);
                values.push((rng.below(120) + if bright { 120 } else { 0 }) as u8);
            }
        }
        let image = Image::new([6, 6, 3], Pixels::U8(values)).unwrap();
        Sample {
            id: at.to_string(),
            image,
            target: Target { labels: vec![class as u32], ..Target::default() },
        }
    });
    let data = Dataset::in_memory(samples.collect(), &["above", "below"]).unwrap();
    let mut parts = data.split([0.6, 0.2, 0.2], Seed(1)).unwrap();
    parts.train = parts.train.transform(RandomHorizontalFlip::new(0.5)).transform(Dim);
    parts
}

fn learner() -> Learner {
    let net = Model::build([3, 6, 6], |x| x.conv2d(4, 3).relu().flatten().linear(2)).unwrap();
    let net = net.init(Seed(1), &Device::Cpu).unwrap();
    Learner::new(net, halves(200)).optimizer(adamw(1e-2)).metric(accuracy()).batch_size(16)
}

#[test]
fn a_learner_trains_on_samples_with_augmentation() {
    let mut first = learner();
    let history = first.fit(6).unwrap();
    let losses: Vec<f64> = history.epochs().iter().map(|epoch| epoch.train_loss).collect();
    assert!(losses[5] < 0.5 * losses[0], "{losses:?}");
    let accuracy = first.evaluate(Split::Test).unwrap().metric("accuracy").unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
    // The same again, bit for bit, whichever thread loads what; in two calls too.
    let mut second = learner();
    second.fit(2).unwrap();
    let again = second.fit(4).unwrap();
    assert_eq!(losses, again.epochs().iter().map(|epoch| epoch.train_loss).collect::<Vec<_>>());
    // Another epoch draws otherwise: the images of the training part are not always the same.
    let train = &first.data().train;
    assert_ne!(train.transformed(0, 1, Seed(42)).unwrap(), train.transformed(0, 2, Seed(42)).unwrap());
}

#[test]
fn images_without_a_class_are_refused_before_the_first_step() {
    let mut parts = halves(20);
    let samples = (0..4).map(|index| {
        let mut sample = parts.train.sample(index).unwrap();
        sample.target.labels.clear();
        sample
    });
    parts.train = Dataset::in_memory(samples.collect(), &["above", "below"]).unwrap();
    let net = Model::build([3, 6, 6], |x| x.flatten().linear(2)).unwrap();
    let mut learner = Learner::new(net.init(Seed(1), &Device::Cpu).unwrap(), parts);
    let error = learner.fit(1).unwrap_err().to_string();
    assert!(error.contains("one class for each image") && error.contains("0 classes of image 0"), "{error}");
}
