//! Policies and transforms of transforms: what they choose, and that boxes move along.

use std::collections::BTreeSet;

use sconce::data::{BBox, Pixels, Sample, Transform};
use sconce::transforms::*;
use sconce::{Result, Rng};

use crate::scene::{apply, as_fractions, bytes, marked, noise, refusal, sample_of, smooth};

fn policies() -> Vec<(&'static str, Box<dyn Transform>)> {
    vec![
        ("RandAugment", Box::new(RandAugment::new().magnitude(20))),
        ("TrivialAugmentWide", Box::new(TrivialAugmentWide::new())),
        ("AutoAugment ImageNet", Box::new(AutoAugment::new(Policy::ImageNet))),
        ("AutoAugment CIFAR", Box::new(AutoAugment::new(Policy::Cifar10))),
        ("AutoAugment SVHN", Box::new(AutoAugment::new(Policy::Svhn))),
        ("AugMix", Box::new(AugMix::new())),
    ]
}

#[test]
fn policies_take_every_image_and_repeat() {
    for (name, policy) in policies() {
        for image in [noise([1, 1, 3], 1), noise([23, 17, 1], 2), smooth([32, 32, 3]), noise([9, 8, 4], 3)] {
            for image in [as_fractions(&image), image] {
                let mut results = BTreeSet::new();
                for seed in 0..40 {
                    let run = || apply(policy.as_ref(), sample_of(image.clone()), seed).image;
                    let result = run();
                    assert_eq!(result, run(), "{name}");
                    assert_eq!(result.shape(), image.shape(), "{name}");
                    results.insert(bytes(&result));
                }
                let pixels = image.height() * image.width();
                assert!(pixels == 1 || results.len() > 5, "{name}: {} results of 40", results.len());
            }
        }
    }
}

#[test]
fn boxes_move_along_with_a_policy() {
    let policy = TrivialAugmentWide::new();
    let (mut moved, mut tested) = (0, 0);
    for seed in 0..150 {
        let before = marked([60, 60], 3, [22, 26, 38, 36]);
        let after = apply(&policy, before.clone(), seed);
        let Some(object) = after.target.objects.first() else { continue };
        moved += usize::from(object.bbox != before.target.objects[0].bbox);
        let mask = &object.mask.as_ref().unwrap().pixels;
        let (mut low, mut high) = ([f32::INFINITY; 2], [0.0_f32; 2]);
        for at in (0..mask.len()).filter(|&at| mask[at] == 1) {
            let [x, y] = [(at % 60) as f32, (at / 60) as f32];
            (low, high) = ([low[0].min(x), low[1].min(y)], [high[0].max(x + 1.0), high[1].max(y + 1.0)]);
        }
        let BBox { x0, y0, x1, y1 } = object.bbox;
        // The box is around the object, and not much larger than turning makes it.
        for (side, edge) in [(x0, low[0]), (y0, low[1])] {
            assert!(side <= edge + 1.0 && side > edge - 4.0, "seed {seed}: {:?} around {low:?}", object.bbox);
        }
        for (side, edge) in [(x1, high[0]), (y1, high[1])] {
            assert!(
                side >= edge - 1.0 && side < edge + 4.0,
                "seed {seed}: {:?} around {high:?}",
                object.bbox
            );
        }
        tested += 1;
    }
    assert!(moved > 20 && tested > 100, "{moved} of {tested} moved");
}

#[test]
fn aug_mix_refuses_boxes_and_keeps_the_mean() {
    let error = AugMix::new().apply(marked([9, 9], 3, [1, 1, 5, 5]), &mut sconce::Seed(0).rng()).unwrap_err();
    assert!(error.to_string().contains("1 objects"), "{error}");
    // A constant image that no operation can change much stays constant: shares sum to 1.
    let grey = sconce::data::Image::new([8, 8, 3], Pixels::F32(vec![0.0; 192])).unwrap();
    let policy = AugMix::new().without_test_operations().severity(1).depth(1);
    let mixed = apply(&policy, sample_of(grey), 3).image;
    let Pixels::F32(values) = mixed.pixels() else { panic!() };
    assert!(values.iter().all(|value| (0.0..=1.0 + 1e-6).contains(value)), "{values:?}");
}

#[test]
fn policies_say_what_is_wrong() {
    let image = || noise([8, 8, 3], 1);
    assert!(refusal(&RandAugment::new().magnitude(31), image()).contains("magnitude 31"));
    assert!(refusal(&RandAugment::new().bins(1), image()).contains("1 bins"));
    assert!(refusal(&AugMix::new().severity(11), image()).contains("severity 11"));
    assert!(refusal(&AugMix::new().alpha(0.0), image()).contains("alpha"));
    assert!(refusal(&RandomChoice::new(), image()).contains("weights []"));
    assert!(refusal(&RandomApply::new(-0.1, Invert), image()).contains("-0.1"));
}

/// Writes a letter to the sample's name.
#[derive(Debug)]
struct Letter(char);

impl Transform for Letter {
    fn apply(&self, mut sample: Sample, _: &mut Rng) -> Result<Sample> {
        sample.id.push(self.0);
        Ok(sample)
    }
}

fn spelled(transform: &dyn Transform, seed: u64) -> String {
    let sample = Sample { id: String::new(), ..sample_of(noise([1, 1, 1], 0)) };
    apply(transform, sample, seed).id
}

#[test]
fn chains_and_choices_do_as_they_say() {
    assert_eq!(spelled(&Compose::new().then(Letter('a')).then(Letter('b')).then(Letter('c')), 1), "abc");
    assert_eq!(spelled(&Compose::new(), 1), "");
    let count = |transform: &dyn Transform, wanted: &str| {
        (0..2000).filter(|&seed| spelled(transform, seed) == wanted).count()
    };
    let around = |count: usize, expected: usize| count.abs_diff(expected) < 120;
    let sometimes = RandomApply::new(0.3, Letter('a'));
    assert!(around(count(&sometimes, "a"), 600), "{}", count(&sometimes, "a"));
    let choice =
        RandomChoice::new().or(Letter('a')).or_weighted(3.0, Letter('b')).or_weighted(0.0, Letter('c'));
    let counts = ["a", "b", "c"].map(|letter| count(&choice, letter));
    assert!(around(counts[0], 500) && around(counts[1], 1500) && counts[2] == 0, "{counts:?}");
    let order = RandomOrder::new().and(Letter('a')).and(Letter('b'));
    let counts = ["ab", "ba"].map(|word| count(&order, word));
    assert!(around(counts[0], 1000) && counts[0] + counts[1] == 2000, "{counts:?}");
}

#[test]
fn an_error_in_a_chain_is_that_of_its_step() {
    let chain = Compose::new().then(Invert).then(RandomCrop::new(99));
    assert!(refusal(&chain, noise([8, 8, 3], 1)).contains("RandomCrop"));
}
